"""``pip install`` as tox and its users write it, read as ``fastenv pip install`` is.

::

    install_command = python -I -m pip install --pre -i https://example.org/simple {opts} {packages}

A command that says more than the engine can do is no command for the engine: `read_command` tells why, and tox runs
it as it stands.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from typing import Never

#: What tox is told to run where nobody chose another command; it is carried out without a process.
ENGINE_COMMAND = ("fastenv", "pip", "install")
_PYTHON = re.compile(r"(python|pypy)[\d.]*t?(\.exe)?")
_PIP = re.compile(r"pip[\d.]*(\.exe)?")
#: How an interpreter starts makes no difference here.
_OF_PYTHON = frozenset({"-I", "-E", "-s", "-P"})


class NotUnderstoodError(Exception):
    """A command that the engine cannot carry out; the text says why."""


class _Parser(argparse.ArgumentParser):
    """Raises where a program would end; no parameter of argparse does so in every case."""

    def error(self, message: str) -> Never:
        """Raise, with the first line: the next one tells users of the command what to write."""
        raise NotUnderstoodError(message.partition("\n")[0])


def read_command(command: Sequence[str]) -> argparse.Namespace:
    """Return what a command asks for, as `pytest_fastenv.requirements.pip_options` has it.

    :raises NotUnderstoodError: it is no ``pip install``, or one with an option that the engine has not.
    """
    from pytest_fastenv.requirements.pip_options import add_install_options  # tox starts without the engine

    parser = _Parser(add_help=False, allow_abbrev=False)
    add_install_options(parser)
    words = [word for word in _words(command, "install") if word not in {"{opts}", "{packages}"}]
    options, unknown = parser.parse_known_intermixed_args(words)
    if unknown:
        raise NotUnderstoodError(f"{unknown[0].partition('=')[0]} is an option that fastenv has not")
    return options


def is_freeze(command: Sequence[str]) -> bool:
    """Tell whether a command is ``pip freeze``, with nothing that says which projects it leaves out."""
    try:
        return set(_words(command, "freeze")) <= {"--all", "--local", "-l", "--disable-pip-version-check"}
    except NotUnderstoodError:
        return False


def _words(command: Sequence[str], verb: str) -> list[str]:
    """Return the options and words of a command of pip; those before its name are the same as behind."""
    if tuple(command[: len(ENGINE_COMMAND)]) == ENGINE_COMMAND:
        return list(command[len(ENGINE_COMMAND) :])
    words = list(command)
    first = os.path.basename(words.pop(0)) if words else ""
    if _PYTHON.fullmatch(first):
        while words and words[0] in _OF_PYTHON:
            words.pop(0)
        first, words = (words[1], words[2:]) if words[:1] == ["-m"] and len(words) > 1 else ("", [])
    before = next((index for index, word in enumerate(words) if not word.startswith("-")), len(words))
    if not _PIP.fullmatch(first) or words[before : before + 1] != [verb]:
        raise NotUnderstoodError(f"it is not pip {verb}")
    return [*words[:before], *words[before + 1 :]]
