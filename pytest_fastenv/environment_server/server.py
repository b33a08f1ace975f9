"""Answers questions, one after the other, each a JSON text on one line.

::

    {"do": "begin", "settings": {…}, "origins": {…}, "base": "…"}
                                                    the first one: what all others have in common
    {"do": "venv", …}                                   the name of a handler, and what it takes
    {"ok": {…}}                                         the handler's answer
    {"error": {…}}                                      an error, as `FastenvError.to_json` writes it

The end of the input ends everything: what is being done is cancelled, and put away with all that was made for the
session. So nothing outlives a session, however it ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar, cast

from pytest_fastenv.environment_server.context import Context
from pytest_fastenv.errors import FastenvError, UsageError, unforeseen
from pytest_fastenv.model.codec import CodecError, decode
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.provisioning.question import store_of
from pytest_fastenv.schedule.descriptors import raised
from pytest_fastenv.schedule.event_loop import with_one_voice
from pytest_fastenv.settings.layers import Origin
from pytest_fastenv.settings.naming import Naming
from pytest_fastenv.settings.values import Settings, store_root

T = TypeVar("T")


class Handler(Protocol):
    """Answers one kind of question."""

    def __call__(self, context: Context, request: Mapping[str, Any], /) -> Awaitable[dict[str, Any]]:
        """Return the answer, as JSON can hold it.

        :raises FastenvError: it cannot be done; further questions may follow.
        """


#: ``module:function`` by what is to be done; imported when first asked for.
HANDLERS: dict[str, str] = {
    "workers": "pytest_fastenv.environment_server.workers:workers",
    "venv": "pytest_fastenv.environment_server.venvs:venv",
    "install": "pytest_fastenv.environment_server.venvs:install",
}
_TERMINATED = 143
#: Settings of the session that a question may give anew.
_ARGUMENTS = frozenset({"python", "project"})


def serve(questions: int, answers: IO[bytes]) -> int:
    """Answer until the questions end.

    :param questions: a descriptor to read from.
    :return: an exit code: 143 after SIGTERM.
    """
    try:
        with raised():
            asyncio.run(with_one_voice(_Server(answers).run(questions)))
    except asyncio.CancelledError:
        return _TERMINATED
    return 0


class _Server:
    def __init__(self, answers: IO[bytes]) -> None:
        self._answers = answers
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._context: Context | None = None
        self._naming = Naming("pytest")

    async def run(self, questions: int) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if sys.platform != "win32" and task is not None:
            loop.add_signal_handler(signal.SIGTERM, task.cancel)

        def tell(line: bytes | None) -> None:
            with suppress(RuntimeError):  # the loop is closed: no answer is wanted any more
                loop.call_soon_threadsafe(self._lines.put_nowait, line)

        # A thread: on Windows an event loop cannot wait for a pipe that it did not make.
        threading.Thread(target=_read, args=(questions, tell), name="questions", daemon=True).start()
        async with AsyncExitStack() as stack:
            coming = asyncio.create_task(self._lines.get())
            try:
                while (line := await coming) is not None:
                    coming = asyncio.create_task(self._lines.get())
                    await self._work(line, coming, stack)
            finally:
                coming.cancel()

    async def _work(self, line: bytes, coming: asyncio.Task[bytes | None], stack: AsyncExitStack) -> None:
        """Answer one question; when the questions end meanwhile, stop."""
        working = asyncio.create_task(self._answer(line, stack))
        try:
            await asyncio.wait({working, coming}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done() and coming.result() is None:
                working.cancel()
            await asyncio.wait({working})
        finally:
            if not working.done():  # SIGTERM
                working.cancel()
                await asyncio.wait({working})
        if working.cancelled():
            return
        with suppress(BrokenPipeError):  # the session is gone; the end of the questions follows
            self._answers.write(json.dumps(working.result()).encode() + b"\n")
            self._answers.flush()

    async def _answer(self, line: bytes, stack: AsyncExitStack) -> dict[str, Any]:
        request: Mapping[str, Any] = {}
        try:
            request = json.loads(line)
            return {"ok": await self._do(request, stack)}
        except FastenvError as error:
            return {"error": error.to_json(partial(self._named, request))}
        except OSError as error:
            from pytest_fastenv.store.diagnosis import unexpected  # only for the message

            place = store_root(self._context.settings) if self._context else Path.cwd()
            return {"error": unexpected(error, place).to_json(partial(self._named, request))}
        except Exception as error:  # noqa: BLE001 - a defect costs this one answer, and is told with where it is
            return {"error": unforeseen(error).to_json()}

    def _named(self, request: Mapping[str, Any], name: str, value: str) -> str:
        """Name an option: as an argument of the fixture where the test gave it, else as the session knows it."""
        if name in _ARGUMENTS and request.get(name) is not None:
            return f"{name}={value!r}" if value else f"{name}=..."
        return self._naming(name, value)

    async def _do(self, request: Mapping[str, Any], stack: AsyncExitStack) -> dict[str, Any]:
        name = request["do"]
        if name == "begin":
            self._naming = Naming("pytest", _decoded(dict[str, Origin], request["origins"]))
            self._context = _context(request, stack)
            return {"pid": os.getpid()}
        if self._context is None or name not in HANDLERS:
            raise UsageError(
                f"the environment server cannot do {name!r} now", hint="is another version running inside?"
            )
        module, _, function = HANDLERS[name].partition(":")
        handler = cast("Handler", getattr(import_module(module), function))
        return await handler(self._context, request)


def _decoded(kind: type[T], value: Any) -> T:
    try:
        return decode(kind, value)
    except CodecError as error:
        raise UsageError("the session's settings cannot be read", why=str(error)) from None


def _context(request: Mapping[str, Any], stack: AsyncExitStack) -> Context:
    settings, recorder = _decoded(Settings, request["settings"]), Recorder()
    store = store_of(settings, recorder)
    return Context(settings, store, recorder, Path(os.path.abspath(request["base"])), dict(os.environ), stack)


def _read(questions: int, tell: Callable[[bytes | None], None]) -> None:
    """Pass lines on, and their end as ``None``. Without a buffered stream: its lock would outlive this thread."""
    rest = b""
    while piece := os.read(questions, 1 << 16):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            tell(line)
    tell(None)
