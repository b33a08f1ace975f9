"""What indexes have of projects that are taken from another one: told where it makes a difference."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import assert_never

from packaging.version import Version

from pytest_fastenv.errors import FastenvError, option
from pytest_fastenv.index.project import Elsewhere, Project
from pytest_fastenv.index.urls import shown
from pytest_fastenv.model.plan import Distribution, SdistSource, TreeSource, WheelSource
from pytest_fastenv.resolve.candidates import ArtifactChoice, Candidate
from pytest_fastenv.resolve.lowest import Order
from pytest_fastenv.resolve.requirements_of import Specifiers
from pytest_fastenv.tools import Tools
from pytest_fastenv.wheel.filenames import parsed_version

#: How long other indexes are waited for where all they have to say is a warning.
_PATIENCE_S = 15.0
_SHOWN = 4
_SUBJECT = re.compile(r": taken from \S+, which is asked first; \S+ would")


def with_other_indexes(
    error: FastenvError, name: str, used: str | None, others: Sequence[Elsewhere], fitting: Mapping[str, Sequence[str]]
) -> FastenvError:
    """Return a diagnosis with what other indexes have, and what to write to have it from there.

    :param used: the index that was asked.
    :param fitting: versions that would have done, newest first, by index.
    """
    lines = [f"{name} was looked for at {shown(used)} alone, as that has it"] if used is not None else []
    lines += [_line(name, other, fitting.get(other.location, ())) for other in others]
    hint = next((_hint(name, other) for other in others if fitting.get(other.location)), error.hint)
    return type(error)(error.what, where=error.where, why="\n".join(filter(None, [error.why, *lines])), hint=hint)


def _line(name: str, other: Elsewhere, fitting: Sequence[str]) -> str:
    if other.trouble:
        return f"{_label(other)} could not be asked: {other.trouble}"
    if other.project is None:
        return f"{_label(other)} was not asked before; it does not have {name}"
    versions = fitting or other.project.versions
    more = f" and {len(versions) - _SHOWN} more" if len(versions) > _SHOWN else ""
    return f"{_label(other)} was not asked before; it has {name} {', '.join(versions[:_SHOWN])}{more}"


def _label(other: Elsewhere) -> str:
    return f"the index {other.name} ({shown(other.location)})" if other.name else shown(other.location)


def _hint(name: str, other: Elsewhere) -> str:
    if other.name:
        return f'add "{name}" to only of [tool.fastenv.indexes.{other.name}]'
    url = shown(other.location)
    return (
        f'take {name} from there: under [tool.fastenv.indexes.NAME] of pyproject.toml, url = "{url}" and '
        f'only = ["{name}"]; or let that index be asked first: {option("index_url", url)}'
    )


class Choosing:
    """Chooses the release of a project that an index alone would give."""

    def __init__(self, choice: ArtifactChoice, specifiers: Specifiers, order: Order) -> None:
        self._choice = choice
        self._order = order
        self._specifiers = specifiers

    def fitting(self, project: Project, demanded: Iterable[str]) -> list[str]:
        """Return the versions that satisfy all of some specifiers, newest first."""
        texts = [text for text in demanded if text]
        return [version for version in project.versions if all(self.is_in(version, text) for text in texts)]

    def is_in(self, version: str, specifier: str) -> bool:
        """Tell whether a specifier admits a version, also where that is a pre-release."""
        read = self._specifiers.read(specifier) if specifier else None
        return not specifier or (read is not None and read.contains(version, prereleases=True))

    def best(self, name: str, project: Project, demanded: Iterable[str]) -> str | None:
        """Return the version that would be installed here, final ones before others; ``None`` where none can be."""
        fitting = self.fitting(project, demanded)
        if self._order.is_lowest(name):
            fitting.reverse()
        for version in sorted(fitting, key=lambda text: parsed_version(text).is_prerelease):
            files = project.files(version)
            if all(file.yanked is not None for file in files):
                continue
            if isinstance(self._choice.best(name, Version(version), files), Candidate):
                return version
        return None


async def differences(
    distributions: Iterable[Distribution], demanded: Mapping[str, Iterable[str]], choice: Choosing, tools: Tools
) -> list[str]:
    """Return what is to be said of distributions that another index would have given in another version.

    An index that cannot be asked is left out: nothing is taken from it.

    :param demanded: version specifiers by project.
    """
    used = {one.name: (one.version, index) for one in distributions if (index := _index_of(one)) is not None}
    found: dict[str, tuple[Elsewhere, ...]] = {}

    async def ask(name: str) -> None:
        found[name] = await tools.index.elsewhere(name, used=used[name][1], named=False)

    try:
        async with asyncio.timeout(_PATIENCE_S):
            first, *rest = used or ("",)
            if used:
                await ask(first)
                if any(not other.trouble for other in found[first]):
                    await asyncio.gather(*map(ask, rest))
    except TimeoutError:
        pass  # what was answered by then is told
    groups: dict[str, dict[str, list[tuple[str, str, str]]]] = {}
    for name in sorted(found):
        version, index = used[name]
        for other in found[name]:
            theirs = choice.best(name, other.project, demanded.get(name, ())) if other.project else None
            if theirs is not None and parsed_version(theirs) != parsed_version(version):
                groups.setdefault(index, {}).setdefault(other.location, []).append((name, version, theirs))
    return [_told(index, others) for index, others in groups.items()]


def _index_of(distribution: Distribution) -> str | None:
    match distribution.source:
        case WheelSource(artifact) | SdistSource(artifact):
            return artifact.index_url
        case TreeSource():
            return None
        case _:
            assert_never(distribution.source)


def subject_of(text: str) -> str:
    """Return the two indexes where a warning is about them, whichever projects it names; else the text."""
    found = _SUBJECT.search(text)
    return found[0] if found else text


def _told(index: str, others: Mapping[str, Sequence[tuple[str, str, str]]]) -> str:
    ours = sorted({f"{name} {version}" for names in others.values() for name, version, _ in names})
    theirs = [
        f"{shown(other)} would have given {_some([f'{name} {version}' for name, _, version in names])}"
        for other, names in others.items()
    ]
    return (
        f"{_some(ours)}: taken from {shown(index)}, which is asked first; {', '.join(theirs)}. "
        "Say under [tool.fastenv.indexes] which projects are taken from one index alone"
    )


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more
