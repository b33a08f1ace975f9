"""Where a wheel file lies between its download and its unpacking.

It is written once, read once and not wanted any longer. On Linux it need not reach the file system for that: an
anonymous file in memory is several times cheaper to write, and its end costs nothing. How much memory all of them
together may take is limited; what is larger, or of unknown size, goes into the staging directory of the store entry.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_MIB = 1024 * 1024


@dataclass(slots=True)
class StagedFile:
    """A place for one wheel file until it is unpacked.

    :ivar path: where this process writes it.
    :ivar elsewhere: the same place as other processes of this user see it.
    :ivar is_lent: the file belongs to the caller, who still needs it after it was unpacked.
    """

    path: Path
    elsewhere: str
    in_memory: bool
    is_lent: bool = False

    @classmethod
    def lent(cls, file: Path) -> StagedFile:
        """Return the place of a file that lies on this machine already and stays there."""
        return cls(file, str(file), in_memory=False, is_lent=True)


class StagingFiles:
    """Gives places, in memory as long as the budget lasts. For one event loop."""

    def __init__(self, *, budget_bytes: int = 96 * _MIB, most_bytes: int = 32 * _MIB) -> None:
        self._free_bytes = budget_bytes if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd") else 0
        self._most_bytes = most_bytes

    @contextmanager
    def place(self, directory: Path, size_bytes: int | None) -> Iterator[StagedFile]:
        """Give a place while a block runs.

        :param directory: private, for what does not go into memory; a file made there stays until it is removed.
        :param size_bytes: the size that will not be exceeded, or ``None`` when it is not known.
        """
        file = self._memory_file(size_bytes) if size_bytes is not None else None
        if file is None or size_bytes is None:
            path = directory / "archive.whl"
            yield StagedFile(path, str(path), in_memory=False)
            return
        try:
            yield StagedFile(Path(f"/proc/self/fd/{file}"), f"/proc/{os.getpid()}/fd/{file}", in_memory=True)
        finally:
            os.close(file)
            self._free_bytes += size_bytes

    def move_to_file(self, staged: StagedFile, directory: Path) -> None:
        """Move what lies in memory to a file, and use no memory any more: other processes cannot reach it here."""
        self._free_bytes = -(1 << 62)
        path = directory / "archive.whl"
        shutil.copyfile(staged.path, path)
        staged.path, staged.elsewhere, staged.in_memory = path, str(path), False

    def _memory_file(self, size_bytes: int) -> int | None:
        if size_bytes > min(self._most_bytes, self._free_bytes):
            return None
        try:
            file = os.memfd_create("wheel", os.MFD_CLOEXEC)
        except OSError:  # no descriptors, or a sandbox without it
            return None
        self._free_bytes -= size_bytes
        return file
