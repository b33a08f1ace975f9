"""What version control knows of a directory, as a digest: read from git's files, so that git need not be started.

It covers the commit, the branch, all tags, what is staged, and which tracked files differ from the index, but not their
content: an edited file stays an edited file when it is edited again. A version made from ``git describe --dirty``
depends on just that.

Standard library only: this module is on the warm path. Formats: ``gitformat-index`` and ``gitrepository-layout``.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator

_ENTRY = struct.Struct(">10I20sH")
_EXTENDED = 0x4000
_NAME_LENGTH = 0x0FFF
_GITLINK = 0o160000


def history_digest(directory: str) -> str:
    """Return the digest; empty where no directory above is a repository.

    Costs a look at each tracked file. Blocks on the file system.

    :raises OSError: the repository cannot be read.
    """
    found = _repository(os.path.abspath(directory))
    if found is None:
        return ""
    top, own = found
    common = _common(own)
    digest = hashlib.sha256(os.fsencode(top))
    for part in (*_head(own, common), *_references(common, "tags")):
        digest.update(part + b"\0")
    index = _read(os.path.join(own, "index"))
    try:
        for part in _entries(index, top):
            digest.update(part)
    except (struct.error, ValueError, IndexError):  # a form of index that is not known here: any change counts
        digest.update(index)
    return digest.hexdigest()


def named_commits(directory: str) -> tuple[bytes, ...]:
    """Return what HEAD, branches and tags of the repository around a directory name; nothing where there is none.

    Blocks on the file system.

    :raises OSError: the repository cannot be read.
    """
    found = _repository(os.path.abspath(directory))
    if found is None:
        return ()
    common = _common(found[1])
    named = {}
    for line in _read(os.path.join(common, "packed-refs")).splitlines():  # the rest are files, which come first
        commit, _, name = line.partition(b" ")
        if name.startswith((b"refs/heads/", b"refs/tags/")):
            named[name] = commit
    for kind in ("heads", "tags"):
        parts = _references(common, kind)
        named.update(
            (b"refs/" + kind.encode() + b"/" + name, commit) for name, commit in zip(parts, parts, strict=True)
        )
    return (_read(os.path.join(found[1], "HEAD")).strip(), *(name + b" " + named[name] for name in sorted(named)))


def repository_of(directory: str) -> str | None:
    """Return the working tree that a directory lies in, or ``None``."""
    found = _repository(os.path.abspath(directory))
    return found[0] if found else None


def _repository(directory: str) -> tuple[str, str] | None:
    """Return a repository's working tree and its directory of administrative files."""
    while True:
        place = os.path.join(directory, ".git")
        if os.path.isdir(place):
            return directory, place
        if os.path.isfile(place):  # a worktree or a submodule
            target = _read(place).decode("utf-8", "surrogateescape").strip().removeprefix("gitdir:").strip()
            return directory, os.path.normpath(os.path.join(directory, target))
        above = os.path.dirname(directory)
        if above == directory:
            return None
        directory = above


def _common(own: str) -> str:
    """Return what all worktrees of a repository share."""
    named = _read(os.path.join(own, "commondir")).decode("utf-8", "surrogateescape").strip()
    return os.path.normpath(os.path.join(own, named)) if named else own


def _head(own: str, common: str) -> tuple[bytes, ...]:
    head = _read(os.path.join(own, "HEAD")).strip()
    packed = _read(os.path.join(common, "packed-refs"))  # branches that are not files, and tags
    if not head.startswith(b"ref:"):
        return head, packed
    name = os.fsdecode(head[4:].strip())
    return head, _read(os.path.join(common, name)).strip(), packed


def _references(common: str, kind: str) -> Iterator[bytes]:
    top = os.path.join(common, "refs", kind)
    for folder, folders, names in os.walk(top):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            yield os.fsencode(os.path.relpath(path, top))
            yield _read(path).strip()


def _entries(index: bytes, top: str) -> Iterator[bytes]:
    """Yield what an index says of each file, and whether the file is as it says."""
    if not index:
        return
    signature, version, count = struct.unpack_from(">4sII", index)
    if signature != b"DIRC" or version not in {2, 3, 4}:
        msg = "not an index of git"
        raise ValueError(msg)
    at, name = 12, b""
    for _ in range(count):
        *numbers, object_id, flags = _ENTRY.unpack_from(index, at)
        begin, at = at, at + _ENTRY.size + (2 if flags & _EXTENDED else 0)
        if version == 4:
            strip, at = _offset(index, at)
            end = index.index(b"\0", at)
            name = name[: len(name) - strip] + index[at:end]
            at = end + 1
        else:
            end = index.index(b"\0", at + (flags & _NAME_LENGTH) if flags & _NAME_LENGTH < _NAME_LENGTH else at)
            name = index[at:end]
            at = begin + (end - begin + 8) // 8 * 8
        mode, size, seconds, nanoseconds = numbers[6], numbers[9], numbers[2], numbers[3]
        yield name + b"\0%o\0" % mode + object_id
        if mode != _GITLINK:
            yield _difference(os.path.join(top, os.fsdecode(name)), size, seconds, nanoseconds)


def _offset(index: bytes, at: int) -> tuple[int, int]:
    """Read a number of variable length; return it and where it ends."""
    value = index[at] & 0x7F
    while index[at] & 0x80:
        at += 1
        value = ((value + 1) << 7) | (index[at] & 0x7F)
    return value, at + 1


def _difference(path: str, size: int, seconds: int, nanoseconds: int) -> bytes:
    try:
        status = os.lstat(path)
    except OSError:
        return b"\0gone"
    then, rest = divmod(status.st_mtime_ns, 10**9)
    same = (status.st_size & 0xFFFFFFFF, then & 0xFFFFFFFF) == (size, seconds) and nanoseconds in {0, rest}
    return b"" if same else b"\0edited"


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return b""
