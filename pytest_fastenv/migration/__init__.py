"""From other tools' configuration to environments by name."""
