"""Run independent jobs to the end and report everything that went wrong, not only the first.

After the first failure no new work is admitted, what is under way may finish (its result stays in the store for the
next run), and all failures that are independent of each other are raised together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from pytest_fastenv.errors import FailureGroup, FastenvError

T = TypeVar("T")


class NotAdmittedError(Exception):
    """A job was not begun, or ended itself, because another one has failed. It is no failure of its own."""


class Admission:
    """Tells jobs whether new work may still begin."""

    def __init__(self) -> None:
        self._open = True
        self._followers: list[Admission] = []

    @property
    def open(self) -> bool:
        """Whether new work may begin."""
        return self._open

    def close(self) -> None:
        """Admit nothing more."""
        self._open = False
        for follower in self._followers:
            follower.close()

    def lead(self, follower: Admission) -> None:
        """Close another one together with this one."""
        self._followers.append(follower)
        if not self.open:
            follower.close()

    def check(self) -> None:
        """Ask before beginning a piece of work.

        :raises NotAdmittedError: something has failed; let it pass.
        """
        if not self.open:
            raise NotAdmittedError


class SharedAdmission(Admission):
    """Admits work that several tasks share, as long as one of them may begin new work or none has joined."""

    def __init__(self) -> None:
        super().__init__()
        self._sharing: list[Admission] = []

    @property
    def open(self) -> bool:
        """Whether new work may begin."""
        return self._open and (not self._sharing or any(admission.open for admission in self._sharing))

    def close_all(self) -> None:
        """Close those of all who share the work, for it has failed; until they hear of it something might begin."""
        for admission in self._sharing:
            admission.close()

    @contextmanager
    def shared_by(self, admission: Admission | None) -> Iterator[None]:
        """Let another one count for a block."""
        if admission is not None:
            self._sharing.append(admission)
        try:
            yield
        finally:
            if admission is not None:
                self._sharing.remove(admission)


async def run_all(jobs: Iterable[Coroutine[Any, Any, T]], admission: Admission | None = None) -> list[T]:
    """Run jobs side by side and return their results in order.

    When this is cancelled, all jobs are cancelled and have ended before it passes.

    :param admission: what the jobs ask before they begin pieces of work; closed by the first failure.
    :raises FastenvError: the failure, where there is just one.
    :raises FailureGroup: several; the same error reported by several jobs counts once.
    :raises NotAdmittedError: no job failed, but one was not admitted (the admission is shared and was closed).
    :raises BaseException: an error that is none of ours passes as it is, first.
    """
    admission = admission or Admission()
    tasks = [asyncio.create_task(_run(job, admission)) for job in jobs]
    if not tasks:
        return []
    try:
        await asyncio.wait(tasks)
    except asyncio.CancelledError:
        admission.close()
        for task in tasks:
            task.cancel()
        await _settled(tasks)
        raise
    return _results(tasks)


async def _run(job: Coroutine[Any, Any, T], admission: Admission) -> T:
    if not admission.open:
        job.close()
        raise NotAdmittedError
    try:
        return await job
    except BaseException:
        admission.close()
        raise


async def _settled(tasks: list[asyncio.Task[T]]) -> None:
    """Wait for the end of cancelled tasks, even where this one is cancelled meanwhile."""
    while not all(task.done() for task in tasks):
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError:  # asked once more: the answer is the same, when all have ended
            continue
    for task in tasks:
        if not task.cancelled():
            task.exception()  # seen: nothing is said about it beside the cancellation


def _results(tasks: list[asyncio.Task[T]]) -> list[T]:
    errors = [error for task in tasks if (error := _error(task)) is not None]
    if not errors:
        return [task.result() for task in tasks]
    leaves = [leaf for error in errors for leaf in _leaves(error)]
    for leaf in leaves:
        if not isinstance(leaf, (FastenvError, NotAdmittedError)):
            raise leaf
    failures = [leaf for leaf in leaves if isinstance(leaf, FastenvError)]
    raise together(failures) if failures else leaves[0]


def together(failures: Iterable[FastenvError]) -> FastenvError:
    """Return one error for several: the one there is, or a group. Groups are taken apart; what reads alike counts once.

    Every writer meets a full disk, for example.
    """
    leaves = [leaf for failure in failures for leaf in _leaves(failure) if isinstance(leaf, FastenvError)]
    different = list({leaf.diagnosis(whole=True): leaf for leaf in reversed(leaves)}.values())[::-1]
    return FailureGroup(different) if len(different) > 1 else different[0]


def _error(task: asyncio.Task[T]) -> BaseException | None:
    return asyncio.CancelledError() if task.cancelled() else task.exception()


def _leaves(error: BaseException) -> list[BaseException]:
    """Take exception groups apart, ours and Python's."""
    if isinstance(error, FailureGroup):
        return [leaf for inner in error.failures for leaf in _leaves(inner)]
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


async def whatever_happens(*steps: Awaitable[Any]) -> None:
    """Go through with some steps even when cancelled meanwhile; the cancellation passes when they are done."""
    together = asyncio.gather(*steps)
    cancelled = False
    while not together.done():
        try:
            await asyncio.wait([together])
        except asyncio.CancelledError:
            cancelled = True
    together.result()
    if cancelled:
        raise asyncio.CancelledError
