"""Copies of an environment for pytest-xdist's workers: one for each, all made at once.

::

    <directory of environments>/.workers/<private directory of a process>/gw0/    the environment of worker gw0
    <directory of environments>/.workers/<private directory of a process>/old-…/  one that was replaced, perhaps in use

They belong to one process: what a killed one leaves is removed by those that come later.
"""

from __future__ import annotations

import asyncio
import os
import re
import stat
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_fastenv.environment import folding
from pytest_fastenv.environment.copying import Part, copy_part
from pytest_fastenv.environment.finishing import Finish, finish
from pytest_fastenv.environment.original import Original, read_original
from pytest_fastenv.environment.probing import probe
from pytest_fastenv.errors import StoreError, UsageError
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.schedule.outcome import Admission, run_all, whatever_happens
from pytest_fastenv.schedule.workers import FileWorkers
from pytest_fastenv.store.diagnosis import diagnosed
from pytest_fastenv.store.temporary import Home

DIRECTORY = ".workers"
#: What a worker cannot do without.
NEEDED = ("pytest", "xdist")
#: Parts for each process: those that turn out to be quick take over from the others.
_PARTS = 4
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class WorkerEnvironments:
    """Makes copies, in a private directory of this process. For one event loop.

    :param directory: the one of environments.
    :param workers: do the copying.
    :param environ: variables that interpreters are started with.
    :raises StoreError: the directory cannot be written.
    """

    def __init__(self, directory: Path, workers: FileWorkers, recorder: Recorder, environ: Mapping[str, str]) -> None:
        self._directory = directory
        with diagnosed("the environments of workers cannot be made", directory):
            self._home = Home(str(directory / DIRECTORY))
            # Whoever may use the session's environment may use these: tests start programs as other users.
            os.chmod(self._home.path, stat.S_IMODE(os.stat(directory).st_mode))
        self._workers = workers
        self._recorder = recorder
        self._environ = environ

    async def make(self, original: Path, names: Sequence[str]) -> dict[str, Environment]:
        """Copy an environment for each of some workers; a worker that has one already gets a new one.

        Each is whole and was started once when this returns. Nothing is left of any when one fails.

        :param original: prefix of the environment; the caller holds its lease.
        :raises StoreError: a file of the environment is not what it was when that was made, or the disk is full.
        :raises InterpreterError: the interpreter of a copy does not start, or does not find what a worker needs.
        """
        source = await asyncio.to_thread(read_original, str(original))
        places = self._places(names)
        try:
            with (
                diagnosed("the environments of workers cannot be made", self._directory),
                self._recorder.span("link", "environments of workers", count=len(places), path=self._home.path),
            ):
                await self._copy(source, list(places.values()))
            made = {name: source.manifest.environment(Path(place)) for name, place in places.items()}
            await self._probe(made)
        except BaseException:
            self._put_aside(places.values())
            raise
        return made

    async def aclose(self) -> None:
        """Remove them all, those that were replaced too."""
        await whatever_happens(asyncio.to_thread(self._home.close))

    def _places(self, names: Sequence[str]) -> dict[str, str]:
        """Make an empty directory for each name; what lies there moves away, for its processes may still live."""
        for name in names:
            if not _NAME.fullmatch(name) or names.count(name) > 1 or name.startswith("old-"):
                raise UsageError(f"{name!r} does not do as the name of a worker that gets an environment")
        places = {name: os.path.join(self._home.path, name) for name in names}
        with diagnosed("the environments of workers cannot be made", self._directory):
            self._put_aside(places.values())
            for place in places.values():
                os.mkdir(place)
        return places

    def _put_aside(self, places: Sequence[str] | Mapping[str, str]) -> None: ...

    async def _copy(self, source: Original, places: list[str]) -> None:
        count = self._workers.count
        ranges = source.parts(count * _PARTS if count > 1 else 1)
        folded = await self._foldable(source, ranges) if source.method == "symlink" else frozenset()
        parts = [Part(source.prefix, begin, end, tuple(places), folded) for begin, end in ranges]
        admission = Admission()

        async def copy(part: Part) -> list[bytes]:
            found: list[bytes] = await self._workers.call(f"{copy_part.__module__}:copy_part", part)
            return found

        times = await run_all(map(copy, parts), admission)
        orders = [
            Finish(source.prefix, place, b"" if folded else b"".join(part[number] for part in times))
            for number, place in enumerate(places)
        ]
        await run_all(self._workers.call(f"{finish.__module__}:finish", order) for order in orders)
