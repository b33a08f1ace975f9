"""Archives: what may be read out of them, decided before a byte is written."""
