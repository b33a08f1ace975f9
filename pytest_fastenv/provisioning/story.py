"""The whole story: what was asked for becomes an environment.

`reuse` is the warm path: it looks at what is there, and imports, reads and writes nothing beyond that. `provision` does
whatever is missing.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_fastenv.environment.environments import Environments, Missing
from pytest_fastenv.environment.request_cache import Miss, RequestCache
from pytest_fastenv.errors import InterpreterNotFoundError, option
from pytest_fastenv.interpreter.discovery import find_target
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.provisioning.question import Question, SessionNeeds
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.settings.layers import load, variables
from pytest_fastenv.settings.values import Settings, store_root

if TYPE_CHECKING:
    from pytest_fastenv.environment.staging import StagedEnvironment
    from pytest_fastenv.model.plan import Plan
    from pytest_fastenv.model.request import Request
    from pytest_fastenv.model.target import Target
    from pytest_fastenv.provisioning.engine import Awaited


@dataclass(frozen=True, slots=True)
class Ready:
    """An environment that may be used now.

    :ivar summary: for the header and for people: ``distributions``, ``cached``, ``fetched``, ``built``,
        ``fetched_bytes``, ``wasted_bytes`` (fetched ahead for what the resolver took back), ``seconds``, ``python``,
        ``downloaded`` (the interpreter, by this run), ``path``, ``reused``, ``age_s``, ``reason`` (why it was made
        anew).
    :ivar lease_fd: as long as this descriptor is open the environment is not pruned; it survives exec.
    """

    environment: Environment
    summary: Mapping[str, Any]
    lease_fd: int | None = None


def provision(
    sources: Sequence[str] = (),
    *,
    settings: Settings | None = None,
    base: Path | None = None,
    root: Path | None = None,
    needs: SessionNeeds | None = None,
    directory: Path | None = None,
    recorder: Recorder | None = None,
    environ: Mapping[str, str] | None = None,
) -> Ready:
    """Return an environment that holds what the sources ask for; one that stands, or a new one.

    The environment appears whole or not at all. However many processes ask for the same at the same moment, what they
    share is done once. Blocks; Ctrl-C ends it in good order. May be called from any thread, also where an event loop
    runs.

    :param sources: as for ``--fastenv``; in place of `Settings.sources`.
    :param settings: default: what the variables say, and no project besides the sources.
    :param base: what relative paths are relative to; default: the current directory.
    :param root: the directory of the project that `Settings.project` speaks of; default: `base`.
    :param needs: what a pytest session needs inside besides; default: nothing.
    :param directory: where the environment is to lie; default: in the directory of environments.
    :param recorder: hears what happens while it happens.
    :param environ: default: `os.environ`.
    :raises RequestError: the request is wrong.
    :raises ProvideError: providing it failed; what is finished is kept for the next try.
    :raises FailureGroup: several things failed, each by itself.
    """
    environ = os.environ if environ is None else environ
    settings = settings or replace(load(variables(environ)).settings, project="none")
    if sources:
        settings = replace(settings, sources=tuple(sources))
    asked = Question.of(settings, base, root, needs, directory, environ)
    recorder = recorder or Recorder()
    with _diagnosed(asked):
        if asked.is_new(asked.store(recorder)):
            _import_the_engine()
        found = _look(asked, recorder)
        if not isinstance(found, Ready):
            from pytest_fastenv.schedule.event_loop import run_to_end  # asyncio is not on the warm path

            found = run_to_end(_make(asked, found, recorder))
    _write_reports(asked, recorder, found)
    return found


def reuse(
    settings: Settings,
    *,
    base: Path,
    root: Path | None = None,
    needs: SessionNeeds | None = None,
    directory: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Ready | None:
    """Return the environment that the same request led to last time, if it may still be used.

    Makes no request and writes nothing.

    :return: ``None`` when something has to be made: `provision` does.
    """
    asked = Question.of(settings, base, root, needs, directory, os.environ if environ is None else environ)
    recorder = Recorder()
    with _diagnosed(asked):
        found = _look(asked, recorder)
    if not isinstance(found, Ready):
        return None
    _write_reports(asked, recorder, found)
    return found


def _import_the_engine() -> None:
    """Begin to import what making needs while this thread waits for an interpreter to be probed.

    :raises StoreError: with so few file descriptors the HTTP library, which is part of it, would end the process.
    """
    from pytest_fastenv.store.diagnosis import check_descriptors  # not on the warm path

    check_descriptors()

    def import_it() -> None:
        with suppress(ImportError):  # whoever needs it meets that, too
            import pytest_fastenv.provisioning.engine  # noqa: F401 - for those who import it later

    threading.Thread(target=import_it, name="pytest-fastenv-imports", daemon=True).start()


@dataclass(frozen=True, slots=True)
class _Missed:
    """What looking found instead of an environment that may be used.

    :ivar target: the interpreter that is meant; or the error that tells that it is not on this machine.
    :ivar reason: why the last one may not, in one line; ``None`` when the question is new.
    :ivar previous: the environment that it led to: the reason can then say what became different.
    """

    target: Target | InterpreterNotFoundError
    reason: str | None = None
    previous: Path | None = None


@contextmanager
def _diagnosed(asked: Question) -> Iterator[None]:
    """Let no error of the operating system pass without a diagnosis."""
    try:
        yield
    except OSError as error:
        from pytest_fastenv.store.diagnosis import unexpected  # only for the message

        raise unexpected(error, store_root(asked.settings)) from error


def _look(asked: Question, recorder: Recorder) -> Ready | _Missed:
    """Return the environment that the same question led to last time, if it may still be used."""
    settings, store = asked.settings, asked.store(recorder)
    try:
        target = find_target(settings.python, store)
    except InterpreterNotFoundError as missing:
        return _Missed(missing)
    if settings.upgrade or settings.recreate:
        return _Missed(target)
    max_age_s = float("inf") if settings.offline else settings.max_age_s
    answer = RequestCache(store).lookup(
        asked.key, max_age_s=max_age_s, now=time.time(), target=target, environ=asked.environ
    )
    if isinstance(answer, Miss):
        return _Missed(target, answer.reason, answer.prefix)
    environments = Environments(store, settings.dir, recorder)
    if asked.directory is None:
        found = environments.find(answer.fingerprint)
    else:
        found = environments.find_at(asked.directory, answer.fingerprint)
    if isinstance(found, Missing):
        return _Missed(target, found.reason)
    lease_fd = environments.lease(found.environment)
    if lease_fd is None:
        return _Missed(target, f"it was removed: {found.environment.prefix}")
    summary = _summary(asked, found.environment, found.summary, reused=True, age_s=answer.age_s)
    return Ready(found.environment, summary, lease_fd)


async def _make(asked: Question, missed: _Missed, recorder: Recorder) -> Ready:
    """Read, resolve, install, publish, remember: the cold path."""
    # What follows is not imported on the warm path.
    import asyncio
    from functools import partial

    from pytest_fastenv.store.diagnosis import check_descriptors

    check_descriptors()  # before the imports: the HTTP library is one of them
    from pytest_fastenv.environment import manifest
    from pytest_fastenv.environment.fingerprint import fingerprint
    from pytest_fastenv.model.plan_json import plan_to_json
    from pytest_fastenv.model.target import Target
    from pytest_fastenv.provisioning.engine import open_engine, to_be_downloaded
    from pytest_fastenv.provisioning.run import Run
    from pytest_fastenv.provisioning.tools import fetch_text
    from pytest_fastenv.requirements.sources import read_sources

    settings, store = asked.settings, asked.store(recorder)
    run = Run.of(settings, store, asked.environ)
    if isinstance(missed.target, InterpreterNotFoundError):
        interpreter: Target | Awaited = await to_be_downloaded(settings.python or "", run, missed.target)
    else:
        interpreter = missed.target
    request = await asyncio.to_thread(
        read_sources,
        settings.sources,
        base=asked.base,
        root=asked.root,
        environ=asked.environ,
        project=settings.project,
        requested=asked.needs.requested,
        requested_by=asked.needs.requested_by,
        fetch=partial(fetch_text, run),
    )
    request, preferences = _with_needs(request, asked.needs)
    target = interpreter if isinstance(interpreter, Target) else interpreter.target
    check_python(request, target)
    async with open_engine(run, interpreter, request.index, request.formats) as engine:
        resolution = await engine.resolve(request, preferences)
        plan = resolution.plan
        await engine.begin(plan)
        runtime = {} if _brings(plan, "pytest-fastenv") else asked.needs.runtime
        identity = fingerprint(plan, settings, runtime=asked.needs.runtime_digest if runtime else None)

        async def fill(draft: StagedEnvironment) -> Mapping[str, Any]:
            report = await engine.install(plan, draft)
            _write_runtime(draft.prefix / target.schemes["purelib"], runtime)
            manifest.write_plan(draft.prefix, plan_to_json(plan))
            return {
                "distributions": report.distributions,
                "cached": report.cached,
                "fetched": report.fetched,
                "built": report.built,
                "fetched_bytes": report.fetched_bytes,
                "wasted_bytes": engine.wasted_bytes,
            }

        environments = Environments(store, settings.dir, recorder)
        provided = await environments.provide(
            target, identity, fill, at=asked.directory, recreate=settings.recreate, previous=missed.previous
        )
    age_s = time.time() - resolution.at
    RequestCache(store).remember(
        asked.key,
        [*request.files, *engine.configuration_files],
        provided.environment,
        variables=request.variables,
        resolved_at=resolution.at,
        summary=dict(provided.summary),
    )
    summary = _summary(asked, provided.environment, provided.summary, reused=provided.reused, age_s=age_s)
    if interpreter is not target:
        summary["downloaded"] = True
    if not provided.reused:
        # What made us look again, and what is different for it: "requirements.txt changed: -six 1.17.0".
        summary["reason"] = ": ".join(dict.fromkeys(filter(None, (missed.reason, provided.reason)))) or None
    return Ready(provided.environment, summary, provided.lease_fd)


def check_python(request: Request, target: Target) -> None:
    """Refuse an interpreter that a script's inline metadata excludes (PEP 723)."""
    from packaging.specifiers import SpecifierSet  # not on the warm path

    if not SpecifierSet(request.requires_python).contains(target.version, prereleases=True):
        raise InterpreterNotFoundError(
            f"{target.short} is not the Python that is asked for",
            where=target.python,
            why=f"the script's inline metadata requires Python {request.requires_python}",
            hint=f"choose one with {option('python', request.requires_python)}",
        )


