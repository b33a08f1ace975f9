"""A private place in which one source is built."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

from pytest_fastenv.errors import BuildError, FastenvError
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.installer.build.expected_time import guess_seconds
from pytest_fastenv.installer.build.job import Job
from pytest_fastenv.installer.build.metadata import from_pkg_info, from_project_table
from pytest_fastenv.installer.build.pyproject import Pyproject, is_within, read_pyproject
from pytest_fastenv.installer.build.source_tree import copy_tree
from pytest_fastenv.installer.sdists import Sdists
from pytest_fastenv.model.metadata import CoreMetadata
from pytest_fastenv.model.plan import SdistSource, TreeSource
from pytest_fastenv.schedule.outcome import whatever_happens
from pytest_fastenv.schedule.pools import Pools
from pytest_fastenv.store.diagnosis import store_error
from pytest_fastenv.store.store import Store

_UNFIT = str.maketrans(dict.fromkeys('/\\:*?"<>| \t', "-"))


@dataclass(slots=True)
class Workspace:
    """An unpacked or copied source with room for what its build writes; for one task at a time.

    :ivar tree: the project's directory: the user's own; a private one of an archive, of a checkout, and of a tree that
        cannot be written.
    :ivar pyproject: what the tree says about its build.
    :ivar root: private directory that goes with the workspace.
    :ivar log: the file that all hooks' output goes to; it stays.
    :ivar shown_at: what messages call the tree: a private one means nothing to their reader.
    :ivar guessed_s: how long a compiler may need for it; 0 where there is nothing to compile.
    :ivar dist_info: what ``prepare_metadata_for_build_wheel`` made, once it was called.
    :ivar finished: the wheel is made: the workspace is not needed again.
    """

    job: Job
    tree: Path
    pyproject: Pyproject
    root: Path
    log: Path
    shown_at: Path
    guessed_s: float = 0.0
    dist_info: Path | None = None
    finished: bool = False
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def copy(self) -> Path | None:
        """Where the copy of a user's tree lies, with what was copied along; ``None`` where none was made."""
        return self.root / "source" if self.job.is_own_tree and not self.is_in_place else None

    @property
    def oddities(self) -> tuple[str, ...]:
        """What is odd of the source and goes with whatever is built of it."""
        match self.job.source:
            case SdistSource(artifact, subdirectory) if self.tree == self.root / "source" / (subdirectory or ""):
                return (f"{artifact.filename} has no top directory, which it should have",)
        return ()

    @property
    def is_in_place(self) -> bool:
        """Whether hooks run in a user's own tree."""
        return self.job.source.own_tree is not None and self.tree == self.job.source.own_tree.path

    def directory(self, name: str) -> Path:
        """Return an empty directory for what a hook makes."""
        path = self.root / name
        number = 0
        while path.exists():
            number += 1
            path = self.root / f"{name}-{number}"
        path.mkdir()
        return path

    def static_metadata(self) -> CoreMetadata | None:
        """Return the metadata that the source states for good, or ``None`` where the backend has to be asked."""
        match self.job.source:
            case SdistSource():
                return from_pkg_info(self.tree)
            case TreeSource():
                return from_project_table(self.pyproject.project)
        assert_never(self.job.source)

    def note(self, error: BaseException) -> None:
        """Give the log that an error sends its reader to something to say, where the backend printed nothing."""
        if isinstance(error, FastenvError) and error.where == str(self.log):
            with suppress(OSError):
                if not self.log.stat().st_size:
                    self.log.write_text(f"{error.what}\n(the build backend printed nothing)\n", encoding="utf-8")

    async def aclose(self) -> None:
        """Remove all that is private, and a log that nothing was written to. Idempotent."""
        await self._stack.aclose()
        with suppress(OSError):
            if not self.log.stat().st_size:
                self.log.unlink()


