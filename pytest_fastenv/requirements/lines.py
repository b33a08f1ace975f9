"""Lines of a requirements file that stand in no file: words of a command, or another program's requirements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_fastenv.model.request import ConfigSettings, Request, Wanted
from pytest_fastenv.requirements.excerpt import Excerpt
from pytest_fastenv.requirements.pip_settings import PipSettings
from pytest_fastenv.requirements.requirements_txt import Fetch, check_hashes
from pytest_fastenv.requirements.sources import Reader
from pytest_fastenv.requirements.variables import ObservedVariables


@dataclass(frozen=True, slots=True)
class Lines:
    """What is asked for, in the words of requirements files: requirements, paths, ``-r``, ``-c``, ``-e``, ``--pre``.

    :ivar base: what relative paths are relative to, absolute.
    :ivar written_in: where they stand, for messages.
    :ivar groups: dependency groups, as ``NAME`` or ``PATH:NAME`` (PEP 735).
    :ivar build_constraints: files of constraints for build environments.
    :ivar rules: what holds for all of it (`pytest_fastenv.requirements.collection.Collection.apply`).
    :ivar no_deps: what the projects need is left out.
    :ivar config_settings: for those projects that are named here; not for those of a file that is named here.
    """

    texts: tuple[str, ...]
    base: Path
    written_in: str
    groups: tuple[str, ...] = ()
    build_constraints: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    no_deps: bool = False
    config_settings: ConfigSettings = ()


def read_lines(lines: Lines, environ: Mapping[str, str], fetch: Fetch | None = None) -> Request:
    """Read lines as pip reads the words of its command line: its own settings count, too, and are the weakest. Blocks.

    :param environ: for pip's settings, and for ``${NAME}``.
    :param fetch: gets files that are named by an http(s) URL; without it they are an error.
    :raises RequestError: something in them cannot be read.
    """
    variables = ObservedVariables(environ)
    reader = Reader(lines.base, variables, fetch)
    collection = reader.collection
    pip = PipSettings(environ)
    pip.apply(collection, reader.read_constraints)
    reader.files.read_text("\n".join(lines.texts), lines.written_in)
    for rule in lines.rules:
        collection.apply(rule)
    for group in lines.groups:
        reader.read(f"group:{group}")
    for file in lines.build_constraints:
        reader.read_constraints(file, Excerpt.of(file, lines.written_in), for_builds=True)
    check_hashes(collection, exempt=lambda _: False)
    reader.note_sources()
    request = pip.finish(collection.finish(variables.observed), named_in={lines.written_in})
    return replace(request, wanted=tuple(_finished(one, lines) for one in request.wanted))


def _finished(wanted: Wanted, lines: Lines) -> Wanted:
    own = wanted.location.file == lines.written_in
    return replace(
        wanted,
        no_deps=wanted.no_deps or lines.no_deps,
        config_settings=lines.config_settings if own and lines.config_settings else wanted.config_settings,
    )
