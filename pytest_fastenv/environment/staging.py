"""An environment in the making: it lies in a private directory beside its final place, and moves there whole.

The order of `publish`, and what a kill between any two steps leaves behind:

1. it is filled                               rubbish, removed when the next one is staged there
2. ``tree`` and ``manifest.json`` are written the same
3. an environment that lay there moves away   (only where the user chose the directory) the place is empty
4. ``rename`` to the final place              an environment without ready mark: no reader takes it for whole
5. ``.fastenv/ready`` is made                 a whole environment

The private directory belongs to a process for as long as that holds a lock beside it; process ids decide nothing.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_fastenv.environment import manifest
from pytest_fastenv.environment.skeleton import Permit, lay_out
from pytest_fastenv.errors import PublishError, StoreError
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.model.target import Target
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.runtime.summary import Summary
from pytest_fastenv.store.buckets import InStore
from pytest_fastenv.store.diagnosis import diagnosed
from pytest_fastenv.store.store import Store
from pytest_fastenv.store.temporary import Home

if TYPE_CHECKING:
    from pytest_fastenv.model.protocols import KnownTree  # brings plans along, which not everybody has in hand

_TAKEN = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR})


@dataclass(frozen=True, slots=True)
class StagingDirectory:
    """An empty virtual environment to be filled (`pytest_fastenv.model.protocols.Staging`).

    :ivar prefix: where it is written now.
    :ivar final: where it will lie: the path that its scripts hold.
    :ivar used: what of the store it is made of.
    :ivar known: what need not be looked at when it is published: the last one.
    """

    prefix: Path
    final: Path
    target: Target
    used: set[InStore] = field(default_factory=set, compare=False, kw_only=True)
    known: list[KnownTree] = field(default_factory=list, compare=False, kw_only=True)

    def uses(self, bucket: str, key: str) -> None:
        """See the protocol."""
        self.used.add(InStore(bucket, key))

    def knows(self, files: KnownTree) -> None:
        """See the protocol."""
        self.known.append(files)


@dataclass(frozen=True, slots=True)
class StagedEnvironment(StagingDirectory):
    """What becomes one of the user's environments.

    :ivar fingerprint: of what it will hold; a `Fingerprint` brings its parts along.
    """

    fingerprint: str


async def stage(target: Target, store: Store, prefix: Path, final: Path, fingerprint: str) -> StagedEnvironment:
    """Return an empty environment in a directory that the caller looks after.

    :param prefix: missing or empty.
    :raises InterpreterError: no virtual environment can be made for the target.
    """
    used = await lay_out(target, store, prefix, final)
    return StagedEnvironment(prefix, final, target, fingerprint, used=set(used))


async def stage_in_store(
    target: Target, store: Store, prefix: Path, final: Path, permit: Permit = nullcontext
) -> StagingDirectory:
    """Return an empty environment in a directory that the caller looks after, such as one of `Store.publish`.

    :param prefix: missing or empty.
    :param permit: see `lay_out`.
    :raises InterpreterError: no virtual environment can be made for the target.
    """
    used = await lay_out(target, store, prefix, final, permit)
    return StagingDirectory(prefix, final, target, used=set(used))


@asynccontextmanager
async def private_directory(directory: Path) -> AsyncIterator[Path]:
    """Make a directory to stage one environment in, and remove it with what is left in it at the end.

    :param directory: where such directories lie, made where it is missing; on the file system of the final place.
    :raises StoreError: it cannot be written.
    """
    try:
        with diagnosed("an environment cannot be written", directory.parent):
            home = Home(str(directory))
    except StoreError as error:  # it speaks of the store, but this need not lie there
        hint = "choose a directory that can be written, or make room there"
        raise StoreError(error.what, where=str(directory.parent), why=error.why, hint=hint) from error
    try:
        yield Path(home.path)
    finally:
        # What failed may hold thousands of files. The thread finishes even when this task is cancelled again.
        await asyncio.shield(in_thread(home.close))


async def publish(staged: StagedEnvironment, summary: Summary, root: Path) -> Environment:
    """Move a finished environment to its final place and make it whole there; looks at every file.

    :param summary: kept in the manifest.
    :param root: the store's directory.
    :raises PublishError: the place is taken, or the environment cannot be moved there.
    :raises StoreError: no space left, or no permission.
    """
    return await in_thread(_publish, staged, summary, root)


def _publish(staged: StagedEnvironment, summary: Summary, root: Path) -> Environment:
    target = staged.target
    interpreter = {
        "version": target.version,
        "short": target.short,
        "identity": target.identity,
        "schemes": dict(target.schemes),
    }
    with diagnosed("an environment cannot be written", staged.final.parent):
        made = manifest.write(staged.prefix, staged.fingerprint, interpreter, summary, staged.used, *staged.known[-1:])
        aside = _make_way(staged)
        try:
            os.rename(staged.prefix, staged.final)
        except OSError as error:
            if aside is not None:
                os.rename(aside, staged.final)
            if error.errno not in _TAKEN:
                raise
            raise PublishError(
                f"the environment cannot be moved to its place: {staged.final} is taken",
                why=error.strerror or str(error),
                hint="run again: it will be given another place",
            ) from error
        manifest.mark_ready(staged.final, root)
    return made.environment(staged.final)


def _make_way(staged: StagedEnvironment) -> Path | None:
    """Move what lies at the final place into the private directory, if it is ours; it goes with that."""
    final = staged.final
    if not os.path.lexists(final):
        return None
    if not manifest.is_ours(final):
        with suppress(OSError):  # an empty directory; another one is in the way, as the rename will tell
            os.rmdir(final)
        return None
    aside = staged.prefix.with_name("replaced")
    os.rename(final, aside)
    return aside
