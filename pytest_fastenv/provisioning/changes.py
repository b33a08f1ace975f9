"""Install into an environment that stands, and uninstall from it, as its user asks: what pip does.

An environment of the store is shared by all who ask for the same, so it is never changed: it is refused. Any other
virtual environment may be changed, whichever program made it. The manifest of one that this package made says
afterwards what it holds now, and that it is no longer what it was made as.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar, assert_never

from pytest_fastenv.environment import manifest
from pytest_fastenv.environment.fingerprint import changed
from pytest_fastenv.environment.manifest import ENVIRONMENTS
from pytest_fastenv.environment.places import is_shared
from pytest_fastenv.errors import NoSolutionError, UsageError
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.interpreter.discovery import find_target
from pytest_fastenv.model.digest import text_sha256
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.location import Location
from pytest_fastenv.model.plan import Distribution, Plan, TreeSource
from pytest_fastenv.model.reference import DirectoryReference
from pytest_fastenv.model.request import Wanted
from pytest_fastenv.model.target import Target
from pytest_fastenv.provisioning.amendment import Installed, amend, differing, installed, remove
from pytest_fastenv.provisioning.engine import open_engine
from pytest_fastenv.provisioning.exchange import recover
from pytest_fastenv.provisioning.question import store_of
from pytest_fastenv.provisioning.run import Run
from pytest_fastenv.provisioning.tools import fetch_text
from pytest_fastenv.requirements.lines import Lines, read_lines
from pytest_fastenv.resolve.hashed import naming_lines
from pytest_fastenv.schedule import system_limits
from pytest_fastenv.schedule.descriptors import raised
from pytest_fastenv.schedule.event_loop import run_to_end
from pytest_fastenv.schedule.outcome import whatever_happens
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is to come into an environment, and what may give way to it.

    :ivar upgrade: which projects get their newest version though one that would do is there: those that are named
        (``only-if-needed``), or also what they need (``eager``).
    :ivar reinstall: also what is there just as it is wanted is replaced.
    """

    lines: Lines
    upgrade: Literal["none", "only-if-needed", "eager"] = "none"
    reinstall: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of an environment, or would.

    :ivar plan: everything that is wanted, with what that needs.
    :ivar before: what the environment held.
    :ivar brought: what of the plan came in; the rest was there.
    :ivar told: what is to be said of files that gave way.
    """

    plan: Plan
    before: Mapping[str, Installed]
    brought: tuple[Distribution, ...]
    told: tuple[str, ...] = ()


def install(
    prefix: Path,
    wishes: Wishes,
    *,
    settings: Settings,
    environ: Mapping[str, str] | None = None,
    recorder: Recorder | None = None,
    dry_run: bool = False,
) -> Changed:
    """Make an environment hold what is wanted; what it holds besides stays. Blocks.

    Versions that are there are taken where they will do. Other processes that change the same environment wait.

    :param prefix: a virtual environment's directory.
    :param dry_run: nothing is changed: what would be is told.
    :raises UsageError: the environment is shared, or none.
    :raises FastenvError: it cannot be done; the environment is as it was.
    """
    system_limits.check()
    prefix = Path(os.path.realpath(prefix))
    variables = os.environ if environ is None else environ
    run = Run.of(settings, store_of(settings, recorder or Recorder()), variables)
    change = partial(_install, prefix=prefix, wishes=wishes, run=run, dry_run=dry_run)
    with raised():
        return run_to_end(_in_turn(prefix, run.store, change))


def uninstall(
    prefix: Path,
    names: Sequence[str],
    *,
    settings: Settings,
    recorder: Recorder | None = None,
) -> tuple[Installed, ...]:
    """Take distributions out of an environment, whichever program put them there. Blocks.

    :param names: normalized; those that are not there are passed over.
    :return: what was taken out.
    :raises UsageError: the environment is shared, or none.
    :raises PublishError: a distribution's files are not known; the environment is as it was.
    """
    prefix, store = Path(os.path.realpath(prefix)), store_of(settings, recorder or Recorder())

    async def change(target: Target) -> tuple[Installed, ...]:
        return await remove(prefix, frozenset(names), target)

    return run_to_end(_in_turn(prefix, store, change))


def target_of(prefix: Path, store: Store) -> Target:
    """Return the interpreter of a virtual environment.

    :raises UsageError: it is none.
    """
    if not os.path.isfile(prefix / "pyvenv.cfg"):
        raise UsageError(
            f"{prefix} is no virtual environment",
            why="it has no pyvenv.cfg",
            hint="make one with: fastenv create SOURCE... DIR",
        )
    return _planned_for(prefix, store) or find_target(f"{prefix}{os.sep}", store)


def _planned_for(prefix: Path, store: Store) -> Target | None:
    """Return the interpreter that an environment of ours was planned for, if it is that still: none is started."""
    plan = manifest.read_plan(prefix)
    if plan is None:
        return None
    leads_to = os.path.realpath(prefix / plan.target.schemes["scripts"] / "python")
    is_the_same = leads_to == os.path.realpath(plan.target.python) and os.path.isfile(leads_to)
    return find_target(plan.target.python, store) if is_the_same else None


async def _in_turn(prefix: Path, store: Store, change: Callable[[Target], Awaitable[T]]) -> T:
    """Change an environment while no other process makes or changes it, and bring its manifest up to date."""
    if is_shared(prefix):
        raise UsageError(
            f"{prefix} is an environment of the store: others share it, so it is not changed",
            hint="make one of your own: fastenv create SOURCE... DIR, or name what is missing among its sources",
        )
    target = await in_thread(target_of, prefix, store)
    async with store.lock(ENVIRONMENTS, text_sha256(str(prefix)), subject=f"the environment {prefix}"):
        await whatever_happens(in_thread(recover, prefix))
        known = await in_thread(manifest.read, prefix)
        is_whole = known is not None and await in_thread(_change, prefix, known) is None
        try:
            return await change(target)
        finally:
            # What others changed is still found by the next look at it: only a whole one is described anew.
            if known is not None and is_whole and await in_thread(_change, prefix, known) is not None:
                plan = manifest.read_plan(prefix) or Plan(target, ())
                now = manifest.read(prefix) or known
                await in_thread(manifest.write_changed, prefix, store.root, now, changed(known.parts, plan))


def _change(prefix: Path, known: manifest.Manifest) -> str | None:
    return manifest.difference(prefix, known)


async def _install(target: Target, *, prefix: Path, wishes: Wishes, run: Run, dry_run: bool) -> Changed:
    request = await in_thread(read_lines, wishes.lines, run.environ, partial(fetch_text, run))
    for warning in request.warnings:
        run.recorder.notice("warning", warning)
    here = await in_thread(installed, prefix, target)
    if wishes.upgrade != "none":
        run = replace(run, policies=run.policies.asking_anew())
    named = {wanted.name for wanted in request.wanted if wanted.name}
    raised = _raised(wishes, named, here)
    preferences = {name: one.version for name, one in here.items() if name not in raised}
    kept = replace(request, constraints=(*request.constraints, *_kept(prefix, here, named, raised)))
    async with open_engine(run, target, request.for_builds()) as engine:
        with naming_lines(request):
            try:
                resolution = await engine.resolve(kept, preferences)
            except NoSolutionError:
                if kept == request:
                    raise
                resolution = await engine.resolve(request, preferences)  # as pip, which lets them go for another one
            await engine.begin(resolution.plan)
            plan = (await engine.settle(resolution)).plan
            held = frozenset(one.name for one in (*request.wanted, *request.constraints) if one.name and one.hashes)
            if dry_run:
                return Changed(plan, here, tuple(differing(prefix, plan, here, held=held, anew=wishes.reinstall)))
            overlaps = run.policies.overlaps
            amended = await amend(prefix, plan, engine, overlaps, held=held, anew=wishes.reinstall)
    return Changed(plan, here, (*amended.added, *amended.replaced), amended.told)


def _raised(wishes: Wishes, named: AbstractSet[str], here: Mapping[str, Installed]) -> AbstractSet[str]:
    """Return the projects that get their newest version, whichever is there."""
    match wishes.upgrade:
        case "none":
            return frozenset()
        case "only-if-needed":
            return named
        case "eager":
            return {*named, *here}
        case _ as never:
            assert_never(never)


def _kept(
    prefix: Path, here: Mapping[str, Installed], named: AbstractSet[str], raised: AbstractSet[str]
) -> list[Wanted]:
    """Return constraints that keep local projects where they are: no index has them as they are installed.

    Nothing is asked for with that; what is named itself follows its own requirement.
    """
    plan = manifest.read_plan(prefix)
    return [
        Wanted(
            name=one.name,
            location=Location(f"the environment {prefix}"),
            text=f"{one.name} {one.version}, which is installed from {one.source.path}",
            reference=DirectoryReference(one.source.path, editable=one.source.editable),
        )
        for one in (plan.distributions if plan is not None else ())
        if isinstance(one.source, TreeSource) and not one.source.checkout and os.path.isdir(one.source.path)
        if one.name in here and one.name not in named and one.name not in raised
    ]
