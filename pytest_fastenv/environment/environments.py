"""The directory of environments: find one that stands, make one, hold it while it is used.

::

    <directory>/<fingerprint[:16]>-<n>/         generation n; never changed by us once it is whole
    <directory>/.leases/<name>.lock             held by the runs that use it
    <directory>/.drafts/                        environments in the making

An environment that was changed by somebody since it was made is left to its users; the next generation is made beside
it. Standard library only as far as finding and holding: that is the warm path.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_fastenv.environment import manifest
from pytest_fastenv.errors import PublishError, StoreError, UsageError, option
from pytest_fastenv.filesystem.tree import OWN_DIRECTORY
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.target import Target
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.store import lease
from pytest_fastenv.store.buckets import Bucket
from pytest_fastenv.store.store import Store

if TYPE_CHECKING:
    from pytest_fastenv.environment.staging import StagedEnvironment

_NAME_LENGTH = 16
_GONE_MEANWHILE = 3


@dataclass(frozen=True, slots=True)
class Found:
    """A whole environment that is as it was made.

    :ivar summary: what its maker kept with it.
    """

    environment: Environment
    summary: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Missing:
    """No environment that could be used.

    :ivar reason: why the one that was there cannot, in one line; ``None`` when there was none.
    """

    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Provided:
    """An environment that may be used now.

    :ivar lease_fd: as long as it is open the environment is not pruned; it survives exec.
    :ivar reused: it was there already.
    :ivar reason: why another one could not be used, in one line; ``None`` when there was none.
    """

    environment: Environment
    summary: Mapping[str, Any]
    lease_fd: int
    reused: bool
    reason: str | None = None


Fill = Callable[["StagedEnvironment"], Awaitable[Mapping[str, Any]]]
"""Fills a draft and returns the summary that is kept with it."""


class Environments:
    """Environments in one directory.

    :param directory: need not exist; ``None`` for the one in the store.
    """

    def __init__(self, store: Store, directory: Path | None, recorder: Recorder) -> None:
        self._store = store
        self._recorder = recorder
        chosen = store.root / Bucket.ENVIRONMENTS.value if directory is None else directory
        self.directory = Path(os.path.abspath(chosen))

    def find(self, fingerprint: str) -> Found | Missing:
        """Return the newest environment with a fingerprint that is whole and unchanged.

        Looks at each of its files: 40 to 60 ms for 23,000. Writes nothing.
        """
        reason = None
        for _, name in self._generations(fingerprint):
            prefix = self.directory / name
            known = manifest.read(prefix)
            if known is None or known.fingerprint != fingerprint:
                continue
            change = manifest.difference(prefix, known)
            if change is None:
                return Found(known.environment(prefix), known.summary)
            reason = reason or change
        return Missing(reason)

    def find_at(self, path: Path, fingerprint: str) -> Found | Missing:
        """Return the environment in a directory that its user chose, if it is whole, unchanged and the one meant."""
        path = _real(path)
        known = manifest.read(path)
        if known is None:
            return Missing("it was not finished" if manifest.is_ours(path) else None)
        if known.fingerprint != fingerprint:
            return Missing(_difference(path, fingerprint) or "something else was asked for")
        change = manifest.difference(path, known)
        return Found(known.environment(path), known.summary) if change is None else Missing(change)

    def lease(self, environment: Environment) -> int | None:
        """Hold an environment: it is not pruned while the returned descriptor is open, here or in a child.

        The descriptor is inheritable and survives exec.

        :return: ``None`` when the environment is gone, or is being removed at this moment.
        """
        prefix = environment.prefix
        if prefix.parent == self.directory:
            with suppress(OSError):  # mostly it is there, and elsewhere nothing can be written
                os.mkdir(self.directory / ".leases")
        try:
            descriptor = lease.hold(self._lease_path(prefix))
        except StoreError:
            return None
        if manifest.is_whole(prefix):
            return descriptor
        os.close(descriptor)
        return None

    async def provide(
        self,
        target: Target,
        fingerprint: str,
        fill: Fill,
        *,
        at: Path | None = None,
        recreate: bool = False,
        previous: Path | None = None,
    ) -> Provided:
        """Return an environment with a fingerprint and hold it; make it where there is none that can be used.

        However many processes ask at the same moment, one of them makes it and the others wait for that.

        :param fill: fills the draft and returns the summary; when it raises nothing is left of the draft.
        :param at: a directory that its user chose, instead of one that is named by the fingerprint.
        :param recreate: make a new one in any case.
        :param previous: the environment that the same request led to before: where a new one is made because it would
            not hold the same, the reason tells the difference.
        :raises PublishError: it could not be moved to its place, or was removed again at once.
        :raises UsageError: the directory that was chosen holds something else.
        """
        reason = None
        for _ in range(_GONE_MEANWHILE):
            found = self._look(fingerprint, at) if not recreate else Missing("asked for")
            if isinstance(found, Missing):
                context = self.draft(target, fingerprint) if at is None else self.draft_at(at, target, fingerprint)
                async with context as draft:
                    if not recreate:
                        found = self._look(fingerprint, at)  # another process may have made it while we waited
                    if isinstance(found, Missing):
                        reason = reason or found.reason or _difference(previous, fingerprint)
                        summary = await fill(draft)
                        environment = await self.publish(draft, summary)
                        held = self.lease(environment)
                        if held is not None:
                            return Provided(environment, summary, held, reused=False, reason=reason)
                        continue
            held = self.lease(found.environment)
            if held is not None:
                return Provided(found.environment, found.summary, held, reused=True)
        raise PublishError(
            "the environment was removed each time it was made",
            where=str(at or self.directory),
            hint="is something cleaning that directory? Choose another one"
            + (f" with {option('dir')}" if at is None else ""),
        )

    @asynccontextmanager
    async def draft(self, target: Target, fingerprint: str) -> AsyncIterator[StagedEnvironment]:
        """Begin an environment: an empty virtual environment, removed at the end unless it was published.

        The fingerprint's lock is held meanwhile. Another process may have published while this one waited for it:
        look again (`find`) inside the block, or let `provide` do all that.

        :raises LockTimeoutError: another process did not finish in time.
        :raises InterpreterError: no virtual environment can be made for the target.
        :raises StoreError: the directory cannot be written.
        """
        from pytest_fastenv.environment.skeleton import lay_out
        from pytest_fastenv.environment.staging import StagedEnvironment, private_directory  # not on the warm path

        key = _key(str(self.directory), fingerprint)
        async with (
            self._store.lock(Bucket.ENVIRONMENTS, key, subject="the same environment"),
            private_directory(self.directory / ".drafts") as private,
        ):
            final = self.directory / self._next_name(fingerprint, private)
            draft = StagedEnvironment(private / "new", final, target, fingerprint)
            await lay_out(target, self._store, draft.prefix, final)
            yield draft

    @asynccontextmanager
    async def draft_at(self, path: Path, target: Target, fingerprint: str) -> AsyncIterator[StagedEnvironment]:
        """Begin an environment for a directory that its user chose; see `draft`.

        Publishing replaces an environment of ours that lies there. For a moment between two renames there is none.

        :raises UsageError: there is something else than an environment of ours.
        :raises PublishError: the environment there is in use.
        """
        import asyncio  # not on the warm path

        from pytest_fastenv.environment.skeleton import lay_out
        from pytest_fastenv.environment.staging import StagedEnvironment, private_directory
        from pytest_fastenv.store.temporary import sweep

        path = _real(path)
        async with self._store.lock(Bucket.ENVIRONMENTS, _key(str(path)), subject=f"the environment {path}"):
            self._refuse_foreign(path)
            # Among the user's own directories nothing is left lying, not even what a killed process left.
            drafts = path.with_name(f".{path.name}.fastenv-drafts")
            await asyncio.to_thread(sweep, str(drafts))
            try:
                async with private_directory(drafts) as private:
                    draft = StagedEnvironment(private / "new", path, target, fingerprint)
                    await lay_out(target, self._store, draft.prefix, path)
                    yield draft
            finally:
                with suppress(OSError):
                    os.rmdir(drafts)

    async def publish(self, draft: StagedEnvironment, summary: Mapping[str, Any]) -> Environment:
        """Move a finished draft to its place and make it whole; inside the block of `draft`.

        :raises PublishError: its place was taken meanwhile, or an environment there is in use.
        """
        import asyncio  # not on the warm path

        from pytest_fastenv.environment import staging

        held = None
        if draft.final.parent == self.directory:
            os.makedirs(self.directory / ".leases", exist_ok=True)
            held = lease.hold(self._lease_path(draft.final))  # until the ready mark is there: see _next_name
        elif manifest.is_ours(draft.final):
            held = self._claim(draft.final)
            if os.name == "nt":  # a directory with an open file in it cannot be moved there
                os.close(held)
                held = None
        try:
            return await asyncio.to_thread(staging.publish, draft, summary)
        finally:
            if held is not None:
                os.close(held)

    def _look(self, fingerprint: str, at: Path | None) -> Found | Missing:
        return self.find(fingerprint) if at is None else self.find_at(at, fingerprint)

    def _generations(self, fingerprint: str) -> list[tuple[int, str]]:
        """Return the numbers and names of what is there for a fingerprint, whole or not, newest first."""
        prefix = f"{fingerprint[:_NAME_LENGTH]}-"
        try:
            names = os.listdir(self.directory)
        except OSError:
            return []
        found = [(name.removeprefix(prefix), name) for name in names if name.startswith(prefix)]
        return sorted(((int(number), name) for number, name in found if number.isdecimal()), reverse=True)

    def _next_name(self, fingerprint: str, private: Path) -> str:
        """Return the next generation's name; the fingerprint's lock is held.

        So what is not whole has no maker any more, unless one that uses another store: that one's lease tells. It is
        moved into the private directory, and goes with that.
        """
        generations = self._generations(fingerprint)
        for number, name in generations:
            if manifest.is_whole(self.directory / name):
                continue
            claim = lease.try_claim(self._lease_path(self.directory / name))
            if claim is not None:
                os.rename(self.directory / name, private / f"unfinished-{number}")
                os.close(claim)
        return f"{fingerprint[:_NAME_LENGTH]}-{generations[0][0] + 1 if generations else 1}"

    def _lease_path(self, prefix: Path) -> Path:
        if prefix.parent == self.directory:
            return self.directory / ".leases" / f"{prefix.name}.lock"
        return prefix / OWN_DIRECTORY / "lease"

    def _refuse_foreign(self, path: Path) -> None:
        """Refuse a directory with contents that are not ours, a file, and an environment in use."""
        if not os.path.lexists(path):
            return
        if not path.is_dir() or (not manifest.is_ours(path) and any(path.iterdir())):
            reason = "it is not empty and has no .fastenv/manifest.json" if path.is_dir() else "it is not a directory"
            raise UsageError(
                f"{path} holds something that pytest-fastenv did not make",
                why=reason,
                hint="name an empty or new directory, or remove that one",
            )
        if manifest.is_ours(path):
            os.close(self._claim(path))

    def _claim(self, path: Path) -> int:
        claim = lease.try_claim(self._lease_path(path))
        if claim is None:
            raise PublishError(
                "the environment is in use by another run, so it is not replaced",
                where=str(path),
                hint="wait for that run to end, or name another directory",
            )
        return claim


def _difference(previous: Path | None, fingerprint: str) -> str | None:
    """Say in one line how an environment's fingerprint differs from another one, as far as its parts are known."""
    known = manifest.read(previous) if previous is not None else None
    if known is None or known.fingerprint == fingerprint or not hasattr(fingerprint, "parts"):
        return None
    from pytest_fastenv.environment.fingerprint import explain  # not on the warm path

    return explain(known.parts, fingerprint.parts) or None


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _key(*names: str) -> str:
    return hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()
