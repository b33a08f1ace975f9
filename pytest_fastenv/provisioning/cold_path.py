"""The cold path: what is asked for is read, resolved, installed, published and remembered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from pytest_fastenv.environment import manifest, supply
from pytest_fastenv.environment.fingerprint import fingerprint
from pytest_fastenv.environment.manifest import ENVIRONMENTS
from pytest_fastenv.environment.places import Found, Missing, Ready
from pytest_fastenv.environment.staging import StagedEnvironment
from pytest_fastenv.errors import InterpreterNotFoundError, option
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.installer.pipeline import Filled
from pytest_fastenv.installer.wheel_bucket import WHEELS
from pytest_fastenv.model.location import Location
from pytest_fastenv.model.plan import Plan
from pytest_fastenv.model.request import Lock, Request, Wanted
from pytest_fastenv.model.target import Target
from pytest_fastenv.provisioning.answers import Grounds, answered, in_lines, write_runtime
from pytest_fastenv.provisioning.engine import Awaited, Engine, open_engine, to_be_downloaded
from pytest_fastenv.provisioning.installations import INSTALLATIONS, Installation, installation_key
from pytest_fastenv.provisioning.question import Question, SessionNeeds
from pytest_fastenv.provisioning.resolutions import Resolution, own_trees
from pytest_fastenv.provisioning.run import Run
from pytest_fastenv.provisioning.tools import SharedTools, fetch_text
from pytest_fastenv.requirements.sources import Additions, read_sources
from pytest_fastenv.resolve.hashed import naming_lines
from pytest_fastenv.runtime.summary import Summary
from pytest_fastenv.store.buckets import InStore
from pytest_fastenv.store.store import Store

#: What the runtime inside works with.
OLDEST_PYTEST = ">=7"


async def make(
    asked: Question,
    store: Store,
    target: Target | InterpreterNotFoundError,
    missing: Missing,
    *,
    shared: SharedTools | None = None,
) -> Ready:
    """Return an environment for a question that has no answer yet.

    :param target: the interpreter that is meant; or the error that tells that it is not on this machine.
    :param missing: why the environment that the question led to before may not be used.
    :param shared: tools of several environments that are made at once.
    """
    async with begin(asked, store, target, missing, shared=shared) as assembly:
        return await assembly.finish()


@dataclass(frozen=True, slots=True)
class Assembly:
    """An environment on its way: its sources are read, and the engine is open.

    :ivar preferences: versions by normalized name, taken where the request leaves the choice.
    """

    asked: Question
    store: Store
    missing: Missing
    interpreter: Target | Awaited
    request: Request
    preferences: Mapping[str, str]
    engine: Engine

    async def finish(self) -> Ready:
        """Resolve, install, publish, remember."""
        with naming_lines(self.request):
            return await self._finish()

    async def _finish(self) -> Ready:
        asked, engine, target = self.asked, self.engine, self.engine.target
        recorder = engine.tools.recorder
        resolution = await self._resolved()
        await engine.begin(resolution.plan)
        resolution = await engine.settle(resolution)
        plan = resolution.plan
        runtime = {} if _brings(plan, "pytest-fastenv") else asked.needs.runtime
        identity = fingerprint(
            plan,
            asked.settings,
            runtime=asked.needs.runtime_digest if runtime else None,
            build_variables=engine.build_variables(plan),
        )

        before = len(recorder.notices)
        warnings = in_lines(recorder.warnings("answer"))

        filled: list[tuple[Filled, bytes]] = []

        async def fill(staged: StagedEnvironment) -> Summary:
            writing = asyncio.create_task(in_thread(manifest.write_plan, staged.prefix, plan))  # others link meanwhile
            try:
                done = await engine.install(plan, staged)
            finally:
                text = await writing
            filled.append((done, text))
            told = [*done.summary.warnings, *recorder.warnings("answer", since=before)]
            write_runtime(staged.prefix / target.schemes["purelib"], runtime)
            return replace(done.summary, warnings=in_lines(told))

        place = asked.place(self.store)
        recreate = asked.settings.recreate or await self._is_outdated(plan, place.find(identity))
        ready = await supply.provide(
            place,
            target,
            identity,
            fill,
            recreate=recreate,
            previous=self.missing.previous,
        )
        grounds = Grounds(
            tuple(dict.fromkeys([*self.request.observed, *engine.configuration_files, *resolution.observed])),
            resolution.at,
            self.request.pip_settings,
            warnings,
        )
        if filled:
            done, text = filled[0]
            self._keep(ready, done, text, grounds, has_trees=bool(own_trees(plan)), takes_runtime=bool(runtime))
        return answered(
            asked, self.store, ready, grounds, self.missing, downloaded=isinstance(self.interpreter, Awaited)
        )

    def _keep(
        self, ready: Ready, filled: Filled, plan: bytes, grounds: Grounds, *, has_trees: bool, takes_runtime: bool
    ) -> None:
        """Keep what was done, so that it need not be found out again."""
        known = manifest.read(ready.environment.prefix)
        if known is None:
            return
        kept = Installation(
            observed=grounds.observed,
            fingerprint=known.fingerprint,
            parts=known.parts,
            identity=self.engine.target.identity,
            resolved_at=grounds.resolved_at,
            pip_settings=grounds.pip_settings,
            answer_warnings=grounds.warnings,
            warnings=ready.summary.warnings,
            plan=plan.decode(),
            links=filled.kept,
            has_trees=has_trees,
            takes_runtime=takes_runtime,
        )
        self.store.write_record(INSTALLATIONS, installation_key(self.asked), kept)

    async def _resolved(self) -> Resolution:
        """Resolve the request; where it is sealed, first without what the session adds.

        So what is asked for and is not in the lock file is an error, and what only the session needs comes beside it.
        """
        request, resolve = self.request, self.engine.resolve
        if not request.is_sealed:
            resolution = await resolve(request, self.preferences)
        else:
            locked = {name for lock in request.locks for name in lock.projects}
            asked = replace(request, wanted=tuple(one for one in request.wanted if not one.implied))
            resolution = await resolve(asked, self.preferences)
            if any(one.implied and one.name not in locked for one in request.wanted):
                resolution = await resolve(replace(request, is_sealed=False), self.preferences)
        self._tell_unlocked(resolution.plan)
        return resolution

    def _tell_unlocked(self, plan: Plan) -> None:
        locked = {name for lock in self.request.locks for name in lock.projects}
        others = [str(one) for one in plan.distributions if one.name not in locked and one.source.own_tree is None]
        if self.request.locks and others:
            names = " and ".join(lock.name for lock in self.request.locks)
            text = f"{names} does not lock {', '.join(others)}: chosen now, among what the index has"
            self.engine.tools.recorder.notice("warning", text)

    async def _is_outdated(self, plan: Plan, found: Found | Missing) -> bool:
        """Tell whether an upgrade is wanted, and the environment that stands holds what is built otherwise by now.

        A fingerprint knows a source distribution by its archive. What is built of it changes with the build tools, too,
        and those are upgraded like everything else.
        """
        if not self.asked.settings.upgrade or isinstance(found, Missing):
            return False
        uses = set(ENVIRONMENTS.refers_to(found.environment.prefix))
        built = await self.engine.built(plan)
        return any(InStore(WHEELS.directory, sha256) not in uses for sha256 in built)


@asynccontextmanager
async def begin(
    asked: Question,
    store: Store,
    target: Target | InterpreterNotFoundError,
    missing: Missing,
    *,
    shared: SharedTools | None = None,
) -> AsyncIterator[Assembly]:
    """Read the sources and open an engine for a block; see `make`."""
    settings = asked.settings
    run = Run.of(settings, store, asked.environ)
    interpreter: Target | Awaited
    if isinstance(target, InterpreterNotFoundError):
        interpreter = await to_be_downloaded(settings.python or "", run, target)
    else:
        interpreter = target
    request = await in_thread(
        read_sources,
        settings.sources,
        base=asked.base,
        root=asked.root,
        environ=asked.environ,
        project=settings.project,
        additions=Additions(settings.groups, settings.extras, settings.constraints, settings.resolution, settings.lock),
        requested=asked.needs.requested,
        requested_by=asked.needs.requested_by,
        fetch=partial(fetch_text, run),
    )
    for warning in request.warnings:
        store.recorder.notice("warning", warning)
    request, preferences = _with_needs(request, asked.needs)
    check_python(request, interpreter.target if isinstance(interpreter, Awaited) else interpreter)
    async with open_engine(run, interpreter, request.for_builds(), shared=shared) as engine:
        yield Assembly(asked, store, missing, interpreter, request, preferences, engine)


def check_python(request: Request, target: Target) -> None:
    """Refuse an interpreter that a script's inline metadata excludes (PEP 723), or a lock file (PEP 751)."""
    for lock in request.locks:
        _check_lock(lock, target)
    if not SpecifierSet(request.requires_python).contains(target.version, prereleases=True):
        raise InterpreterNotFoundError(
            f"{target.short} is not the Python that is asked for",
            where=target.python,
            why=f"the script's inline metadata requires Python {request.requires_python}",
            hint=f"choose one with {option('python', request.requires_python)}",
        )


