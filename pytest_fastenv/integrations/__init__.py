"""Doors for other programs: each is imported by its program alone, which the rest of the project knows nothing of."""
