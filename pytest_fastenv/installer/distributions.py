"""One door for a distribution: wheels, source distributions and trees are all asked for here, and made once.

Wheels are fetched and unpacked, sources are built; both end as a wheel in the store. Tasks that want the same thing
at the same moment share the making of it.

What the resolver has pinned is begun while it still searches: the search rarely takes a pin back, so nearly all of that
is work that would follow anyway. What was taken back after its bytes had come is counted, and stays in the store for
the next run. Builds are begun early only for what no search can take back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeVar, assert_never

from pytest_fastenv.errors import FastenvError
from pytest_fastenv.installer.build.circle import Waits
from pytest_fastenv.installer.build.job import Job
from pytest_fastenv.installer.unpacked_wheel import UnpackedWheel
from pytest_fastenv.installer.wheels import Wheels
from pytest_fastenv.model.artifact import Artifact, Hashes
from pytest_fastenv.model.metadata import CoreMetadata
from pytest_fastenv.model.observation import Observation
from pytest_fastenv.model.plan import BuildSource, Distribution, SdistSource, TreeSource, WheelSource
from pytest_fastenv.schedule.outcome import Admission
from pytest_fastenv.schedule.single_flight import SingleFlight

T = TypeVar("T")


class Builder(Protocol):
    """What sources are built by (`pytest_fastenv.installer.build.builder`); asked for each thing once at a time."""

    @property
    def waits(self) -> Waits:
        """Which source's build waits for which other one."""

    async def job(self, source: BuildSource, name: str | None, version: str | None) -> Job:
        """Return what is to be done for a source."""

    async def build(self, job: Job) -> UnpackedWheel:
        """Return the wheel of a source: from the store, or built now."""

    async def metadata(self, job: Job) -> CoreMetadata:
        """Return the metadata that a source's wheel would have, or the wheel's own."""

    def is_built(self, job: Job) -> bool:
        """Tell whether the last build of a source still holds."""

    async def look_again(self, job: Job) -> bool:
        """Tell whether the metadata that is remembered of a source still holds."""

    def observed(self, job: Job) -> list[Observation]:
        """Return what is known of a source rests on."""

    async def quiet(self, tree: Path, look: Callable[[], T]) -> T:
        """Look at a user's own tree while no build writes into it."""

    async def identify(self, artifact: Artifact) -> str:
        """Return the SHA-256 of a source distribution."""

    def known_metadata(self, job: Job) -> CoreMetadata | None:
        """Return the metadata as far as it is remembered."""

    def check(self, job: Job, metadata: CoreMetadata) -> None:
        """Compare what a source says it is with what it was taken for."""

    async def aclose(self) -> None:
        """End what is kept for builds to come."""


@dataclass(slots=True)
class _Shared:
    """A wheel that several may have waited for."""

    wheel: UnpackedWheel
    taken: bool = False

    def take(self) -> UnpackedWheel:
        """Return the wheel: the first caller gets it as newly made, the others as found in the store.

        By the time of the others an environment may hold links to its files.
        """
        if self.taken:
            return replace(self.wheel, provenance="cache", fetched_bytes=0, fresh=False)
        self.taken = True
        return self.wheel


#: A wheel, and the name and version that it is to have.
_Wanted = tuple[Artifact, str, str]


