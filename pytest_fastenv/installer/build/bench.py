"""A build at its bench: all that its hooks need, and how one of them is run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from pytest_fastenv.filesystem.oslock import OsLock
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.installer.build.hooks import CMAKE_CORES, BackendServers, HookAnswer, HookCall
from pytest_fastenv.installer.build.job import Job
from pytest_fastenv.installer.build.own_trees import OwnTrees, Turn
from pytest_fastenv.installer.build.policy import BackendPolicy
from pytest_fastenv.installer.build.records import BuildRecords
from pytest_fastenv.installer.build.seen import Watch
from pytest_fastenv.installer.build.workspace import Workspace
from pytest_fastenv.model.build import Build
from pytest_fastenv.model.observation import Observation
from pytest_fastenv.model.protocols import BuildEnvironment
from pytest_fastenv.schedule.outcome import Admission
from pytest_fastenv.schedule.system_limits import usable_cores
from pytest_fastenv.tools import Tools

#: Far less than any two builds differ by.
_HEAD_START_S = 1e-6


@dataclass(frozen=True, slots=True)
class Bench:
    """All that a hook needs, together for as long as the key's lock is held."""

    job: Job
    build: Build
    space: Workspace
    environment: BuildEnvironment
    lock: OsLock


class HookRuns:
    """Runs hooks, each with a build permit and a slot of the machine. For one event loop; ended by `aclose`.

    :param admission: when it is closed no hook is begun any more.
    """

    def __init__(
        self, tools: Tools, policy: BackendPolicy, trees: OwnTrees, records: BuildRecords, admission: Admission
    ) -> None:
        self._pools = tools.pools
        self._slots = tools.slots
        self._recorder = tools.recorder
        self._servers = BackendServers(tools.recorder, tools.environ, policy)
        self._trees = trees
        self._records = records
        self._admission = admission
        # Who has said how much is done at once is not contradicted: the variable would count for more than make's own.
        self._tells_cores = tools.environ.keys().isdisjoint({CMAKE_CORES, "MAKEFLAGS"})

    async def aclose(self) -> None:
        """End all servers of build backends. Idempotent."""
        await self._servers.aclose()

    async def run(
        self, bench: Bench, hook: str, arguments: Sequence[Any]
    ) -> tuple[HookAnswer, tuple[Observation, ...]]:
        """Run a hook; return its answer and, of a user's own tree, what that rests on.

        :param arguments: in PEP 517's order.
        :raises BuildError: it failed.
        """
        watch = await self._watch(bench)
        answer = await self._call(bench, hook, arguments)
        if watch is None:
            return answer, ()
        async with self._pools.alone():
            return answer, await in_thread(watch.observations, answer.seen)

    async def _watch(self, bench: Bench) -> Watch | None:
        """Begin to watch a user's own tree; other sources are as their key says."""
        job = bench.job
        tree = job.source.own_tree
        if tree is None:
            return None
        async with self._pools.alone():
            return await in_thread(Watch, tree.path, bench.space.tree, bench.space.copy, job.editable)

    def _turn(self, bench: Bench) -> AbstractAsyncContextManager[Turn | None]:
        job, space = bench.job, bench.space
        if not space.is_in_place:
            return nullcontext()
        return self._trees.turn(space.tree, job.subject, keeps=job.editable)

    async def _call(self, bench: Bench, hook: str, arguments: Sequence[Any]) -> HookAnswer:
        """Run one hook with a build permit and a slot of the machine; its processes hold lock and slot, too."""
        job, space = bench.job, bench.space
        expected_s = self._records.seconds(job) or space.guessed_s  # the longest first: they are the critical path
        # A source that was begun is finished first: its wheel moves on meanwhile, and its server is there.
        priority = expected_s + (0.0 if hook.startswith("get_requires_") else _HEAD_START_S)
        async with (
            self._turn(bench) as turn,
            self._pools.build(priority=priority),
            self._slots.take(job.subject) as slot,
        ):
            self._admission.check()
            call = HookCall(
                hook=hook,
                arguments=arguments,
                subject=job.subject,
                tree=space.tree,
                scratch=space.root,
                log=space.log,
                shown_at=space.shown_at,
                copy=space.copy,
                locks=tuple(lock.fileno() for lock in (bench.lock, *(turn.locks if turn else ()), slot) if lock),
                journal=turn.journal if turn else None,
                cores=self._cores(hook, space),
            )
            args = {"version": job.version or "", "source": "built", "key": job.key, "hook": hook}
            with self._recorder.span("build", job.name or job.subject, **args) as span:
                answer = await self._servers.call(bench.environment, space.pyproject.build_system, call)
                if hook.startswith("build_"):
                    span.args["bytes"] = _size_bytes(arguments[0], answer.value)
                return answer

    def _cores(self, hook: str, space: Workspace) -> int:
        """Return how many cores a hook's compilers may use: its own, and those that no build on the machine has."""
        if not (self._tells_cores and hook.startswith("build_") and space.guessed_s):
            return 1
        return min(1 + self._slots.free(), usable_cores(), self._pools.builds)


def _size_bytes(directory: str, name: object) -> int:
    """Return the size of what a hook says it made; whether it did is judged elsewhere."""
    path = os.path.join(directory, os.path.basename(name)) if isinstance(name, str) else directory
    return os.path.getsize(path) if os.path.isfile(path) else 0
