"""``python -P -m pytest_fastenv.environment_server.named``: provides environments by name while a session runs.

Its first line of input, a JSON text, says which environments are missing. It writes one line for each as soon as it is
known what became of it, and ``{"done": true}`` when that is known of all; see
`pytest_fastenv.runtime.named_environments`. Meanwhile ``{"told": "…"}`` is for people who wait. Then it holds the
environments until its input ends, which is when the session ends, however it does.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from pytest_fastenv.errors import FastenvError
from pytest_fastenv.runtime.launch import own_path
from pytest_fastenv.schedule.descriptors import raised
from pytest_fastenv.schedule.event_loop import with_one_voice

_TERMINATED = 143
_GONE = 1


def main() -> int:
    """Provide what the first line asks for; return the exit code: 143 after SIGTERM.

    Whatever else writes to standard output writes to standard error.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a session that is interrupted ends this by closing the input
    warnings.simplefilter("ignore")  # the filters of the code under test are not for the engine
    sys.path[:] = own_path()  # the modules of PYTHONPATH are for the code under test
    answers = os.dup(1)
    os.dup2(2, 1)
    with open(answers, "wb", buffering=0) as stream, open(os.dup(0), "rb", buffering=0) as questions:
        line = questions.readline()
        if not line:
            return _GONE
        try:
            with raised():
                asyncio.run(with_one_voice(_serve(json.loads(line), questions, _Answers(stream))))
        except asyncio.CancelledError:
            return _TERMINATED
    return 0


class _Answers:
    """Writes lines, from any thread; does nothing when nobody reads any more."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._mutex = threading.Lock()

    def tell(self, answer: Mapping[str, Any]) -> None:
        content = json.dumps(answer).encode() + b"\n"
        with self._mutex, suppress(BrokenPipeError):
            while content:
                content = content[self._stream.write(content) :]

    def write(self, text: str) -> int:
        """Take the lines of the progress, as a stream does."""
        self.tell({"told": text})
        return len(text)

    def flush(self) -> None:
        """Have nothing to flush."""


async def _serve(asked: Mapping[str, Any], questions: BinaryIO, answers: _Answers) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    ended = asyncio.Event()

    def wait_for_the_end() -> None:
        while questions.read(1 << 16):
            pass
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(ended.set)

    # A thread: on Windows an event loop cannot wait for a pipe that it did not make.
    threading.Thread(target=wait_for_the_end, name="end", daemon=True).start()
    if sys.platform != "win32" and task is not None:
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    making, waiting = asyncio.create_task(_make(asked, answers)), asyncio.create_task(ended.wait())
    try:
        await asyncio.wait({making, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if making.done():
            try:
                making.result()
            except FastenvError as error:  # of what is about all of them: a report cannot be written
                answers.tell({"error": error.to_json()})
            answers.tell({"done": True})
            await waiting
    finally:
        for work in (making, waiting):
            work.cancel()
        await asyncio.gather(making, waiting, return_exceptions=True)


async def _make(asked: Mapping[str, Any], answers: _Answers) -> None:
    from pytest_fastenv.matrix.selection import declared  # after Ctrl-C can do no harm, as everything here
    from pytest_fastenv.model.codec import decode
    from pytest_fastenv.model.events import Recorder
    from pytest_fastenv.provisioning.named_states import state_of
    from pytest_fastenv.provisioning.question import Question, SessionNeeds
    from pytest_fastenv.provisioning.runtime_distribution import runtime_files
    from pytest_fastenv.provisioning.several import Outcome, make_several
    from pytest_fastenv.report.progress import Progress
    from pytest_fastenv.settings.layers import Origin, given_besides
    from pytest_fastenv.settings.naming import Naming
    from pytest_fastenv.settings.values import Settings
    from pytest_fastenv.version import __version__

    root = Path(asked["root"])
    environments, runtime, environ = declared(root), runtime_files(__version__), dict(os.environ)
    questions: dict[str, Question] = {}
    namings: dict[str, Naming] = {}
    for name, one in asked["environments"].items():
        needs = SessionNeeds(tuple(one["requirements"]), runtime, tuple(one["requested"]), one["requested_by"])
        settings = decode(Settings, one["settings"])
        origins = decode(dict[str, Origin], one["origins"])
        asked_for = Question.of(settings, Path(one["base"]), root, needs, None, environ, name)
        questions[name] = replace(asked_for, besides=given_besides(origins))
        namings[name] = Naming("pytest", origins)

    def tell(outcome: Outcome) -> None:
        state = state_of(
            environments[outcome.name],
            outcome.result,
            root=root,
            environ=environ,
            same_as=outcome.same_as,
            naming=namings[outcome.name],
        )
        answers.tell({"name": outcome.name, "state": state})

    recorder = Recorder(next(iter(namings.values())))
    with Progress(recorder, cast("TextIO", answers), quiet=bool(asked["quiet"]), interactive=False):
        await make_several(questions, recorder, tell)


if __name__ == "__main__":
    sys.exit(main())