def _with_needs(request: Request, needs: SessionNeeds) -> tuple[Request, dict[str, str]]:
    """Add what the session needs and the request does not name, and the versions that are preferred for it."""
    from packaging.requirements import Requirement  # not on the warm path
    from packaging.utils import canonicalize_name

    from pytest_fastenv.model.location import Location
    from pytest_fastenv.model.request import Wanted

    named = {wanted.name for wanted in request.wanted if wanted.marker is None}
    added: list[Wanted] = []
    preferences: dict[str, str] = {}
    for text in needs.requirements:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if name not in named:
            added.append(Wanted(name=name, location=Location("this pytest session"), text=name))
            preferences.update((name, pin.version) for pin in requirement.specifier)
    return replace(request, wanted=(*request.wanted, *added)), preferences


def _brings(plan: Plan, name: str) -> bool:
    return any(distribution.name == name for distribution in plan.distributions)


def _write_runtime(site_packages: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = site_packages / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _summary(
    asked: Question, environment: Environment, counts: Mapping[str, Any], *, reused: bool, age_s: float
) -> dict[str, Any]:
    return {
        **counts,
        "seconds": (time.monotonic_ns() - asked.begun_ns) / 1e9,
        "python": environment.interpreter,
        "path": str(environment.prefix),
        "reused": reused,
        "age_s": max(age_s, 0.0),
    }


def _write_reports(asked: Question, recorder: Recorder, ready: Ready) -> None:
    if not asked.settings.reports:
        return
    from pytest_fastenv.report.files import write_report  # only where one is asked for

    for path in asked.settings.reports:
        write_report(asked.base / path, recorder.spans, ready.summary)
