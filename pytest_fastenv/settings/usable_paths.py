"""Which paths can be that of the store or of an environment: asked where a quick look leaves that open."""

from __future__ import annotations

import os
import stat
import unicodedata
from pathlib import Path

from pytest_fastenv.errors import UsageError, option

_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
#: Categories of letters: control characters, what separates lines and paragraphs.
_LINES = frozenset({"Cc", "Zl", "Zp"})
#: And bytes that are no text: virtualenv cannot make an environment there, we can.
_LINES_AND_BYTES = _LINES | {"Cs"}


def check_directory(path: str) -> None:
    """Refuse a directory for environments by its spelling.

    :raises UsageError: it has a letter that none may have.
    """
    _check_spelling(path, "an environment", _LINES, "name a directory without it")


def _check_spelling(path: str, what: str, unfit: frozenset[str], hint: str) -> None:
    """Refuse a path that cannot stand where interpreters and shells have to read it."""
    if os.pathsep in path:
        letter, why = os.pathsep, f"programs are found by PATH, where {os.pathsep} separates directories"
    else:
        letter = next((letter for letter in path if unicodedata.category(letter) in unfit), "")
        why = "scripts, pyvenv.cfg and .pth files have paths as lines of text"
    if letter:
        shown = "a byte that is no text" if "\ud800" <= letter <= "\udfff" else repr(letter)
        raise UsageError(
            f"{what} cannot lie in {path}",
            why=f"{shown} is in it; {why}",
            hint=hint,
        )


def check_store(root: Path) -> None:
    """Refuse a place for the store where there is no directory, and none can be made.

    :raises UsageError: something else is there, or on the way to it.
    """
    _check_spelling(str(root), "the store", _LINES_AND_BYTES, f"set {option('cache_dir')} to a directory without it")
    reason = in_the_way(root)
    if reason:
        raise UsageError(
            f"the store cannot lie in {root}",
            why=reason,
            hint=f"set {option('cache_dir')} to a directory, or to where one can be made",
        )


def in_the_way(directory: Path) -> str:
    """Say what is there instead of a directory; empty where there is one, or nothing at all yet."""
    for place in (directory, *directory.parents):
        its = "it" if place == directory else str(place)
        try:
            kind = stat.S_IFMT(os.stat(place).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            if os.path.islink(place):
                return f"{its} is a symbolic link to {os.readlink(place)}, where nothing is"
            continue
        except OSError as error:  # a loop of links, a name that is too long, a directory that may not be searched
            if isinstance(error, PermissionError):
                return ""
            return f"{its}: {error.strerror or error}"
        return "" if stat.S_ISDIR(kind) else f"{its} is {_KINDS.get(kind, 'something else')}, and not a directory"
    return ""
