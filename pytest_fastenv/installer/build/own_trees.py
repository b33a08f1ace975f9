"""Builds in users' own trees: where the project lies, one at a time, and nothing of it stays.

A project may look at what is around it: a version file of its repository, a sibling found by way of ``__file__``, the
history. Only its own place has all of that, and it costs no copy. What a build writes there is taken away again
(`tree_journal`): by the supervisor of the hook when all its processes have ended, by this process where the
supervisor died, by the next run where both did. An editable build keeps what it writes, as its environment leads there.

The order of locks: a source's key, then its tree, then permit and slot; who holds a tree waits for no key.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pytest_fastenv.filesystem.history import named_commits, repository_of
from pytest_fastenv.filesystem.oslock import OsLock
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.installer.build.tree_journal import Journal
from pytest_fastenv.installer.build.tree_lock import hold_tree, is_held
from pytest_fastenv.installer.build.tree_undo import undo
from pytest_fastenv.model.digest import text_sha256
from pytest_fastenv.schedule.outcome import whatever_happens
from pytest_fastenv.store.buckets import LockSpace
from pytest_fastenv.store.diagnosis import diagnosed
from pytest_fastenv.store.store import Store

T = TypeVar("T")

TREES = LockSpace(name="trees", about="builds in users' own trees")
_PROJECT_FILES = ("pyproject.toml", "setup.py")


@dataclass(frozen=True, slots=True)
class Turn:
    """The right to run a hook in a tree.

    :ivar locks: those of the tree; the hook's processes hold them, too.
    :ivar journal: where they take down what they change; ``None`` where that is kept.
    """

    locks: tuple[OsLock, ...]
    journal: Path | None


class OwnTrees:
    """Gives one build after the other its turn in a tree. For one event loop; any number of processes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @asynccontextmanager
    async def turn(self, tree: Path, subject: str, *, keeps: bool) -> AsyncIterator[Turn]:
        """Have a tree for the call of a hook; the lock of the source's key is held, no permit and no slot.

        :param subject: what is built, for people who wait.
        :param keeps: what the hook writes stays.
        """
        place = _Place.of(tree, self._store)
        async with self._lock(place, subject) as locks, self._told_of_commits(place.tree, subject):
            await self._undo(place, after_crash=True)
            if keeps:
                yield Turn(locks, None)
                return
            with diagnosed(f"{subject} cannot be built", self._store.root):
                await in_thread(Journal.begin, str(place.journal), place.tree, place.scope, place.without)
            try:
                yield Turn(locks, place.journal)
            finally:
                await whatever_happens(self._undo(place))

    async def quiet(self, tree: Path, look: Callable[[], T]) -> T:
        """Look at a tree while no build writes into it, and without what a build left that was killed.

        :param look: is called in a thread, and again where a build has begun meanwhile.
        """
        place = _Place.of(tree, self._store)
        while True:
            if place.journal.exists() or is_held(place.top):
                async with self._lock(place, f"a build in {tree}"):
                    await self._undo(place, after_crash=True)
            found = await in_thread(look)
            if not place.journal.exists() and not is_held(place.top):
                return found

    @asynccontextmanager
    async def _lock(self, place: _Place, subject: str) -> AsyncIterator[tuple[OsLock, ...]]:
        store = self._store
        async with (
            store.lock(TREES, place.key, subject=subject) as lock,
            hold_tree(place.top, subject, store.recorder, store.lock_timeout_s) as shared,
        ):
            yield (lock, shared) if shared else (lock,)

    @asynccontextmanager
    async def _told_of_commits(self, tree: str, subject: str) -> AsyncIterator[None]:
        """Warn where a build has committed, tagged or checked out something: version control's files stay."""
        before = await in_thread(_commits, tree)
        try:
            yield
        finally:
            if await in_thread(_commits, tree) != before:
                text = f"{subject}: HEAD, branches or tags of the repository changed during the build, and stay: {tree}"
                self._store.recorder.notice("warning", text)

    async def _undo(self, place: _Place, *, after_crash: bool = False) -> None:
        if not place.journal.exists():
            return
        left = await in_thread(undo, str(place.journal), after_crash=after_crash)
        if left:
            self._store.recorder.notice("warning", left_as_it_is(left))


def _commits(tree: str) -> tuple[bytes, ...]:
    try:
        return named_commits(tree)
    except OSError:  # the build may not need it
        return ()


def left_as_it_is(paths: Sequence[str]) -> str:
    """Return the warning about what stays: outside a tree, or perhaps changed by its user and not by the build."""
    shown = ", ".join(paths[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")
    return f"changed while a build ran, and left so, as it is outside of the tree or perhaps not the build's: {shown}"


@dataclass(frozen=True, slots=True)
class _Place:
    """A tree with what belongs to it.

    :ivar tree: a real path.
    :ivar scope: the directory whose changes are taken back: that of the repository, where the tree lies in one.
    :ivar without: the store, which may lie in it.
    :ivar top: the outermost project around the tree: one build at a time in trees that lie in each other.
    :ivar key: of that.
    """

    tree: str
    scope: str
    without: str
    top: str
    key: str
    journal: Path

    @classmethod
    def of(cls, tree: Path, store: Store) -> _Place:
        real = os.path.realpath(tree)
        repository = repository_of(real)
        home = os.path.realpath(os.path.expanduser("~"))
        # Somebody's whole home in version control is no project: caches of compilers lie there.
        around = repository if repository and not _is_below(home, repository) else None
        top = _outermost(real, around or home)
        around = around or real
        key = text_sha256(top)
        return cls(real, around, os.path.realpath(store.root), top, key, store.root / "journals" / key)


def _is_below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip(os.sep) + os.sep)


def _outermost(tree: str, around: str) -> str:
    """Return the outermost directory of a project up to a directory (or all of them), or the tree itself."""
    found = directory = tree
    while directory != around and os.path.dirname(directory) != directory:
        directory = os.path.dirname(directory)
        if any(os.path.isfile(os.path.join(directory, name)) for name in _PROJECT_FILES):
            found = directory
    return found
