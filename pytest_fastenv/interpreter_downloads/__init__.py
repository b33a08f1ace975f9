"""Interpreters that are not on the machine: what can be downloaded, and its installation."""
