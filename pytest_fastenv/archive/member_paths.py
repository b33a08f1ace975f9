"""Rules for the paths of an archive's members, the same for all kinds of archives.

Nothing is repaired: a path that would have to be changed before use makes two programs see two different archives.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from pytest_fastenv.errors import ArchiveError

#: Paths made of these, of which no part begins or ends with a dot or is empty, break no rule but that of length.
_PLAIN_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.+-/\n"
_NOT_PLAIN = ("/.", "\n.", "./", ".\n", "//", "\n/")
_CONTROL = re.compile(r"[\x01-\x1f\x7f-\x9f\u2028\u2029]")
_DRIVE = re.compile(r"[A-Za-z]:")
#: Names of devices on Windows, also with an ending; and what its file names cannot have.
_RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))})
_NOT_ON_WINDOWS = re.compile(r'[<>:"|?*]|[. ](?:/|$)')

#: How members are written: never through a link, never over something that is there.
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL
for _flag in ("O_CLOEXEC", "O_NOFOLLOW", "O_BINARY", "O_NOINHERIT"):
    NEW_FILE |= getattr(os, _flag, 0)

_NAME_BYTES = 255
_PATH_BYTES = 1024
_DEPTH = 128  # any path of up to _NAME_BYTES fits, so that short ones need not be looked at


def check_paths(
    archive: str, paths: Sequence[str], *, folds_case: Callable[[], bool], windows: bool = os.name == "nt"
) -> tuple[list[str], list[str]]:
    """Check the paths of all files of an archive.

    :param archive: the archive's name, for messages.
    :param paths: of files (and of directories: with a slash at the end), with forward slashes.
    :param folds_case: tells whether the file system takes ``A`` and ``a`` for one name; asked only when it matters.
    :returns: all directories, parents first; and warnings for what other systems would not accept.
    :raises ArchiveError: a path leaves the root, is ambiguous or cannot be written.
    """
    warnings: list[str] = []
    together = "\n".join(paths)
    if not _all_plain(together, paths):
        for path in paths:
            _check_path(archive, path.removesuffix("/"))
            if _NOT_ON_WINDOWS.search(path.removesuffix("/")):
                _portability(archive, path, warnings, windows=windows)
    for part in sorted(set(together.replace("\n", "/").split("/"))):
        if part.partition(".")[0].lower() in _RESERVED:
            _portability(archive, part, warnings, windows=windows)
    directories = _directories(paths)
    files = [path for path in paths if path[-1:] != "/"]
    clash = directories.intersection(files)
    if clash:
        raise _refused(archive, min(clash), "is both a file and a directory")
    _check_case(archive, [*set(files), *directories], folds_case, warnings)
    return sorted(directories), warnings


def _all_plain(together: str, paths: Sequence[str]) -> bool:
    """Tell whether no path needs a closer look; nearly always so, and a hundred times faster than looking."""
    if not together.isascii() or together.encode().translate(None, _PLAIN_BYTES):
        return False
    framed = f"\n{together}".replace("/\n", "\n").removesuffix("/") + "\n"  # the slash behind directories is fine
    return (
        together.count("\n") == len(paths) - 1
        and max(map(len, paths), default=0) <= _NAME_BYTES
        and not any(text in framed for text in _NOT_PLAIN)
        and "\n\n" not in framed
    )


def _directories(paths: Iterable[str]) -> set[str]:
    directories: set[str] = set()
    for path in {path.rpartition("/")[0] for path in paths}:
        parent = path
        while parent and parent not in directories:
            directories.add(parent)
            parent = parent.rpartition("/")[0]
    return directories


def _check_path(archive: str, path: str) -> None:
    """Apply the rules one by one; the first broken one is named."""
    if "\0" in path:
        raise _refused(archive, path, "has a NUL in its name")
    if "\\" in path:
        raise _refused(archive, path, "has a backslash in its name, which some systems take for a separator")
    if path.startswith("/") or _DRIVE.match(path):
        raise _refused(archive, path, "is an absolute path")
    parts = path.split("/")
    if ".." in parts:
        raise _refused(archive, path, "leaves the archive's root")
    if "" in parts or "." in parts:
        raise _refused(archive, path, "is not in its shortest form")
    if _CONTROL.search(path):
        raise _refused(archive, path, "has a control character in its name")
    if len(parts) > _DEPTH:
        raise _refused(archive, path, f"lies {len(parts)} directories deep where {_DEPTH} are permitted")
    encoded = _encoded(archive, path)
    if any(len(part) > _NAME_BYTES for part in encoded.split(b"/")):
        raise _refused(archive, path, f"has a name of more than {_NAME_BYTES} bytes")
    if len(encoded) > _PATH_BYTES:
        raise _refused(archive, path, f"is longer than {_PATH_BYTES} bytes")


def _encoded(archive: str, path: str) -> bytes:
    try:
        return path.encode()
    except UnicodeEncodeError:
        raise _refused(archive, path, "has a name that is no text") from None


def _portability(archive: str, path: str, warnings: list[str], *, windows: bool) -> None:
    if windows:
        raise _refused(archive, path, "is a name that Windows does not accept")
    warnings.append(f"{archive}: {shown(path)} cannot be written on Windows")


def _check_case(archive: str, paths: Sequence[str], folds_case: Callable[[], bool], warnings: list[str]) -> None:
    if len({path.casefold() for path in paths}) == len(paths) and all(map(str.isascii, paths)):
        return
    seen: dict[str, str] = {}
    for path in sorted(paths):
        other = seen.setdefault(unicodedata.normalize("NFC", path.casefold()), path)
        if other == path:
            continue
        if folds_case():
            raise _refused(archive, path, f"cannot be told from {shown(other)} on this file system")
        warnings.append(f"{archive}: {shown(other)} and {shown(path)} are one file where case does not count")


def without_dots(path: str) -> str:
    """Return a path without the ``./`` in front that archivers write when they are given the current directory."""
    while path.startswith("./"):
        path = path[2:]
    return path


def check_one_top(archive: str, paths: Sequence[str], *, may_be_flat: bool = False) -> str:
    """Return the one directory that everything lies in.

    :param paths: of files, and of directories with a slash at the end.
    :param may_be_flat: there need not be one; then the answer is empty.
    :raises ArchiveError: there are several, or there is a file beside it.
    """
    tops = sorted({path.partition("/")[0] for path in paths})
    if len(tops) != 1 or any("/" not in path for path in paths):
        if may_be_flat and tops:
            return ""
        found = ", ".join(map(shown, tops[:5])) or "nothing"
        raise ArchiveError(f"{archive} does not have exactly one top directory", where=archive, why=f"found {found}")
    return tops[0]


@contextmanager
def paths_below(directory: str) -> Iterator[tuple[str, dict[str, int]]]:
    """Give what to put before relative paths, and options for `os` functions, to reach files below a directory.

    Where the system can, paths are taken relative to an open directory: shorter for it to walk, thousands of times.
    """
    if os.open in os.supports_dir_fd and os.stat in os.supports_dir_fd:
        place = os.open(directory, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            yield "", {"dir_fd": place}
        finally:
            os.close(place)
    else:
        yield f"{directory}/", {}


def folds_case(directory: str) -> bool:
    """Tell whether the file system takes upper and lower case for the same; makes a file for a moment."""
    import tempfile  # slow to import, and seldom needed

    with tempfile.NamedTemporaryFile(prefix="case-", dir=directory) as probe:
        parent, name = os.path.split(probe.name)
        return os.path.exists(os.path.join(parent, name.swapcase()))


def shown(path: str) -> str:
    """Return a path for display: control characters and the like escaped, shortened in the middle."""
    text = path if path.isprintable() else path.encode("unicode_escape", "backslashreplace").decode()
    return text if len(text) <= 120 else f"{text[:70]}...{text[-45:]}"


def _refused(archive: str, path: str, reason: str) -> ArchiveError:
    return ArchiveError(f"{archive}: {shown(path)} {reason}", where=archive, hint="the archive is not used")
