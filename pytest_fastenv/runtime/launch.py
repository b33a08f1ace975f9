"""How this process was started: interpreter options, import path, and whether it is the pytest command itself."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple, Sequence

# Options of the interpreter's command line that take a value (https://docs.python.org/3/using/cmdline.html).
_WITH_VALUE = "cmWX"
_LONG_WITH_VALUE = ("--check-hash-based-pycs",)
_SCRIPTS = frozenset({"pytest", "py.test", "pytest.exe", "py.test.exe", "pytest-script.py", "pytest-script.pyw"})


class Launch(NamedTuple):
    """How a Python program was started.

    :ivar flags: interpreter options, normalized to one option (and its value) per word: ``-O``, ``-Xutf8``.
    :ivar module: value of ``-m``.
    :ivar script: path of the script; ``None`` with ``-m``, ``-c`` and without either.
    :ivar arguments: what follows.
    """

    flags: tuple[str, ...] = ()
    module: str | None = None
    script: str | None = None
    arguments: tuple[str, ...] = ()

    def is_pytest(self, arguments: Sequence[str]) -> bool:
        """Say whether this is the pytest command with these arguments, so that the process may be replaced."""
        if self.arguments != tuple(arguments):
            return False
        return self.module == "pytest" or (self.script is not None and _is_pytest_script(self.script))


def read_launch(command: Sequence[str] | None = None) -> Launch:
    """Read a command line of the interpreter, by default this process's own.

    Empty where the interpreter does not tell it (before Python 3.10).
    """
    words = list(getattr(sys, "orig_argv", ()) if command is None else command)[1:]
    flags: list[str] = []
    while words:
        word = words.pop(0)
        if word.startswith("--"):
            flags.append(word)
            if word in _LONG_WITH_VALUE and words:
                flags.append(words.pop(0))
            continue
        if not word.startswith("-") or word == "-":
            return Launch(tuple(flags), script=word, arguments=tuple(words))
        for position, letter in enumerate(word[1:], 2):
            if letter not in _WITH_VALUE:
                flags.append("-" + letter)
                continue
            value = word[position:] or (words.pop(0) if words else "")
            if letter == "m":
                return Launch(tuple(flags), module=value, arguments=tuple(words))
            if letter == "c":
                return Launch(tuple(flags), arguments=tuple(words))
            flags.append("-" + letter + value)
            break
    return Launch(tuple(flags))


def own_path() -> list[str]:
    """Return the part of ``sys.path`` that belongs to the interpreter and the installation.

    What comes before the standard library was put there by this one run: the working directory (``python -m``), a
    script's, those of ``PYTHONPATH`` and of pytest's ``pythonpath``. A project may have modules of any name there. Of
    these only directories stay that hold installed distributions, or this package.
    """
    library = os.path.dirname(os.__file__)
    first = sys.path.index(library) if library in sys.path else 0
    own = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return [entry for entry in sys.path[:first] if entry == own or _holds_distributions(entry)] + sys.path[first:]


def _holds_distributions(directory: str) -> bool:
    try:
        return bool(directory) and any(name.endswith(".dist-info") for name in os.listdir(directory))
    except OSError:  # an archive, or nothing at all
        return False


def _is_pytest_script(script: str) -> bool:
    directory, name = os.path.split(os.path.abspath(script))
    return name.lower() in _SCRIPTS or (name == "__main__.py" and os.path.basename(directory) == "pytest")
