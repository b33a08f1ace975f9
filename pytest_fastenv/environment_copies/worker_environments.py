"""Copies of an environment for pytest-xdist's workers: one for each, all made at once.

::

    <directory of environments>/.workers/<private directory of a process>/gw0/    the environment of worker gw0
    <directory of environments>/.workers/<private directory of a process>/old-…/  a replaced environment, perhaps in use

They belong to one process: what a killed process leaves is removed by later ones.
"""

from __future__ import annotations

import asyncio
import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pytest_fastenv.environment.probe import probe
from pytest_fastenv.environment_copies.completion import Finish
from pytest_fastenv.environment_copies.duplication import Part
from pytest_fastenv.environment_copies.folded_links import foldable
from pytest_fastenv.environment_copies.inode_regions import spread
from pytest_fastenv.environment_copies.original import Original, read_original
from pytest_fastenv.errors import UsageError
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.schedule.outcome import run_all, whatever_happens
from pytest_fastenv.schedule.process_pool import ProcessPool
from pytest_fastenv.store.buckets import WORKERS
from pytest_fastenv.store.diagnosis import diagnosed
from pytest_fastenv.store.temporary import Home

#: What a worker cannot do without.
NEEDED = ("pytest", "xdist")
#: Parts for each process: a process that is quick takes over parts from the others.
_PARTS = 4
_COPY = f"{Part.__module__}:copy_part"
_FINISH = f"{Finish.__module__}:finish"
_MIXED = f"{foldable.__module__}:mixed"
#: Removing a file takes about as long as linking it.
QUICKLY_REMOVED = 20_000
_OLD = "old"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class WorkerEnvironments:
    """Makes copies, in a private directory of this process. For one event loop.

    :param directory: the one of environments.
    :param pool: does the copying.
    :param environ: variables that interpreters are started with.
    :raises StoreError: the directory cannot be written.
    """

    def __init__(self, directory: Path, pool: ProcessPool, recorder: Recorder, environ: Mapping[str, str]) -> None:
        self._directory = directory
        with diagnosed("the environments of workers cannot be made", directory):
            self._home = Home(str(directory / WORKERS))
            # The same permissions as for the session's environment: tests start programs as other users.
            os.chmod(self._home.path, stat.S_IMODE(os.stat(directory).st_mode))
            spread(self._home.path)
        self._pool = pool
        self._recorder = recorder
        self._environ = environ
        self._files = 0
        self._probes = asyncio.Semaphore(pool.count)

    async def make(self, original: Path, names: Sequence[str]) -> dict[str, Environment]:
        """Copy an environment for each of some workers; a worker that has one already gets a new one.

        Each is whole and was started once when this returns. Nothing is left of any when one fails.

        :param original: prefix of the environment; the caller holds its lease.
        :raises StoreError: a file of the environment is not what it was when that was made, or the disk is full.
        :raises InterpreterError: the interpreter of a copy does not start, or does not find what a worker needs.
        """
        source = await in_thread(read_original, str(original))
        places = self._places(names)
        try:
            with (
                diagnosed("the environments of workers cannot be made", self._directory),
                self._recorder.span("link", "environments of workers", count=len(places), path=self._home.path),
            ):
                times = await self._copy(source, tuple(places.values()))
                made = [self._complete(source, name, place, times[place]) for name, place in places.items()]
                return dict(zip(names, await run_all(made), strict=True))
        except BaseException:
            self._put_aside(places.values())
            raise

    async def aclose(self) -> None:
        """Remove all of them, replaced ones too; where they are large, in a process of its own without waiting."""
        end = self._home.close if self._files <= QUICKLY_REMOVED else self._home.leave
        await whatever_happens(in_thread(end))

    def _places(self, names: Sequence[str]) -> dict[str, str]:
        """Make an empty directory for each name; what lies there moves away, for its processes may still live."""
        for name in names:
            if not _NAME.fullmatch(name) or names.count(name) > 1:
                raise UsageError(f"{name!r} does not do as the name of a worker that gets an environment")
        places = {name: os.path.join(self._home.path, name) for name in names}
        with diagnosed("the environments of workers cannot be made", self._directory):
            self._put_aside(places.values())
            for place in places.values():
                os.mkdir(place)
        return places

    def _put_aside(self, places: Iterable[str]) -> None:
        for place in places:
            if os.path.lexists(place):
                os.rename(place, self._home.file(_OLD))

    async def _copy(self, source: Original, places: tuple[str, ...]) -> dict[str, bytes]:
        """Copy all files except files that hold a prefix; return what `Finish.times` is for each place."""
        count = self._pool.count
        ranges = source.parts(count * _PARTS if count > 1 else 1)
        folded = await self._foldable(source, ranges) if source.link.folds_directories else frozenset()
        self._files += 0 if folded else source.tree.file_count * len(places)
        parts = [Part(source.prefix, begin, end, places, folded) for begin, end in ranges]
        times: list[list[bytes]] = await run_all(self._pool.call(_COPY, part) for part in parts)
        return {place: b"" if folded else b"".join(of_each) for place, *of_each in zip(places, *times, strict=True)}

    async def _foldable(self, source: Original, ranges: Sequence[tuple[int, int]]) -> frozenset[str]:
        found: list[set[str]] = await run_all(
            self._pool.call(_MIXED, source.prefix, begin, end) for begin, end in ranges
        )
        return foldable(source, set().union(*found))

    async def _complete(self, source: Original, name: str, place: str, times: bytes) -> Environment:
        """Make a copy whole, and start its interpreter once."""
        await self._pool.call(_FINISH, Finish(source.prefix, place, times))
        environment = source.manifest.environment(Path(place))
        async with self._probes:
            await probe(environment, NEEDED, f"of worker {name}", self._environ)
        return environment
