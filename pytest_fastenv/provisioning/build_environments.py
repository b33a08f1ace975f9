"""Build environments: isolated, keyed by what is in them, kept in the store, shared by all builds and processes.

::

    build-environments-v2/ab/<key>/                        a virtual environment
    build-environments-v2/ab/<key>/.fastenv/tree-<n>       what a directory of it held when it was made
    build-environments-v2/ab/<key>/.fastenv/held.json      which directories those are, and the digests of these files
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, assert_never

from pytest_fastenv.environment.fingerprint import distribution_identity
from pytest_fastenv.environment.staging import stage_in_store
from pytest_fastenv.errors import NoSolutionError
from pytest_fastenv.filesystem import tree
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.installer.build.circle import Waits
from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.build import Installed
from pytest_fastenv.model.digest import bytes_sha256, file_sha256, key_of
from pytest_fastenv.model.plan import Plan, SdistSource, Source, TreeSource, WheelSource
from pytest_fastenv.model.protocols import Staging
from pytest_fastenv.model.request import Request
from pytest_fastenv.model.target import Target
from pytest_fastenv.provisioning.resolutions import Resolution
from pytest_fastenv.requirements.documents import Documents
from pytest_fastenv.requirements.excerpt import Excerpt
from pytest_fastenv.requirements.specifiers import Surroundings, read_requirement
from pytest_fastenv.schedule.single_flight import SingleFlight
from pytest_fastenv.store.buckets import EntryBucket, InStore, Remaking
from pytest_fastenv.store.sealed import load, to_bytes
from pytest_fastenv.tools import Tools

_HELD = "held.json"
_CONFIGURATION = "pyvenv.cfg"


class PlansAndInstalls(Protocol):
    """What a build environment is made with: the engine itself."""

    @property
    def is_waiting(self) -> bool:
        """Whether the interpreter is still on its way."""

    async def ready(self) -> None:
        """Wait until the interpreter can be started."""

    async def resolve(self, request: Request) -> Resolution:
        """Return the plan of a request."""

    async def settle(self, resolution: Resolution) -> Resolution:
        """Build users' own trees."""

    def build_variables(self, plan: Plan) -> Mapping[str, str] | None:
        """Return what stands for the variables that builds read, where something is built."""

    async def digest(self, artifact: Artifact) -> str | None:
        """Return the SHA-256 of a file as far as it is known."""

    async def obtain(self, plan: Plan) -> None:
        """Fetch and build what a plan needs, and link nothing."""

    async def install(self, plan: Plan, staging: Staging) -> object:
        """Fill an environment with a plan's distributions."""


@dataclass(frozen=True, slots=True)
class BuildEnvironmentKey:
    """What decides what a build environment holds: the interpreter, and exactly which distributions.

    :ivar variables: what stands for the variables that builds read, where something of it is built.
    """

    identity: str
    distributions: tuple[str, ...]
    variables: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class HeldTree:
    """What a directory of a build environment held when it was made, in a file beside the list of these.

    :ivar directory: relative to the environment.
    :ivar sha256: of the file.
    """

    directory: str
    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Held:
    """What a build environment holds.

    :ivar configuration: SHA-256 of its ``pyvenv.cfg``: without that its interpreter sees no packages (PEP 405).
    :ivar uses: what of the store it was made of.
    """

    configuration: str
    trees: tuple[HeldTree, ...]
    uses: tuple[InStore, ...]


@dataclass(frozen=True, slots=True)
class StoredBuildEnvironment:
    """See `pytest_fastenv.model.protocols.BuildEnvironment`."""

    python: Path
    scripts: Path
    content: tuple[Installed, ...]


