"""Make a copy of an environment an environment of its own: a job for a worker process, after `copying`.

What holds the environment's path is written with the path of the copy: its configuration, the scripts that activate
it, programs. RECORD has digests of programs, so those lines are written anew
(https://packaging.python.org/en/latest/specifications/recording-installed-packages/). The ready mark comes last.
"""

from __future__ import annotations

import functools
import hashlib
import os
import posixpath
import stat
from array import array
from binascii import b2a_base64
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pytest_fastenv.environment import manifest
from pytest_fastenv.environment.quoted_paths import occurrences, replaced
from pytest_fastenv.environment_copies.directory import Directory, opened, place_of
from pytest_fastenv.environment_copies.duplication import Duplicator, symlink
from pytest_fastenv.environment_copies.original import Original, read_original
from pytest_fastenv.filesystem import tree
from pytest_fastenv.filesystem.file_copies import NOT_LINKED
from pytest_fastenv.filesystem.tree import OWN_DIRECTORY, Tree
from pytest_fastenv.wheel.shebang import read_shebang, shebang

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class Finish(NamedTuple):
    """A copy that has all files but its own.

    :ivar times: mtimes of its directories as bytes of an ``array("q")``; empty where its tree is not the original's.
    """

    original: str
    prefix: str
    times: bytes


class _Own(NamedTuple):
    """A file that each copy has in its own way.

    :ivar directory: index in the original's tree.
    :ivar content: ``None`` for what is the same in the copy.
    :ivar leads_to: for a symbolic link.
    """

    directory: int
    name: str
    status: os.stat_result
    content: bytes | None = None
    leads_to: str | None = None


def finish(order: Finish) -> None:
    """Write what a copy has of its own, take down what it holds, and mark it ready.

    :raises OSError: it cannot be written.
    """
    original = read_original(order.original)
    finishing = _Finishing(original, order.prefix)
    finishing.write()
    taken = finishing.tree(order.times) if order.times else tree.snapshot(order.prefix)
    manifest.write_copy(Path(order.prefix), Path(order.original), original.manifest, taken)
    manifest.mark_ready(Path(order.prefix), None)


