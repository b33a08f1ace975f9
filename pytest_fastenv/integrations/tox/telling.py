"""What tox's users read: options as they have them, and each warning once in a run, whichever steps come upon it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from pytest_fastenv.errors import PLACE, THE_REQUEST, FastenvError, unforeseen
from pytest_fastenv.settings.options import OPTIONS

#: What is a key of tox's; all else is a variable.
_KEYS = {
    "python": "base_python",
    "sources": "deps",
    "constraints": "constraints",
    "groups": "dependency_groups",
    "extras": "extras",
    "lock": "pylock",
    "project": "package",
}
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


def in_words_of_tox(name: str, value: str = "") -> str:
    """Return what an option is called in a tox file or as a variable; see `pytest_fastenv.errors.Naming`."""
    if value == PLACE:
        return THE_REQUEST
    if name in _KEYS:
        return f"{_KEYS[name]} = {value}" if value else _KEYS[name]
    option = next((option for option in OPTIONS if option.field == name), None)
    called = (option.variable or option.table_key) if option is not None else name
    return f"{called}={value}" if value else called


def diagnosis(error: FastenvError) -> str:
    """Return an error's text for a user of tox."""
    return error.diagnosis(in_words_of_tox)


@contextmanager
def explained() -> Iterator[None]:
    """Make a diagnosis of whatever ends a block in which this package works alone: tox would show a traceback.

    :raises FastenvError: what it was; where nothing nearer has explained it, a shortage of the system or a defect.
    """
    try:
        yield
    except FastenvError:
        raise
    except Exception as error:
        raise unforeseen(error) from error
