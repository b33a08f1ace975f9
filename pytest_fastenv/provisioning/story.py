"""The whole story: what was asked for becomes an environment.

`reuse` is the warm path: it looks at what is there, and imports, reads and writes nothing beyond that. `provision`
makes what is missing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_fastenv.environment.manifest import read_plan
from pytest_fastenv.environment.places import Missing, Ready
from pytest_fastenv.environment.request_cache import RequestCache
from pytest_fastenv.errors import InterpreterNotFoundError, UsageError, argument, named
from pytest_fastenv.interpreter.discovery import find_target
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.provisioning.question import Question, SessionNeeds
from pytest_fastenv.settings.layers import settings_from_variables
from pytest_fastenv.settings.values import Settings, store_root

if TYPE_CHECKING:
    import threading

    from pytest_fastenv.errors import Naming
    from pytest_fastenv.model.target import Target
    from pytest_fastenv.store.store import Store


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
    """Return an environment that holds what the sources ask for: an existing environment, or a new one.

    The environment appears whole or not at all. However many processes ask for the same at the same moment, what they
    share is done once. Blocks; Ctrl-C ends it in good order. May be called from any thread, also where an event loop
    runs.

    :param sources: as for ``--fastenv``; in place of `Settings.sources`.
    :param settings: default: what the variables say (`settings_from_variables`), and no project besides the sources.
        What is given here counts alone; variables do not.
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
    settings = settings or replace(settings_from_variables(environ), project="none")
    if isinstance(sources, str):
        raise UsageError(f"sources={sources!r} is a text", hint=f"give a list, also of one source: [{sources!r}]")
    if sources:
        settings = replace(settings, sources=tuple(sources))
    return answer(Question.of(settings, base, root, needs, directory, environ), recorder or Recorder())


def answer(asked: Question, recorder: Recorder) -> Ready:
    """Return the environment that a question is about; see `provision`."""
    from pytest_fastenv.schedule.descriptors import raised  # not on the warm path

    with _failure_reported(asked, recorder), diagnosed(asked), raised():
        store = asked.store(recorder)
        is_new = asked.is_new(store)
        with _begun(asked) if is_new else nullcontext():
            importing = _import_what_makes(asked, store) if is_new else None
            target = interpreter_of(asked, store)
            found = look(asked, store, target)
            if isinstance(found, Missing):
                if importing is not None:
                    importing.join()  # who waits at a module that then fails is not told why
                with nullcontext() if is_new else _begun(asked):
                    ready = _make(asked, store, target, found)
            else:
                ready = _with_warnings_of_the_run(found, recorder)
    return _told(asked, recorder, ready)


def reuse(
    settings: Settings,
    *,
    base: Path,
    root: Path | None = None,
    needs: SessionNeeds | None = None,
    directory: Path | None = None,
    environ: Mapping[str, str] | None = None,
    naming: Naming = argument,
    recorder: Recorder | None = None,
) -> Ready | None:
    """Return the environment that the same request led to last time, if it may still be used.

    Makes no request and writes nothing.

    :param naming: how options are called in warnings; as `Recorder` has it for `provision`.
    :param recorder: that of `provision`, which then has what was done here as well; in place of `naming`.
    :return: ``None`` when something has to be made: `provision` does.
    """
    asked = Question.of(settings, base, root, needs, directory, os.environ if environ is None else environ)
    recorder = recorder or Recorder(naming)
    with _failure_reported(asked, recorder), diagnosed(asked):
        store = asked.store(recorder)
        found = look(asked, store, interpreter_of(asked, store))
    if isinstance(found, Missing):
        return None
    return _told(asked, recorder, _with_warnings_of_the_run(found, recorder))


def _begun(asked: Question) -> AbstractContextManager[None]:
    from pytest_fastenv.provisioning.early import begun  # not on the warm path

    return begun(asked.settings.concurrent_installs)


def _import_what_makes(asked: Question, store: Store) -> threading.Thread:
    """Begin to import what making needs while this thread waits for an interpreter to be probed.

    :raises ShortageError: with so few file descriptors the HTTP library, which is part of it, would end the process.
    """
    import threading  # not on the warm path

    from pytest_fastenv.schedule import system_limits

    system_limits.check()

    def import_it() -> None:
        with suppress(Exception):  # `_make` meets it, too
            from pytest_fastenv.provisioning.installations import is_kept

            if is_kept(asked, store):
                import pytest_fastenv.provisioning.middle_path
            else:
                import pytest_fastenv.provisioning.cold_path  # noqa: F401 - for `_make`

    thread = threading.Thread(target=import_it, name="pytest-fastenv-imports", daemon=True)
    thread.start()
    return thread