def _check_lock(lock: Lock, target: Target) -> None:
    needs = f"Python {lock.requires_python}"
    fits = SpecifierSet(lock.requires_python).contains(target.version, prereleases=True)
    if fits and lock.environments:
        needs = " or ".join(lock.environments)
        fits = any(Marker(one).evaluate(dict(target.markers)) for one in lock.environments)
    if not fits:
        raise InterpreterNotFoundError(
            f"{lock.name} is not for {target.short} on {target.platform}",
            where=lock.name,
            why=f"it is for {needs}",
            hint=f"choose an interpreter that fits with {option('python')}, or lock again for this one",
        )


def _with_needs(request: Request, needs: SessionNeeds) -> tuple[Request, dict[str, str]]:
    """Add what the session needs and the request does not name, and the versions that are preferred for it."""
    named = {wanted.name for wanted in request.wanted if wanted.marker is None}
    added: list[Wanted] = []
    preferences: dict[str, str] = {}
    for text in needs.requirements:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if name not in named:
            added.append(Wanted(name=name, location=Location("this pytest session"), text=name, implied=True))
            preferences.update((name, pin.version) for pin in requirement.specifier)
    constraints = request.constraints
    if any(name == "pytest" for name in map(_name_of, needs.requirements)):
        session = Location("pytest-fastenv inside the environment")
        oldest = Wanted("pytest", session, f"pytest{OLDEST_PYTEST}", specifier=OLDEST_PYTEST, implied=True)
        constraints = (*constraints, oldest)
    return replace(request, wanted=(*request.wanted, *added), constraints=constraints), preferences


def _name_of(requirement: str) -> str:
    return canonicalize_name(Requirement(requirement).name)


def _brings(plan: Plan, name: str) -> bool:
    return any(distribution.name == name for distribution in plan.distributions)
