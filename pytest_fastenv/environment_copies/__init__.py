"""Copies of a session's environment, one for each worker of pytest-xdist."""
