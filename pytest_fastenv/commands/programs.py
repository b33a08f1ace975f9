"""Which program the first word of a command is, and whether an environment's commands may start it.

What searches ``PATH`` is imported only where the environment does not have the program itself: a command in an
environment that is there shall begin at once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_fastenv.errors import UsageError
from pytest_fastenv.matrix.declaration import Place
from pytest_fastenv.runtime.environment import Environment

if TYPE_CHECKING:
    from pytest_fastenv.runtime.program import Program

_HINT = "name what brings it among the sources, as in: fastenv run requirements.txt pytest -- pytest tests"


def program(name: str, environment: Environment, variables: Mapping[str, str]) -> Program:
    """Return the program that a word means to somebody who writes it by hand: the environment's, else that of ``PATH``.

    :raises UsageError: there is none, or it belongs to another installation.
    """
    from pytest_fastenv.runtime.program import find_program

    found = find_program(name, environment.prefix, environment.scripts, variables["PATH"])
    if found is None:
        raise not_found(name, variables["PATH"], _HINT)
    return found


def declared_program(
    name: str,
    environment: Environment,
    variables: Mapping[str, str],
    allowlist: Sequence[str],
    *,
    directory: Path,
    where: Place,
) -> str:
    """Return the path of the program that a word means in a command that an environment declares.

    :param allowlist: names and patterns of programs, or of their paths, that need not be in the environment.
    :param directory: where the command begins, which relative paths start at.
    :param where: the place of the command, for messages.
    :raises UsageError: there is none, or it is outside and not allowed.
    """
    own = os.path.join(environment.scripts, name)
    if os.name == "posix" and not os.path.dirname(name) and os.path.isfile(own) and os.access(own, os.X_OK):
        return own
    import shutil

    path = os.path.join(directory, name) if os.path.dirname(name) else name
    found = shutil.which(path, path=variables["PATH"])
    hint = "name what brings it among the environment's requirements"
    if found is None:
        raise not_found(name, variables["PATH"], hint, where=str(where))
    place = os.path.abspath(found)
    if Path(place).is_relative_to(environment.prefix):
        return found
    if name in allowlist or any(os.path.dirname(pattern) and fnmatch(place, pattern) for pattern in allowlist):
        return found
    if any(fnmatch(name, pattern) for pattern in allowlist):
        return program(path, environment, variables).path
    why = f"{place} is outside of it" + (f", and allowed are {', '.join(allowlist)}" if allowlist else "")
    allow = f'allow it: allowlist = ["{name}"]'
    raise UsageError(f"the environment has no {name}", where=str(where), why=why, hint=f"{hint}, or {allow}")


def not_found(name: str, path: str, hint: str, where: str | None = None) -> UsageError:
    """Return the error for a program that is not there, or is none.

    :param path: ``PATH``.
    :param where: the place that names it; default: the places that were looked at.
    """
    # What is no UTF-8 is written byte by byte.
    shown = os.fsencode(name).decode(errors="backslashreplace")
    if os.path.dirname(name) and os.path.exists(name):
        return UsageError(f"{shown} is {'a directory' if os.path.isdir(name) else 'not executable'}", where=where)
    if os.path.dirname(name):
        hint = "a path starts at the current directory" if where is None else "a path starts at change-dir"
        return UsageError(f"there is no program '{shown}'", where=where, hint=hint)
    return UsageError(f"there is no program '{shown}'", where=where or path, hint=hint)
