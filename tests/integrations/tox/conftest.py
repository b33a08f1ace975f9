"""Fixtures for the tests of the tox plugin."""

from kit.served_interpreter import archive

__all__ = ["archive"]
