"""The rooms, wired together for one target interpreter and one index configuration."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from pytest_fastenv.environment.skeleton import skeleton
from pytest_fastenv.errors import FastenvError, InterpreterNotFoundError, ProvideError
from pytest_fastenv.filesystem.observations import observe
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.installer.build.circle import Waits
from pytest_fastenv.installer.distributions import Distributions
from pytest_fastenv.installer.pipeline import Filled, Installer, in_order_of_beginning
from pytest_fastenv.installer.timings import Timings
from pytest_fastenv.installer.wheels import Wheels
from pytest_fastenv.interpreter.discovery import find_target
from pytest_fastenv.interpreter.installed import PYTHONS
from pytest_fastenv.interpreter_downloads.arrival import Arrival, Present
from pytest_fastenv.interpreter_downloads.offer import Offer
from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.build_variables import digests, result_variables
from pytest_fastenv.model.observation import Observation
from pytest_fastenv.model.plan import Distribution, Plan, SdistSource, WheelSource
from pytest_fastenv.model.protocols import Staging
from pytest_fastenv.model.request import Request
from pytest_fastenv.model.target import Target
from pytest_fastenv.provisioning.resolutions import Resolution, Resolutions, own_trees, resolution_key
from pytest_fastenv.provisioning.run import Policies, Run
from pytest_fastenv.provisioning.tools import SharedTools, open_tools
from pytest_fastenv.schedule.outcome import Admission, together
from pytest_fastenv.settings.pip_files import configuration_files
from pytest_fastenv.store.store import Store
from pytest_fastenv.tools import Tools

if TYPE_CHECKING:
    from pytest_fastenv.installer.build.builder import SourceBuilder

_NO_RULES = Request()


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

        home = store.path(PYTHONS, offer.sha256) / "python"
        return cls(offer, assumed_target(offer, host, home))


async def to_be_downloaded(spec: str, run: Run, missing: InterpreterNotFoundError) -> Awaited:
    """Choose what is to be downloaded in place of an interpreter that is not on this machine.

    :param missing: what the search for it raised.
    :raises InterpreterNotFoundError: nothing that can be downloaded fits, or downloading is not permitted.
    """
    from pytest_fastenv.interpreter_downloads.supply import offered  # only where an interpreter is missing

    host = await in_thread(find_target, None, run.store)
    async with open_tools(run) as tools:
        offer = await offered(spec, host, run.store, run.policies.downloads, tools.text, missing=missing)
    return Awaited.of(offer, host, run.store)


class Engine:
    """Resolves requests and installs plans for one interpreter; an asynchronous context manager.

    Where the interpreter has to be downloaded, that begins first and goes on beside everything that does not run it.
    Leaving the engine ends build backends and all work that it has begun; its tools are left open.

    :param builds: the rules for build requirements: `Request.for_builds`.
    :ivar tools: what it works with.
    :ivar distributions: the door for everything that goes into environments.
    """

    def __init__(
        self,
        tools: Tools,
        policies: Policies,
        interpreter: Target | Awaited,
        builds: Request = _NO_RULES,
    ) -> None:
        self.tools = tools
        self.target = target = interpreter if isinstance(interpreter, Target) else interpreter.target
        self._stack = AsyncExitStack()
        self._resolutions = Resolutions(tools.store, policies.freshness, tools.environ, anew=policies.backends.anew)
        wheels = Wheels(tools, policies.freshness, policies.wheels)
        self._interpreter = Present(target) if isinstance(interpreter, Target) else self._arrival(interpreter)
        self._waits = Waits()
        self._policies, self._builds, self._wheels = policies, builds, wheels
        self._timings = Timings(tools.store)
        self._build_variables = policies.backends.variables
        # Strictly serial work begins nothing before it is its turn.
        early = not (tools.pools.serial or tools.offline)
        self.distributions = Distributions(wheels, self._builder, begins_early=early)
        self._installer = Installer(
            tools,
            self.distributions,
            policies.link,
            self._timings,
            policies.overlaps,
            shares_bytecode=policies.shares_bytecode,
        )

    def _builder(self, admission: Admission) -> SourceBuilder:
        from pytest_fastenv.installer.build.builder import SourceBuilder  # only where something is built
        from pytest_fastenv.installer.sdists import Sdists
        from pytest_fastenv.provisioning.build_environments import StoredBuildEnvironments

        return SourceBuilder(
            self.tools,
            self.target,
            self._wheels,
            Sdists(self.tools, self._policies.freshness),
            StoredBuildEnvironments(self, self.tools, self._waits, self._builds),
            self._policies.backends,
            self._waits,
            admission=admission,
        )

    def _arrival(self, awaited: Awaited) -> Arrival:
        from pytest_fastenv.interpreter_downloads.installation import install  # as above

        return Arrival(awaited.target, lambda: install(awaited.offer, self.tools))

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.distributions)
        if isinstance(self._interpreter, Arrival):
            self._stack.push_async_callback(self._interpreter.aclose)
            self._interpreter.begin()
            if self.tools.pools.serial:
                await self.ready()
        if self.distributions.begins_early:
            self._stack.push_async_callback(self.distributions.give_up)
            self._begin_early()
        return self

    def _begin_early(self) -> None:
        """Begin with the skeleton, which every environment needs, before one asks for it and meets its failure."""

        async def make() -> None:
            await self.ready()
            await skeleton(self.target, self.tools.store, self.tools.pools.install)

        making = asyncio.create_task(make())

        async def end() -> None:
            making.cancel()
            await asyncio.gather(making, return_exceptions=True)

        self._stack.push_async_callback(end)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timings.learn(self.tools.recorder.spans)
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
        for distribution in in_order_of_beginning(plan.distributions, self._timings):
            self.distributions.pinned(distribution, certain=True)
        try:
            await self.ready()
        except ProvideError as error:
            raise await self._with_what_failed_beside(error) from error.__cause__

    async def resolve(self, request: Request, preferences: Mapping[str, str] | None = None) -> Resolution:
        """Return the plan of a request: a recorded plan that still stands, or a new plan.

        :param preferences: versions by normalized name, taken where the requirements leave the choice.
        :raises NoSolutionError: there is none; the text explains it.
        """
        request = self._without_logins(request)
        key = resolution_key(request, self.target, self.tools.index.config, preferences, self._build_variables)
        known = await in_thread(self._resolutions.find, key)
        recorder = self.tools.recorder
        if known is not None:
            for text in known.warnings:
                recorder.notice("warning", text)
            return known
        begun, before = time.time(), len(recorder.notices)
        try:
            plan = await self._identified(await self._search(request, preferences))
        except ProvideError as error:
            if not self.distributions.begins_early or self._waits.chain:
                raise
            raise await self._with_what_failed_beside(error) from error.__cause__
        if self.tools.offline:  # it is no younger than what it was made of, for runs that may ask the index
            begun = min(begun, self.tools.index.oldest_at)
        warnings = recorder.warnings("answer", since=before)
        return await self._kept(Resolution(plan, begun, key, self.tools.index.observed, warnings=warnings))

    async def _kept(self, resolution: Resolution) -> Resolution:
        """Remember a resolution with what it rests on by now."""
        from pytest_fastenv.provisioning.grounds import grounds_of  # not where a recorded plan still stands

        grounds = await grounds_of(resolution.plan, self.distributions, self.tools.environ, self._build_variables)
        made = replace(resolution, grounds=tuple(dict.fromkeys(grounds)))
        self._resolutions.keep(made)
        return made

    async def _identified(self, plan: Plan) -> Plan:
        """Put the digest of each archive into a plan where no index tells it: what is installed is its content."""

        async def identified(distribution: Distribution) -> Distribution:
            match distribution.source:
                case WheelSource(artifact) | SdistSource(artifact) if not artifact.hashes.sha256:
                    told = await self.distributions.identified(artifact)
                    return replace(distribution, source=replace(distribution.source, artifact=told))
            return distribution

        distributions = await asyncio.gather(*map(identified, plan.distributions))
        return replace(plan, distributions=tuple(distributions))

    async def settle(self, resolution: Resolution) -> Resolution:
        """Build users' own trees, unless they are as they were, and return the plan with what that gave.

        What a build gives may be another thing while all that a plan can tell is the same: a commit, a compiler, the
        time of the day. Nothing else waits for this but the beginning of the environment.

        :raises ProvideError: one cannot be built.
        """
        plan = resolution.plan
        trees = own_trees(plan)
        if not trees:
            return resolution
        try:
            builds = [self.distributions.content(source, one.name, one.version) for one, source in trees]
            contents = await asyncio.gather(*builds)
        except ProvideError as error:
            if self._waits.chain:
                raise
            raise await self._with_what_failed_beside(error) from error.__cause__
        settled = {
            one.name: replace(one, source=replace(source, built=content))
            for (one, source), content in zip(trees, contents, strict=True)
        }
        kept = await self._kept(resolution)
        return replace(
            kept, plan=replace(plan, distributions=tuple(settled.get(one.name, one) for one in plan.distributions))
        )

    async def built(self, plan: Plan) -> list[str]:
        """Return the SHA-256 of the wheels that a plan's sources are built to, with the build tools of now.

        :raises ProvideError: one cannot be built.
        """
        sources = [distribution for distribution in plan.distributions if distribution.source.needs_build]
        wheels = await asyncio.gather(*map(self.distributions.obtain, sources))
        return [wheel.sha256 for wheel in wheels]

    def build_variables(self, plan: Plan) -> dict[str, str] | None:
        """Return what stands for the variables that builds read, where something of a plan is built; else ``None``."""
        variables = result_variables(self.tools.environ, self._build_variables)
        is_built = any(distribution.source.needs_build for distribution in plan.distributions)
        return digests(variables) if variables and is_built else None

    async def _with_what_failed_beside(self, error: FastenvError) -> FastenvError:
        """Finish what is being fetched and built beside what failed, and tell of that as well."""
        self.distributions.admission.close()
        return together([error, *await self.distributions.settled()])

    async def _search(self, request: Request, preferences: Mapping[str, str] | None) -> Plan:
        from pytest_fastenv.resolve.resolution import resolve  # as above

        return await resolve(
            request, self.target, self.tools, self.distributions, observer=self.distributions, preferences=preferences
        )

    def _without_logins(self, request: Request) -> Request:
        """Keep user names and passwords of direct URLs for their origin, and out of plans, records and messages."""
        take = self.tools.index.config.credentials.take
        wanted = tuple(replace(w, reference=w.reference.with_url(take)) for w in request.wanted)
        constraints = tuple(replace(w, reference=w.reference.with_url(take)) for w in request.constraints)
        return replace(request, wanted=wanted, constraints=constraints)

    async def digest(self, artifact: Artifact) -> str | None:
        """Return the SHA-256 of a file as far as it is known without fetching it."""
        return await self.distributions.digest(artifact)

    async def obtain(self, plan: Plan) -> None:
        """Fetch and build what a plan needs, and link nothing; see `Installer.obtain`."""
        await self._installer.obtain(plan)

    async def install(self, plan: Plan, staging: Staging) -> Filled:
        """Fill an environment with a plan's distributions; see `Installer.install`."""
        # What a build environment lacks is not the end of everything: another release may do without it.
        for_builds = bool(self._waits.chain)
        leads = None if for_builds else self.distributions.admission
        done = await self._installer.install(plan, staging, leads=leads, for_builds=for_builds)
        return replace(done, summary=replace(done.summary, wasted_bytes=self.distributions.wasted_bytes))

    @property
    def configuration_files(self) -> tuple[Observation, ...]:
        """Pip's configuration files, there or not: they decided where distributions come from."""
        paths = dict.fromkeys(configuration_files(self.tools.environ, sys.prefix))
        return tuple(observe("file", path) for path in paths if not path.is_dir())


@asynccontextmanager
async def open_engine(
    run: Run, interpreter: Target | Awaited, builds: Request = _NO_RULES, *, shared: SharedTools | None = None
) -> AsyncIterator[Engine]:
    """Give an engine for a block.

    :param builds: the rules for build requirements (`Request.for_builds`); what they say about indexes holds for all.
    :param shared: tools of several runs, of which it takes its own; without them it has tools for itself.
    :raises UsageError: the index's configuration is not accepted.
    """
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(run.store.making())
        if shared is None:
            shared = await stack.enter_async_context(SharedTools(run))
        tools = await shared.tools(run, builds.index)
        yield await stack.enter_async_context(Engine(tools, run.policies, interpreter, builds))
