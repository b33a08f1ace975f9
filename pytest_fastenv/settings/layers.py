"""Settings in layers: each place says some of them, and the stronger place wins.

Standard library only: this module is on the warm path. Nothing here needs pytest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_fastenv.errors import UsageError
from pytest_fastenv.errors import option as called
from pytest_fastenv.model.codec import encode
from pytest_fastenv.settings.options import OPTIONS, Option
from pytest_fastenv.settings.parsers import parse
from pytest_fastenv.settings.values import Settings

if TYPE_CHECKING:
    from pytest_fastenv.settings.options import Door

_POOLS = ("concurrent_downloads", "concurrent_builds", "concurrent_installs")
_OURS = re.compile(r"FASTENV_[A-Z_]+")
#: Set by us for what runs in an environment, so not to be taken for a misspelled setting.
INTERNAL_VARIABLES = frozenset({"FASTENV_INSIDE", "FASTENV_ENV_NAME"})


class Origin(NamedTuple):
    """Where a setting was given, as its user knows that place.

    :ivar name: what it is called there: ``--link``, ``FASTENV_OFFLINE``, ``fastenv_link``, ``-o fastenv_link``,
        ``link``.
    :ivar file: the file that it stands in, absolute; empty where it is no file.
    :ivar table: the table of that file, where its name alone does not say it: ``[tool.fastenv]``.
    :ivar keys: in a TOML file, the keys that lead to it; see `pytest_fastenv.settings.toml_lines`.
    """

    name: str
    file: str = ""
    table: str = ""
    keys: tuple[str, ...] = ()

    def __str__(self) -> str:
        """``--link``, ``fastenv_link in pytest.ini``, ``link in [tool.fastenv] of pyproject.toml``."""
        return f"{self.name}{self._place}"

    @property
    def is_command(self) -> bool:
        """Whether it is what a command takes where nothing is said: nobody can give another value there."""
        return self.name.startswith("fastenv ")

    def set_to(self, value: str, option: Option) -> str:
        """Write down how another value is given there: ``FASTENV_CONCURRENT=1``, ``link = "copy" in fastenv.toml``."""
        if not self.file:
            import shlex  # only for a message

            quoted = shlex.quote(value)
            return f"{self.name} {quoted}" if self.name.startswith("--") else f"{self.name}={quoted}"
        if self.file.endswith(".toml") and option.kind not in {"number", "flag"}:
            value = f'["{value}"]' if option.is_list else f'"{value}"'
        return f"{self.name} = {value}{self._place}"

    @property
    def where(self) -> str | None:
        """The file, with the line where that is known; for a diagnosis. Reads the file."""
        if not self.keys:
            return self.file or None
        from pytest_fastenv.settings.toml_lines import line_of  # only for a message

        try:
            with open(self.file, encoding="utf-8") as file:
                line = line_of(file.read(), self.keys)
        except (OSError, UnicodeDecodeError):
            line = 0
        return f"{self.file}:{line}" if line else self.file

    @property
    def _place(self) -> str:
        if not self.file:
            return ""
        return (
            f" in {self.table} of {os.path.basename(self.file)}" if self.table else f" in {os.path.basename(self.file)}"
        )


class Given(NamedTuple):
    """A value as it was given (a text, or one of TOML's own types), and where."""

    value: Any
    origin: Origin


Layer = Mapping[str, Given]
"""What one place says, by the settings' names in `Settings`. Values are not checked yet."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and where each one that is not at its default was given.

    :ivar origins: by the settings' names.
    """

    settings: Settings
    origins: Mapping[str, Origin]

    def directory_of(self, field: str, otherwise: Path) -> Path:
        """Return what a relative path in a setting is relative to: the directory of the file that it stands in.

        :param otherwise: where it stands in no file.
        """
        origin = self.origins.get(field)
        return Path(origin.file).parent if origin is not None and origin.file else otherwise


def given_besides(origins: Mapping[str, Origin]) -> frozenset[str]:
    """Return the settings that a command line or pytest's ini file says: neither the project's tables nor variables."""
    return frozenset(field for field, origin in origins.items() if not origin.keys and not _OURS.fullmatch(origin.name))


def origins_to_json(origins: Mapping[str, Origin]) -> dict[str, Any]:
    """Return origins for another process; `decode` gives them back."""
    return {name: encode(origin) for name, origin in origins.items()}


def load(*layers: Layer) -> Loaded:
    """Combine what was said in several places; nothing is read from disk.

    :param layers: the weakest first.
    :raises UsageError: a value is not accepted; the text names its origin.
    """
    given: dict[str, Given] = {}
    for layer in layers:
        given.update(layer)
    values = {option.field: _parsed(option, given[option.field]) for option in OPTIONS if option.field in given}
    if "concurrent" in values:
        # A number for one pool is meant for it, wherever it was given.
        values = {**dict.fromkeys(_POOLS, values["concurrent"]), **values}
    return Loaded(Settings(**values), {field: one.origin for field, one in given.items()})


def variables(environ: Mapping[str, str]) -> Layer:
    """Return what environment variables say; an empty one says nothing.

    :raises UsageError: a ``FASTENV_`` variable is unknown.
    """
    _refuse_unknown_variables(environ)
    return {
        option.field: Given(environ[option.variable], Origin(option.variable))
        for option in OPTIONS
        if option.variable and environ.get(option.variable, "").strip()
    }


def settings_from_variables(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings that ``FASTENV_`` variables say; all others are at their default.

    :param environ: default: `os.environ`.
    :raises UsageError: a value is not accepted, or there is no such variable.
    """
    return load(variables(os.environ if environ is None else environ)).settings


def command_line(given: Mapping[str, Any], door: Door, directory: Path) -> Layer:
    """Return what the options of a command line say.

    :param given: by the settings' names; ``None``, an empty list and ``False`` mean "not given".
    :param door: which command line.
    :param directory: what relative paths are relative to.
    """
    return {
        option.field: Given(
            at_file(option, _words(option, given[option.field]), directory), Origin(flag_of(option, door))
        )
        for option in OPTIONS
        if given.get(option.field) not in (None, [], (), False)
    }


def _words(option: Option, value: Any) -> Any:
    """Return the words of an option that was given several times, and may have had several words each time."""
    if not option.is_list or option.is_lines or isinstance(value, str):
        return value
    return [word for text in value for word in text.split()]


def flag_of(option: Option, door: Door) -> str:
    """Return what an option is called on a command line."""
    if door == "pytest":
        return option.pytest_flag
    return option.flag if option.key else option.metavar


def at_file(option: Option, value: Any, directory: Path) -> Any:
    """Return a value with its relative paths made absolute. What is no path is left alone, also where one should be."""
    if option.kind == "path" and isinstance(value, str) and value.strip():
        return _absolute(value, directory)
    if option.kind == "indexes" and isinstance(value, dict):
        return {name: _index_at(index, directory) for name, index in value.items()}
    if option.kind in ("reports", "constraints") and isinstance(value, (str, list)):
        lines = value.splitlines() if isinstance(value, str) else value
        if all(isinstance(line, str) for line in lines):
            at = _absolute if option.kind == "reports" else _constraint_at
            return [at(line.strip(), directory) for line in lines if line.strip()]
    return value


def _constraint_at(text: str, directory: Path) -> str:
    """Return the path of a file of constraints; a constraint, and a URL, as it is."""
    path = _absolute(text, directory)
    reads_like_file = re.fullmatch(r"[^:;@=<>]+\.(txt|in)", text, re.IGNORECASE)
    return path if reads_like_file or os.path.isfile(path) else text


def _index_at(index: Any, directory: Path) -> Any:
    url = index.get("url") if isinstance(index, dict) else None
    if not isinstance(url, str) or not url.strip() or "://" in url or url.startswith("file:"):
        return index
    return {**index, "url": _absolute(url, directory)}


def _absolute(text: str, directory: Path) -> str:
    path = os.path.expanduser(text)
    return path if path.startswith("~") else os.path.join(directory, path)  # the home of no user: refused when parsed


def _parsed(option: Option, given: Given) -> Any:
    try:
        return parse(option, given.value)
    except ValueError as reason:
        raise refused(given.origin, wrong_part(option, given.value), str(reason)) from None


def wrong_part(option: Option, value: Any) -> Any:
    """Return the first of several values that is not accepted by itself; else the value as it was given."""
    for one in value if option.is_list and isinstance(value, (list, tuple)) else ():
        try:
            parse(option, [one])
        except ValueError:
            return one
    return value


def refused(origin: Origin, value: Any, expected: str) -> UsageError:
    """Return the error for a value that cannot be taken as it was given."""
    return UsageError(f"{origin}: {_shown(value)} is not accepted", where=origin.where, why=expected)


def _shown(value: Any) -> str:
    """Write down a value, as a user knows it: several texts one by one, not as a list of Python's."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_shown, value)) or "an empty list"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _refuse_unknown_variables(environ: Mapping[str, str]) -> None:
    known = {option.variable for option in OPTIONS if option.variable} | INTERNAL_VARIABLES
    for name in environ:
        if _OURS.fullmatch(name) and name not in known:
            raise UsageError(f"{name} is not a variable of this version", hint=_hint_for_unknown(name, known))


def _hint_for_unknown(name: str, known: Iterable[str]) -> str:
    key = name.removeprefix("FASTENV_").lower().replace("_", "-")
    meant = next((option for option in OPTIONS if key and key in (option.key, option.field.replace("_", "-"))), None)
    if meant is not None and meant.variable:
        return f"did you mean {meant.variable}?"
    if meant is not None:
        instead = f"{called(meant.field)}, or {meant.table_key} in [tool.fastenv]"
        return f"there is no variable for this: unset it, and use {instead}"
    import difflib  # only for the message

    close = difflib.get_close_matches(name, sorted(set(known) - INTERNAL_VARIABLES), 1)
    return f"did you mean {close[0]}?" if close else "unset it, or see docs/reference/settings.md"
