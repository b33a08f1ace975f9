"""Directories for one environment each: chosen by a user, or private to one caller.

::

    <directory>/                                   the environment
    <directory>/.fastenv/lease                     held by the runs that use it
    <directory>/../.<name>.fastenv-staging/         the next one in the making, for as long as that takes

Standard library only as far as finding and holding: that is on the warm path of runs that chose a directory.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_fastenv.environment import manifest
from pytest_fastenv.environment.manifest import ENVIRONMENTS
from pytest_fastenv.environment.places import Found, Generations, Missing, Place, difference, hold, loss
from pytest_fastenv.errors import PublishError, StoreError, UsageError
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.filesystem.tree import OWN_DIRECTORY
from pytest_fastenv.model.digest import text_sha256
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.runtime.summary import Summary
from pytest_fastenv.store import lease
from pytest_fastenv.store.store import Store

if TYPE_CHECKING:
    from pytest_fastenv.environment.staging import StagedEnvironment
    from pytest_fastenv.model.target import Target


class _SingleDirectory(ABC):
    """A directory for one environment."""

    way_out = "Choose another one"

    def __init__(self, store: Store, path: Path) -> None:
        self._store = store
        self.path = Path(os.path.realpath(path))

    def find(self, fingerprint: str) -> Found | Missing:
        """Return the environment there, if it is the one meant; see `Place.find`."""
        known = manifest.read(self.path)
        if known is None:
            return Missing("it was not finished" if manifest.is_ours(self.path) else None)
        if known.fingerprint != fingerprint:
            cause = "it was changed by fastenv pip" if known.is_changed else "something else was asked for"
            return Missing(difference(self.path, fingerprint) or cause)
        change = manifest.difference(self.path, known) or loss(self.path, self._store)
        return Found(known.environment(self.path), known.summary) if change is None else Missing(change)

    def hold(self, environment: Environment) -> int | None:
        """See `Place.hold`."""
        return hold(environment.prefix, self._lease_path)

    @asynccontextmanager
    async def stage(self, target: Target, fingerprint: str) -> AsyncIterator[StagedEnvironment]:
        """Begin an environment beside its place; see `Place.stage`."""
        from pytest_fastenv.environment.staging import private_directory, stage
        from pytest_fastenv.store.temporary import sweep

        async with self._turn():
            self.check(fingerprint)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Among the user's own directories nothing is left lying, not even what a killed process left.
            await in_thread(sweep, str(self._beside))
            with suppress(FileNotFoundError):
                os.lstat(self._beside)  # a name that is too long is the user's, not the store's
            try:
                async with private_directory(self._beside) as private:
                    yield await stage(target, self._store, private / "new", self.path, fingerprint)
            finally:
                with suppress(OSError):
                    os.rmdir(self._beside)

    async def publish(self, staged: StagedEnvironment, summary: Summary) -> Environment:
        """See `Place.publish`."""
        from pytest_fastenv.environment import staging  # asyncio is not on the warm path

        return await staging.publish(staged, summary, self._store.root)

    @abstractmethod
    def _turn(self) -> AbstractAsyncContextManager[object]:
        """Wait until no other process makes an environment there, and keep it so during a block."""

    @abstractmethod
    def check(self, fingerprint: str = "") -> None:
        """Refuse a directory that an environment with a fingerprint may not be made in.

        :raises UsageError: it holds something.
        :raises PublishError: it is in use.
        """

    @property
    def _beside(self) -> Path:
        return self.path.with_name(f".{self.path.name}.fastenv-staging")

    @property
    def _lease_path(self) -> Path:
        return self.path / OWN_DIRECTORY / "lease"


class PrivateDirectory(_SingleDirectory):
    """A directory of one caller alone, such as a test's; nothing may lie there yet. Fulfils `Place`."""

    def _turn(self) -> AbstractAsyncContextManager[object]:
        return nullcontext()  # no other process knows the directory

    def check(self, fingerprint: str = "") -> None:
        """Refuse a directory that is not empty, and what is none."""
        del fingerprint
        if os.path.lexists(self.path) and not (self.path.is_dir() and not any(self.path.iterdir())):
            raise UsageError(
                f"{self.path} is there already",
                hint="a fresh environment needs a new directory: give another path, or none",
            )


class ChosenDirectory(_SingleDirectory):
    """A directory that its user chose for one environment, which is replaced by the next. Fulfils `Place`.

    For a moment between two renames there is none.
    """

    def find(self, fingerprint: str) -> Found | Missing:
        """See `Place.find`; what a process that was killed left beside the environment goes."""
        found = super().find(fingerprint)
        if isinstance(found, Found) and os.path.isdir(self._beside):
            self._tidy()
        return found

    def _tidy(self) -> None:
        """Remove what lies beside the environment, unless another process is making one there; never fails."""
        from pytest_fastenv.store.temporary import sweep  # hardly ever is there anything

        with suppress(OSError, StoreError):
            turn = self._store.try_lock(ENVIRONMENTS, self._key)
            if turn is None:
                return
            try:
                sweep(str(self._beside))
                os.rmdir(self._beside)
            finally:
                turn.release()

    async def publish(self, staged: StagedEnvironment, summary: Summary) -> Environment:
        """Replace an environment of ours that lies there, if no run uses it; see `Place.publish`."""
        held = self._claim() if manifest.is_ours(self.path) else None
        if held is not None and os.name == "nt":  # a directory with an open file in it cannot be moved there
            os.close(held)
            held = None
        try:
            return await super().publish(staged, summary)
        finally:
            if held is not None:
                os.close(held)

    def _turn(self) -> AbstractAsyncContextManager[object]:
        return self._store.lock(ENVIRONMENTS, self._key, subject=f"the environment {self.path}")

    @property
    def _key(self) -> str:
        return text_sha256(str(self.path))

    def check(self, fingerprint: str = "") -> None:
        """Refuse contents that are not ours, what is no directory, and another environment that is in use.

        One with the same fingerprint may be used: another process may have made it a moment ago, for this one as well.
        """
        path = self.path
        if not os.path.lexists(path):
            return
        if not path.is_dir() or (not manifest.is_ours(path) and any(path.iterdir())):
            reason = "it is not empty and has no .fastenv/manifest.json" if path.is_dir() else "it is not a directory"
            raise UsageError(
                f"{path} holds something that pytest-fastenv did not make",
                why=reason,
                hint="name an empty or new directory, or remove that one",
            )
        known = manifest.read(path)
        if manifest.is_ours(path) and (known is None or known.fingerprint != fingerprint):
            os.close(self._claim())

    def _claim(self) -> int:
        claim = lease.try_claim(self._lease_path)
        if claim is None:
            raise PublishError(
                "the environment is in use by another run, so it is not replaced",
                where=str(self.path),
                hint="wait for that run to end, or name another directory",
            )
        return claim


def place_of(prefix: Path, store: Store, directory: Path | None) -> Place:
    """Return the place of an environment that stands.

    :param directory: the one of many environments; ``None`` for that in the store.
    """
    generations = Generations(store, directory)
    return generations if prefix.parent == generations.path else ChosenDirectory(store, prefix)
