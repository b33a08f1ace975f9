"""What a session asks for: its options, ini values and ``[tool.fastenv]``."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest

from pytest_fastenv.errors import UsageError
from pytest_fastenv.plugin.command_line import parse_known, project_directory
from pytest_fastenv.plugin.runtime_distribution import runtime_files
from pytest_fastenv.provisioning.question import SessionNeeds
from pytest_fastenv.runtime.options import OPTIONS, before_paths, ini_value, read_files, starts_workers, words_of
from pytest_fastenv.settings.layers import Given, Layer, Loaded, Origin, at_file, command_line, load, variables
from pytest_fastenv.settings.options import Option
from pytest_fastenv.settings.tables import tables
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.version import __version__

_GROUP = "group:"
_COVERAGE = re.compile(r"--(no-)?cov(-[a-z-]+)?(=.*)?", re.DOTALL)
_XDIST = re.compile(
    r"-[df].*|--looponfail"  # older versions have -f
    r"|--(maxprocesses|px|dist|testrunuid|max-worker-restart|maxschedchunk|rsyncdir|rsyncignore)(=.*)?"
    r"|--(no-)?loadscope-reorder",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A session's request.

    :ivar base: what relative paths in the sources are relative to.
    :ivar root: where the project lies: mostly pytest's root directory.
    :ivar verbosity: pytest's, negative with ``-q``.
    :ivar shows_header: the session inside begins with pytest's header.
    """

    loaded: Loaded
    base: Path
    root: Path
    needs: SessionNeeds
    verbosity: int
    shows_header: bool

    @property
    def settings(self) -> Settings:
        """What is set."""
        return self.loaded.settings


def read_request(config: pytest.Config, parser: pytest.Parser) -> Asked:
    """Combine what pytest was given with what the project's files say.

    Callable as soon as pytest knows its ini file; options of plugins that are not loaded yet, or that only the
    environment has, are left alone.

    :raises UsageError: a value is not accepted.
    """
    addopts, words = read_files(config.getini("addopts")), words_of(config)
    parsed = parse_known(config, parser, words)
    base: Path | None = None
    given = {option.field: getattr(parsed, option.dest, None) for option in OPTIONS}
    if given["sources"]:
        # Those of the ini file's addopts come first, and are relative to that file like everything in it.
        count = len(parse_known(config, parser, addopts).fastenv_sources or ()) if addopts else 0
        if count == len(given["sources"]):
            base = _ini_file(config).parent
        else:
            anchored = [_anchored(source, _ini_file(config).parent) for source in given["sources"][:count]]
            given["sources"] = anchored + given["sources"][count:]
    loaded = _load(config, given)
    origin = loaded.origins.get("sources")
    is_override = origin is not None and origin.name.startswith("-o ")
    here = _ini_file(config).parent if is_override else config.invocation_params.dir
    base = base or loaded.directory_of("sources", here)
    verbosity = getattr(parsed, "verbose", 0)
    shows_header = verbosity >= 0 and not getattr(parsed, "no_header", False)
    return Asked(loaded, base, project_directory(config), _needs(before_paths(words)), verbosity, shows_header)


def parsed_settings(config: pytest.Config) -> Loaded:
    """Return the settings of a session that has parsed its command line, without its sources.

    :raises UsageError: a value is not accepted.
    """
    loaded = _load(config, {option.field: config.getoption(option.dest, None) for option in OPTIONS})
    return replace(loaded, settings=replace(loaded.settings, sources=()))


def _load(config: pytest.Config, given: Mapping[str, Any]) -> Loaded:
    return load(
        tables(project_directory(config)),
        _ini_layer(config),
        variables(os.environ),
        command_line(given, "pytest", config.invocation_params.dir),
    )


def _ini_layer(config: pytest.Config) -> Layer:
    """Return what pytest's ini file says, or ``-o`` in its place; relative paths are relative to its directory."""
    file, layer = _ini_file(config), {}
    for option in OPTIONS:
        origin = _ini_origin(config, option)
        try:
            value = ini_value(config, option)
        except pytest.UsageError as error:
            raise UsageError(str(error), where=origin.file or origin.name) from None
        if value not in (None, [], ""):
            layer[option.field] = Given(at_file(option, value, file.parent), origin)
    return layer


def _ini_origin(config: pytest.Config, option: Option) -> Origin:
    """Return where an ini value was given: ``-o`` replaces what the file says."""
    overrides = config.known_args_namespace.override_ini or ()
    if any(text.partition("=")[0] == option.ini for text in overrides):
        return Origin(f"-o {option.ini}")
    return Origin(option.ini, str(_ini_file(config)))


def _ini_file(config: pytest.Config) -> Path:
    return config.inipath or config.rootpath / "pyproject.toml"


def _anchored(source: str, directory: Path) -> str:
    """Return a source that reads the same from everywhere."""
    if source.startswith(_GROUP):
        path, _, group = source.removeprefix(_GROUP).rpartition(":")
        return f"{_GROUP}{directory / (path or 'pyproject.toml')}:{group}"
    name, bracket, extras = source.partition("[")
    path = os.path.join(directory, name)
    return f"{os.path.normpath(path)}{bracket}{extras}" if name and os.path.exists(path) else source


def _needs(words: Sequence[str]) -> SessionNeeds:
    """Say what must be inside for this command line to be understood, besides what the requirements bring."""
    requirements = [_same_version("pytest")]
    if starts_workers(words) or any(_XDIST.fullmatch(word) for word in words):
        requirements.append(_same_version("pytest-xdist"))
    if any(_COVERAGE.fullmatch(word) for word in words):
        requirements.append(_same_version("pytest-cov"))
    return SessionNeeds(tuple(requirements), runtime_files(__version__))


def _same_version(project: str) -> str:
    """Return a requirement on the version that runs here, if an index can have that version."""
    try:
        # Picked from the text: parsing it as e-mail, as `version` does, takes longer than the rest of a warm start.
        header = (distribution(project).read_text("METADATA") or "").partition("\n\n")[0]
    except PackageNotFoundError:
        return project
    version = re.search(r"^Version:\s*(\S+)", header, re.MULTILINE)
    if version is None or re.search(r"dev|\+", version[1]):
        return project
    return f"{project}=={version[1]}"
