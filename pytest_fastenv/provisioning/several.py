"""Several environments at once, out of one pipeline.

They share connections, permits and pool processes; the store sees to it that what several of them need is fetched,
built and unpacked once. One that cannot be had does not hold up the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_fastenv.environment.places import Missing, Ready
from pytest_fastenv.errors import FastenvError, InterpreterNotFoundError, unforeseen
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.target import Target
from pytest_fastenv.provisioning.cold_path import make
from pytest_fastenv.provisioning.installations import find_installation
from pytest_fastenv.provisioning.middle_path import make_again
from pytest_fastenv.provisioning.question import Question
from pytest_fastenv.provisioning.run import Run
from pytest_fastenv.provisioning.story import interpreter_of, look, readable, reported
from pytest_fastenv.provisioning.tools import SharedTools
from pytest_fastenv.report.failure import failure_reported
from pytest_fastenv.report.files import write_report
from pytest_fastenv.schedule import system_limits
from pytest_fastenv.schedule.event_loop import run_to_end
from pytest_fastenv.store.diagnosis import unexpected
from pytest_fastenv.store.store import Store

#: How many are made at once: more of them would only wait for each other's permits.
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one of several environments.

    :ivar result: the environment, or why it cannot be had.
    :ivar same_as: another one of them, told before, that is the same environment; or empty.
    """

    name: str
    result: Ready | FastenvError
    same_as: str = ""


def provision_several(
    asked: Mapping[str, Question], recorder: Recorder, on_outcome: Callable[[Outcome], None]
) -> dict[str, Outcome]:
    """Make or find several environments; the first one first, where there is a choice.

    Blocks; Ctrl-C and SIGTERM end it in good order. Reports that the first one's settings name are written at the end,
    about all of them.

    :param asked: by name; their stores are the same one.
    :param on_outcome: called once for each, as soon as it is known what became of it.
    :return: the outcomes by name, in the order of `asked`.
    """
    system_limits.check()  # the limit stays as it is: what is called may start programs meanwhile
    return run_to_end(make_several(asked, recorder, on_outcome))


async def make_several(
    asked: Mapping[str, Question], recorder: Recorder, on_outcome: Callable[[Outcome], None]
) -> dict[str, Outcome]:
    """Do what `provision_several` does, in an event loop that runs."""
    if not asked:
        return {}
    first = next(iter(asked.values()))
    store = first.store(recorder)
    making = _Making(store, recorder, on_outcome)
    reports = [first.base / path for path in first.settings.reports]
    with failure_reported(reports, recorder):
        async with SharedTools(Run.of(first.settings, store, first.environ)) as shared:
            tasks = [asyncio.create_task(making.make(name, question, shared)) for name, question in asked.items()]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
    outcomes = {name: making.outcomes[name] for name in asked}
    for path in reports:
        write_report(path, recorder.spans, {"environments": _versions(outcomes)})
    return outcomes


class _Making:
    def __init__(self, store: Store, recorder: Recorder, on_outcome: Callable[[Outcome], None]) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self._store = store
        self._recorder = recorder
        self._on_outcome = on_outcome
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def make(self, name: str, question: Question, shared: SharedTools) -> None:
        async with self._turns:
            with self._recorder.strand(name):
                result = await self._result(question, shared)
        same = ""
        if isinstance(result, Ready):
            same = next((other.name for other in self.outcomes.values() if _is_same(other.result, result)), "")
        outcome = self.outcomes[name] = Outcome(name, result, same)
        self._on_outcome(outcome)

    async def _result(self, question: Question, shared: SharedTools) -> Ready | FastenvError:
        try:
            return readable(await self._ready(question, shared), self._recorder)
        except FastenvError as error:
            return error
        except OSError as error:
            return unexpected(error, self._store.root)
        except Exception as error:  # noqa: BLE001 - a defect costs this one environment, and is told with where it is
            return unforeseen(error)

    async def _ready(self, question: Question, shared: SharedTools) -> Ready:
        target = await in_thread(interpreter_of, question, self._store)
        found = await in_thread(look, question, self._store, target)
        if isinstance(found, Missing):
            again = await self._again(question, target, found, shared)
            return again or await make(question, self._store, target, found, shared=shared)
        return found

    async def _again(
        self, question: Question, target: Target | InterpreterNotFoundError, missing: Missing, shared: SharedTools
    ) -> Ready | None:
        if isinstance(target, InterpreterNotFoundError):
            return None
        known = await in_thread(find_installation, question, self._store, target)
        if known is None:
            return None
        return await make_again(question, self._store, target, known, missing, shared=shared)


def _is_same(one: Ready | FastenvError, other: Ready) -> bool:
    return isinstance(one, Ready) and one.environment.prefix == other.environment.prefix


def _versions(outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """Return what each environment holds, or why it is not there, for reports."""
    told: dict[str, Any] = {}
    for name, outcome in outcomes.items():
        if isinstance(outcome.result, FastenvError):
            told[name] = {"error": outcome.result.what}
            continue
        told[name] = reported(outcome.result)
        if outcome.same_as:
            told[name]["same_as"] = outcome.same_as
    return told
