"""What is known of projects and releases: asked for once, by the event loop ahead of time or by the solver's thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from packaging.utils import canonicalize_name

from pytest_fastenv.errors import MetadataError, NoSolutionError, UnknownProjectError
from pytest_fastenv.index.project import Elsewhere
from pytest_fastenv.model.metadata import CoreMetadata
from pytest_fastenv.model.request import Wanted
from pytest_fastenv.resolve.candidates import (
    ArtifactChoice,
    Candidate,
    Policy,
    Refusal,
    is_from_same_place,
    is_same_source,
)
from pytest_fastenv.resolve.direct import Directs
from pytest_fastenv.resolve.releases import Limit, Releases
from pytest_fastenv.resolve.requirements_of import Specifiers
from pytest_fastenv.schedule.interrupted_work import InterruptedWork
from pytest_fastenv.wheel.names import same_version

T = TypeVar("T")


class SearchStoppedError(Exception):
    """The search was given up from outside; only the thread that searches sees this."""


class TooCostlyError(Exception):
    """A question was not worth its price: see `Facts.allow`."""


class Facts:
    """Everything the search asks of the world, each question at most once.

    Made and closed on the event loop. `releases` and `metadata` are for the event loop; `releases_now`,
    `metadata_now`, `need` and `examine_now` are for the solver's thread: they answer at once what is known and
    otherwise block that thread while the loop finds out.

    :param specifiers: parsed specifiers, shared with the other readers of them.
    :param work: the search that asks; it steps aside while its thread is blocked.
    """

    def __init__(self, directs: Directs, specifiers: Specifiers, work: InterruptedWork) -> None:
        self._work = work
        self.policy: Policy = directs.policy
        self.directs = directs
        self.specifiers = specifiers
        self._tools: tuple[Policy, Specifiers, ArtifactChoice] = (directs.policy, specifiers, directs.choice)
        self._loop = asyncio.get_running_loop()
        self._stopped = False
        self._tasks: dict[object, asyncio.Task[Any]] = {}
        self._releases: dict[str, Releases] = {}
        self._metadata: dict[tuple[str, str], CoreMetadata | Refusal] = {}
        self._direct: dict[str, list[Candidate]] = {}
        #: Projects that the user named directly: their releases at an index are no alternative.
        self._only_direct: set[str] = set()
        #: Projects of which the user named a release by its files, in a lock file.
        self.locked: set[str] = set()
        self._reserved: set[str] = set()
        self._settled = asyncio.Event()
        self._misses: dict[str, int] = {}
        self._allowed: int | None = None

    # --- on the event loop -------------------------------------------------------------------------------------

    def start(self, key: object, make: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
        """Return the task that works on a question, begun now if it was not asked before."""
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = self._loop.create_task(make())
        return task

    def stop(self) -> None:
        """Give everything up that is under way; the solver's thread ends at its next question."""
        self._stopped = True
        for task in self._tasks.values():
            task.cancel()

    async def close(self) -> None:
        """Stop, and wait until everything has ended."""
        self.stop()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def releases(self, name: str) -> Releases:
        """Return a project's releases; of an unknown project there are none."""
        known = self._releases.get(name)
        if known is None:
            known = await asyncio.shield(self.start(("page", name), lambda: self._read_page(name)))
        return known

    async def metadata(self, candidate: Candidate) -> CoreMetadata | Refusal:
        """Return a candidate's core metadata, or that it cannot be used: unreadable, or of something else."""
        if candidate.metadata is not None:
            return candidate.metadata
        key = candidate.name, candidate.text
        known = self._metadata.get(key)
        if known is None:
            known = await asyncio.shield(self.start(("metadata", key), lambda: self._read_metadata(candidate)))
        return known

    async def examine(self, wanted: Wanted) -> Candidate:
        """Return the candidate a direct reference stands for."""
        # Extras, line and spelling do not make it another candidate.
        key = "direct", wanted.name, wanted.reference, wanted.hashes, wanted.config_settings
        return await asyncio.shield(self.start(key, lambda: self.directs.examine(wanted)))

    def reserve(self, names: Iterable[str]) -> None:
        """Keep projects from being looked for at an index until `name_directly` has told what the user named."""
        self._reserved.update(names)

    def name_directly(self, candidates: Iterable[Candidate]) -> None:
        """Make what the user named directly the only choice for its projects. To be called once."""
        for candidate in candidates:
            name = candidate.name
            self._only_direct.add(name)
            if candidate.direct is None:
                self.locked.add(name)
            self._direct.setdefault(name, []).append(candidate)
            self._releases.pop(name, None)
            # Its page may be on its way, if only the source could tell the name; the task stays ours to end.
            stale = self._tasks.pop(("page", name), None)
            if stale is not None:
                self._tasks["stale", name] = stale
        self._settled.set()

    async def _read_page(self, name: str) -> Releases:
        if name in self._reserved:
            await self._settled.wait()
        limits = [await self._limit(one) for one in self.policy.constraints.get(name, ()) if one.reference.is_direct]
        if limits and name not in self._only_direct:
            self._only_direct.add(name)
            self._direct[name] = []
            for limit in limits:
                found, others = limit.found, self._direct[name]
                if isinstance(found, Candidate) and not any(is_from_same_place(found, other) for other in others):
                    others.append(found)
        page, unknown = None, None
        if self.policy.sealed_by and name not in self._only_direct:
            unknown = UnknownProjectError(
                f"{self.policy.sealed_by} does not lock {name}", hint=f"lock again: {name} is needed by now"
            )
        elif name not in self._only_direct:
            try:
                page = await self.directs.tools.index.project(name)
            except UnknownProjectError as error:
                unknown = error
        if name in self._only_direct:  # perhaps since a moment ago
            page, unknown = None, None
        self._releases[name] = Releases(name, page, self._tools, self._direct.get(name, ()), unknown, limits)
        return self._releases[name]

    async def _limit(self, constraint: Wanted) -> Limit:
        """Look at what a constraint names; where that is not for this interpreter, no release of the project is."""
        try:
            return Limit(constraint, await self.examine(constraint))
        except NoSolutionError as error:
            return Limit(constraint, error)

    async def _read_metadata(self, candidate: Candidate) -> CoreMetadata | Refusal:
        result: CoreMetadata | Refusal
        try:
            if candidate.source.needs_build:
                self.policy.demands.check_held(candidate.name, str(candidate))
            metadata = await self.directs.metadata(candidate.source, candidate.name)
            result = _checked(metadata, candidate)
        except MetadataError as fault:
            result = Refusal(f"has metadata that cannot be used: {fault.what}", fault)
        self._metadata[candidate.name, candidate.text] = result
        return result

    # --- in the solver's thread --------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise when the search is no longer wanted.

        :raises SearchStoppedError: `close` was called.
        """
        if self._stopped:
            raise SearchStoppedError

    def allow(self, questions: int | None) -> None:
        """Limit how much more metadata may be read, for what is good to know and no more; ``None`` ends the limit."""
        self._allowed = questions

    def releases_now(self, name: str) -> Releases:
        """`releases`, blocking."""
        return self._releases.get(name) or self._ask(lambda: self.releases(name))

    def need(self, names: Iterable[str]) -> None:
        """Read the pages of several projects at once, blocking."""
        missing = [name for name in names if name not in self._releases]
        if missing:
            self._ask(lambda: self._pages(missing))

    def metadata_now(
        self, candidate: Candidate, following: Callable[[int], Sequence[Candidate]]
    ) -> CoreMetadata | Refusal:
        """`metadata`, blocking.

        A search that goes through the releases of one project has to wait for each; so from the third of a
        project on, the next few are read along with it.

        :param following: gives up to so many candidates that come next if this one does not fit.
        """
        known = candidate.metadata or self._metadata.get((candidate.name, candidate.text))
        if known is not None:
            return known
        if self._allowed is not None:
            self._allowed -= 1
            if self._allowed < 0:
                raise TooCostlyError
        misses = self._misses[candidate.name] = self._misses.get(candidate.name, 0) + 1
        along = following(min(2 * (misses - 2), 8)) if misses > 2 else ()
        wheels = [other for other in along if not other.source.needs_build]
        return self._ask(lambda: self._metadata_along(candidate, wheels))

    def known_metadata(self, candidate: Candidate) -> CoreMetadata | None:
        """Return metadata that was read before."""
        known = candidate.metadata or self._metadata.get((candidate.name, candidate.text))
        return known if isinstance(known, CoreMetadata) else None

    def directly(self, wanted: Wanted) -> Candidate:
        """Return the candidate of a reference that was examined before."""
        return self._ask(lambda: self.examine(wanted))

    def examine_now(self, wanted: Wanted) -> tuple[Releases, int, bool]:
        """Add what a distribution's direct reference stands for to its project's releases, blocking.

        :return: the releases, the number of the candidate, and whether it is new among them (then numbers of sets
            made before do not count it).
        """
        candidate = self._ask(lambda: self.examine(wanted))
        releases = self.releases_now(candidate.name)
        for number, known in enumerate(releases.direct, len(releases.versions) - len(releases.direct)):
            if is_same_source(known, candidate):
                return releases, number, False
        self._direct.setdefault(candidate.name, []).append(candidate)
        releases = releases.with_direct(candidate)
        self._releases[candidate.name] = releases
        return releases, len(releases.versions) - 1, True

    def elsewhere_now(self, name: str) -> tuple[Elsewhere, ...]:
        """Ask the indexes that were not asked for a project, blocking; for diagnoses."""
        releases = self.releases_now(name)
        if releases.direct or self.policy.sealed_by:
            return ()
        used = releases.index_url
        return self._ask(lambda: self.directs.tools.index.elsewhere(name, used=used))

    async def _metadata_along(self, candidate: Candidate, others: Sequence[Candidate]) -> CoreMetadata | Refusal:
        for other in others:
            key = other.name, other.text
            if key not in self._metadata:
                self.start(("metadata", key), lambda other=other: self._read_metadata(other))  # type: ignore[misc]
        return await self.metadata(candidate)

    async def _pages(self, names: Sequence[str]) -> None:
        # No task group: the first error is to arrive as itself, and what else is under way is of use to others.
        await asyncio.gather(*(self.releases(name) for name in names))

    def _ask(self, question: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Have the loop answer a question, blocking this thread; the question is put together on the loop."""
        self.check()

        async def answer() -> T:
            self.check()
            async with self._work.aside():
                return await question()

        try:
            return asyncio.run_coroutine_threadsafe(answer(), self._loop).result()
        except concurrent.futures.CancelledError:
            raise SearchStoppedError from None


def _checked(metadata: CoreMetadata, candidate: Candidate) -> CoreMetadata:
    """Return metadata that is of the release it was asked for.

    :raises MetadataError: it names another project or version; both are in the text.
    """
    where = candidate.source.filename
    if canonicalize_name(metadata.name) != candidate.name:
        raise MetadataError(f"the metadata of {candidate} says it is the project {metadata.name}", where=where)
    if not same_version(metadata.version, candidate.text):
        raise MetadataError(f"the metadata of {candidate} says it is version {metadata.version}", where=where)
    return metadata
