"""Where environments lie and by which rules they come there, and the directory where most of them lie.

::

    <directory>/<fingerprint[:16]>-<n>/         generation n; never changed by us once it is whole
    <directory>/.leases/<name>.lock             held by the runs that use it
    <directory>/.staging/                       environments in the making

An environment that was changed since it was made is left to those that use it; the next generation is made beside it,
and then those go that nobody holds. Standard library only as far as finding and holding: that is the warm path.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_fastenv.environment import manifest
from pytest_fastenv.environment.manifest import ENVIRONMENTS
from pytest_fastenv.errors import StoreError, option
from pytest_fastenv.model.digest import text_sha256
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.runtime.summary import Summary
from pytest_fastenv.store import durability, lease
from pytest_fastenv.store.buckets import STAGING
from pytest_fastenv.store.store import Store

if TYPE_CHECKING:
    from pytest_fastenv.environment.staging import StagedEnvironment
    from pytest_fastenv.model.target import Target

_NAME_LENGTH = 16
#: How long the lease of a new environment may be claimed by a process that tidies up.
_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Found:
    """A whole environment that is as it was made.

    :ivar summary: what its maker kept with it.
    """

    environment: Environment
    summary: Summary


@dataclass(frozen=True, slots=True)
class Missing:
    """No environment that may be used.

    :ivar reason: why the environment that was there may not be used, in one line; ``None`` when there was none.
    :ivar previous: that environment's directory, as far as it is known: what a new one is compared with.
    """

    reason: str | None = None
    previous: Path | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """An environment that may be used now.

    :ivar summary: how it came about.
    :ivar lease_fd: as long as this descriptor is open the environment is not pruned; it survives exec.
    """

    environment: Environment
    summary: Summary
    lease_fd: int | None = None


class Place(Protocol):
    """Where an environment lies, and by which rules it comes there; `supply.provide` makes one in any place."""

    @property
    def path(self) -> Path:
        """The directory, for people."""

    @property
    def way_out(self) -> str:
        """How to choose another one, for people."""

    def find(self, fingerprint: str) -> Found | Missing:
        """Return the environment with a fingerprint, if it is whole and unchanged. Writes nothing.

        Looks at each of its files: 40 to 60 ms for 23,000.
        """

    def hold(self, environment: Environment) -> int | None:
        """Hold an environment: it is not pruned while the returned descriptor is open, here or in a child.

        The descriptor is inheritable and survives exec.

        :return: ``None`` when the environment is gone, or is being removed at this moment.
        """

    def stage(self, target: Target, fingerprint: str) -> AbstractAsyncContextManager[StagedEnvironment]:
        """Begin an environment: an empty virtual environment, removed at the end unless it was published.

        Another process may have published while this one waited for its turn: look again (`find`) inside the block.

        :raises LockTimeoutError: another process did not finish in time.
        :raises UsageError: there is something that this package did not make.
        :raises InterpreterError: no virtual environment can be made for the target.
        :raises StoreError: the directory cannot be written.
        """

    async def publish(self, staged: StagedEnvironment, summary: Summary) -> Environment:
        """Move what was staged to its place and make it whole; inside the block of `stage`.

        :raises PublishError: its place was taken meanwhile, or an environment there is in use.
        """


class Generations:
    """A directory of many environments, each named by its fingerprint and never replaced. Fulfils `Place`.

    :param directory: need not exist; ``None`` for the one in the store.
    """

    def __init__(self, store: Store, directory: Path | None = None) -> None:
        self._store = store
        chosen = store.root / ENVIRONMENTS.directory if directory is None else directory
        self.path = Path(os.path.abspath(chosen))

    @property
    def way_out(self) -> str:
        """See `Place.way_out`."""
        return f"Choose another one with {option('dir')}"

    def find(self, fingerprint: str) -> Found | Missing:
        """Return the newest one; see `Place.find`."""
        reason = None
        for _, name in self._generations(fingerprint):
            prefix = self.path / name
            known = manifest.read(prefix)
            if known is None or known.fingerprint != fingerprint:
                continue
            change = manifest.difference(prefix, known) or loss(prefix, self._store)
            if change is None:
                return Found(known.environment(prefix), known.summary)
            reason = reason or change
        return Missing(reason)

    def hold(self, environment: Environment) -> int | None:
        """See `Place.hold`."""
        with suppress(OSError):  # mostly it is there, and elsewhere nothing can be written
            os.mkdir(self.path / ".leases")
        return hold(environment.prefix, self._lease_path(environment.prefix.name))

    @asynccontextmanager
    async def stage(self, target: Target, fingerprint: str) -> AsyncIterator[StagedEnvironment]:
        """Begin the next generation; the fingerprint's lock is held meanwhile. See `Place.stage`."""
        from pytest_fastenv.environment.staging import private_directory, stage  # asyncio is not on the warm path

        key = text_sha256(f"{self.path}\0{fingerprint}")
        async with (
            self._store.lock(ENVIRONMENTS, key, subject="the same environment"),
            private_directory(self.path / STAGING) as private,
        ):
            final = self.path / self._next_name(fingerprint, private)
            yield await stage(target, self._store, private / "new", final, fingerprint)

    async def publish(self, staged: StagedEnvironment, summary: Summary) -> Environment:
        """See `Place.publish`."""
        from pytest_fastenv.environment import staging  # asyncio is not on the warm path
        from pytest_fastenv.filesystem.threads import in_thread  # likewise
        from pytest_fastenv.filesystem.uncollected import keep_from_collection

        os.makedirs(self.path / ".leases", exist_ok=True)
        if not self.path.is_relative_to(self._store.root):
            keep_from_collection(self.path)
        # Until the ready mark is there: see _next_name. Who claims it now takes leases away that nothing belongs to; on
        # a busy machine that process may have to wait for its turn, and nothing of ours is being removed.
        held = await in_thread(lease.hold, self._lease_path(staged.final.name), _PATIENCE_S)
        try:
            made = await staging.publish(staged, summary, self._store.root)
        finally:
            os.close(held)
        generations = [self.path / name for _, name in self._generations(staged.fingerprint)]
        self.remove(prefix for prefix in generations if prefix != staged.final)
        return made

    def remove(self, superseded: Iterable[Path]) -> None:
        """Take environments away that others took the place of, but for those that somebody holds.

        They are gone at once; a process with little priority deletes their files.
        """
        from pytest_fastenv.store.removal import take_out  # nothing is removed on the warm path
        from pytest_fastenv.store.temporary import Home

        home: Home | None = None
        with suppress(StoreError):  # no environment is missing for what cannot be removed
            for prefix in superseded:
                home = home or Home(str(self.path / STAGING))
                take_out(self.path, home, ENVIRONMENTS, prefix)
        if home is not None:
            home.leave()

    def _generations(self, fingerprint: str) -> list[tuple[int, str]]:
        """Return the numbers and names of what is there for a fingerprint, whole or not, newest first."""
        prefix = f"{fingerprint[:_NAME_LENGTH]}-"
        try:
            names = os.listdir(self.path)
        except OSError:
            return []
        found = [(name.removeprefix(prefix), name) for name in names if name.startswith(prefix)]
        return sorted(((int(number), name) for number, name in found if number.isdecimal()), reverse=True)

    def _next_name(self, fingerprint: str, private: Path) -> str:
        """Return the next generation's name; the fingerprint's lock is held.

        So an unfinished generation has no maker any more, unless a process with another store makes it, which then
        holds its lease. It is moved into the private directory, and removed with that.
        """
        generations = self._generations(fingerprint)
        for number, name in generations:
            if manifest.is_whole(self.path / name):
                continue
            claim = lease.try_claim(self._lease_path(name))
            if claim is not None:
                try:
                    with suppress(FileNotFoundError):  # it was being removed when we looked, and is gone by now
                        os.rename(self.path / name, private / f"unfinished-{number}")
                finally:
                    os.close(claim)
        return f"{fingerprint[:_NAME_LENGTH]}-{generations[0][0] + 1 if generations else 1}"

    def _lease_path(self, name: str) -> Path:
        return self.path / ".leases" / f"{name}.lock"