class _Finishing:
    """One copy."""

    def __init__(self, original: Original, prefix: str) -> None:
        self._original = original
        self._prefix = prefix
        self._before, self._after = original.python(original.prefix), original.python(prefix)
        self._duplicator = Duplicator(clones=original.link.clones_own_files)
        self._sizes: dict[tuple[int, str], int] = {}
        self._links: dict[tuple[int, str], str] = {}
        self._directories: set[int] = set()

    def write(self) -> None:
        """Write everything; RECORDs last, which have digests of the others."""
        os.mkdir(f"{self._prefix}/{OWN_DIRECTORY}")
        others, records = _own_files(self._original)
        lines: dict[str, str] = {}
        for own in others:
            if own.leads_to is not None:
                self._link(own, self._original.led(own.leads_to, self._prefix))
            elif own.content is None:
                self._bring(own)
            else:
                content = self._of_the_copy(own.name, own.content)
                self._write(own, content)
                lines.update(self._lines(posixpath.join(self._original.path(own.directory), own.name), content))
        for own in records:
            self._write(own, _with_lines(own.content or b"", lines))

    def tree(self, times: bytes) -> Tree:
        """Return what the copy holds, which is known without looking: the same, but for a few sizes and times."""
        numbers = array("q", self._original.tree.numbers)
        for position, mtime_ns in zip(self._original.positions, array("q", times), strict=True):
            numbers[position] = mtime_ns
        for index in self._directories:
            path, *names = self._original.tree.directories[index].split("\0")
            position = self._original.positions[index]
            numbers[position] = os.stat(f"{self._prefix}/{path}").st_mtime_ns
            for offset, name in enumerate(names):
                first = position + 1 + tree.PER_FILE * offset
                if (index, name) in self._links:
                    link = self._links[index, name]
                    status = tree.behind(os.lstat(link), link)
                    numbers[first : first + tree.PER_FILE] = array("q", tree.numbers_of(status))
                elif (index, name) in self._sizes:
                    numbers[first] = self._sizes[index, name]
        return Tree(self._original.tree.directories, numbers)

    def _of_the_copy(self, name: str, content: bytes) -> bytes:
        """Return a file's content with the copy's path wherever it has the original's."""
        before = self._original.prefix
        lead = read_shebang(content, self._before)
        if lead is not None:
            return shebang(self._after, lead.options) + content[lead.end :]
        try:
            text = content.decode("utf-8", "strict")
        except UnicodeDecodeError:  # a launcher of Windows: a program, then such a line, then an archive
            return content.replace(b"#!" + os.fsencode(self._before), b"#!" + os.fsencode(self._after))
        found = list(occurrences(name, text, before))
        return replaced(text, found, self._prefix).encode("utf-8", "surrogateescape")

    def _write(self, own: _Own, content: bytes) -> None:
        place = self._place(own, len(content))
        with open(os.open(place, _NEW, stat.S_IMODE(own.status.st_mode)), "wb") as stream:
            stream.write(content)
        os.utime(place, ns=(own.status.st_mtime_ns, own.status.st_mtime_ns))

    def _link(self, own: _Own, leads_to: str) -> None:
        place = self._links[own.directory, own.name] = self._place(own, len(os.fsencode(leads_to)))
        symlink(leads_to, place, own.status.st_mtime_ns)

    def _bring(self, own: _Own) -> None:
        """Bring a file that holds no path, as `copying` does it."""
        source = f"{place_of(self._original, own.directory)}/{own.name}"
        place = self._place(own, own.status.st_size)
        if own.status.st_nlink > 1:
            try:
                os.link(source, place)
            except OSError as error:
                if error.errno not in NOT_LINKED:
                    raise
            else:
                return
        self._duplicator.file(source, place, own.status.st_mtime_ns)

    def _place(self, own: _Own, size: int) -> str:
        """Return where a file goes, and note its size."""
        self._directories.add(own.directory)
        self._sizes[own.directory, own.name] = size
        path = self._original.path(own.directory)
        return f"{self._prefix}/{path}/{own.name}" if path else f"{self._prefix}/{own.name}"

    def _lines(self, path: str, content: bytes) -> Iterator[tuple[str, str]]:
        """Yield how a file is named in RECORD, and the line that it has there now."""
        digest = b2a_base64(hashlib.sha256(content).digest(), newline=False).translate(_URL_SAFE, b"=").decode()
        for root in self._original.roots:
            named = posixpath.relpath(path, root)
            if "," in named or '"' in named:
                named = '"' + named.replace('"', '""') + '"'
            yield named, f"{named},sha256={digest},{len(content)}"


def _with_lines(record: bytes, lines: dict[str, str]) -> bytes:
    """Return RECORD with other lines for some files."""
    if b"../" not in record:
        return record
    found = record.decode("utf-8", "surrogateescape").split("\n")
    for index, line in enumerate(found):
        if line.startswith(("../", '"../')):
            found[index] = lines.get(line.rsplit(",", 2)[0], line)
    return "\n".join(found).encode("utf-8", "surrogateescape")


@functools.lru_cache(maxsize=1)
def _own_files(original: Original) -> tuple[list[_Own], list[_Own]]:
    """Return what each copy has in its own way: RECORDs, and what comes before them. Read once per process."""
    others: list[_Own] = []
    records: list[_Own] = []
    prefix = os.fsencode(original.prefix)
    for index in range(len(original.positions)):
        path = original.path(index)
        if path in {"", original.scripts} or original.is_dist_info(path):
            with opened(original, index) as directory:
                mine = [name for name in directory.names if original.is_own(path, name)]
                found = [_read(index, directory, name, prefix) for name in mine]
                directory.statuses()  # looked at after it was read: it is what the manifest describes
            (records if original.is_dist_info(path) else others).extend(found)
    return others, records


def _read(index: int, directory: Directory, name: str, prefix: bytes) -> _Own:
    place = f"{directory.place}/{name}"
    status = os.lstat(place)
    if stat.S_ISLNK(status.st_mode):
        return _Own(index, name, status, leads_to=directory.readlink(name))
    with open(place, "rb") as file:
        content = file.read()
    return _Own(index, name, status, content if name == "RECORD" or prefix in content else None)
