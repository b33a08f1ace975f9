"""``pip install`` as tox and its users write it, in the words of the engine.

::

    install_command = python -I -m pip install --pre -i https://example.org/simple {opts} {packages}

A command that says more than the engine can do is no command for the engine: `read_command` tells why, and tox runs
it as it stands.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

#: What tox is told to run where nobody chose another command; it is carried out without a process.
ENGINE_COMMAND = ("fastenv", "pip", "install")

Upgrade = Literal["none", "only-if-needed", "eager"]


@dataclass(slots=True)
class PipInstall:
    """What a command asks for.

    :ivar lines: in the words of requirements files.
    :ivar config_settings: key and value, as given.
    """

    lines: list[str] = field(default_factory=list)
    no_deps: bool = False
    reinstall: bool = False
    upgrade: Upgrade = "none"
    config_settings: list[tuple[str, str]] = field(default_factory=list)


class NotUnderstoodError(Exception):
    """A command that the engine cannot carry out; the text says why."""


#: Options that are lines of requirements files just as well: short name, or "", and whether a value follows.
_LINES = {
    "--requirement": ("-r", True),
    "--constraint": ("-c", True),
    "--editable": ("-e", True),
    "--index-url": ("-i", True),
    "--extra-index-url": ("", True),
    "--find-links": ("-f", True),
    "--no-binary": ("", True),
    "--only-binary": ("", True),
    "--trusted-host": ("", True),
    "--no-index": ("", False),
    "--pre": ("", False),
    "--prefer-binary": ("", False),
    "--require-hashes": ("", False),
}
#: Options about how pip itself works and speaks: nothing that is installed depends on them here.
_OF_PIP = {
    "--quiet": ("-q", False),
    "--verbose": ("-v", False),
    "--no-cache-dir": ("", False),
    "--disable-pip-version-check": ("", False),
    "--no-input": ("", False),
    "--no-color": ("", False),
    "--no-warn-script-location": ("", False),
    "--no-warn-conflicts": ("", False),
    "--no-python-version-warning": ("", False),
    "--no-compile": ("", False),
    "--compile": ("", False),
    "--use-pep517": ("", False),
    "--progress-bar": ("", True),
    "--retries": ("", True),
    "--timeout": ("", True),
    "--root-user-action": ("", True),
}
_WISHES = {
    "--no-deps": ("", False),
    "--no-dependencies": ("", False),
    "--force-reinstall": ("", False),
    "--upgrade": ("-U", False),
    "--upgrade-strategy": ("", True),
    "--config-settings": ("-C", True),
    "--config-setting": ("", True),
}
_ALL = {**_LINES, **_OF_PIP, **_WISHES}
_SHORT = {short: name for name, (short, _) in _ALL.items() if short}
_PYTHON = re.compile(r"(python|pypy)[\d.]*t?(\.exe)?")
_PIP = re.compile(r"pip[\d.]*(\.exe)?")


def read_command(command: Sequence[str]) -> PipInstall:
    """Return what a command asks for.

    :raises NotUnderstoodError: it is no ``pip install``, or one with an option that the engine has not.
    """
    asked, strategy, wants_upgrade = PipInstall(), "only-if-needed", False
    for name, value in _options(_words(command)):
        if name == "":
            asked.lines.append(value)
        elif name in _LINES:
            asked.lines.append(name if not _LINES[name][1] else f"{name} {shlex.quote(value)}")
        elif name in {"--no-deps", "--no-dependencies"}:
            asked.no_deps = True
        elif name == "--force-reinstall":
            asked.reinstall = True
        elif name == "--upgrade":
            wants_upgrade = True
        elif name == "--upgrade-strategy":
            strategy = value
        elif name in {"--config-settings", "--config-setting"}:
            key, _, what = value.partition("=")
            asked.config_settings.append((key, what))
    if wants_upgrade:
        asked.upgrade = "eager" if strategy == "eager" else "only-if-needed"
    return asked


def _words(command: Sequence[str]) -> list[str]:
    """Return what follows ``pip install`` in a command."""
    if tuple(command[: len(ENGINE_COMMAND)]) == ENGINE_COMMAND:
        return list(command[len(ENGINE_COMMAND) :])
    words = list(command)
    first = os.path.basename(words.pop(0)) if words else ""
    if _PYTHON.fullmatch(first):
        while words and words[0] in {"-I", "-E", "-s", "-P"}:  # how an interpreter starts makes no difference here
            words.pop(0)
        if words[:1] != ["-m"]:
            raise NotUnderstoodError("it is not pip install")
        first = words[1] if len(words) > 1 else ""
        words = words[2:]
    if not _PIP.fullmatch(first) or words[:1] != ["install"]:
        raise NotUnderstoodError("it is not pip install")
    return words[1:]


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield options by their long names, each with its value; ``""`` stands for what is no option."""
    rest = iter(words)
    for word in rest:
        if word in {"{opts}", "{packages}"}:
            continue
        if not word.startswith("-") or word == "-":
            yield "", word
            continue
        name, value = _split(word)
        if name not in _ALL:
            raise NotUnderstoodError(f"{word.partition('=')[0]} is an option that fastenv has not")
        takes_value = _ALL[name][1]
        if takes_value and value is None:
            value = next(rest, None)
            if value is None:
                raise NotUnderstoodError(f"{word} lacks its value")
        yield name, value or ""


def _split(word: str) -> tuple[str, str | None]:
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return name, value if equals else None
    name = _SHORT.get(word[:2], word)
    if set(word[1:]) <= {"q", "v"}:  # -qq, -vvv
        return name, None
    return name, word[2:] or None
