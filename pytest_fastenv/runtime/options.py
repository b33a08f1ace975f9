"""pytest's options and ini values, from the table of options: for the plugin outside and the runtime inside."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING, Any, Sequence, Union

from ..settings.options import Option, of_door

if TYPE_CHECKING:
    import pytest

OPTIONS = of_door("pytest")
"""Those that pytest has; ``--fastenv`` first."""

#: Those that ask for an environment: by sources, or by name.
_ASKING = tuple(option.pytest_flag for option in OPTIONS if option.field in ("sources", "environments"))

#: The version of pytest that reads ``@file`` on its command line.
ARGUMENT_FILES_SINCE = (8, 2)

_HELP = "Clean virtual environments for pytest runs"


def register(parser: pytest.Parser) -> None:
    """Add every option and ini value to pytest's parser; what is not given is ``None``."""
    group = parser.getgroup("fastenv", _HELP)
    for option in OPTIONS:
        attributes: dict[str, Any] = {"dest": option.dest, "default": None, "help": option.help}
        if option.is_flag:
            attributes["action"] = "store_true"
        else:
            attributes["metavar"] = option.metavar
            attributes["action"] = "append" if option.is_list else "store"
        group.addoption(option.pytest_flag, **attributes)
        parser.addini(option.ini, option.help, type=_ini_type(option), default=None)


def ini_value(config: pytest.Config, option: Option) -> Any:
    """Return what the ini file gives, ``None`` where it gives nothing.

    :raises pytest.UsageError: it is of another type; the text names the option, which pytest's own does not always.
    """
    import pytest  # loaded by now

    try:
        return config.getini(option.ini)
    except (TypeError, ValueError, pytest.UsageError) as error:
        text = str(error)
        raise pytest.UsageError(text if option.ini in text else "{}: {}".format(option.ini, text)) from None


def _ini_type(option: Option) -> Any:
    """Return the type of an ini value, as far as the pytest that runs here knows types.

    Since version 9 ini files in TOML may use its own types, and only those: see
    https://docs.pytest.org/en/stable/reference/customize.html.
    """
    if option.is_lines:
        return "linelist"
    if option.is_flag:
        return "bool"
    if option.is_list:
        return "args"
    import pytest  # loaded by now

    is_number = option.kind == "number"
    if (is_number or option.kind in ("age", "seconds")) and pytest.version_tuple >= (9, 2):
        return Union[str, int]
    if is_number and pytest.version_tuple >= (8, 4):
        return "int"
    return "string"


def words_of(config: pytest.Config) -> list[str]:
    """Return a session's command line as pytest reads it: after ``addopts`` and ``PYTEST_ADDOPTS``."""
    return read_files([*config.getini("addopts"), *given_words(config)])


def given_words(config: pytest.Config, *, own: bool = True) -> list[str]:
    """Return a session's command line after the words of ``PYTEST_ADDOPTS``, which pytest puts before it.

    :param own: the command line itself is wanted, too.
    """
    words = shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))
    return read_files([*words, *(os.fspath(word) for word in config.invocation_params.args if own)])


def read_files(arguments: Sequence[str], within: Sequence[str] = ()) -> list[str]:
    """Return a command line with the words of its argument files in place of ``@file``, one a line.

    As pytest does since version 8.2 (argparse: relative to the current directory, files within files, also behind
    ``--``). What cannot be read stays as it stands, and so do a file that stands in itself and what is no file and can
    be read but once: pytest tells its user so.

    :param within: the files that these words stand in, outer ones first.
    """
    import pytest  # loaded by now

    words: list[str] = []
    for argument in arguments:
        if not argument.startswith("@") or pytest.version_tuple < ARGUMENT_FILES_SINCE:
            words.append(argument)
            continue
        encoding, errors = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
        path = os.path.realpath(argument[1:]) if os.path.isfile(argument[1:]) else ""
        if not path or path in within:
            words.append(argument)
            continue
        try:
            with open(path, encoding=encoding, errors=errors) as file:
                lines = file.read().splitlines()
        except OSError:
            words.append(argument)
        else:
            words += read_files(lines, [*within, path])
    return words


def asks_for_environment(arguments: Sequence[str]) -> bool:
    """Say whether a command line has ``--fastenv`` or ``--fastenv-env`` on it.

    :param arguments: with the words of argument files in their place (`read_files`).
    """
    return any(argument.partition("=")[0] in _ASKING for argument in before_paths(arguments))


def starts_workers(arguments: Sequence[str]) -> bool:
    """Say whether a command line has an option on it that makes pytest-xdist start workers.

    :param arguments: as for `asks_for_environment`.
    """
    # Lower-case options of one letter are pytest's and this plugin's alone; with another before it pytest refuses it.
    flags = ("--numprocesses", "--tx")
    return any(argument.startswith("-n") or argument.partition("=")[0] in flags for argument in before_paths(arguments))


def before_paths(arguments: Sequence[str]) -> Sequence[str]:
    """Return what stands before ``--``: behind it there are no options."""
    return arguments[: arguments.index("--")] if "--" in arguments else arguments


def joined(arguments: Sequence[str]) -> list[str]:
    """Write ``--fastenv X`` as ``--fastenv=X``, and so for all options here that take a value.

    pytest determines its rootdir before plugins are loaded; a value of its own word is then taken for a test path.
    """
    takers = {option.pytest_flag for option in OPTIONS if not option.is_flag}
    result: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            return [*result, argument, *rest]
        value = next(rest, None) if argument in takers else None
        result.append(argument if value is None else argument + "=" + value)
    return result
