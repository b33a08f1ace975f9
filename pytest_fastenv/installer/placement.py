"""Brings one file into an environment: as a clone, a hard link, a copy or a symbolic link.

A clone (a copy that shares its blocks until one side is written) is best: as cheap as a link, and what is edited in an
environment stays there. Most Linux file systems have none; then hard links are made, and where those cannot be (another
device, a link count at its maximum, a file system without links) copies.
"""

from __future__ import annotations

import errno
import filecmp
import os
import time
from collections.abc import Callable
from typing import assert_never

from pytest_fastenv.filesystem.file_copies import IMPOSSIBLE, clone, copy
from pytest_fastenv.model.link import LinkMode

_LINKS = frozenset({LinkMode.HARDLINK, LinkMode.SYMLINK})
_PAUSE_S = 0.005
_PATIENCE_S = 1.0

#: Per source and destination device and mode: which of the mode's ways is the first that works between them.
WorkingWays = dict[tuple[int, int, LinkMode], int]

_found_in_this_process: WorkingWays = {}


class Placer:
    """Places files below one directory.

    :param known: what was found by trying; what is found is added. By default it is remembered for the process.
    :ivar used: how many files were placed by each way.
    :ivar copies: targets that are no link to their source but files of their own.
    :ivar met: targets where a file with the same content was already, which another worker may just be writing.
    """

    def __init__(self, mode: LinkMode, source: str, destination: str, known: WorkingWays | None = None) -> None:
        self._mode = mode
        self._known = _found_in_this_process if known is None else known
        self._devices = (os.stat(source).st_dev, os.stat(destination).st_dev, mode)
        self._index = self._known.get(self._devices, 0)
        self._bring = _function(mode.ways[self._index])
        self._patience_s = _PATIENCE_S
        self.used: dict[LinkMode, int] = {}
        self.copies: set[str] = set()
        self.met: set[str] = set()

    def place(self, source: str, target: str) -> bool:
        """Place one file; tell whether it could be: ``False`` when something else is there with that name.

        What is there with the same content counts as placed.
        """
        while True:
            try:
                way = self._bring(source, target)
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                if same_content(source, target):
                    self.met.add(target)
                    return True
                if not self.awaits(target, os.stat(source).st_size):
                    return False
                continue
            except OSError as error:
                if not self._fall_back(error):
                    raise
                continue
            self.used[way] = self.used.get(way, 0) + 1
            if way not in _LINKS:
                self.copies.add(target)
            return True

    def awaits(self, target: str, size_bytes: int) -> bool:
        """Tell, after a pause, whether it is worth looking again: another worker may be writing the file just now.

        :param size_bytes: what it has when it is whole.
        """
        try:
            growing = os.stat(target).st_size < size_bytes
        except OSError:
            growing = not os.path.lexists(target)  # removed by its writer after a clone that failed: written again
        if not growing or self._patience_s <= 0:
            return False
        self._patience_s -= _PAUSE_S
        time.sleep(_PAUSE_S)  # the other worker does not know that we wait
        return True

    def _fall_back(self, error: OSError) -> bool:
        """Tell whether another way was chosen, to try again with."""
        if self._index + 1 == len(self._mode.ways) or error.errno not in IMPOSSIBLE:
            return False
        self._index += 1
        self._bring = _function(self._mode.ways[self._index])
        self._known[self._devices] = self._index
        return True


def same_content(source: str, target: str) -> bool:
    """Tell whether what is at the target is a file with the source's content."""
    try:
        return os.path.isfile(target) and filecmp.cmp(source, target, shallow=False)
    except OSError:
        return False


def _hardlink(source: str, target: str) -> LinkMode:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno != errno.EMLINK:
            raise
        # This file has as many links as the file system counts: the environment gets an inode of its own.
        return _copy(source, target)
    return LinkMode.HARDLINK


def _copy(source: str, target: str) -> LinkMode:
    copy(source, target)
    return LinkMode.COPY


def _symlink(source: str, target: str) -> LinkMode:
    os.symlink(source, target)
    return LinkMode.SYMLINK


def _clone(source: str, target: str) -> LinkMode:
    clone(source, target)
    return LinkMode.CLONE


def _function(way: LinkMode) -> Callable[[str, str], LinkMode]:
    match way:
        case LinkMode.AUTO:
            return _function(way.ways[0])
        case LinkMode.CLONE:
            return _clone
        case LinkMode.HARDLINK:
            return _hardlink
        case LinkMode.COPY:
            return _copy
        case LinkMode.SYMLINK:
            return _symlink
    assert_never(way)