def _make(asked: Question, store: Store, target: Target | InterpreterNotFoundError, missing: Missing) -> Ready:
    # What follows is not imported on the warm path.
    from pytest_fastenv.schedule import system_limits

    system_limits.check()  # before the imports: the HTTP library is one of them
    from pytest_fastenv.schedule.event_loop import run_to_end

    if not isinstance(target, InterpreterNotFoundError):
        from pytest_fastenv.provisioning.installations import find_installation

        known = find_installation(asked, store, target)
        if known is not None:
            from pytest_fastenv.provisioning.middle_path import make_again

            again = run_to_end(make_again(asked, store, target, known, missing))
            if again is not None:
                return again
    from pytest_fastenv.provisioning.cold_path import make

    return run_to_end(make(asked, store, target, missing))


@contextmanager
def diagnosed(asked: Question) -> Iterator[None]:
    """Let no error of the operating system pass without a diagnosis."""
    try:
        yield
    except OSError as error:
        from pytest_fastenv.store.diagnosis import unexpected  # only for the message

        raise unexpected(error, store_root(asked.settings)) from error


def interpreter_of(asked: Question, store: Store) -> Target | InterpreterNotFoundError:
    """Return the interpreter that is meant, or the error that tells that it is not on this machine."""
    try:
        return find_target(asked.settings.python, store)
    except InterpreterNotFoundError as missing:
        return missing


def look(asked: Question, store: Store, target: Target | InterpreterNotFoundError) -> Ready | Missing:
    """Return the environment that the same question led to last time, if it may still be used; else why it may not."""
    settings = asked.settings
    if isinstance(target, InterpreterNotFoundError) or settings.upgrade or settings.recreate:
        return Missing()
    max_age_s = float("inf") if settings.offline else settings.max_age_s
    answer = RequestCache(store).lookup(
        asked.key, max_age_s=max_age_s, now=time.time(), target=target, environ=asked.environ
    )
    if isinstance(answer, Missing):
        return answer
    place = asked.place(store)
    found = place.find(answer.fingerprint)
    if isinstance(found, Missing):
        return found
    lease_fd = place.hold(found.environment)
    if lease_fd is None:
        return Missing(f"it was removed: {found.environment.prefix}")
    ready = Ready(found.environment, replace(found.summary, reused=True), lease_fd)
    summary = asked.summary(ready, age_s=answer.age_s, pip_settings=answer.pip_settings)
    return replace(ready, summary=replace(summary, warnings=(*answer.warnings, *summary.warnings)))


def _told(asked: Question, recorder: Recorder, ready: Ready) -> Ready:
    """Return an environment whose warnings are written for the reader of this run, who has the reports, too."""
    ready = readable(ready, recorder)
    _write_reports(asked, recorder, ready)
    return ready


def _with_warnings_of_the_run(ready: Ready, recorder: Recorder) -> Ready:
    """Add what is to be said of this run to what is kept with a reused environment, such as that of another store."""
    told = recorder.warnings("run")
    if not told:
        return ready
    return replace(ready, summary=replace(ready.summary, warnings=(*ready.summary.warnings, *told)))


def readable(ready: Ready, recorder: Recorder) -> Ready:
    """Return an environment whose warnings name options as the reader of this run knows them."""
    warnings = tuple(named(text, recorder.naming) for text in ready.summary.warnings)
    return replace(ready, summary=replace(ready.summary, warnings=warnings))


def _failure_reported(asked: Question, recorder: Recorder) -> AbstractContextManager[None]:
    if not asked.settings.reports:
        return nullcontext()
    from pytest_fastenv.report.failure import failure_reported  # only where one is asked for

    return failure_reported([asked.base / path for path in asked.settings.reports], recorder)


def _write_reports(asked: Question, recorder: Recorder, ready: Ready) -> None:
    if not asked.settings.reports:
        return
    from pytest_fastenv.report.files import write_report  # only where one is asked for

    for path in asked.settings.reports:
        write_report(asked.base / path, recorder.spans, reported(ready))


def reported(ready: Ready) -> dict[str, Any]:
    """Return what reports say of an environment: how it came about, and the version of each distribution in it."""
    plan = read_plan(Path(ready.environment.prefix))
    held = {} if plan is None else {one.name: one.version for one in plan.distributions}
    return {**ready.summary.to_json(), "versions": held}
