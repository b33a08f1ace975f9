"""Running what environments by name declare to be run: one after the other or side by side."""
