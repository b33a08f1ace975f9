"""An environment in the making: it lies in a private directory beside its final place, and moves there whole.

The order of `publish`, and what a kill between any two steps leaves behind:

1. the draft is filled                        rubbish, removed by whoever makes the next draft there
2. ``tree`` and ``manifest.json`` are written the same
3. an environment that lay there moves away   (only where the user chose the directory) the place is empty
4. ``rename`` to the final place              an environment without ready mark: nobody takes it for whole
5. ``.fastenv/ready`` is made                 a whole environment

The private directory belongs to a process for as long as that holds a lock beside it; process ids decide nothing.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_fastenv.environment import manifest
from pytest_fastenv.environment.skeleton import Permit, lay_out
from pytest_fastenv.errors import PublishError, StoreError
from pytest_fastenv.model.target import Target
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.store.diagnosis import diagnosed
from pytest_fastenv.store.store import Store
from pytest_fastenv.store.temporary import Home

_TAKEN = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR})


@dataclass(frozen=True, slots=True)
class StagingDirectory:
    """An empty virtual environment to be filled (`pytest_fastenv.model.protocols.Staging`).

    :ivar prefix: where it is written now.
    :ivar final: where it will lie: the path that its scripts hold.
    """

    prefix: Path
    final: Path
    target: Target


@dataclass(frozen=True, slots=True)
class StagedEnvironment(StagingDirectory):
    """A draft that becomes one of the user's environments.

    :ivar fingerprint: of what it will hold; a `Fingerprint` brings its parts along.
    """

    fingerprint: str


async def stage_in_store(
    target: Target, store: Store, prefix: Path, final: Path, permit: Permit = nullcontext
) -> StagingDirectory:
    """Return a draft in a directory that the caller looks after, such as one of `Store.publish`.

    :param prefix: missing or empty.
    :param permit: see `lay_out`.
    :raises InterpreterError: no virtual environment can be made for the target.
    """
    await lay_out(target, store, prefix, final, permit)
    return StagingDirectory(prefix, final, target)


@asynccontextmanager
async def private_directory(drafts: Path) -> AsyncIterator[Path]:
    """Make a directory for one draft, and remove it with what is left in it at the end.

    :param drafts: the directory of drafts, made where it is missing; on the file system of the final place.
    :raises StoreError: it cannot be written.
    """
    try:
        with diagnosed("an environment cannot be written", drafts.parent):
            home = Home(str(drafts))
    except StoreError as error:  # it speaks of the store, but this need not lie there
        hint = "choose a directory that can be written, or make room there"
        raise StoreError(error.what, where=str(drafts.parent), why=error.why, hint=hint) from error
    try:
        yield Path(home.path)
    finally:
        # A draft that failed may hold thousands of files. The thread finishes even when this task is cancelled again.
        await asyncio.shield(asyncio.to_thread(home.close))


def publish(draft: StagedEnvironment, summary: Mapping[str, Any]) -> Environment:
    """Move a finished draft to its final place and make it whole there. Blocks; looks at every file.

    :param summary: kept in the manifest, as JSON can hold it.
    :raises PublishError: the place is taken, or the draft cannot be moved there.
    :raises StoreError: no space left, or no permission.
    """
    target = draft.target
    interpreter = {
        "version": target.version,
        "short": target.short,
        "identity": target.identity,
        "schemes": dict(target.schemes),
    }
    with diagnosed("an environment cannot be written", draft.final.parent):
        made = manifest.write(draft.prefix, draft.fingerprint, interpreter, summary)
        aside = _make_way(draft)
        try:
            os.rename(draft.prefix, draft.final)
        except OSError as error:
            if aside is not None:
                os.rename(aside, draft.final)
            if error.errno not in _TAKEN:
                raise
            raise PublishError(
                f"the environment cannot be moved to its place: {draft.final} is taken",
                why=error.strerror or str(error),
                hint="run again: it will be given another place",
            ) from error
        manifest.mark_ready(draft.final)
    return made.environment(draft.final)


def _make_way(draft: StagedEnvironment) -> Path | None:
    """Move what lies at the final place into the draft's private directory, if it is ours; it goes with that."""
    final = draft.final
    if not os.path.lexists(final):
        return None
    if not manifest.is_ours(final):
        with suppress(OSError):  # an empty directory; another one is in the way, as the rename will tell
            os.rmdir(final)
        return None
    aside = draft.prefix.with_name("replaced")
    os.rename(final, aside)
    return aside