class StoredBuildEnvironments:
    """Fulfils `pytest_fastenv.model.protocols.BuildEnvironments`.

    :param rules: what holds for build requirements.
    """

    def __init__(
        self,
        engine: PlansAndInstalls,
        tools: Tools,
        waits: Waits,
        rules: Request,
    ) -> None:
        self._engine = engine
        self._store = tools.store
        self._pools = tools.pools
        self._waits = waits
        self._rules = rules
        self._plans: SingleFlight[tuple[str, ...], Plan] = SingleFlight()
        self._made: SingleFlight[tuple[str, ...], StoredBuildEnvironment] = SingleFlight()

    async def content(self, requires: Sequence[str], chain: tuple[str, ...]) -> tuple[Installed, ...]:
        """Tell what the environment for some build requirements would hold; see the protocol for what is promised."""
        wanted = _each_once(requires)
        with self._waits.waiting(self._waits.environment(wanted)):
            plan = await self._planned(wanted, chain)
        return await self._content(plan)

    async def provide(self, requires: Sequence[str], target: Target, chain: tuple[str, ...]) -> StoredBuildEnvironment:
        """Return the environment for some build requirements; see the protocol for what is promised."""
        wanted = _each_once(requires)
        known = self._made.done(wanted)
        if known is not None:
            return known
        with self._waits.waiting(self._waits.environment(wanted)):
            return await self._made.do(wanted, lambda: self._make(wanted, target, chain))

    async def _make(self, requires: tuple[str, ...], target: Target, chain: tuple[str, ...]) -> StoredBuildEnvironment:
        with self._waits.building(self._waits.environment(requires)):
            return await self._publish(await self._planned(requires, chain), target, chain)

    async def _planned(self, requires: tuple[str, ...], chain: tuple[str, ...]) -> Plan:
        async def plan() -> Plan:
            with self._waits.building(self._waits.environment(requires)):
                return await self._plan(requires, chain)

        return self._plans.done(requires) or await self._plans.do(requires, plan)

    async def _content(self, plan: Plan) -> tuple[Installed, ...]:
        """Return what stands for a plan's distributions on every machine."""
        return tuple(
            [
                Installed(distribution.name, distribution.version, await self._source_content(distribution.source))
                for distribution in plan.distributions
            ]
        )

    async def _source_content(self, source: Source) -> str:
        match source:
            case WheelSource(artifact):
                return await self._engine.digest(artifact) or key_of(artifact.identity)
            case SdistSource(artifact):
                return key_of(await self._engine.digest(artifact) or artifact.identity, source.build_identity)
            case TreeSource(content=content):
                return key_of(source.built or content, source.build_identity)
        assert_never(source)

    async def _publish(self, plan: Plan, target: Target, chain: tuple[str, ...]) -> StoredBuildEnvironment:
        distributions = tuple(map(distribution_identity, plan.distributions))
        key = key_of(BuildEnvironmentKey(target.identity, distributions, self._engine.build_variables(plan)))

        async def make(place: Path) -> None:
            final = self._store.path(BUILD_ENVIRONMENTS, key)
            staged = await stage_in_store(target, self._store, place, final, self._pools.install)
            await self._engine.install(plan, staged)
            await in_thread(write_held, place, target, staged.used)

        if self._store.lookup(BUILD_ENVIRONMENTS, key) is None and (self._engine.is_waiting or _is_built(plan)):
            # While the interpreter is on its way this goes on already. And nothing is built under the environment's
            # lock: two processes that came upon a circle of build requirements from different ends would wait for
            # each other's.
            await self._engine.obtain(plan)
        await self._engine.ready()
        subject = f"the build environment of {chain[-1]}" if chain else "a build environment"
        async with self._pools.build_environment():
            prefix = await self._store.publish(BUILD_ENVIRONMENTS, key, make, subject=subject)
            if await in_thread(BUILD_ENVIRONMENTS.is_damaged, prefix):
                await self._store.withdraw(BUILD_ENVIRONMENTS, key, only_damaged=True)
                prefix = await self._store.publish(BUILD_ENVIRONMENTS, key, make, subject=subject)
        scripts = prefix / target.schemes["scripts"]
        python = scripts / ("python.exe" if target.markers.get("os_name") == "nt" else "python")
        return StoredBuildEnvironment(python, scripts, await self._content(plan))

    async def _plan(self, requires: Sequence[str], chain: tuple[str, ...]) -> Plan:
        place = f"build requirements of {chain[-1]}" if chain else "build requirements"
        surroundings = Surroundings(directories=(), documents=Documents(), specifiers_only=True)
        wanted = tuple(read_requirement(Excerpt.of(text, place), surroundings) for text in requires)
        request = self._rules.for_builds(wanted)
        try:
            return (await self._engine.settle(await self._engine.resolve(request))).plan
        except NoSolutionError as error:
            raise NoSolutionError(
                f"the {place} cannot be satisfied: {error.what}", where=error.where, why=error.why, hint=error.hint
            ) from error


def _each_once(requires: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(set(requires)))


def write_held(prefix: Path, target: Target, used: Iterable[InStore]) -> None:
    """Write what a finished build environment holds: it is looked at again before each use by another process."""
    own = prefix / tree.OWN_DIRECTORY
    own.mkdir(exist_ok=True)
    trees = []
    for number, directory in enumerate(_directories(target)):
        content = tree.snapshot(prefix / directory).encode()
        (own / f"tree-{number}").write_bytes(content)
        trees.append(HeldTree(directory, f"tree-{number}", bytes_sha256(content)))
    configuration = file_sha256(prefix / _CONFIGURATION)
    (own / _HELD).write_bytes(to_bytes(Held(configuration, tuple(trees), tuple(sorted(used)))))


def _check(prefix: Path) -> str | None:
    own = prefix / tree.OWN_DIRECTORY
    held = load(own / _HELD, Held)
    if held is None:
        return "the list of what it holds is damaged"
    try:
        if file_sha256(prefix / _CONFIGURATION) != held.configuration:
            return f"{_CONFIGURATION} was changed"
    except OSError as error:
        return f"{_CONFIGURATION}: {error.strerror}"
    for one in held.trees:
        try:
            content = (own / one.file).read_bytes()
            known = tree.Tree.decode(content) if bytes_sha256(content) == one.sha256 else None
        except (OSError, ValueError):
            known = None
        change = tree.first_change(prefix / one.directory, known) if known is not None else "the list is damaged"
        if change is not None:
            return f"{one.directory}: {change}"
    return None


def _uses(prefix: Path) -> tuple[InStore, ...]:
    held = load(prefix / tree.OWN_DIRECTORY / _HELD, Held)
    return held.uses if held is not None else ()


BUILD_ENVIRONMENTS = EntryBucket(
    name="build-environments",
    version=2,
    about="isolated environments for build backends",
    remaking=Remaking.LINKED,
    check=_check,
    refers_to=_uses,
)


def _directories(target: Target) -> list[str]:
    return sorted({target.schemes[name] for name in ("purelib", "platlib", "scripts")})


def _is_built(plan: Plan) -> bool:
    """Tell whether something of a plan has to be built first."""
    return any(distribution.source.needs_build for distribution in plan.distributions)
