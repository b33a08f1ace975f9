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

from pytest_fastenv.environment import manifest, tree
from pytest_fastenv.environment.original import Original, read_original
from pytest_fastenv.environment.quoting import occurrences, replaced
from pytest_fastenv.environment.tree import Tree
from pytest_fastenv.shebang import read_shebang, shebang

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
    """A file that is written for each copy.

    :ivar link: what it leads to, for a symbolic link; ``None`` for a file.
    """

    directory: int
    name: str
    status: os.stat_result
    content: bytes = b""
    link: str | None = None


def finish(order: Finish) -> None:
    """Write what a copy has of its own, take down what it holds, and mark it ready.

    :raises OSError: it cannot be written.
    """
    original = read_original(order.original)
    finishing = _Finishing(original, order.prefix)
    finishing.write()
    if order.times:
        taken = Tree(original.tree.directories, finishing.numbers(order.times))
    else:
        taken = tree.take(order.prefix)
    manifest.write_copy(Path(order.prefix), Path(order.original), original.manifest, taken)
    manifest.mark_ready(Path(order.prefix))


class _Finishing:
    """One copy."""

    def __init__(self, original: Original, prefix: str) -> None:
        self._original = original
        self._prefix = prefix
        self._before, self._after = original.python(original.prefix), original.python(prefix)
        self._sizes: dict[tuple[int, str], int] = {}
        self._directories: set[int] = set()

    def write(self) -> None:
        lines: dict[str, str] = {}
        others, records = _own_files(self._original.prefix, self._original.manifest.tree_sha256)
        for own in others:
            path = self._original.tree.directories[own.directory].partition("\0")[0]
            content = self._write(own, self._of_the_copy(own))
            if content != own.content:
                lines.update(self._lines(posixpath.join(path, own.name), content))
        for own in records:
            self._write(own, _with_lines(own.content, lines))

    def numbers(self, times: bytes) -> array[int]:
        """Return the numbers of the copy's tree."""
        numbers = array("q", self._original.tree.numbers)
        for position, mtime_ns in zip(self._original.positions, array("q", times), strict=True):
            numbers[position] = mtime_ns
        for index in self._directories:
            path, *names = self._original.tree.directories[index].split("\0")
            position = self._original.positions[index]
            numbers[position] = os.stat(f"{self._prefix}/{path}").st_mtime_ns
            for offset, name in enumerate(names):
                size = self._sizes.get((index, name))
                if size is not None:
                    numbers[position + 1 + 2 * offset] = size
        return numbers

    def _of_the_copy(self, own: _Own) -> bytes:
        """Return a file's content with the copy's path wherever it has the original's."""
        content, before = own.content, self._original.prefix
        lead = read_shebang(content, self._before)
        if lead is not None:
            return shebang(self._after, lead.options) + content[lead.end :]
        if os.fsencode(before) not in content:
            return content
        try:
            text = content.decode("utf-8", "strict")
        except UnicodeDecodeError:  # a launcher of Windows: a program, then such a line, then an archive
            return content.replace(b"#!" + os.fsencode(self._before), b"#!" + os.fsencode(self._after))
        found = list(occurrences(own.name, text, before))
        return replaced(text, found, self._prefix).encode("utf-8", "surrogateescape")

    def _write(self, own: _Own, content: bytes) -> bytes:
        self._directories.add(own.directory)
        path = self._original.tree.directories[own.directory].partition("\0")[0]
        place = f"{self._prefix}/{path}/{own.name}" if path else f"{self._prefix}/{own.name}"
        if own.link is not None:
            leads_to = self._original.led(own.link, self._prefix)
            os.symlink(leads_to, place)
            self._sizes[own.directory, own.name] = len(os.fsencode(leads_to))
            return content
        with open(os.open(place, _NEW, stat.S_IMODE(own.status.st_mode)), "wb") as stream:
            stream.write(content)
        os.utime(place, ns=(own.status.st_mtime_ns, own.status.st_mtime_ns))
        self._sizes[own.directory, own.name] = len(content)
        return content

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
def _own_files(prefix: str, tree_sha256: str) -> tuple[list[_Own], list[_Own]]:
    """Return what is written for each copy: RECORDs last. Read once per process."""
    original = read_original(prefix)
    others: list[_Own] = []
    records: list[_Own] = []
    for index, block in enumerate(original.tree.directories):
        path, *names = block.split("\0")
        if path in {"", original.scripts}:
            others.extend(_read(prefix, index, path, name) for name in names)
        elif "RECORD" in names and original.is_dist_info(path):
            records.append(_read(prefix, index, path, "RECORD"))
    return others, records


def _read(prefix: str, index: int, path: str, name: str) -> _Own:
    place = f"{prefix}/{path}/{name}" if path else f"{prefix}/{name}"
    status = os.lstat(place)
    if stat.S_ISLNK(status.st_mode):
        return _Own(index, name, status, link=os.readlink(place))
    with open(place, "rb") as file:
        return _Own(index, name, status, file.read())
