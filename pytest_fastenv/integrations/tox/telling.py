"""Warnings in tox's log: each once in a run of tox, however many environments and steps come upon it."""

from __future__ import annotations

import logging

_LOGGER = logging.getLogger(__name__)
_told: set[str] = set()  # a process is one run of tox; adding to a set is atomic


def warn(text: str, subject: str = "") -> None:
    """Tell something that the user should know; nothing where it was told before.

    :param subject: what it is about, where each step words it with other names.
    """
    key = subject or text
    if key not in _told:
        _told.add(key)
        _LOGGER.warning("warning: %s", text)