class Workspaces:
    """Workspaces by their job's key, kept between telling a source's metadata and building it.

    :param most: how many are kept; the oldest are removed.
    """

    def __init__(self, sdists: Sdists, store: Store, pools: Pools, most: int = 32) -> None:
        self._pools = pools
        self._sdists = sdists
        self._store = store
        self._most = most
        self._idle: dict[str, Workspace] = {}

    @asynccontextmanager
    async def use(self, job: Job) -> AsyncIterator[Workspace]:
        """Have a job's workspace for a block; the job's lock is held. After an error it is not used again.

        :raises BuildError: the tree does not say how it is to be built, or has no such subdirectory.
        """
        space = self._idle.pop(job.key, None) or await _open(job, self._sdists, self._store, self._pools)
        try:
            yield space
        except BaseException as error:
            space.note(error)
            await whatever_happens(space.aclose())
            raise
        if space.finished:
            await space.aclose()
            return
        self._idle[job.key] = space
        while len(self._idle) > self._most:
            await self._idle.pop(next(iter(self._idle))).aclose()

    async def discard(self, job: Job) -> None:
        """Remove a job's workspace, if it is kept: its source is not what it was."""
        space = self._idle.pop(job.key, None)
        if space is not None:
            await space.aclose()

    async def aclose(self) -> None:
        """Remove all of them. Idempotent."""
        while self._idle:
            await self._idle.popitem()[1].aclose()


async def _open(job: Job, sdists: Sdists, store: Store, pools: Pools) -> Workspace:
    """Fetch and unpack a source distribution, or copy a tree, and read what it says about its build."""
    async with AsyncExitStack() as stack:
        root = await stack.enter_async_context(store.temporary("build"))
        tree = await _tree(job, root, sdists, store, pools)
        log = _start_log(job, store)
        shown_at = _shown_at(job, tree, root)
        pyproject = read_pyproject(tree, job.subject, shown_at, within=None if job.is_own_tree else root)
        async with pools.alone():
            guessed_s = await in_thread(guess_seconds, tree)
        return Workspace(job, tree, pyproject, root, log, shown_at, guessed_s, _stack=stack.pop_all())


async def _tree(job: Job, root: Path, sdists: Sdists, store: Store, pools: Pools) -> Path:
    match job.source:
        case SdistSource(artifact, subdirectory):
            into = root / "source"
            into.mkdir()
            top = await sdists.unpack(await sdists.fetch(artifact), into)
            return _subdirectory(top, subdirectory, job)
        case TreeSource() as source:
            if source.editable or (source.own_tree is not None and _can_be_written(source.path, job)):
                return source.path
            return await _copied(source, job, root, store, pools)
    assert_never(job.source)


def _can_be_written(tree: Path, job: Job) -> bool:
    if not tree.is_dir():
        raise BuildError(f"{job.subject} cannot be built: its directory is not there", where=str(tree))
    return os.access(tree, os.W_OK)


async def _copied(source: TreeSource, job: Job, root: Path, store: Store, pools: Pools) -> Path:
    # A subdirectory is part of a whole (a repository), and its build may look around in it.
    inside = Path(source.subdirectory or "").parts
    whole = source.path.parents[len(inside) - 1] if inside else source.path
    around = source.own_tree is not None
    try:
        async with pools.install():
            copied = await in_thread(copy_tree, whole, root / "source", with_surroundings=around)
    except OSError as error:
        if store_error(error, "", store.root) is not None:
            raise  # the store's trouble, not the tree's
        raise BuildError(
            f"{job.subject}: its source tree cannot be copied", where=str(error.filename or whole), why=error.strerror
        ) from None
    tree = copied.joinpath(*inside)
    if source.checkout and not is_within(tree, copied):  # by a link: what comes from elsewhere names no place here
        raise _no_subdirectory(source.subdirectory, job)
    return tree


def _shown_at(job: Job, tree: Path, root: Path) -> Path:
    """Return what a tree is called in messages: where it came from, or its place in the source distribution."""
    match job.source:
        case SdistSource():
            return Path(os.path.relpath(tree, os.path.realpath(root / "source")))
        case TreeSource(path):
            return path
    assert_never(job.source)


def _subdirectory(top: Path, inside: str | None, job: Job) -> Path:
    tree = Path(os.path.realpath(top / (inside or "")))
    if not is_within(tree, top) or not tree.is_dir():
        raise _no_subdirectory(inside, job)
    return tree


def _no_subdirectory(inside: str | None, job: Job) -> BuildError:
    return BuildError(
        f"{job.subject} has no subdirectory {inside}", hint="check the subdirectory in the requirement's URL"
    )


def _start_log(job: Job, store: Store) -> Path:
    stem = f"{job.subject.translate(_UNFIT)[-80:]}-{job.key[:12]}"
    log = store.log_path(f"builds/{stem}.log")
    os.close(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))  # it has whatever the backend says
    return log
