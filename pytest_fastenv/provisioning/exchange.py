"""Files of an environment give way to others: all of them or none, whatever ends the process meanwhile.

What is new lies in a directory inside the environment first. Then two rows of renames: what gives way moves out, what
is new moves in. Each is written down before it is made. When a step fails, those before it are undone in reverse. After
a process was killed, whoever comes to change the environment next does that (`recover`).

::

    .fastenv/amendment-XXXX/new      what comes in
    .fastenv/amendment-XXXX/old      what went out
    .fastenv/amendment-XXXX/journal  the steps, in order; all is done when it is gone
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

from pytest_fastenv.errors import ConflictError
from pytest_fastenv.filesystem import bytecode
from pytest_fastenv.filesystem.tree import OWN_DIRECTORY
from pytest_fastenv.filesystem.walks import walk

_BEGINNING = "amendment-"
_JOURNAL = "journal"


class _Step(NamedTuple):
    """One thing that is done to an environment, and can be undone. Paths are below the prefix.

    :ivar kind: a file goes ``out`` or comes ``in``, a directory is ``made`` or, being empty, ``removed``.
    :ivar path: where a file is then, or a directory.
    :ivar source: where a file was.
    :ivar stamp: of a file that comes in: by it another one is known that somebody puts there later.
    """

    kind: Literal["out", "in", "made", "removed"]
    path: str
    source: str = ""
    stamp: tuple[int, ...] = ()


class Exchange:
    """One exchange; blocks throughout.

    :ivar new: the directory to put in what comes in, as it lies below the prefix.
    """

    def __init__(self, prefix: Path) -> None:
        own = prefix / OWN_DIRECTORY
        own.mkdir(exist_ok=True)  # an environment that others made has none
        self._prefix = prefix
        self._private = Path(tempfile.mkdtemp(prefix=_BEGINNING, dir=own))
        self._journal = self._private / _JOURNAL
        self._steps: list[_Step] = []
        self.new = self._private / "new"
        self.new.mkdir()

    def run(self, going: Iterable[str], who_brought: Callable[[str], str]) -> None:
        """Do all of it, or nothing.

        :param going: absolute paths of files.
        :param who_brought: says of a file's path for people who put it there.
        :raises ConflictError: another file lies where one is to come in.
        """
        journal = os.open(self._journal, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            for step in self._all_steps(going, who_brought):
                os.write(journal, f"{json.dumps(step)}\n".encode())
                self._steps.append(step)
                _do(self._prefix, step)
            os.unlink(self._journal)
        except BaseException:
            _undo(self._prefix, self._steps)
            raise
        finally:
            os.close(journal)

    def close(self) -> None:
        """Remove what is left of it."""
        shutil.rmtree(self._private, ignore_errors=True)

    def _all_steps(self, going: Iterable[str], who_brought: Callable[[str], str]) -> Iterator[_Step]:
        """Yield the steps, each decided when those before it are done."""
        emptied: dict[str, None] = {}
        old = self._private / "old"
        old.mkdir()
        for number, path in enumerate(dict.fromkeys(going)):
            if os.path.lexists(path):
                emptied[os.path.dirname(path)] = None
                yield _Step("out", self._below(old / str(number)), self._below(path))
        yield from self._coming(who_brought)
        for parent in emptied:
            for directory in (parent, *map(str, Path(parent).parents)):
                if directory == str(self._prefix) or os.listdir(directory):
                    break
                yield _Step("removed", self._below(directory))

    def _coming(self, who_brought: Callable[[str], str]) -> Iterator[_Step]:
        for folder, folders, files in walk(self.new):
            into = os.path.normpath(self._prefix / os.path.relpath(folder, self.new))
            names = [*files, *(name for name in folders if os.path.islink(f"{folder}/{name}"))]
            if not os.path.isdir(into):
                if os.path.lexists(into):
                    raise self._conflict(into, who_brought)
                yield _Step("made", self._below(into))
            for name in names:
                source, path = f"{folder}/{name}", f"{into}/{name}"
                if not os.path.lexists(path):
                    yield _Step("in", self._below(path), self._below(source), _stamp(source))
                elif os.path.basename(into) == bytecode.CACHE:
                    continue  # what was compiled from the source that stays
                elif not (os.path.isfile(path) and filecmp.cmp(source, path, shallow=False)):
                    raise self._conflict(path, who_brought)

    def _below(self, path: str | Path) -> str:
        return os.path.relpath(path, self._prefix)

    def _conflict(self, path: str, who_brought: Callable[[str], str]) -> ConflictError:
        return ConflictError(
            f"{self._below(path)} is in the environment already, with other contents",
            where=path,
            why=who_brought(path),
            hint="two distributions that overwrite each other cannot be in one environment: make another one",
        )


def recover(prefix: Path) -> None:
    """Undo what killed processes left half done in an environment, and remove what they left. Blocks.

    Whatever somebody put there since stays.
    """
    for private in sorted((prefix / OWN_DIRECTORY).glob(f"{_BEGINNING}*")):
        with suppress(FileNotFoundError):
            _undo(prefix, _written(private / _JOURNAL))
        shutil.rmtree(private, ignore_errors=True)


def _written(journal: Path) -> list[_Step]:
    lines = journal.read_text(encoding="ascii", errors="replace").split("\n")
    steps = []
    for line in lines[:-1]:  # what has no end was not begun
        with suppress(ValueError, TypeError):
            steps.append(_Step(*json.loads(line)))
    return steps


def _do(prefix: Path, step: _Step) -> None:
    path = prefix / step.path
    if step.kind == "made":
        os.mkdir(path)
    elif step.kind == "removed":
        os.rmdir(path)
    else:
        os.rename(prefix / step.source, path)


def _undo(prefix: Path, steps: Sequence[_Step]) -> None:
    """Undo steps of which the last one may not have been done, and others may have been undone already."""
    for step in reversed(steps):
        path = prefix / step.path
        if step.kind == "made":
            with suppress(OSError):  # something else was written there meanwhile
                os.rmdir(path)
        elif step.kind == "removed":
            os.makedirs(path, exist_ok=True)
        elif step.kind == "in" and _stamp(path) == tuple(step.stamp):
            os.rename(path, prefix / step.source)
            # Of the next source of its size and second, nobody would see that this was compiled of another one.
            bytecode.forget(str(path))
    gone = [(prefix / step.path, prefix / step.source) for step in reversed(steps) if step.kind == "out"]
    gone = [(aside, path) for aside, path in gone if os.path.lexists(aside)]
    if any(os.path.lexists(path) and path.parent.name != bytecode.CACHE for _, path in gone):
        return  # somebody has put another one there: what this would bring back is none of that
    for aside, path in gone:
        if not os.path.lexists(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            os.rename(aside, path)


def _stamp(path: str | Path) -> tuple[int, ...]:
    try:
        status = os.lstat(path)
    except OSError:
        return ()
    # Inodes that are free are given to the next file; times alone come back with many a copy.
    return status.st_ino, status.st_size, status.st_mtime_ns
