"""Run the engine's coroutine to its end, from wherever it is called, and let signals end it in good order."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

TERMINATED = 143
#: A short life with many objects, nearly none of them garbage: looking for cycles all the time is in vain.
_FEW_COLLECTIONS = 50_000


def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on an event loop of its own.

    In the main thread SIGINT and SIGTERM cancel it: what it started is ended and what it made privately is removed
    before `KeyboardInterrupt`, or `SystemExit` with code 143, is raised. In a thread that runs an event loop already it
    runs in another thread while this one waits.
    """
    return _in_thread(partial(_run, work)) if _a_loop_runs() else _run(work)


def run_briefly(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that takes a moment on an event loop of its own, in any thread.

    In the main thread Ctrl-C cancels it. Where an event loop runs it runs in another thread while this one waits.
    """
    return _in_thread(partial(asyncio.run, work)) if _a_loop_runs() else asyncio.run(work)


def _a_loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _run(work: Coroutine[Any, Any, T]) -> T:
    terminated = threading.Event()
    before = signal.getsignal(signal.SIGTERM)
    thresholds = gc.get_threshold()
    gc.set_threshold(_FEW_COLLECTIONS, *thresholds[1:])
    try:
        with asyncio.Runner() as runner:
            return runner.run(_terminable(work, terminated))
    except asyncio.CancelledError:
        if terminated.is_set():
            raise SystemExit(TERMINATED) from None
        raise
    finally:
        gc.set_threshold(*thresholds)
        if threading.current_thread() is threading.main_thread() and before is not None:
            signal.signal(signal.SIGTERM, before)


async def _terminable(work: Coroutine[Any, Any, T], terminated: threading.Event) -> T:
    """Let SIGTERM cancel the work as `asyncio.Runner` lets SIGINT, where this thread may handle signals."""
    task = asyncio.current_task()
    if sys.platform != "win32" and threading.current_thread() is threading.main_thread() and task is not None:

        def terminate() -> None:
            terminated.set()
            task.cancel()

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
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
