"""Which environments somebody asks for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from pytest_fastenv.errors import UsageError
from pytest_fastenv.matrix.declaration import NamedEnvironment
from pytest_fastenv.matrix.inheritance import ALL
from pytest_fastenv.matrix.reader import declared

__all__ = ["declared", "none_declared", "select"]

_TAG = "tag:"
DEFAULT = "default"
"""Names all environments that are run where none is named."""
_DECLARE = "declare one: [tool.fastenv.envs.NAME] in pyproject.toml"
_OF_TOX = ("tox.ini", "tox.toml")


def select(declared: Mapping[str, NamedEnvironment], words: Sequence[str]) -> tuple[NamedEnvironment, ...]:
    """Return the environments that words name, each once: in the order of the words, then as they are declared.

    :param words: names, names of tables with a matrix, patterns (``py3*-django5``), ``tag:NAME``, ``all``, ``default``
        (those that are run where none is named); several in one, with commas between them, as well.
    :raises UsageError: a word matches none, or there is none: a variable of a script may be empty.
    """
    found: dict[str, NamedEnvironment] = {}
    for word in (part.strip() for words_together in words for part in words_together.split(",")):
        if not word:
            continue
        matching = [one for one in declared.values() if _matches(one, word)]
        if not matching:
            raise _unknown(word, declared)
        found.update((one.name, one) for one in matching)
    if not found:
        if not declared:
            raise none_declared()
        raise UsageError("no environment is named", hint=f"declared are {', '.join(declared)}; all means all of them")
    return tuple(found.values())


def none_declared() -> UsageError:
    """Return the error where environments by name are needed, and a project has none."""
    theirs = next((name for name in _OF_TOX if os.path.isfile(name)), None)
    hint = _DECLARE if theirs is None else f"{_DECLARE}, or say what {theirs} says: fastenv migrate {theirs}"
    return UsageError("no environments are declared here", where=os.getcwd(), hint=hint)


def _matches(environment: NamedEnvironment, word: str) -> bool:
    if word.startswith(_TAG):
        return any(fnmatchcase(tag, word.removeprefix(_TAG)) for tag in environment.tags)
    if word == DEFAULT and environment.run_by_default:
        return True
    return word in (ALL, environment.name, environment.family) or fnmatchcase(environment.name, word)


def _unknown(word: str, declared: Mapping[str, NamedEnvironment]) -> UsageError:
    if not declared:
        return none_declared()
    import difflib  # only for the message

    known = list(declared)
    if word.startswith(_TAG):
        known = sorted({_TAG + tag for one in declared.values() for tag in one.tags})
    if not word.startswith(_TAG) and any(mark in word for mark in "*?["):
        return UsageError(f"no environment's name fits {word}", hint="declared are " + ", ".join(known))
    close = difflib.get_close_matches(word, known, 3)
    hint = f"did you mean {' or '.join(close)}?" if close else "declared are " + ", ".join(known or declared)
    return UsageError(f"no environment is called {word}", hint=hint)