def difference(previous: Path | None, fingerprint: str) -> str | None:
    """Say in one line how an environment's fingerprint differs from another one, as far as its parts are known."""
    known = manifest.read(previous) if previous is not None else None
    if known is None or known.fingerprint == fingerprint or not hasattr(fingerprint, "parts"):
        return None
    from pytest_fastenv.environment.fingerprint import explain  # not on the warm path

    return explain(known.parts, fingerprint.parts) or None


def loss(prefix: Path, store: Store) -> str | None:
    """Say that an environment may be damaged though its files look as they did; ``None`` where that cannot be."""
    if not durability.is_lost(store.root, manifest.epoch(prefix)):
        return None
    return "the machine stopped before it was on the disk"


def hold(prefix: Path, lease_path: Path) -> int | None:
    """Take an environment's lease, if the environment is still there with it."""
    try:
        descriptor = lease.hold(lease_path)
    except StoreError:
        return None
    if manifest.is_whole(prefix):
        return descriptor
    os.close(descriptor)
    return None


def is_shared(prefix: Path) -> bool:
    """Tell whether an environment lies in a directory of many, where all who ask for the same find it."""
    name, _, number = prefix.name.rpartition("-")
    is_generation = len(name) == _NAME_LENGTH and number.isdecimal()
    return is_generation and manifest.is_ours(prefix) and os.path.isdir(prefix.parent / ".leases")
