"""The rooms, wired together for one target interpreter and one index configuration."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from pytest_fastenv.archive.limits import Limits
from pytest_fastenv.environment.skeleton import skeleton
from pytest_fastenv.errors import FastenvError, InterpreterNotFoundError, ProvideError
from pytest_fastenv.index.config import IndexConfig
from pytest_fastenv.index.http import HttpClient
from pytest_fastenv.index.package_index import PackageIndex
from pytest_fastenv.index.pip_config import configuration_files
from pytest_fastenv.installer.build.builder import SourceBuilder
from pytest_fastenv.installer.build.circle import Waits
from pytest_fastenv.installer.fetch_ahead import FetchAhead
from pytest_fastenv.installer.pipeline import Installer, InstallReport, in_order_of_beginning
from pytest_fastenv.installer.sdists import Sdists
from pytest_fastenv.installer.timings import Timings
from pytest_fastenv.installer.wheels import Wheels
from pytest_fastenv.interpreter.discovery import find_target
from pytest_fastenv.interpreter_downloads.arrival import Arrival, Present
from pytest_fastenv.interpreter_downloads.offer import Offer
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.plan import Plan
from pytest_fastenv.model.protocols import Staging
from pytest_fastenv.model.request import FormatControl, IndexOptions, ReadFile, Request
from pytest_fastenv.model.target import Target
from pytest_fastenv.provisioning.build_environments import StoredBuildEnvironments
from pytest_fastenv.provisioning.resolutions import Resolution, Resolutions, resolution_key
from pytest_fastenv.resolve.resolution import resolve
from pytest_fastenv.schedule.outcome import together
from pytest_fastenv.schedule.pools import Pools
from pytest_fastenv.schedule.process_pool import ProcessPool
from pytest_fastenv.schedule.slots import MachineSlots
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.buckets import Bucket
from pytest_fastenv.store.store import Store


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an engine works in.

    :ivar environ: environment variables: where pip's configuration is looked for.
    """

    settings: Settings
    store: Store
    recorder: Recorder
    environ: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Awaited:
    """An interpreter that is to be downloaded.

    :ivar target: what it will be (`assumed_target`).
    """

    offer: Offer
    target: Target

    @classmethod
    def of(cls, offer: Offer, host: Target, store: Store) -> Awaited:
        """Tell what an offer will be on this machine, once it lies in the store."""
        from pytest_fastenv.interpreter_downloads.assumed import assumed_target  # only where an interpreter is missing

        home = store.path(Bucket.PYTHONS, offer.sha256) / "python"
        return cls(offer, assumed_target(offer, host, home))


async def to_be_downloaded(spec: str, around: Surroundings, missing: InterpreterNotFoundError) -> Awaited:
    """Choose what is to be downloaded in place of an interpreter that is not on this machine.

    :param missing: what the search for it raised.
    :raises InterpreterNotFoundError: nothing that can be downloaded fits, or downloading is not permitted.
    """
    from pytest_fastenv.interpreter_downloads.supply import offered  # only where an interpreter is missing

    async def fetch(url: str) -> bytes:
        return await asyncio.to_thread(fetch_text, around.settings, around.environ, url)

    host = await asyncio.to_thread(find_target, None, around.store)
    offer = await offered(spec, host, around.store, around.settings, fetch, missing=missing)
    return Awaited.of(offer, host, around.store)


