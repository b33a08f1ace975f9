"""Which paths can be that of the store or of an environment: asked where a quick look leaves that open."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pytest_fastenv.errors import UsageError, option
from pytest_fastenv.model.file_kinds import kind_of

#: Where Linux keeps access control lists (POSIX.1e), for those that have more than modes say.
_ACCESS_LIST = "system.posix_acl_access"
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
            mode = os.stat(place).st_mode
        except (FileNotFoundError, NotADirectoryError):
            if os.path.islink(place):
                return f"{its} is a symbolic link to {os.readlink(place)}, where nothing is"
            continue
        except OSError as error:  # a loop of links, a name that is too long, a directory that may not be searched
            if isinstance(error, PermissionError):
                return ""
            return f"{its}: {error.strerror or error}"
        return "" if stat.S_ISDIR(mode) else f"{its} is {kind_of(mode)}, and not a directory"
    return ""


def trusted(root: Path, usual: Path, *, by_default: bool) -> tuple[Path, str]:
    """Return a store that nobody else may write, and why it is not the one that was meant.

    :param usual: the one that is used where none is named.
    :param by_default: none was named.
    :raises UsageError: this user has no place that is private.
    """
    reason = _distrust(root) or (_would_lie_with_another(root) if by_default else "")
    if not reason:
        return root, ""
    for place in _private_places(usual):
        if place != root and not (in_the_way(place) or _distrust(place) or _would_lie_with_another(place)):
            told = f"the store {root} is not used, since {reason}; {place} is used in its place"
            return place, f"{told}. Where all who may write there are trusted, set {option('shared_store', '1')}"
    raise UsageError(
        f"the store {root} is not used, since {reason}",
        why="and this user has no other place for one that is private",
        hint=f"set {option('cache_dir')} to a directory that nobody else may write",
    )


def _distrust(root: Path) -> str:
    """Say who else may write in a directory, as words that follow "since"; empty where nobody may."""
    if os.name == "nt":
        return ""
    try:
        found = os.stat(root)
    except OSError:
        return ""
    if found.st_uid not in {0, os.geteuid()}:
        return f"it belongs to {_user(found.st_uid)}"
    if found.st_mode & stat.S_IWOTH:
        return "everybody may write there"
    return _distrust_of_groups(root, found.st_gid) if found.st_mode & stat.S_IWGRP else ""


def _distrust_of_groups(root: Path, group: int) -> str:
    """Say who else may write where the group's bits of the mode let somebody do so."""
    if not _is_own_group(group):
        return f"its group ({group}) may write there"
    # With a list these bits are the most that any user or group in it has.
    return "its access control list may let others write there" if _has_access_list(root) else ""


def _has_access_list(path: Path) -> bool:
    """Tell whether more than owner, group and others have rights of their own at a path (``setfacl``)."""
    try:
        return _ACCESS_LIST in os.listxattr(path)
    except (AttributeError, OSError):  # another system, or a file system without such lists
        return False


def _would_lie_with_another(root: Path) -> str:
    """Say whose directory a new store would lie in: root's files have no place there, as with sudo; else empty."""
    if os.name == "nt":
        return ""
    place = next(place for place in (root, *root.parents) if place.exists())
    owner = place.stat().st_uid
    if os.geteuid() == 0 and owner != 0:
        return f"it would lie in a directory of {_user(owner)}"
    return "" if os.access(place, os.W_OK) else f"{place} cannot be written"


def _is_own_group(group: int) -> bool:
    """Tell whether a group is that of this user alone, as many systems make one for each user."""
    import grp  # not there on Windows
    import pwd

    try:
        me, its = pwd.getpwuid(os.geteuid()), grp.getgrgid(group)
    except KeyError:
        return False
    return me.pw_gid == group and its.gr_name == me.pw_name and set(its.gr_mem) <= {me.pw_name}


def _user(number: int) -> str:
    import pwd  # not there on Windows

    try:
        return f"the user {pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"another user ({number})"


def _private_places(usual: Path) -> Iterator[Path]:
    """Yield where a private store of this user may lie, the best one first."""
    import pwd  # not there on Windows, where nothing is distrusted
    import tempfile

    yield usual
    with suppress(KeyError):
        yield Path(pwd.getpwuid(os.geteuid()).pw_dir, ".cache", "pytest-fastenv")
    place = Path(tempfile.gettempdir(), f"pytest-fastenv-{os.geteuid()}")
    with suppress(OSError):  # it is there, or cannot be made: what it is then tells
        place.mkdir(mode=0o700)
    if place.is_dir() and not place.is_symlink():
        yield place
