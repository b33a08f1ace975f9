"""Private directories of running processes, below ``<root>/tmp``, on the file system of the store.

::

    tmp/<pid>-<random>.lease        locked as long as the process lives
    tmp/<pid>-<random>/             its directories

Later processes remove what dead processes left: a lease that can be claimed has no owner. The lease is there
before the directory and goes after it, so a directory without a lease has no owner either. Process ids are reused and
clocks jump; neither decides anything here.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pytest_fastenv.errors import StoreError
from pytest_fastenv.filesystem.oslock import OsLock, try_lock
from pytest_fastenv.store.buckets import PRIVATE_PLACES
from pytest_fastenv.store.listing import own_names

_SUFFIX = ".lease"
#: A process's number and 48 bits of chance; see `_new_lease`.
_HOME = re.compile(r"[0-9]+-[0-9a-f]{12}")
_swept: set[str] = set()
#: What is write-protected stays, for a sweep to insist.
_REMOVE = """\
import os, shutil, sys
os.nice(10)
path, lease = sys.argv[1:]
shutil.rmtree(path, ignore_errors=True)
if not os.path.lexists(path):
    os.unlink(lease)
"""


class Home:
    """The directory below ``tmp/`` that belongs to one store object of this process."""

    def __init__(self, tmp: str) -> None:
        self._pid = os.getpid()
        self._lease = _new_lease(tmp)
        self.path = self._lease.path.removesuffix(_SUFFIX)
        os.mkdir(self.path, 0o700)
        _sweep_once(tmp, self.path)

    def file(self, prefix: str) -> str:
        """Return a path in it that no other caller gets."""
        return os.path.join(self.path, f"{prefix}-{os.urandom(6).hex()}")

    def directory(self, prefix: str, mode: int = 0o700) -> str:
        """Make a directory in it."""
        path = self.file(prefix)
        os.mkdir(path, mode)
        return path

    def close(self) -> None:
        """Remove it; nothing happens in a forked child, whose parent still uses it. Idempotent."""
        if self._pid != os.getpid():
            return
        remove_tree(self.path)
        if not os.path.lexists(self.path):
            with suppress(OSError):
                os.unlink(self._lease.path)
        self._lease.release()

    def leave(self) -> None:
        """Let a process of its own remove it, with little priority: for what takes too long to wait for.

        That process holds the lease meanwhile; what it does not get to remove is swept later, as ever.
        """
        if self._pid != os.getpid():
            return
        if sys.platform == "win32":  # a lock cannot be handed on there
            self.close()
            return
        words = [sys.executable, "-I", "-S", "-c", _REMOVE, self.path, self._lease.path]
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(self._lease.fileno(),),
                start_new_session=True,
            )
        except OSError:  # no process to be had: there is only this one
            self.close()
            return
        process.returncode = 0  # it is not waited for, so Popen shall not warn
        self._lease.release()


def remove_tree(path: str | os.PathLike[str]) -> None:
    """Remove a directory with everything below it, write-protected parts too; what cannot be removed stays.

    Nothing depends on it being gone: a later sweep tries leftovers again.
    """
    if sys.version_info >= (3, 12):
        shutil.rmtree(path, onexc=_insist)
    else:
        shutil.rmtree(path, onerror=_insist)


def sweep_store(root: str | os.PathLike[str]) -> None:
    """Remove what dead processes left anywhere in a store."""
    for place in PRIVATE_PLACES:
        sweep(os.path.join(root, place))


def sweep(tmp: str) -> None:
    """Remove what dead processes left below ``tmp/``; nothing where a link stands in its place.

    What is not named as theirs is somebody else's: ``FASTENV_CACHE_DIR`` may be a directory that has a ``tmp`` already.
    """
    for name in _homes(tmp):
        path = os.path.join(tmp, name)
        if name.endswith(_SUFFIX):
            _sweep_owned(path)
        elif not os.path.exists(path + _SUFFIX):
            remove_tree(path)


def has_leftovers(tmp: str) -> bool:
    """Tell whether dead processes left something below ``tmp/``. Removes nothing."""
    names = set(_homes(tmp))
    return any(_has_no_owner(os.path.join(tmp, name)) for name in names if f"{name}{_SUFFIX}" not in names)


def _homes(tmp: str) -> list[str]:
    """Return the names of processes' directories and of their leases."""
    return [name for name in own_names(tmp) if _HOME.fullmatch(name.removesuffix(_SUFFIX))]


def _has_no_owner(path: str) -> bool:
    if not path.endswith(_SUFFIX):
        return True
    try:
        lease = try_lock(path, create=False)
    except StoreError:  # gone meanwhile, or not ours to open
        return False
    if lease is None:
        return False
    lease.release()
    return True


def _sweep_owned(lease_path: str) -> None:
    try:
        lease = try_lock(lease_path, create=False)
    except StoreError:  # gone meanwhile, or not ours to open
        return
    if lease is None:
        return
    path = lease_path.removesuffix(_SUFFIX)
    remove_tree(path)
    if not os.path.lexists(path):
        with suppress(OSError):
            os.unlink(lease_path)
    lease.release()


def _sweep_once(tmp: str, own: str) -> None:
    """Sweep in the background, once per process and store, where there is anything besides our own."""
    if tmp in _swept:
        return
    _swept.add(tmp)
    ours = os.path.basename(own)
    if any(name.removesuffix(_SUFFIX) != ours for name in _homes(tmp)):
        threading.Thread(target=sweep, args=(tmp,), name="store-sweep", daemon=True).start()


def _new_lease(tmp: str) -> OsLock:
    while True:
        lease = try_lock(os.path.join(tmp, f"{os.getpid()}-{os.urandom(6).hex()}{_SUFFIX}"))
        if lease is not None:  # else a sweeper was faster than our lock; that name is lost
            return lease


def _insist(function: Callable[..., Any], path: str, _error: Any) -> None:
    """Make a protected directory writable and try again."""
    with suppress(OSError):
        parent = os.path.dirname(path)
        os.chmod(parent, stat.S_IRWXU)
        if function in {os.open, os.scandir, os.listdir}:
            os.chmod(path, stat.S_IRWXU)
            shutil.rmtree(path, ignore_errors=True)
        else:
            function(path)
