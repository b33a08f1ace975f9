"""Find the program that a bare name means in an environment, and tell those that only other places have.

Standard library only: this module is copied into environments.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple, Optional

from ..errors import UsageError

#: Programs that work on the installation which they belong to, whatever environment is active.
_OF_ONE_INSTALLATION = re.compile(r"(pip|python|pythonw|pypy|graalpy)[\d.]*t?|pytest|py\.test")


class Program(NamedTuple):
    """A program that was found.

    :ivar path: as it is to be started.
    :ivar is_outside: it is not the environment's, which has none of that name.
    """

    path: str
    is_outside: bool


def find_program(name: str, prefix: Path, scripts: Path, path: str) -> Optional[Program]:
    """Return the program that a name means: the environment's, else the first one of ``PATH``.

    A name with a directory in it is what it says, and never outside.

    :param prefix: the environment's directory.
    :param scripts: the directory of its programs.
    :param path: ``PATH`` as the program will have it.
    :return: ``None`` where there is none.
    :raises UsageError: only another installation has it, which it would run in or change: ``pip``, ``pytest``, ...
    """
    if os.path.dirname(name):
        found = shutil.which(name)
        return Program(found, is_outside=False) if found else None
    own = shutil.which(name, path=str(scripts))
    found = own or shutil.which(name, path=path)
    if found is None:
        return None
    # Programs of an installation that is no virtual environment may lie in several places (pip install --user).
    is_outside = own is None and (prefix / "pyvenv.cfg").is_file()
    plain = re.sub(r"\.exe$", "", name, flags=re.IGNORECASE)
    if is_outside and _OF_ONE_INSTALLATION.fullmatch(plain):
        what = "the environment has no {}, and the one that PATH has belongs to another installation".format(name)
        raise UsageError(what, where=found, hint=_hint(plain))
    return Program(found, is_outside)


def _hint(name: str) -> str:
    if name.startswith(("pip", "py.test", "pytest")):
        return "install {} into it, or write the program's path where that one is meant".format(
            "pip" if name.startswith("pip") else "pytest"
        )
    return "its own interpreter is 'python'; write the program's path where that one is meant"
