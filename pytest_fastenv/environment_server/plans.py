"""What is kept from one question to the next: open engines, and plans."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from pytest_fastenv.environment_server.context import Context
from pytest_fastenv.environment_server.interpreters import target_of
from pytest_fastenv.environment_server.requests import read_wishes
from pytest_fastenv.environment_server.wishes import Wishes
from pytest_fastenv.errors import NoSolutionError
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.model.plan import Plan
from pytest_fastenv.model.protocols import Staging
from pytest_fastenv.model.request import Request
from pytest_fastenv.model.target import Target
from pytest_fastenv.provisioning.cold_path import check_python
from pytest_fastenv.provisioning.engine import Awaited, Engine, open_engine
from pytest_fastenv.provisioning.run import Run
from pytest_fastenv.provisioning.tools import fetch_text
from pytest_fastenv.resolve.hashed import naming_lines


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and the engine that can install it."""

    plan: Plan
    _request: Request
    _engine: Engine
    _discard: Callable[[Engine], Awaitable[None]]

    @property
    def held(self) -> frozenset[str]:
        """The projects of which a line demands a hash."""
        asked = (*self._request.wanted, *self._request.constraints)
        return frozenset(one.name for one in asked if one.name is not None and one.hashes)

    @property
    def build_variables(self) -> Mapping[str, str] | None:
        """What stands for the variables that builds read, where something is built."""
        return self._engine.build_variables(self.plan)

    async def install(self, plan: Plan, staging: Staging) -> object:
        """Fill an environment with the plan, or with a part of it.

        After a failure the engine is closed: it would begin nothing new.

        :raises FastenvError: it cannot be had, or cannot be linked.
        """
        try:
            with naming_lines(self._request):
                return await self._engine.install(plan, staging)
        except Exception:  # of any kind: an engine in which something failed admits no further work
            await self._discard(self._engine)
            raise


class Planning:
    """Plans for the environments of one session. For one event loop; one question at a time.

    The same wishes for the same interpreter get the same plan as long as the session lasts, whatever an index has
    published since. A plan that holds a local project is made again: its sources may have been edited.
    """

    def __init__(self, context: Context) -> None:
        self._run = Run.of(context.settings, context.store, context.environ)
        self._engines: dict[Any, tuple[Engine, AsyncExitStack]] = {}
        self._anew: set[Any] = set()
        self._plans: dict[str, Plan] = {}

    @classmethod
    def kept(cls, context: Context) -> Planning:
        """Return this session's `Planning`; it is made on first use."""
        known = context.kept.get(cls.__name__)
        if known is None:
            known = context.kept[cls.__name__] = cls(context)
            context.stack.push_async_callback(known.aclose)
        return cast("Planning", known)

    async def aclose(self) -> None:
        """Close the engines. Idempotent."""
        while self._engines:
            _, (_, stack) = self._engines.popitem()
            await stack.aclose()

    async def plan(
        self,
        wishes: Wishes,
        interpreter: Target | Awaited,
        preferences: Mapping[str, str] | None = None,
        *,
        upgrade: bool = False,
    ) -> Planned:
        """Return a plan that fulfils all wishes together.

        :param preferences: versions by normalized name, taken where the wishes leave the choice.
        :param upgrade: there is no preference for the projects that were asked for last, and the index is asked anew.
        :raises NoSolutionError: there is none, also as the index is now.
        :raises InterpreterNotFoundError: a script's inline metadata excludes the interpreter.
        """
        request = await self._read(wishes)
        check_python(request, target_of(interpreter))
        if upgrade:
            last = await self._read(wishes.last)
            raised = {wanted.name for wanted in last.wanted}
            preferences = {name: version for name, version in (preferences or {}).items() if name not in raised}
            return await self._resolve(request, interpreter, preferences, anew=True)
        trees = any(wanted.reference.directory is not None for wanted in request.wanted)
        key = repr((request, target_of(interpreter).identity, sorted((preferences or {}).items())))
        known = None if trees else self._plans.get(key)
        if known is not None:
            engine = await self._engine(request, interpreter)
            await engine.begin(known)
            return Planned(known, request, engine, self._discard)
        try:
            planned = await self._resolve(request, interpreter, preferences)
        except NoSolutionError:
            if self._run.policies.freshness.offline:
                raise
            # What this session knows of the index may be older than what the test has just put there.
            planned = await self._resolve(request, interpreter, preferences, anew=True)
        self._plans[key] = planned.plan
        return planned

    async def _read(self, wishes: Wishes) -> Request:
        return await in_thread(read_wishes, wishes, self._run.environ, partial(fetch_text, self._run))

    async def _discard(self, engine: Engine) -> None:
        """Close an engine that something failed in: it begins nothing new after that."""
        for key, (known, stack) in list(self._engines.items()):
            if known is engine:
                del self._engines[key]
                await stack.aclose()

    async def _resolve(
        self,
        request: Request,
        interpreter: Target | Awaited,
        preferences: Mapping[str, str] | None,
        *,
        anew: bool = False,
    ) -> Planned:
        engine = await self._engine(request, interpreter, anew=anew)
        try:
            with naming_lines(request):
                resolution = await engine.resolve(request, preferences)
                await engine.begin(resolution.plan)
                plan = (await engine.settle(resolution)).plan
        except Exception:  # of any kind: an engine in which something failed admits no further work
            await self._discard(engine)
            raise
        return Planned(plan, request, engine, self._discard)

    async def _engine(self, request: Request, interpreter: Target | Awaited, *, anew: bool = False) -> Engine:
        rules = request.for_builds()
        key = (target_of(interpreter).identity, rules)
        if key in self._engines and (anew or key in self._anew):
            await self._discard(self._engines[key][0])
        self._anew.discard(key)
        if key not in self._engines:
            policies = self._run.policies
            run = replace(self._run, policies=policies.asking_anew() if anew else policies)
            stack = AsyncExitStack()
            engine = await stack.enter_async_context(open_engine(run, interpreter, rules))
            self._engines[key] = (engine, stack)
            if anew:  # it asks the index anew about everything: later questions get another engine
                self._anew.add(key)
        return self._engines[key][0]
