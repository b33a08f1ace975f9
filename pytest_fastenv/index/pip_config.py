"""pip's configuration, read the way pip reads it.

Files are read in this order, a later one over an earlier one: global (``$XDG_CONFIG_DIRS``, ``/etc``), the user's
(old place, then new), the one of the running virtual environment, ``PIP_CONFIG_FILE``. Then sections count: what
``[install]`` says in any file beats what ``[global]`` says in any file. ``PIP_*`` variables beat both. A
``PIP_CONFIG_FILE`` that exists switches the user's own files off, the null device switches off all files.

pip documents it at https://pip.pypa.io/en/stable/topics/configuration/.
"""

from __future__ import annotations

import configparser
import io
import locale
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pytest_fastenv.errors import UsageError
from pytest_fastenv.model.regular_files import open_regular
from pytest_fastenv.settings.pip_files import configuration_files

_MOST_LINES = 5
_SECTIONS = ("global", "install")
_ALIASES = {
    "config-setting": "config-settings",
    "default-timeout": "timeout",
    "no-dependencies": "no-deps",
    "pypi-url": "index-url",
}
_TRUE = frozenset({"y", "yes", "t", "true", "on", "1"})
_FALSE = frozenset({"n", "no", "f", "false", "off", "0"})


class PipValue(NamedTuple):
    """One value with the place that it comes from, as shown in messages."""

    text: str
    source: str

    def words(self) -> tuple[str, ...]:
        """Return the value of an option that may be given several times."""
        return tuple(self.text.split())

    def flag(self) -> bool:
        """Return the value of an option that is on or off.

        :raises UsageError: it is neither.
        """
        text = self.text.strip().lower()
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
        raise UsageError(f"{self.source}: {self.text!r} is not accepted", why="expected yes or no")

    def number(self) -> float:
        """Return the value of a numeric option, zero or more.

        :raises UsageError: it is no such number.
        """
        try:
            value = float(self.text)
        except ValueError:
            value = -1.0
        if not 0 <= value < float("inf"):
            raise UsageError(f"{self.source}: {self.text!r} is not accepted", why="expected a number")
        return value


def read_pip_config(environ: Mapping[str, str], *, prefix: str = sys.prefix) -> dict[str, PipValue]:
    """Return what ``pip install`` would be told by files and variables, by long option name without dashes.

    :param prefix: the environment whose own ``pip.conf`` is read.
    :raises UsageError: a file is no ini file.
    """
    merged: dict[str, PipValue] = {}
    for layer in pip_layers(environ, prefix=prefix):
        merged.update(layer)
    return merged


def pip_layers(environ: Mapping[str, str], *, prefix: str = sys.prefix) -> tuple[dict[str, PipValue], ...]:
    """Return the same by the places that pip puts over each other, the weakest first: two sections, then variables.

    Of most options the strongest place counts alone; pip lets some (``no-binary``) add up, so they are told apart here.
    Keys that have no value count as not given, as they do for pip.

    :raises UsageError: a file is no ini file.
    """
    sections: dict[str, dict[str, PipValue]] = {section: {} for section in _SECTIONS}
    for path in configuration_files(environ, prefix):
        parser = _parsed(path)
        for section in _SECTIONS:
            if parser.has_section(section):
                for key, text in parser.items(section):
                    sections[section][_long_name(key)] = PipValue(text, f"{key} in {path}")
    variables = {
        _long_name(name[4:]): PipValue(text, name) for name, text in sorted(environ.items()) if name.startswith("PIP_")
    }
    layers = (*(sections[section] for section in _SECTIONS), variables)
    return tuple({key: value for key, value in layer.items() if value.text.strip()} for layer in layers)


def _long_name(key: str) -> str:
    name = key.lower().replace("_", "-").removeprefix("--")
    return _ALIASES.get(name, name)


def _told(error: Exception) -> str:
    """Say what is wrong with a file, and where in it; its lines may have logins in any form, and are not quoted."""
    if isinstance(error, configparser.MissingSectionHeaderError):
        return f"line {error.lineno} stands before any [section]"
    if isinstance(error, configparser.ParsingError):
        numbers = [str(number) for number, _ in error.errors]
        more = f" and {len(numbers) - _MOST_LINES} more" if len(numbers) > _MOST_LINES else ""
        return f"no KEY = VALUE in line {', '.join(numbers[:_MOST_LINES])}{more}"
    return " ".join(str(error).split())


def _parsed(path: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    try:
        with io.TextIOWrapper(open_regular(path), encoding=locale.getpreferredencoding(False)) as file:
            parser.read_file(file, str(path))
    except OSError:  # pip passes over what it cannot open, too
        return parser
    except (configparser.Error, UnicodeError) as error:
        raise UsageError(
            f"pip's configuration file {path} cannot be read",
            where=str(path),
            why=_told(error),
            hint="mend it, or set PIP_CONFIG_FILE to the null device to ignore all such files",
        ) from error
    return parser
