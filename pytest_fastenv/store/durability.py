"""What of the store is on the disk: known without flushing a file at a time, which would take longer than all the rest.

What is made between two flushes of the whole file system has one *epoch*, whose name its mark holds::

    <root>/epochs/<boot>-<inode>-<random>             open: what has it may not be on the disk yet
    <root>/epochs/<boot>-<inode>-<random>.closing     its file system is being flushed
    <root>/epochs/<boot>-<inode>-<random>.settled     the machine stopped meanwhile, and all that had it was looked at

An epoch that has no file is on the disk as a whole. One that was begun before the machine was started the last time,
and still has a file, is *lost*: what has it is verified before it is used again. The file itself is flushed when the
epoch begins, so it does not come later than what has it. Its inode's number is in its name because a copy of the store
(of a cache in CI, of a container's layer) is read through the system, and so is whole.

Epochs are closed after sessions, by a process that nobody waits for. Whoever marks something looks, after that, whether
its epoch is still open: else the flush may have come before, and it takes another. No lock is held for that.

Standard library only: runs look here whether the environment that they find may be used.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache

from pytest_fastenv.store.listing import own_names

_DIRECTORY = "epochs"
_EPOCH = re.compile(r"[0-9a-f]+-[0-9]+-[0-9a-f]{12}")
_CLOSING = ".closing"
_SETTLED = ".settled"
_SURELY_OVER_S = 3600.0


def mark(
    root: str | os.PathLike[str] | None, path: str, text: Callable[[str], str] = str, *, again: bool = False
) -> None:
    """Write a mark that names the epoch.

    :param root: the store's directory; the mark may lie on another file system. ``None`` for what need not be found
        damaged: its mark names no epoch.
    :param text: returns the mark's content, given the epoch: empty where the machine does not tell when it was started,
        or the store cannot be written.
    :param again: it replaces one that is there.
    :raises FileExistsError: there is one.
    """
    while True:
        epoch = current(root) if root is not None else ""
        if root is not None and epoch:
            _add_file_system(root, epoch, path)
        _write(path, text(epoch), again=again)
        if root is None or is_open(root, epoch):
            return
        again = True


def is_open(root: str | os.PathLike[str], epoch: str) -> bool:
    """Tell whether what names an epoch now is flushed before the epoch is closed."""
    return not epoch or os.path.exists(_path(root, epoch))


def _write(path: str, text: str, *, again: bool) -> None:
    written = f"{path}.new" if again else path
    flags = os.O_TRUNC if again else os.O_EXCL
    descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flags, 0o644 if again else 0o444)
    try:
        os.write(descriptor, text.encode("ascii"))
    finally:
        os.close(descriptor)
    if again:
        os.replace(written, path)


def is_lost(root: str | os.PathLike[str], epoch: str) -> bool:
    """Tell whether the machine stopped before all that has an epoch was on its disk.

    :param epoch: as a mark names it; what is no such name may have been one.
    """
    if not _EPOCH.fullmatch(epoch):
        return was_cut_off(root)
    if epoch.partition("-")[0] == boot():
        return False
    return any(_is_original(_path(root, epoch) + suffix) for suffix in ("", _CLOSING, _SETTLED))


def was_cut_off(root: str | os.PathLike[str]) -> bool:
    """Tell whether there are lost epochs of which not all was looked at since."""
    return bool(_lost(root))


def is_flushed(root: str | os.PathLike[str]) -> bool:
    """Tell whether all that was made since the machine was started is on its disk."""
    return not any(name.startswith(f"{boot()}-") for name in _names(root))


def flush(root: str | os.PathLike[str]) -> bool:
    """Bring everything that is in the store now onto the disk, and close its epochs. Blocks, for seconds maybe.

    :return: whether that was done: not where the store cannot be written, or its disk has an error.
    """
    names = [name for name in _names(root) if boot() and name.startswith(f"{boot()}-")]
    if not names:
        return True
    try:
        for name in names:
            if not name.endswith(_CLOSING):
                os.rename(_path(root, name), _path(root, name) + _CLOSING)
        closing = [_path(root, name.removesuffix(_CLOSING)) + _CLOSING for name in names]
        _flush_file_systems([str(root), *sorted({place for path in closing for place in _file_systems(path)})])
        for path in closing:
            os.unlink(path)
        _remove_drafts(f"{root}/{_DIRECTORY}")
    except OSError:  # another process flushes it at the same moment, or nobody can
        return False
    return True


def settle(root: str | os.PathLike[str]) -> None:
    """Note that all entries of lost epochs were looked at; what lies outside of the store is not of them."""
    for name in _lost(root):
        with suppress(OSError):
            os.rename(f"{root}/{_DIRECTORY}/{name}", f"{root}/{_DIRECTORY}/{name.removesuffix(_CLOSING)}{_SETTLED}")
    for name in _names(root):
        if not _is_original(f"{root}/{_DIRECTORY}/{name}"):
            with suppress(OSError):
                os.unlink(f"{root}/{_DIRECTORY}/{name}")


@lru_cache(maxsize=1)
def boot() -> str:
    """Return a name for the time since the machine was started; empty where it has none."""
    try:
        if sys.platform == "darwin":
            import subprocess  # Linux has a file

            words = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
            text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        else:
            with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
                text = file.read()
    except (OSError, ValueError):
        return ""
    return text.strip().replace("-", "").lower()


def current(root: str | os.PathLike[str]) -> str:
    """Return an open epoch, begun where there is none; empty where none can be had.

    What names it looks afterwards whether it `is_open` still.
    """
    if not boot():
        return ""
    for name in _names(root):
        if name.startswith(f"{boot()}-") and "." not in name and _is_original(_path(root, name)):
            return name
    from pytest_fastenv.filesystem.mounts import is_of_several_machines  # runs that make nothing do not come here

    try:
        # What others have open there says nothing about this machine; their servers look after what was written.
        return "" if is_of_several_machines(root) else _begin(f"{root}/{_DIRECTORY}")
    except OSError:
        return ""


def _begin(directory: str) -> str:
    os.makedirs(directory, exist_ok=True)
    random = os.urandom(6).hex()
    new = f"{directory}/.{random}"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        name = f"{boot()}-{os.fstat(descriptor).st_ino}-{random}"
        os.rename(new, f"{directory}/{name}")
    except OSError:
        os.close(descriptor)
        raise
    # Beside what is made: a file system with a journal brings this to the disk before any name that comes after it.
    flushing = threading.Thread(target=_flush_name, args=(descriptor, directory), name="store-epoch", daemon=True)
    try:
        flushing.start()
    except RuntimeError:  # no thread is left
        _flush_name(descriptor, directory)
    return name


def _flush_name(descriptor: int, directory: str) -> None:
    try:
        with suppress(OSError):
            os.fsync(descriptor)
            folder = os.open(directory, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    finally:
        os.close(descriptor)


def _remove_drafts(directory: str) -> None:
    """Remove what killed processes left that had not begun their epoch yet."""
    for name in own_names(directory):
        path = f"{directory}/{name}"
        if name[0] == "." and time.time() - os.stat(path).st_mtime > _SURELY_OVER_S:
            os.unlink(path)


def _add_file_system(root: str | os.PathLike[str], epoch: str, path: str) -> None:
    """Note where a mark lies on another file system than the store, which is to be flushed as well."""
    with suppress(OSError):
        directory = os.path.dirname(path)
        if not path.startswith(f"{root}{os.sep}") and os.stat(directory).st_dev != os.stat(root).st_dev:
            descriptor = os.open(_path(root, epoch), os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)  # never a new one
            try:
                os.write(descriptor, os.fsencode(directory) + b"\0")
            finally:
                os.close(descriptor)


def _file_systems(path: str) -> list[str]:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return [place for place in file.read().split("\0") if place]


def _flush_file_systems(places: list[str]) -> None:
    if not sys.platform.startswith("linux"):
        os.sync()
        return
    import ctypes  # runs do not come here

    libc = ctypes.CDLL(None, use_errno=True)
    for place in places:
        try:
            descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # removed since
            continue
        try:
            if libc.syncfs(descriptor):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), place)
        finally:
            os.close(descriptor)


def _lost(root: str | os.PathLike[str]) -> list[str]:
    if not (names := [name for name in _names(root) if not name.endswith(_SETTLED)]) or not boot():
        return []
    others = [name for name in names if not name.startswith(f"{boot()}-")]
    return [name for name in others if _is_original(f"{root}/{_DIRECTORY}/{name}")]


def _is_original(path: str) -> bool:
    """Tell whether a file is the one that was made, and not the copy of one."""
    try:
        inode = os.stat(path).st_ino
    except (OSError, ValueError):
        return False
    return os.path.basename(path).split("-")[1:2] == [str(inode)]


def _names(root: str | os.PathLike[str]) -> list[str]:
    return [name for name in own_names(f"{root}/{_DIRECTORY}") if name[0] != "."]


def _path(root: str | os.PathLike[str], epoch: str) -> str:
    return f"{root}/{_DIRECTORY}/{epoch}"
