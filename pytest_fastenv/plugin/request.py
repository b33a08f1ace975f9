"""What a session asks for: its options, ini values and ``[tool.fastenv]``."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest

from pytest_fastenv.errors import UsageError
from pytest_fastenv.plugin.command_line import given_words, parse_known
from pytest_fastenv.plugin.runtime_distribution import runtime_files
from pytest_fastenv.provisioning.question import SessionNeeds
from pytest_fastenv.runtime.options import OPTIONS, ini_value
from pytest_fastenv.settings.values import Settings, load
from pytest_fastenv.version import __version__

_PATHS = ("dir", "report")
_COVERAGE = re.compile(r"--(no-)?cov(-[a-z-]+)?(=.*)?", re.DOTALL)
_XDIST = re.compile(
    r"-n(\d+|auto|logical)?|-d"
    r"|--(numprocesses|maxprocesses|tx|px|dist|testrunuid|max-worker-restart|maxschedchunk|rsyncdir|rsyncignore)(=.*)?"
    r"|--(no-)?loadscope-reorder",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A session's request.

    :ivar base: what relative paths in the sources are relative to.
    :ivar root: pytest's root directory: where the project lies.
    :ivar verbosity: pytest's, negative with ``-q``.
    """

    settings: Settings
    base: Path
    root: Path
    needs: SessionNeeds
    verbosity: int


def read_request(config: pytest.Config, parser: pytest.Parser) -> Asked:
    """Combine what pytest was given with what the project's files say.

    Callable as soon as pytest knows its ini file; options of plugins that are not loaded yet, or that only the
    environment has, are left alone.

    :raises UsageError: a value is not accepted.
    """
    addopts = list(config.getini("addopts"))
    words = [*addopts, *given_words(config)]
    parsed = parse_known(config, parser, words)
    given = {option.field: getattr(parsed, option.dest, None) for option in OPTIONS}
    ini, ini_file = _ini_values(config)
    base = config.invocation_params.dir
    if given["sources"]:
        # Those of the ini file's addopts come first; they may be meant from where that file is.
        count = len(parse_known(config, parser, addopts).fastenv_sources or ()) if addopts else 0
        anchored = [_anchored(source, ini_file.parent) for source in given["sources"][:count]]
        given["sources"] = anchored + given["sources"][count:]
    else:
        base = ini_file.parent
    settings = load(given, os.environ, ini, ini_file=ini_file.name)
    return Asked(settings, base, config.rootpath, _needs(words), getattr(parsed, "verbose", 0))


def parsed_settings(config: pytest.Config) -> Settings:
    """Return the settings of a session that has parsed its command line, without its sources.

    :raises UsageError: a value is not accepted.
    """
    given = {option.field: config.getoption(option.dest, None) for option in OPTIONS}
    ini, ini_file = _ini_values(config)
    return replace(load(given, os.environ, ini, ini_file=ini_file.name), sources=())


def _ini_values(config: pytest.Config) -> tuple[dict[str, Any], Path]:
    """Return ini values by key, over those of ``[tool.fastenv]``, and the file they are in."""
    ini_file = config.inipath or config.rootpath / "pyproject.toml"
    values = dict(_tool_table(config.rootpath / "pyproject.toml"))
    for option in OPTIONS:
        value = ini_value(config, option)
        if value not in (None, [], ""):
            values[option.key] = value
    for key in _PATHS:
        if values.get(key):
            given = values[key] if isinstance(values[key], list) else [values[key]]
            if all(isinstance(path, str) for path in given):  # else it is refused by name later
                placed = [os.path.join(ini_file.parent, os.path.expanduser(path)) for path in given]
                values[key] = placed if key == "report" or len(placed) > 1 else placed[0]
    return values, ini_file


def _tool_table(path: Path) -> Mapping[str, Any]:
    try:
        content = path.read_bytes()
    except OSError:
        return {}
    try:
        tool = tomllib.loads(content.decode()).get("tool", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError("pyproject.toml cannot be read", where=str(path), why=str(error)) from None
    table = tool.get("fastenv", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise UsageError("tool.fastenv is not a table", where=str(path))
    known = {option.key for option in OPTIONS if option.key}
    for key in table:
        if key not in known:
            raise UsageError(
                f"[tool.fastenv] has an unknown key: {key}",
                where=str(path),
                hint="known are " + ", ".join(sorted(known)),
            )
    return dict(table)


def _anchored(source: str, directory: Path) -> str:
    path = directory / source
    return str(path) if os.path.exists(path) else source


def _needs(words: Sequence[str]) -> SessionNeeds:
    """Say what must be inside for this command line to be understood, besides what the requirements bring."""
    requirements = [_same_version("pytest")]
    if any(_XDIST.fullmatch(word) for word in words):
        requirements.append(_same_version("pytest-xdist"))
    if any(_COVERAGE.fullmatch(word) for word in words):
        requirements.append(_same_version("pytest-cov"))
    return SessionNeeds(tuple(requirements), runtime_files(__version__))


def _same_version(project: str) -> str:
    """Wish for the version that runs here, if it is one that an index can have."""
    try:
        # Picked from the text: parsing it as e-mail, as `version` does, takes longer than the rest of a warm start.
        header = (distribution(project).read_text("METADATA") or "").partition("\n\n")[0]
    except PackageNotFoundError:
        return project
    version = re.search(r"^Version:\s*(\S+)", header, re.MULTILINE)
    if version is None or re.search(r"dev|\+", version[1]):
        return project
    return f"{project}=={version[1]}"
