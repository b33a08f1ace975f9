"""Run the engine's coroutine to its end, from wherever it is called, and let signals end it in good order."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import Any, Self, TypeVar

from pytest_fastenv.errors import ShortageError

T = TypeVar("T")

#: Signals that end a program in good order, beside Ctrl-C; not all systems have both.
_ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
#: A short life with many objects, nearly none of them garbage: looking for cycles all the time is in vain.
_FEW_COLLECTIONS = 50_000


class Cancellation:
    """Lets another thread cancel what `run_to_end` runs inside a ``with`` block: a thread gets no signals itself.

    What is cancelled raises `asyncio.CancelledError`, after what it started has ended. Good for one block.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None
        self._wanted = False

    def __enter__(self) -> Self:
        self._token = _CANCELLATION.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _CANCELLATION.reset(self._token)

    def cancel(self) -> None:
        """Cancel what runs, and what would be begun. May be called from any thread, any number of times."""
        with self._guard:
            self._wanted = True
            if self._running is not None:
                loop, task = self._running
                with suppress(RuntimeError):  # the loop has ended meanwhile
                    loop.call_soon_threadsafe(task.cancel)

    def begin(self, task: asyncio.Task[Any]) -> None:
        """Make a task the one that is cancelled; in its own event loop."""
        with self._guard:
            self._running = task.get_loop(), task
            if self._wanted:
                task.cancel()


_CANCELLATION: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)


def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on an event loop of its own.

    In the main thread SIGINT, SIGTERM and SIGHUP cancel it: what it started is ended and what it made privately is
    removed before `KeyboardInterrupt`, or `SystemExit` with 128 and the signal's number, is raised. A handler that
    raises would not do: asyncio keeps what is raised in a callback to itself. A signal that is ignored stays so. In
    other threads a `Cancellation` does that. In a thread that runs an event loop already it runs in another thread
    while this one waits.
    """
    return _in_thread(partial(_run, work)) if _a_loop_runs() else _run(work)


def run_briefly(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that takes a moment on an event loop of its own, in any thread.

    In the main thread Ctrl-C cancels it. Where an event loop runs it runs in another thread while this one waits.
    """
    run = partial(asyncio.run, with_one_voice(work))
    return _in_thread(run) if _a_loop_runs() else run()


def _a_loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _run(work: Coroutine[Any, Any, T]) -> T:
    ended_by: list[int] = []
    before = {number: signal.getsignal(number) for number in _ENDING}
    thresholds = gc.get_threshold()
    gc.set_threshold(_FEW_COLLECTIONS, *thresholds[1:])
    try:
        with asyncio.Runner() as runner:
            return runner.run(with_one_voice(_terminable(work, ended_by)))
    except asyncio.CancelledError:
        if ended_by:
            raise SystemExit(128 + ended_by[0]) from None
        raise
    finally:
        gc.set_threshold(*thresholds)
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                if handler is not None:
                    signal.signal(number, handler)


async def with_one_voice(work: Coroutine[Any, Any, T]) -> T:
    """Keep asyncio from telling, with a traceback, of what a shortage left half begun: the diagnosis tells it."""

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, asyncio.CancelledError) and (error is None or ShortageError.of(error) is None):
            loop.default_exception_handler(context)

    asyncio.get_running_loop().set_exception_handler(handle)
    return await work


async def _terminable(work: Coroutine[Any, Any, T], ended_by: list[int]) -> T:
    """Let signals cancel the work as `asyncio.Runner` lets SIGINT, where this thread may handle them.

    :param ended_by: gets the numbers of those that came.
    """
    task = asyncio.current_task()
    cancellation = _CANCELLATION.get()
    if cancellation is not None and task is not None:
        cancellation.begin(task)
    if sys.platform != "win32" and threading.current_thread() is threading.main_thread() and task is not None:

        def terminate(number: int) -> None:
            ended_by.append(number)
            task.cancel()

        for number in _ENDING:
            if signal.getsignal(number) != signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, terminate, number)
    return await work


def _in_thread(run: Callable[[], T]) -> T:
    outcome: list[T] = []
    failure: list[BaseException] = []

    def body() -> None:
        try:
            outcome.append(run())
        except BaseException as error:  # noqa: BLE001 - it is raised again where it belongs
            failure.append(error)

    thread = threading.Thread(target=body, name="pytest-fastenv")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
