"""The cold path: what is asked for is read, resolved, installed, published and remembered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from pytest_fastenv.environment import manifest, supply
from pytest_fastenv.environment.fingerprint import fingerprint
from pytest_fastenv.environment.manifest import ENVIRONMENTS
from pytest_fastenv.environment.places import Found, Generations, Missing, Ready
from pytest_fastenv.environment.request_cache import RequestCache
from pytest_fastenv.environment.staging import StagedEnvironment
from pytest_fastenv.errors import OPTION_MARKS, InterpreterNotFoundError, option, printable
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.installer.wheels import WHEELS
from pytest_fastenv.model.location import Location
from pytest_fastenv.model.plan import Plan
from pytest_fastenv.model.request import Lock, Request, Wanted
from pytest_fastenv.model.target import Target
from pytest_fastenv.provisioning.engine import Awaited, Engine, open_engine, to_be_downloaded
from pytest_fastenv.provisioning.question import Question, SessionNeeds
from pytest_fastenv.provisioning.resolutions import Resolution
from pytest_fastenv.provisioning.run import Run
from pytest_fastenv.provisioning.standing import remember_question
from pytest_fastenv.provisioning.tools import SharedTools, fetch_text
from pytest_fastenv.requirements.sources import Additions, read_sources
from pytest_fastenv.resolve.hashed import naming_lines
from pytest_fastenv.runtime.summary import Summary
from pytest_fastenv.store.buckets import InStore
from pytest_fastenv.store.store import Store

#: What the runtime inside works with.
OLDEST_PYTEST = ">=7"
_LONGEST_WARNING = 600
_MOST_WARNINGS = 50


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
        warnings = _lines(recorder.warnings("answer"))

        async def fill(staged: StagedEnvironment) -> Summary:
            writing = asyncio.create_task(in_thread(manifest.write_plan, staged.prefix, plan))  # others link meanwhile
            try:
                done = await engine.install(plan, staged)
            finally:
                await writing
            told = [*done.warnings, *recorder.warnings("answer", since=before)]
            _write_runtime(staged.prefix / target.schemes["purelib"], runtime)
            return replace(done, warnings=_lines(told))

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
        told = self._told(ready, resolution)
        self._remember(told, resolution, warnings)
        passing = _lines(recorder.warnings("run"))
        return replace(told, summary=replace(told.summary, warnings=(*passing, *warnings, *told.summary.warnings)))

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

    def _remember(self, ready: Ready, resolution: Resolution, warnings: tuple[str, ...]) -> None:
        superseded = RequestCache(self.store).remember(
            self.asked.key,
            [*self.request.observed, *self.engine.configuration_files, *resolution.observed],
            ready.environment,
            resolved_at=resolution.at,
            pip_settings=self.request.pip_settings,
            warnings=warnings,
        )
        place = self.asked.place(self.store)
        if isinstance(place, Generations):
            place.remove(prefix for prefix in superseded if prefix.parent == place.path)
        remember_question(self.store, self.asked, ready.summary)

    def _told(self, ready: Ready, resolution: Resolution) -> Ready:
        """Add to the summary what only a whole run knows."""
        summary = self.asked.summary(ready, age_s=time.time() - resolution.at, pip_settings=self.request.pip_settings)
        # What made us look again, and what is different for it: "requirements.txt changed: -six 1.17.0".
        reason = ": ".join(dict.fromkeys(filter(None, (self.missing.reason, summary.reason)))) or None
        downloaded = isinstance(self.interpreter, Awaited)
        return replace(ready, summary=replace(summary, downloaded=downloaded, reason=reason))


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


def _lines(warnings: Iterable[str]) -> tuple[str, ...]:
    """Return each warning once, as one line that cannot steer a terminal, and bounded: it passes through a variable."""
    lines = (printable(" ".join(text.split()), but=OPTION_MARKS)[:_LONGEST_WARNING] for text in warnings)
    return tuple(dict.fromkeys(lines))[:_MOST_WARNINGS]


def _brings(plan: Plan, name: str) -> bool:
    return any(distribution.name == name for distribution in plan.distributions)


def _write_runtime(site_packages: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = site_packages / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