class Engine:
    """Resolves requests and installs plans for one interpreter; an asynchronous context manager.

    Where the interpreter has to be downloaded, that begins first and goes on beside everything that does not run it.
    Leaving the engine closes connections and ends worker processes and build backends.
    """

    def __init__(
        self, around: Surroundings, interpreter: Target | Awaited, index: IndexOptions, formats: FormatControl
    ) -> None:
        settings, store, recorder = around.settings, around.store, around.recorder
        self._around = around
        self.target = target = interpreter if isinstance(interpreter, Target) else interpreter.target
        self._stack = AsyncExitStack()
        self.pools = Pools(
            downloads=settings.concurrent_downloads,
            builds=settings.concurrent_builds,
            installs=settings.concurrent_installs,
            serial=settings.serial,
        )
        self._config = IndexConfig.load(settings, index, around.environ)
        self._resolutions = Resolutions(store, settings)
        self._http = HttpClient(self._config.network, self._config.credentials)
        self._index = PackageIndex(self._config, self._http, store, self.pools, recorder)
        self._workers = ProcessPool(settings.concurrent_installs)
        wheels = Wheels(self._index, store, self.pools, self._workers, recorder, settings)
        sdists = Sdists(self._index, store, self.pools, self._workers, recorder, settings)
        self._interpreter = Present(target) if isinstance(interpreter, Target) else self._arrival(interpreter)
        self._waits = Waits()
        environments = StoredBuildEnvironments(self, store, self.pools, self._waits, index, formats)
        # As many as cores, whatever this process may do at once: all processes of the machine must agree on it.
        slots = MachineSlots(store.root / "slots", os.cpu_count() or 1, recorder, settings.lock_timeout_s)
        self._builder = SourceBuilder(
            target, wheels, sdists, environments, store, self.pools, slots, recorder, settings, waits=self._waits
        )
        self._timings = Timings(store)
        # Strictly serial work begins nothing before it is its turn.
        self._ahead = None if settings.serial or settings.offline else FetchAhead(wheels, self._builder)
        self._installer = Installer(
            wheels, self._builder, self.pools, self._workers, recorder, settings, self._timings, self._ahead
        )

    def _arrival(self, awaited: Awaited) -> Arrival:
        from pytest_fastenv.interpreter_downloads.installation import InstallTools, install  # as above

        settings, store, recorder = self._around.settings, self._around.store, self._around.recorder
        tools = InstallTools(self._index, self.pools, self._workers, Limits.of(settings))
        return Arrival(awaited.target, lambda: install(awaited.offer, store, tools, recorder))

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._http)
        await self._stack.enter_async_context(self._workers)
        await self._stack.enter_async_context(self._builder)
        if isinstance(self._interpreter, Arrival):
            self._stack.push_async_callback(self._interpreter.aclose)
            self._interpreter.begin()
            if self._around.settings.serial:
                await self.ready()
        if self._ahead is not None:
            self._stack.push_async_callback(self._ahead.aclose)
            self._begin_early()
        return self

    def _begin_early(self) -> None:
        """Begin with the skeleton, which every environment needs, before one asks for it and meets its failure."""

        async def make() -> None:
            await self.ready()
            await skeleton(self.target, self._around.store, self.pools.install)

        making = asyncio.create_task(make())

        async def end() -> None:
            making.cancel()
            await asyncio.gather(making, return_exceptions=True)

        self._stack.push_async_callback(end)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timings.learn(self._around.recorder.spans)
        await self._stack.aclose()

    @property
    def is_waiting(self) -> bool:
        """Whether the interpreter is still on its way."""
        return isinstance(self._interpreter, Arrival) and not self._interpreter.is_there

    async def ready(self) -> None:
        """Wait until the interpreter can be started.

        :raises ProvideError: it could not be had, or is not what it was taken for.
        """
        await self._interpreter.ready()

    async def begin(self, plan: Plan) -> None:
        """Begin with what a plan needs and wait for the interpreter; fetching and unpacking do not wait for it.

        :raises ProvideError: the interpreter could not be had; with it all that failed beside it.
        """
        if isinstance(self._interpreter, Present):
            return
        if self._ahead is not None:
            for distribution in in_order_of_beginning(plan.distributions, self._timings):
                self._ahead.pinned(distribution, certain=True)
        try:
            await self.ready()
        except ProvideError as error:
            raise await self._with_what_failed_beside(error) from error.__cause__

    async def resolve(self, request: Request, preferences: Mapping[str, str] | None = None) -> Resolution:
        """Return the plan of a request: one that still stands, or a new one.

        :param preferences: versions by normalized name, taken where the requirements leave the choice.
        :raises NoSolutionError: there is none; the text explains it.
        """
        request = self._without_logins(request)
        key = resolution_key(request, self.target, self._config, preferences)
        known = self._resolutions.find(key)
        if known is not None:
            return known
        begun = time.time()
        try:
            plan = await self._search(request, preferences)
        except ProvideError as error:
            if self._ahead is None or self._waits.chain:
                raise
            raise await self._with_what_failed_beside(error) from error.__cause__
        made = Resolution(plan, begun)
        self._resolutions.keep(key, made)
        return made

    async def _with_what_failed_beside(self, error: FastenvError) -> FastenvError:
        """Finish what is being fetched and built beside what failed, and tell of that as well."""
        self._builder.admission.close()
        return together([error, *(await self._ahead.settled() if self._ahead is not None else ())])

    async def _search(self, request: Request, preferences: Mapping[str, str] | None) -> Plan:
        return await resolve(
            request,
            self.target,
            self._index,
            self._builder,
            store=self._around.store,
            recorder=self._around.recorder,
            offline=self._around.settings.offline,
            observer=self._ahead,
            preferences=preferences,
            pools=self.pools,
        )

    def _without_logins(self, request: Request) -> Request:
        """Keep user names and passwords of direct URLs for their origin, and out of plans, records and messages."""
        take = self._config.credentials.take
        wanted = tuple(replace(w, reference=w.reference.with_url(take)) for w in request.wanted)
        constraints = tuple(replace(w, reference=w.reference.with_url(take)) for w in request.constraints)
        return replace(request, wanted=wanted, constraints=constraints)

    @property
    def wasted_bytes(self) -> int:
        """How much was fetched ahead for what the resolver took back."""
        return self._ahead.wasted_bytes if self._ahead is not None else 0

    async def obtain(self, plan: Plan) -> None:
        """Fetch and build what a plan needs, and link nothing; see `Installer.obtain`."""
        await self._installer.obtain(plan)

    async def install(self, plan: Plan, draft: Staging) -> InstallReport:
        """Fill a draft with a plan's distributions; see `Installer.install`."""
        # What a build environment lacks is not the end of everything: another release may do without it.
        leads = None if self._waits.chain else self._builder.admission
        return await self._installer.install(plan, draft, leads=leads)

    @property
    def configuration_files(self) -> tuple[ReadFile, ...]:
        """Pip's configuration files, there or not: they decided where distributions come from."""
        found = []
        for path in dict.fromkeys(configuration_files(self._around.environ, sys.prefix)):
            content = path.read_bytes() if path.is_file() else None
            found.append(ReadFile(path, hashlib.sha256(content).hexdigest() if content is not None else ""))
        return tuple(found)


def fetch_text(settings: Settings, environ: Mapping[str, str], url: str) -> bytes:
    """Return a requirements file from a server. Blocks; not for a thread that runs an event loop.

    :raises NetworkError: it cannot be had.
    """

    async def fetch() -> bytes:
        config = IndexConfig.load(settings, IndexOptions(), environ)
        async with HttpClient(config.network, config.credentials) as http:
            return (await http.get(config.credentials.take(url))).content

    return asyncio.run(fetch())
