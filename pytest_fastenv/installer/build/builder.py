"""Build wheels from sources: at most one successful build per key on the machine, however many ask.

The order, and who may wait for what:

1. know what the source needs for its build: from its record, else take the key's lock and read the source
2. have the build requirements resolved, and look whether a wheel that was built with just these is there
3. have a build environment made; that may build other things first, so nothing is held meanwhile
4. take the key's lock, look again; then, for each hook, a build permit, a slot of the machine, and one process that
   holds lock and slot, too, until all that it started has ended
5. check what it made, put it into the store, and only then tell `BuiltWheels`, which step 2 asks

Where the backend asks for more than ``build-system.requires`` (PEP 517), steps 2 to 4 are gone through again; what it
asked for is remembered.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar, assert_never

from pytest_fastenv.errors import BuildError, MetadataError, MismatchError
from pytest_fastenv.filesystem.oslock import OsLock
from pytest_fastenv.installer.build import metadata as core
from pytest_fastenv.installer.build.bench import Bench, HookRuns
from pytest_fastenv.installer.build.built_wheels import BuiltWheels, Made, StoredWheels
from pytest_fastenv.installer.build.circle import Waits
from pytest_fastenv.installer.build.hook_product import (
    check_identity,
    find_dist_info,
    find_sdist,
    find_wheel,
    read_requirements,
)
from pytest_fastenv.installer.build.job import Job, normalized, subject_of
from pytest_fastenv.installer.build.own_trees import OwnTrees
from pytest_fastenv.installer.build.policy import BackendPolicy
from pytest_fastenv.installer.build.records import RECIPES, BuildRecords
from pytest_fastenv.installer.build.workspace import Workspaces
from pytest_fastenv.installer.sdists import Sdists
from pytest_fastenv.installer.unpacked_wheel import UnpackedWheel
from pytest_fastenv.installer.wheels import Wheels
from pytest_fastenv.model.artifact import Artifact, Hashes
from pytest_fastenv.model.build import Build, Recipe
from pytest_fastenv.model.build_variables import result_variables
from pytest_fastenv.model.metadata import CoreMetadata
from pytest_fastenv.model.observation import Observation
from pytest_fastenv.model.plan import BuildSource, SdistSource, TreeSource
from pytest_fastenv.model.protocols import BuildEnvironments
from pytest_fastenv.model.target import Target
from pytest_fastenv.schedule.outcome import Admission
from pytest_fastenv.store.diagnosis import diagnosed
from pytest_fastenv.tools import Tools
from pytest_fastenv.wheel.names import same_version

T = TypeVar("T")


class SourceBuilder:
    """Builds wheels from source distributions and trees, and tells their metadata.

    For one event loop. It is asked through `Distributions`, which sees to it that a source is not built twice at once.
    Servers of build backends are kept until `aclose`.

    :param admission: when it is closed no hook is begun any more; hooks that run are finished.
    :ivar waits: which source's build waits for which other one.
    """

    def __init__(
        self,
        tools: Tools,
        target: Target,
        wheels: Wheels,
        sdists: Sdists,
        environments: BuildEnvironments,
        policy: BackendPolicy,
        waits: Waits | None = None,
        built: BuiltWheels | None = None,
        admission: Admission | None = None,
    ) -> None:
        self._target = target
        self._wheels = wheels
        self._sdists = sdists
        self._environments = environments
        self._store = tools.store
        self._pools = tools.pools
        self._variables = result_variables(tools.environ, policy.variables)
        self._records = BuildRecords(tools.store, tools.environ, anew=policy.anew)
        self._wheels_built = built or StoredWheels(tools.store, wheels)
        self._trees = OwnTrees(tools.store)
        self._spaces = Workspaces(sdists, tools.store, tools.pools)
        self.waits = waits or Waits()
        self._hooks = HookRuns(tools, policy, self._trees, self._records, admission or Admission())

    async def aclose(self) -> None:
        """End all servers and remove what is private. Idempotent."""
        await self._spaces.aclose()
        await self._hooks.aclose()

    async def job(self, source: BuildSource, name: str | None, version: str | None) -> Job:
        """Return what is to be done for a source; an archive without a digest is fetched for it.

        :param name: the project's name; checked.
        :param version: the version that the plan has; checked.
        """
        match source:
            case SdistSource(artifact):
                content = artifact.hashes.sha256 or (await self._sdists.fetch(artifact)).sha256
            case TreeSource(content=content):
                pass
            case _:
                assert_never(source)
        key = Recipe.of(source, content, self._target, self._variables).key
        return Job(key, source, normalized(name), version or None, subject_of(source, name, version))

    async def build(self, job: Job) -> UnpackedWheel:
        """Return the wheel of a source: from the store, or built now.

        Cancelling ends the build's processes before it passes.

        :raises BuildError: the backend failed; the log's last lines and its place are told.
        :raises CycleError: the build needs itself.
        :raises MetadataError: the wheel contradicts the metadata that was announced for it.
        """
        with diagnosed(f"{job.subject} cannot be built", self._store.root):
            if job.source.through_sdist:
                return await self._build_through_sdist(job)
            return await self._at_bench(job, partial(self._find, job), self._make)

    async def _find(self, job: Job, build: Build) -> UnpackedWheel | None:
        """Look for the wheel of a build; that of a user's own tree only as long as what it rests on is as it was."""
        return await self._wheels_built.find(build) if self._records.is_built(job, build) else None

    def is_built(self, job: Job) -> bool:
        """Tell whether the last build of a source still holds; only that of a user's own tree may not."""
        return self._records.holds("build", job)

    async def look_again(self, job: Job) -> bool:
        """Tell whether the metadata that is remembered of a source still holds; if not, begin with it anew."""
        holds = self._records.holds("metadata", job)
        if not holds:
            await self._spaces.discard(job)
        return holds

    def observed(self, job: Job) -> list[Observation]:
        """Return what is known of a source rests on: what hooks were seen to read, and what builds wrote into it."""
        return self._records.observed(job) if job.is_own_tree else []

    async def quiet(self, tree: Path, look: Callable[[], T]) -> T:
        """Look at a user's own tree while no build writes into it."""
        return await self._trees.quiet(tree, look)

    async def identify(self, artifact: Artifact) -> str:
        """Return the SHA-256 of a source distribution; it is fetched where only its bytes can tell."""
        return await self._sdists.identify(artifact)

    def known_metadata(self, job: Job) -> CoreMetadata | None:
        """Return the metadata that a source states, as far as the store remembers it."""
        return self._records.metadata(job)

    async def metadata(self, job: Job) -> CoreMetadata:
        """Return the metadata a wheel built from the source would have; see `Distributions.metadata`.

        :raises BuildError: the backend failed.
        """
        with diagnosed(f"{job.subject} cannot be read", self._store.root):
            return await self._tell(job)

    def check(self, job: Job, metadata: CoreMetadata) -> None:
        """Compare what a source says it is with what it was taken for.

        :raises MismatchError: it is another project, or another version.
        """
        wrong_name = job.name is not None and normalized(metadata.name) != job.name
        if wrong_name or (job.version is not None and not same_version(metadata.version, job.version)):
            raise MismatchError(
                f"{job.subject}: its source is {metadata.name} {metadata.version}",
                why="name and version are not those it was asked for by",
                hint="the source is mislabelled: pin another release, or report it to the project",
            )

    @asynccontextmanager
    async def _lock(self, job: Job) -> AsyncIterator[OsLock]:
        async with self._pools.source(), self._store.lock(RECIPES, job.key, subject=job.subject) as lock:
            yield lock

    async def _at_bench(
        self, job: Job, look: Callable[[Build], Awaitable[T | None]], work: Callable[[Bench], Awaitable[T]]
    ) -> T:
        """Do work under the job's lock with all its build requirements there, unless a look shows it is done."""
        with self.waits.building(job.subject) as chain:
            wanted = await self._wanted(job)
            while True:
                job.check_reach(wanted)
                content = await self._environments.content(wanted, chain)
                found = await look(job.build(content))
                if found is not None:
                    return found
                environment = await self._environments.provide(wanted, self._target, chain)
                build = job.build(environment.content)
                async with self._lock(job) as lock:
                    found = await look(build)
                    if found is not None:
                        return found
                    async with self._spaces.use(job) as space:
                        bench = Bench(job, build, space, environment, lock)
                        further = [text for text in await self._further(bench) if text not in wanted]
                        if not further:
                            return await work(bench)
                wanted = (*wanted, *further)

    async def _wanted(self, job: Job) -> tuple[str, ...]:
        """Return the build requirements that are known; the backend may ask for further ones later."""
        requires = self._records.requires(job)
        if requires is None:
            async with self._lock(job), self._spaces.use(job) as space:
                requires = space.pyproject.build_system.requires
                self._records.keep_requires(job, requires)
        return (*requires, *(text for text in self._records.further(job) or () if text not in requires))

    async def _further(self, bench: Bench) -> tuple[str, ...]:
        """Ask the backend, once, what it needs besides ``build-system.requires``."""
        known = self._records.further(bench.job)
        if known is not None:
            return known
        hook = f"get_requires_for_build_{bench.job.kind}"
        answer, grounds = await self._hooks.run(bench, hook, [bench.job.config_settings])
        further = [] if answer.missing else read_requirements(answer.value, hook, bench.job.subject, bench.space.log)
        self._records.keep_further(bench.job, further, grounds)
        return tuple(further)

    async def _make(self, bench: Bench) -> UnpackedWheel:
        """Have the wheel made, check it, keep it."""
        job, space = bench.job, bench.space
        directory = space.directory("wheel")
        start = time.monotonic()
        metadata = str(space.dist_info) if space.dist_info else None
        arguments = [str(directory), job.config_settings, metadata]
        answer, grounds = await self._hooks.run(bench, f"build_{job.kind}", arguments)
        seconds = time.monotonic() - start
        if answer.missing:
            raise _without_hook(bench)
        path = find_wheel(answer.value, directory, job.subject, space.log)
        check_identity(path, job.subject, job.name, job.version, space.log)
        expect = (job.name, job.version) if job.name and job.version else None
        wheel = await self._wheels.from_file(path, expect, provenance="built", oddities=space.oddities)
        self._compare(job, wheel, space.log)
        space.finished = True
        await self._wheels_built.keep(bench.build, Made(path, wheel, seconds))
        self._records.keep_build(job, bench.build, grounds)
        return wheel

    async def _build_through_sdist(self, job: Job) -> UnpackedWheel:
        """Have a tree's source distribution made, and the wheel of that: it has what the source distribution has."""
        artifact, _ = await self._at_bench(job, partial(self._find_sdist, job), self._make_sdist)
        source = SdistSource(artifact, config_settings=job.source.config_settings)
        inner = await self.job(source, job.name, job.version)
        wheel = await self.build(replace(inner, subject=f"{job.subject} from its source distribution"))
        self._compare(job, wheel, None)
        return wheel

    async def _find_sdist(self, job: Job, build: Build) -> tuple[Artifact, Build] | None:
        artifact = self._records.sdist(job) if self._records.is_built(job, build) else None
        return (artifact, build) if artifact and self._sdists.has(artifact) else None

    async def _make_sdist(self, bench: Bench) -> tuple[Artifact, Build]:
        """Have the source distribution made, and keep it as if it had been downloaded."""
        job, space = bench.job, bench.space
        directory = space.directory("sdist")
        answer, grounds = await self._hooks.run(bench, "build_sdist", [str(directory), job.config_settings])
        if answer.missing:
            raise _without_hook(bench)
        path = find_sdist(answer.value, directory, job.subject, space.log)
        made = Artifact(job.name or "", job.version or "", path.name, path.as_uri())
        kept = await self._sdists.fetch(made)
        artifact = replace(made, url=kept.path.as_uri(), hashes=Hashes.of({"sha256": kept.sha256}))
        self._records.keep_build(job, bench.build, grounds, artifact)
        return artifact, bench.build

    def _compare(self, job: Job, wheel: UnpackedWheel, log: Path | None) -> None:
        """Compare the wheel's metadata with what the resolver was told."""
        announced = self._records.announced(job)
        if announced is None:
            return
        found = core.differences(announced, wheel.read_metadata())
        if found:
            self._records.keep_metadata(job, None)  # asked again, the backend may tell the truth
            raise MetadataError(
                f"{job.subject}: the wheel's metadata is not what was announced for it",
                where=str(log) if log else None,
                why="\n".join(found),
                hint="pin another release, or use a wheel; the project's build gives different answers",
            )

    async def _tell(self, job: Job) -> CoreMetadata:
        async with self._lock(job):
            known = self._records.metadata(job)
            if known is None:
                async with self._spaces.use(job) as space:
                    known = space.static_metadata()
                    self._records.keep_requires(job, space.pyproject.build_system.requires)
                if known is not None:
                    self._records.keep_metadata(job, known)
        if known is None and job.source.through_sdist:
            _, build = await self._at_bench(job, partial(self._find_sdist, job), self._make_sdist)
            known = self._records.metadata(job, build)
            known = known or self._metadata_of(job, build, await self._build_through_sdist(job))
        if known is None:
            known = await self._at_bench(job, partial(self._look_for_metadata, job), self._prepare)
        return known

    async def _look_for_metadata(self, job: Job, build: Build) -> CoreMetadata | None:
        known = self._records.metadata(job, build)
        if known is not None:
            return known
        wheel = await self._find(job, build)
        return self._metadata_of(job, build, wheel) if wheel else None

    def _metadata_of(self, job: Job, build: Build, wheel: UnpackedWheel) -> CoreMetadata:
        """Tell a source's metadata by what was built of it; it rests on what the build rests on."""
        known = wheel.read_metadata()
        self._records.keep_metadata(job, known, self._records.built_observed(job), build)
        return known

    async def _prepare(self, bench: Bench) -> CoreMetadata:
        """Ask the backend for the metadata; a backend without that hook makes the wheel instead."""
        job, space = bench.job, bench.space
        directory = space.directory("metadata")
        hook = f"prepare_metadata_for_build_{job.kind}"
        answer, grounds = await self._hooks.run(bench, hook, [str(directory), job.config_settings])
        if answer.missing:
            self._records.keep_metadata(job, None)  # of a tree that was another one
            return self._metadata_of(job, bench.build, await self._make(bench))
        space.dist_info = find_dist_info(answer.value, directory, job.subject, space.log)
        known = core.read_dist_info(space.dist_info)
        self._records.keep_metadata(job, known, grounds, bench.build)
        return known


def _without_hook(bench: Bench) -> BuildError:
    backend = bench.space.pyproject.build_system.backend
    hint = None
    if bench.job.editable:
        hint = "build backends make editable installs by PEP 660 (setuptools from 64 on); or leave out -e"
    return BuildError(
        f"{bench.job.subject}: the build backend {backend} has no build_{bench.job.kind}",
        where=str(bench.space.shown_at / "pyproject.toml"),
        hint=hint,
    )
