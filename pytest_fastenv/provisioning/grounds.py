"""What a plan rests on besides the indexes' answers: archives and trees on this machine, and variables of builds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, assert_never

from pytest_fastenv.filesystem.observations import observe
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.index.urls import local_path
from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.observation import Observation
from pytest_fastenv.model.plan import BuildSource, Plan, SdistSource, Source, TreeSource, WheelSource
from pytest_fastenv.resolve.direct import STATIC_FILES


class Recorded(Protocol):
    """Knows what hooks were seen to read (the builder does)."""

    async def observations(self, source: BuildSource) -> list[Observation]:
        """Return what is known of a source rests on."""


async def grounds_of(
    plan: Plan, builds: Recorded, environ: Mapping[str, str], build_variables: Sequence[str] = ()
) -> list[Observation]:
    """Return everything on this machine that a plan was made of, and what was built of it.

    :param environ: environment variables of the run.
    :param build_variables: the user's patterns of those that reach builds.
    """
    found: list[Observation] = []
    for distribution in plan.distributions:
        source = distribution.source
        found += await in_thread(_grounds_of, source)
        if source.own_tree is not None:
            found += await builds.observations(source.own_tree)
    if any(distribution.source.needs_build for distribution in plan.distributions):
        found.append(observe("build variables", " ".join(build_variables), environ))
    return found


def _grounds_of(source: Source) -> list[Observation]:
    match source:
        case WheelSource(artifact) | SdistSource(artifact):
            return _archive(artifact) if artifact.url.startswith("file:") else []
        case TreeSource() if source.own_tree is None:
            return []
        case TreeSource(path, content, editable=editable):
            if editable:
                return [observe("file", path / name) for name in STATIC_FILES]
            return [Observation("tree", str(path), content)]
    assert_never(source)


def _archive(artifact: Artifact) -> list[Observation]:
    """What counts is the content that was taken; the file may have been replaced since."""
    found, taken = observe("file", local_path(artifact.url)), artifact.hashes.sha256 or ""
    return [found if found.state == taken else found._replace(state=taken, stamps=())]
