"""An engine to install with: real server, real workers, real store."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kit.tools import NOWHERE, tools_of

from pytest_fastenv.filesystem import tree
from pytest_fastenv.installer.build.builder import SourceBuilder
from pytest_fastenv.installer.distributions import Distributions
from pytest_fastenv.installer.pipeline import Installer
from pytest_fastenv.installer.sdists import Sdists
from pytest_fastenv.installer.wheels import Wheels
from pytest_fastenv.model.artifact import Artifact, Hashes
from pytest_fastenv.model.build import Installed
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.plan import Distribution, Plan, WheelSource
from pytest_fastenv.model.protocols import BuildEnvironment, KnownTree
from pytest_fastenv.model.target import Target
from pytest_fastenv.provisioning.run import Policies
from pytest_fastenv.runtime.summary import Summary
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store
from pytest_fastenv.tools import Tools

SITE = "lib/python3.11/site-packages"
SCHEMES = {"purelib": SITE, "platlib": SITE, "scripts": "bin", "data": ".", "headers": "include/site/python3.11"}
TARGET = Target(
    "/usr/bin/python3", "cpython", "3.11.7", (), {}, "", "linux-x86_64", False, SCHEMES, "identity", {}
)  # fmt: skip


@dataclass(frozen=True)
class SomeStaging:
    """A directory to fill."""

    prefix: Path
    final: Path
    target: Target = TARGET
    used: set[tuple[str, str]] = field(default_factory=set)
    known: list[KnownTree] = field(default_factory=list)

    def knows(self, files: KnownTree) -> None:
        self.known.append(files)

    def uses(self, bucket: str, key: str) -> None:
        self.used.add((bucket, key))


@dataclass(frozen=True)
class RunningEnvironment:
    """Gives the interpreter that the tests run in to sources that need nothing to be built."""

    python: Path = Path(sys.executable)
    scripts: Path = Path(sys.executable).parent
    content: tuple[Installed, ...] = ()


class RunningEnvironments:
    """Gives nothing else."""

    async def content(self, requires: Sequence[str], _chain: tuple[str, ...]) -> tuple[Installed, ...]:
        assert not requires
        return ()

    async def provide(self, requires: Sequence[str], _target: Target, _chain: tuple[str, ...]) -> BuildEnvironment:
        assert not requires
        return RunningEnvironment()


@dataclass
class Engine:
    """What brings distributions into an environment, with the tools of a run."""

    wheels: Wheels
    sdists: Sdists
    distributions: Distributions
    installer: Installer
    tools: Tools

    async def install(self, artifacts: Iterable[Artifact], draft: SomeStaging, **options: Any) -> Summary:
        distributions = tuple(Distribution(a.name, a.version, WheelSource(a), **options) for a in artifacts)
        done = await self.installer.install(Plan(draft.target, distributions), draft)
        assert draft.known[-1].snapshot(draft.prefix) == tree.snapshot(draft.prefix)  # what is known is true
        return done.summary


@asynccontextmanager
async def engine(
    store: Store,
    settings: Settings | None = None,
    *,
    recorder: Recorder | None = None,
    **concurrent: int,
) -> AsyncIterator[Engine]:
    """Give what installs; ``downloads``, ``builds`` and ``installs`` say how many at once; ``all``: of each."""
    if recorder is not None:
        store = Store(store.root, recorder=recorder)
    every = concurrent.pop("all", None)
    numbers: dict[str, Any] = {"downloads": every or 5, "builds": every or 2, "installs": every or 1} | concurrent
    changed = {f"concurrent_{pool}": number for pool, number in numbers.items()}
    settings = replace(settings or NOWHERE, concurrent=every, **changed)
    policies = Policies.of(settings)
    async with tools_of(store, settings) as tools:
        wheels = Wheels(tools, policies.freshness, policies.wheels)
        sdists = Sdists(tools, policies.freshness)
        builder = SourceBuilder(tools, TARGET, wheels, sdists, RunningEnvironments(), policies.backends)
        async with Distributions(wheels, lambda _: builder) as distributions:
            installer = Installer(tools, distributions, policies.link, overlaps=policies.overlaps)
            yield Engine(wheels, sdists, distributions, installer, tools)


def artifact(path: Path, url: str | None = None, *, name: str = "", version: str = "", hashed: bool = True) -> Artifact:
    """Return the artifact of a file, at a server's URL or where it lies."""
    parts = path.name.split("-")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Artifact(
        name or parts[0].replace("_", "-").lower(),
        version or parts[1].removesuffix(".tar.gz"),
        path.name,
        url or path.as_uri(),
        Hashes.of({"sha256": digest}) if hashed else Hashes(),
        path.stat().st_size,
    )


def contents(directory: Path) -> dict[str, int]:
    """Return all files below a directory, with sizes: what must be the same before and after a failure."""
    found = {}
    for place, _, names in os.walk(directory):
        relative = os.path.relpath(place, directory)
        if relative.split(os.sep)[0] == "locks":
            continue
        for name in names:
            path = os.path.join(place, name)
            if not name.endswith(".lease") and name not in {"CACHEDIR.TAG", "conftest.py"}:
                found[os.path.normpath(os.path.join(relative, name))] = os.lstat(path).st_size
    return found


def run(work: Any) -> Any:
    return asyncio.run(work)
