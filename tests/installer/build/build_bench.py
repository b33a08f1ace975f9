"""What the tests of building stand on: real environments, calls of hooks, builders over a directory of artifacts."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kit.archives import make_project
from kit.tools import tools_of

from pytest_fastenv.installer.build.builder import SourceBuilder
from pytest_fastenv.installer.build.hooks import BackendServers, HookAnswer, HookCall
from pytest_fastenv.installer.build.policy import BackendPolicy
from pytest_fastenv.installer.build.pyproject import read_pyproject
from pytest_fastenv.installer.distributions import Distributions
from pytest_fastenv.installer.sdists import Sdists
from pytest_fastenv.installer.wheels import Wheels
from pytest_fastenv.model.artifact import Artifact, Hashes
from pytest_fastenv.model.build import Installed
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.plan import SdistSource, TreeSource
from pytest_fastenv.model.target import Target
from pytest_fastenv.provisioning.run import Policies
from pytest_fastenv.schedule.pools import Pools
from pytest_fastenv.schedule.slots import MachineSlots
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store

TARGET = Target(
    python=sys.executable,
    implementation="cpython",
    version="3.11.0",
    tags=("py3-none-any",),
    markers={},
    soabi="cpython-311",
    platform="some-platform",
    free_threaded=False,
    schemes={},
    identity="0",
    externals={},
)


@dataclass(frozen=True)
class Environment:
    """An environment to build in."""

    python: Path
    scripts: Path
    content: tuple[Installed, ...] = ()

    @classmethod
    def running(cls) -> Environment:
        """The one that the tests run in."""
        return cls(Path(sys.executable), Path(sys.executable).parent)

    @classmethod
    def at(cls, prefix: Path) -> Environment:
        """One that was made by virtualenv."""
        scripts = prefix / ("Scripts" if os.name == "nt" else "bin")
        return cls(scripts / ("python.exe" if os.name == "nt" else "python"), scripts)


@dataclass
class Bench:
    """A project with an in-tree backend, and calls of its hooks."""

    directory: Path
    recorder: Recorder = field(default_factory=Recorder)
    environment: Environment = field(default_factory=Environment.running)
    subject: str = "demo 1.0"

    @property
    def tree(self) -> Path:
        return self.directory / "demo"

    @property
    def log(self) -> Path:
        return self.directory / "build.log"

    def project(self, code: str = "", **options: Any) -> Path:
        """Make the project; the code is appended to the in-tree backend."""
        return make_project(self.tree, "demo", backend_code=code or None, **options)

    def servers(self, environ: Mapping[str, str] = os.environ, **policy: Any) -> BackendServers:
        return BackendServers(self.recorder, environ, BackendPolicy(**{"timeout_s": 30.0, **policy}))

    def call(self, hook: str = "build_wheel", locks: Sequence[int] = ()) -> HookCall:
        scratch = self.directory / "scratch"
        scratch.mkdir(exist_ok=True)
        arguments = [str(self.directory), None, None] if hook.startswith("build_") else [None]
        return HookCall(hook, arguments, self.subject, self.tree, scratch, self.log, self.tree, tuple(locks))

    async def run(self, hook: str = "build_wheel", locks: Sequence[int] = (), **options: Any) -> HookAnswer:
        """Call one hook by servers of their own."""
        servers = self.servers(**options)
        try:
            system = read_pyproject(self.tree, self.subject).build_system
            return await servers.call(self.environment, system, self.call(hook, locks))
        finally:
            await servers.aclose()


@dataclass
class Environments:
    """Gives one environment to all builds; what has to be built for it first is built first.

    :ivar sources: build requirements that are there as source distributions only, by name.
    :ivar releases: versions of build requirements, by name; 1 where nothing is said.
    :ivar told: which build requirements it was asked to resolve.
    :ivar asked: for which ones an environment was made, and the chain that led there.
    """

    environment: Environment = field(default_factory=Environment.running)
    sources: dict[str, Path] = field(default_factory=dict)
    releases: dict[str, str] = field(default_factory=dict)
    told: list[tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)
    builder: Distributions | None = None
    asked: list[tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)
    during: Callable[[], None] = lambda: None

    async def content(self, requires: Sequence[str], chain: tuple[str, ...]) -> tuple[Installed, ...]:
        self.told.append((tuple(requires), chain))
        return tuple(Installed(name, self.releases.get(name, "1"), name) for name in sorted(set(requires)))

    async def provide(self, requires: Sequence[str], _target: Target, chain: tuple[str, ...]) -> Environment:
        self.asked.append((tuple(requires), chain))
        self.during()
        for requirement in requires:
            if requirement in self.sources:
                assert self.builder is not None
                await self.builder.build(sdist(self.sources[requirement]), requirement, "1.0")
        return replace(self.environment, content=await self.content(requires, chain))


@dataclass
class Surroundings:
    """A builder with everything around it, over one store."""

    builder: Distributions
    environments: Environments
    recorder: Recorder
    pools: Pools
    store: Store

    def spans(self, kind: str = "build", hook: str | None = None) -> list[Any]:
        return [s for s in self.recorder.spans if s.kind == kind and hook in {None, s.args.get("hook")}]


@asynccontextmanager
async def surroundings(
    root: Path,
    *,
    environments: Environments | None = None,
    environ: Mapping[str, str] | None = None,
    target: Target = TARGET,
    built: Any = None,
    slots: int = 2,
    **settings: Any,
) -> AsyncIterator[Surroundings]:
    """Put a builder together; nothing in it is a stand-in but the place where build environments come from."""
    chosen = Settings(**{"concurrent_builds": 2, "concurrent_installs": 1, "lock_timeout_s": 60.0, **settings})
    policies = Policies.of(chosen)
    recorder = Recorder()
    store = Store(root, recorder=recorder, lock_timeout_s=60.0)
    environments = environments or Environments()
    machine = MachineSlots(root / "slots", slots, recorder, 60.0)
    async with tools_of(store, chosen, environ, slots=machine) as tools:
        wheels, sdists = Wheels(tools, policies.freshness, policies.wheels), Sdists(tools, policies.freshness)
        if built is not None:
            built.wheels = wheels
        source_builder = SourceBuilder(tools, target, wheels, sdists, environments, policies.backends, built=built)
        async with Distributions(wheels, lambda _: source_builder) as builder:
            environments.builder = builder
            yield Surroundings(builder, environments, recorder, tools.pools, store)


def sdist(path: Path, **options: Any) -> SdistSource:
    """Return an archive as a source."""
    name, _, version = path.name.removesuffix(".tar.gz").rpartition("-")
    hashes = Hashes.of({"sha256": hashlib.sha256(path.read_bytes()).hexdigest()})
    return SdistSource(Artifact(name, version, path.name, path.as_uri(), hashes), **options)


def tree(path: Path, content: str = "the-content", **options: Any) -> TreeSource:
    """Return a project's directory as a source."""
    return TreeSource(path, content, **options)


def wait_for_file(path: Path, within_s: float = 20.0) -> None:
    """Wait until a file has content that another process writes at once."""
    deadline = time.monotonic() + within_s
    while not path.is_file() or not path.stat().st_size:
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.002)  # another process writes it: there is nothing else to wait for


def process_ends(pid: int, within_s: float = 2.0) -> bool:
    """Tell whether a process is gone, or goes within some time."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            os.kill(pid, 0)
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.002)  # not our child: it cannot be waited for
