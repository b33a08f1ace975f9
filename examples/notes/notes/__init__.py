"""Keeps notes in a database and shows them as JSON."""

from notes.application import create_application

__all__ = ["create_application"]