class Distributions:
    """Gives distributions as wheels in the store, and their metadata. For one event loop.

    Fulfils `SourceMetadata` and `PinObserver`. Use as an asynchronous context manager: at its end work that was
    begun early and is still under way is given up, and build backends are ended.

    :param builder: makes what sources are built by, when the first one is asked for: most environments are of wheels.
    :param begins_early: begin with what the resolver pins.
    :ivar admission: when it is closed no hook of a build backend is begun any more; hooks that run are finished.
    """

    def __init__(self, wheels: Wheels, builder: Callable[[Admission], Builder], *, begins_early: bool = True) -> None:
        self._wheels = wheels
        self._make_builder = builder
        self._made_builder: Builder | None = None
        self.admission = Admission()
        self.begins_early = begins_early
        # What lies at a URL or in a directory may change: wheels are looked for each time. A job's key is its content.
        self._fetched: SingleFlight[_Wanted, _Shared] = SingleFlight(remembers=False)
        self._built: SingleFlight[str, _Shared] = SingleFlight()
        self._told: SingleFlight[str, CoreMetadata] = SingleFlight()
        self._pins: dict[str, _Wanted] = {}
        self._early: dict[_Wanted, asyncio.Task[_Shared]] = {}
        self._claimed: set[_Wanted] = set()
        self._early_builds: dict[SdistSource, asyncio.Task[_Shared]] = {}
        self._begun: list[asyncio.Task[_Shared]] = []

    @property
    def _builder(self) -> Builder:
        if self._made_builder is None:
            self._made_builder = self._make_builder(self.admission)
        return self._made_builder

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.give_up()
        if self._made_builder is not None:
            await self._made_builder.aclose()

    # --- what is needed ------------------------------------------------------------------------------------------

    async def obtain(self, distribution: Distribution, admission: Admission | None = None) -> UnpackedWheel:
        """Return a distribution's wheel, unpacked in the store: what is there, what was begun early, or made now.

        Cancelling ends the work before it passes, unless another task waits for the same wheel.

        :param admission: asked before anything is begun; a transfer that has no permit yet when it closes is not
            begun, unless another task that needs it may go on.
        :raises NotAdmittedError: it is closed.
        :raises FastenvError: it could not be had; see `Wheels.from_artifact` and `SourceBuilder.build`.
        """
        if admission is not None:
            admission.check()
        match distribution.source:
            case WheelSource(artifact):
                wanted = (artifact, distribution.name, distribution.version)
                shared = self._claim(wanted)
                if shared is None:
                    shared = await self._fetched.do_admitted(wanted, partial(self._fetch, wanted), admission)
                return shared.take()
            case SdistSource() | TreeSource() as source:
                job = await self._builder.job(source, distribution.name, distribution.version)
                return (await self._build(job, admission)).take()
        assert_never(distribution.source)

    async def build(self, source: BuildSource, name: str | None, version: str | None) -> UnpackedWheel:
        """Return the wheel of a source: from the store, or built now.

        :param name: the project's name; checked.
        :param version: the version that the plan has; checked.
        :raises BuildError: the backend failed; the log's last lines and its place are told.
        :raises CycleError: the build needs itself.
        :raises MetadataError: the wheel contradicts the metadata that was announced for it.
        """
        shared = await self._build(await self._builder.job(source, name, version))
        return shared.take()

    async def metadata(self, source: BuildSource, name: str | None) -> CoreMetadata:
        """Return the metadata a wheel built from the source would have.

        What the source states for good is taken as it is (PEP 643, PEP 621); else the backend is asked, and if it
        cannot tell, the wheel is built. The same source asked for twice costs once, in later processes too.

        :raises BuildError: the backend failed.
        :raises MismatchError: the source is another project's or version's than its file name says.
        """
        job = await self._builder.job(source, name, source.version)
        if not await self._builder.look_again(job):
            self._told.forget(job.key)
        known = self._told.done(job.key) or self._builder.known_metadata(job)
        if known is None and self._built.is_under_way(job.key):
            # The wheel is sure to be needed. It tells its metadata itself, and another hook would only wait.
            known = (await self._build(job)).wheel.read_metadata()
        if known is None:
            with self._builder.waits.waiting(job.subject):
                known = await self._told.do(job.key, partial(self._builder.metadata, job))
        self._builder.check(job, known)
        return known

    def accept(self, wheel: UnpackedWheel, *, is_own: bool) -> None:
        """Judge what a wheel does to an environment that tests run in (`Wheels.accept`)."""
        self._wheels.accept(wheel, is_own=is_own)

    async def replace(
        self, distribution: Distribution, damaged: UnpackedWheel, admission: Admission | None = None
    ) -> UnpackedWheel:
        """Make a wheel anew whose files in the store are not what they were; see `obtain`."""
        await self._wheels.discard(damaged)
        return await self.obtain(distribution, admission)

    async def content(self, source: BuildSource, name: str, version: str) -> str:
        """Return a digest of what a source gives when it is built; it is built for that, and not taken."""
        return (await self._build(await self._builder.job(source, name, version))).wheel.content

    async def observations(self, source: BuildSource) -> list[Observation]:
        """Return what is known of a source rests on: what hooks were seen to read, and what builds wrote into it."""
        return self._builder.observed(await self._builder.job(source, None, None))

    async def identified(self, artifact: Artifact) -> Artifact:
        """Return an artifact with its SHA-256 alone; it is fetched where only its bytes can tell, and checked.

        :raises ProvideError: it cannot be had, or is not what its hashes demand.
        """
        if artifact.hashes.sha256 and not artifact.url.startswith("file:"):
            return artifact
        early = [wanted for wanted in self._early if wanted[0] == artifact]
        if early:
            sha256 = (await asyncio.shield(self._early[early[0]])).wheel.sha256
        else:
            sha256 = await (self._wheels if artifact.kind == "wheel" else self._builder).identify(artifact)
        told = replace(artifact, hashes=Hashes.of({"sha256": sha256}))
        for wanted in early:  # it is asked for by its digest from now on
            self._early[told, wanted[1], wanted[2]] = self._early.pop(wanted)
            self._pins[wanted[1]] = (told, wanted[1], wanted[2])
        return told

    async def quiet(self, tree: Path, look: Callable[[], T]) -> T:
        """Return what there is to see in a user's own tree while no build writes into it.

        :param look: is called in a thread, and again where a build has begun meanwhile.
        """
        return await self._builder.quiet(tree, look)

    async def wheel_metadata(self, artifact: Artifact) -> CoreMetadata:
        """Return the metadata of a wheel, from the wheel itself.

        :raises ProvideError: it cannot be had.
        """
        known = self._wheels.find(artifact.hashes.sha256) if artifact.hashes.sha256 else None
        return (known or await self._wheels.from_artifact(artifact)).read_metadata()

    async def digest(self, artifact: Artifact) -> str | None:
        """Return the SHA-256 of a file as far as it is known without fetching it; see `Wheels.digest`."""
        return await self._wheels.digest(artifact)

    async def _fetch(self, wanted: _Wanted, admission: Admission) -> _Shared:
        artifact, *expect = wanted
        return _Shared(await self._wheels.from_artifact(artifact, (expect[0], expect[1]), admission=admission))

    async def _build(self, job: Job, admission: Admission | None = None) -> _Shared:
        known = self._built.done(job.key)
        if known is not None:
            if self._builder.is_built(job) and self._wheels.find(known.wheel.sha256) is not None:
                return known
            self._built.forget(job.key)  # it was taken out of the store since, or the user's tree is another one
        with self._builder.waits.waiting(job.subject):
            return await self._built.do_admitted(job.key, partial(self._make, job), admission)

    async def _make(self, job: Job, _admission: Admission) -> _Shared:
        # Hooks ask the admission that all builds have in common, builds for build environments included.
        return _Shared(await self._builder.build(job))

    # --- what may be needed --------------------------------------------------------------------------------------

    def pinned(self, distribution: Distribution, *, certain: bool = False) -> None:
        """Begin with a distribution that is not begun yet: to fetch a wheel; to build a source, if it is certain.

        A failure is raised when the distribution is asked for.
        """
        if not self.begins_early:
            return
        match distribution.source:
            case WheelSource(artifact):
                self._pin((artifact, distribution.name, distribution.version))
            case SdistSource() as source:
                if certain and source not in self._early_builds:
                    building = self._begin_build(source, distribution)
                    self._early_builds[source] = asyncio.get_running_loop().create_task(building)
            case TreeSource():
                return
            case _:
                assert_never(distribution.source)

    def _pin(self, wanted: _Wanted) -> None:
        name = wanted[1]
        if self._pins.get(name, wanted) != wanted:
            self.unpinned(name)
        self._pins[name] = wanted
        if wanted not in self._early and wanted not in self._claimed:
            fetching = self._fetched.do_admitted(wanted, partial(self._fetch, wanted), None)
            self._early[wanted] = asyncio.get_running_loop().create_task(fetching)
            self._begun.append(self._early[wanted])

    async def _begin_build(self, source: SdistSource, distribution: Distribution) -> _Shared:
        return await self._build(await self._builder.job(source, distribution.name, distribution.version))

    def unpinned(self, name: str) -> None:
        """Give up a distribution that the search took back; a wheel that is there already counts as wasted."""
        wanted = self._pins.pop(name, None)
        task = self._early.get(wanted) if wanted is not None else None
        if wanted is not None and task is not None and not task.done():
            del self._early[wanted]
            task.cancel()

    def _claim(self, wanted: _Wanted) -> _Shared | None:
        """Take what was begun early, so that it is not given up any more; return it if it is there."""
        self._claimed.add(wanted)
        task = self._early.pop(wanted, None)
        return task.result() if task is not None and _has_succeeded(task) else None

    @property
    def wasted_bytes(self) -> int:
        """How much was transferred early for wheels that were not needed in the end."""
        return sum(task.result().wheel.fetched_bytes for task in self._early.values() if _has_succeeded(task))

    async def settled(self) -> list[FastenvError]:
        """Wait until the builds that were begun early have ended, and return the failures among them."""
        builds = list(self._early_builds.values())
        if builds:
            await asyncio.wait(builds)
        return [error for task in builds if isinstance(error := _failure(task), FastenvError)]

    async def give_up(self) -> None:
        """End what was begun early and is still under way, and wait for its end. Idempotent."""
        tasks = list(self._all_begun())
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
                _failure(task)

    def _all_begun(self) -> Iterator[asyncio.Task[_Shared]]:
        yield from self._begun
        yield from self._early_builds.values()


def _has_succeeded(task: asyncio.Task[_Shared]) -> bool:
    return task.done() and _failure(task) is None


def _failure(task: asyncio.Task[_Shared]) -> BaseException | None:
    """Return why a task that has ended gave nothing; looking at a failure also marks it as seen."""
    return asyncio.CancelledError() if task.cancelled() else task.exception()
