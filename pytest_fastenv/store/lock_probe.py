"""Finds out whether locks on a store's file system hold other processes back.

Some file systems grant every lock and keep nobody away (network file systems without their lock service, some of
FUSE's, of virtual machines). Nothing that a single process does shows that, so another one tries to take what this one
holds: once per store and boot, before the first thing is made in it. A run that finds its environment does not come
here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress

from pytest_fastenv.errors import StoreError, option
from pytest_fastenv.filesystem import oslock
from pytest_fastenv.store.durability import boot

if sys.platform == "win32":
    fcntl = None
else:
    import fcntl

#: Exit code of a process that took a lock which another one held.
_TAKEN = 77
_TAKE = f"""\
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
try:
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    sys.exit(0)
sys.exit({_TAKEN})
"""


def check_locks(root: str) -> None:
    """Refuse a store whose file system has no locks, or locks that keep nobody away.

    Where nothing can be written there, or no process can be started, nothing is found out: what needs a lock says so.

    :param root: the store's directory.
    :raises StoreError: one process got what another one held, or there are no locks.
    """
    if fcntl is None:  # the system itself keeps others away from bytes that are locked
        return
    mark, now = os.path.join(root, "locks", "probed"), _state(root)
    with suppress(OSError), open(mark, encoding="ascii") as file:
        if now and file.read() == now:
            return
    probe = os.path.join(root, "locks", f"probe-{os.getpid()}-{os.urandom(6).hex()}")
    try:
        os.makedirs(os.path.dirname(probe), exist_ok=True)
        fd = os.open(probe, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        return
    try:
        _probe(fd, probe)
        with open(probe, "w", encoding="ascii") as file:
            file.write(now)
        os.chmod(probe, 0o644)  # of a store that users share, too: it says nothing about anybody
        os.replace(probe, mark)
    except OSError:  # no room, or no process to be had: the next run tries again
        return
    finally:
        os.close(fd)
        with suppress(OSError):
            os.unlink(probe)


def _probe(fd: int, path: str) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise oslock.no_locks(path, error) from error
    words = [sys.executable, "-I", "-S", "-c", _TAKE, path]
    nothing = subprocess.DEVNULL
    if subprocess.run(words, stdin=nothing, stdout=nothing, stderr=nothing, check=False).returncode == _TAKEN:
        raise StoreError(
            "locks of the store's file system keep nobody away",
            where=os.path.dirname(path),
            why="another process took a lock that this one held: two could write one thing at once",
            hint=f"set {option('cache_dir')} to a directory on a local disk",
        )


def _state(root: str) -> str:
    """Return what the answer holds for: this boot and this file system; empty where the boot cannot be told."""
    try:
        return f"{boot()} {os.stat(root).st_dev}\n" if boot() else ""
    except OSError:
        return ""
