"""Look at the files of an environment that is being copied, and refuse what is not as it was when it was made."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pytest_fastenv.environment_copies.original import Original
from pytest_fastenv.errors import StoreError, option
from pytest_fastenv.filesystem.tree import PER_FILE, behind, numbers_of

_OPEN_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
#: For `os.link`: one more name for a symbolic link, not for what it leads to.
NOT_FOLLOWED: Mapping[str, Any] = {"follow_symlinks": False} if os.link in os.supports_follow_symlinks else {}
_HAS_BELOW = {os.open, os.stat, os.link, os.readlink} <= os.supports_dir_fd


class Directory:
    """One directory of the original: names in it, by an open directory where the system can do that.

    :ivar path: relative to the prefix; empty for the prefix itself.
    :ivar place: absolute.
    :ivar names: of its files and links, as they were when the environment was made.
    :ivar link_options: what `os.link` is given besides `source` and a target.
    """

    def __init__(self, original: Original, index: int, descriptor: int | None) -> None:
        self.path, *self.names = original.tree.directories[index].split("\0")
        self.place = place_of(original, index)
        self.link_options = {**NOT_FOLLOWED, **({} if descriptor is None else {"src_dir_fd": descriptor})}
        self._original = original
        self._first = original.positions[index] + 1
        self._lead = "" if descriptor is not None else f"{self.place}/"
        self._options: Mapping[str, Any] = {} if descriptor is None else {"dir_fd": descriptor}

    @property
    def lead(self) -> str:
        """What stands before a name for `os.link`."""
        return self._lead

    def statuses(self) -> list[os.stat_result]:
        """Look at all files, and compare them with what they were.

        :raises StoreError: one is gone or was changed.
        """
        numbers, position = self._original.tree.numbers, self._first
        lead, options, look = self._lead, self._options, os.stat
        found = []
        for name in self.names:
            try:
                status = look(lead + name, follow_symlinks=False, **options)
            except FileNotFoundError:
                raise changed(self._original, f"{self.path}/{name}", "it is missing") from None
            if numbers_of(status) != tuple(numbers[position : position + PER_FILE]):
                # The numbers of a link are those of the file that it leads to, if there was one.
                seen = behind(status, lead + name, **options) if stat.S_ISLNK(status.st_mode) else status
                if numbers_of(seen) != tuple(numbers[position : position + PER_FILE]):
                    how = "its size, time, mode or owner is another one"
                    raise changed(self._original, f"{self.path}/{name}", how)
            found.append(status)
            position += PER_FILE
        return found

    def readlink(self, name: str) -> str:
        """Return what a link leads to."""
        return os.readlink(self._lead + name, **self._options)

    def leads_within(self, name: str) -> bool:
        """Tell whether a link leads into the environment by its path, so that a copy needs another one."""
        leads_to = self.readlink(name)
        return self._original.led(leads_to, "") != leads_to


@contextmanager
def opened(original: Original, index: int) -> Iterator[Directory]:
    """Open a directory by its index in the tree.

    :raises StoreError: it is gone.
    """
    place = place_of(original, index)
    try:
        descriptor = os.open(place, _OPEN_DIRECTORY) if _HAS_BELOW else None
    except (FileNotFoundError, NotADirectoryError):
        raise changed(original, original.path(index), "it is missing") from None
    try:
        yield Directory(original, index, descriptor)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def place_of(original: Original, index: int) -> str:
    """Return where a directory lies."""
    path = original.path(index)
    return f"{original.prefix}/{path}" if path else original.prefix


def changed(original: Original, path: str, how: str) -> StoreError:
    """Return the error for a file that must not reach a copy."""
    path = path.strip("/")
    return StoreError(
        f"{path} was changed in the session's environment, so it is not copied",
        where=f"{original.prefix}/{path}",
        why=f"{how} since the environment was made; another run may have edited it in place",
        hint=f"run again: the environment is made anew then; {option('link', 'copy')} keeps such edits apart",
    )
