"""An interpreter that is there, or is still being downloaded.

Both fulfil `pytest_fastenv.model.protocols.Interpreter`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pytest_fastenv.errors import InterpreterError
from pytest_fastenv.model.target import Target
from pytest_fastenv.schedule.outcome import whatever_happens


@dataclass(frozen=True, slots=True)
class Present:
    """An interpreter that is there."""

    target: Target

    async def ready(self) -> None:
        """Return at once."""


class Arrival:
    """An interpreter on its way. For one event loop.

    :param target: what it will be.
    :param install: brings it, and returns what it is then.
    """

    def __init__(self, target: Target, install: Callable[[], Awaitable[Target]]) -> None:
        self.target = target
        self._install = install
        self._task: asyncio.Task[None] | None = None

    @property
    def is_there(self) -> bool:
        """Whether it has arrived."""
        task = self._task
        return task is not None and task.done() and not task.cancelled() and task.exception() is None

    def begin(self) -> None:
        """Begin to bring it. Idempotent."""
        self._begun()

    async def ready(self) -> None:
        """Wait for it; many may. A waiter that is cancelled leaves it on its way.

        :raises FastenvError: it could not be had; later calls raise the same.
        :raises InterpreterError: it is not what it was taken for.
        """
        await asyncio.shield(self._begun())

    async def aclose(self) -> None:
        """Give it up if it is not there, and wait for that; calls that wait for it are cancelled. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await whatever_happens(asyncio.wait([self._task]))
            if not self._task.cancelled():
                self._task.exception()  # those that waited have raised it

    def _begun(self) -> asyncio.Task[None]:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._bring())
        return self._task

    async def _bring(self) -> None:
        from pytest_fastenv.interpreter_downloads.assumed import (
            differences,  # needed where an interpreter is downloaded only
        )

        found = await self._install()
        unlike = differences(self.target, found)
        if unlike:
            raise InterpreterError(
                f"the interpreter that was downloaded is not the {self.target.short} it was taken for",
                where=found.python,
                why="\n".join(unlike),
                hint="packages were chosen for another one; name an interpreter of this machine, or another version",
            )
