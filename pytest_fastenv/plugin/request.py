"""What a session asks for: its options, ini values and ``[tool.fastenv]``."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_fastenv.errors import UsageError
from pytest_fastenv.plugin.command_line import parse_known, project_directory
from pytest_fastenv.provisioning.question import SessionNeeds
from pytest_fastenv.provisioning.runtime_distribution import runtime_files
from pytest_fastenv.runtime.options import OPTIONS, before_paths, ini_value, read_files, starts_workers, words_of
from pytest_fastenv.settings.layers import Given, Layer, Loaded, Origin, at_file, command_line, load, variables
from pytest_fastenv.settings.options import Option
from pytest_fastenv.settings.tables import tables
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.version import __version__

if TYPE_CHECKING:
    from pytest_fastenv.matrix.declaration import NamedEnvironment

_GROUP = "group:"
_PREFIX = "--fastenv-"
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
    return _Reading(config, parser).asked({})


def read_named_requests(config: pytest.Config, parser: pytest.Parser) -> list[tuple[NamedEnvironment, Asked]]:
    """Return the environments by name that a session asks for, each with what is asked of it.

    :raises UsageError: one is not declared, or a value is not accepted.
    """
    from pytest_fastenv.matrix.selection import declared, select  # most sessions name none

    reading = _Reading(config, parser)
    words = reading.asked({}).settings.environments
    known = declared(project_directory(config))
    return [(named, reading.asked(named.layer)) for named in select(known, words)]


def with_needs_of(asked: Asked, other: Asked) -> Asked:
    """Return a request with the needs of another one of the same session."""
    return replace(asked, needs=other.needs)


class _Reading:
    """What pytest was given, read once for all environments."""

    def __init__(self, config: pytest.Config, parser: pytest.Parser) -> None:
        addopts, words = read_files(config.getini("addopts")), words_of(config)
        parsed = parse_known(config, parser, words)
        _refuse_misspelled(config, parser, words)
        self._config = config
        self._base: Path | None = None
        given = {option.field: getattr(parsed, option.dest, None) for option in OPTIONS}
        if given["sources"]:
            # Those of the ini file's addopts come first, and are relative to that file like everything in it.
            count = len(parse_known(config, parser, addopts).fastenv_sources or ()) if addopts else 0
            if count == len(given["sources"]):
                self._base = _ini_file(config).parent
            else:
                anchored = [_anchored(source, _ini_file(config).parent) for source in given["sources"][:count]]
                given["sources"] = anchored + given["sources"][count:]
        self._below, self._above = tables(project_directory(config)), _above_tables(config, given)
        self._needs = _needs(before_paths(words))
        self._verbosity = getattr(parsed, "verbose", 0)
        self._shows_header = self._verbosity >= 0 and not getattr(parsed, "no_header", False)

    def asked(self, environment: Layer) -> Asked:
        """Return the request, with what an environment by name sets between the project's tables and all else."""
        config = self._config
        loaded = load(self._below, environment, *self._above)
        origin = loaded.origins.get("sources")
        is_override = origin is not None and origin.name.startswith("-o ")
        here = _ini_file(config).parent if is_override else config.invocation_params.dir
        base = self._base or loaded.directory_of("sources", here)
        return Asked(loaded, base, project_directory(config), self._needs, self._verbosity, self._shows_header)


def _refuse_misspelled(config: pytest.Config, parser: pytest.Parser, words: Sequence[str]) -> None:
    """Refuse an option that looks like one of ours: no environment is made first, for pytest inside to refuse it.

    What no plugin that is known by now has, and what is like none of ours, may be another plugin's.

    :raises UsageError: there is one.
    """
    ours = [option.pytest_flag for option in OPTIONS]
    found = {word.partition("=")[0] for word in before_paths(words) if word.startswith(_PREFIX)}
    if found.issubset(ours):
        return
    from difflib import get_close_matches  # only for the message

    unknown = parser.parse_known_and_unknown_args(list(words), namespace=copy.copy(config.option))[1]
    for flag in (word.partition("=")[0] for word in unknown if word.startswith(_PREFIX)):
        close = get_close_matches(flag.removeprefix(_PREFIX), [one.removeprefix(_PREFIX) for one in ours], 1)
        if close:
            raise UsageError(f"{flag} is no option", hint=f"did you mean {_PREFIX}{close[0]}?")


def parsed_settings(config: pytest.Config) -> Loaded:
    """Return the settings of a session that has parsed its command line, without its sources.

    :raises UsageError: a value is not accepted.
    """
    loaded = _load(config, {option.field: config.getoption(option.dest, None) for option in OPTIONS})
    return replace(loaded, settings=replace(loaded.settings, sources=()))


def _load(config: pytest.Config, given: Mapping[str, Any]) -> Loaded:
    return load(tables(project_directory(config)), *_above_tables(config, given))


def _above_tables(config: pytest.Config, given: Mapping[str, Any]) -> tuple[Layer, ...]:
    """Return the layers above the project's tables, the weakest first."""
    return (
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
