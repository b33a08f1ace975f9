"""Errors of the operating system as errors of the store: what, where, why, what next."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_fastenv.errors import FEWER_FILES, FastenvError, ShortageError, StoreError, UsageError, option
from pytest_fastenv.settings.usable_paths import in_the_way

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})
_REFUSED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_BROKEN = frozenset({errno.EIO, errno.ESTALE})

#: What a path outside the store is wrong by itself for.
_UNFIT_PATHS = frozenset({errno.ENAMETOOLONG, errno.ENOTDIR, errno.EEXIST, errno.ELOOP})
#: What a directory that is none, or a link that leads nowhere, on the way to a path comes out as.
_NO_DIRECTORY = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.ELOOP})

_MOVE = f"set {option('cache_dir')} to a directory that can be written"

_VERIFY = f"see what is there; 'fastenv cache verify' looks at all of a store, {option('cache_dir')} names another one"


def store_error(error: OSError, doing: str, root: str | os.PathLike[str]) -> StoreError | None:
    """Return the diagnosis of an operating-system error, or ``None`` where it does not speak of the store.

    A full disk and a lack of file descriptors always do; refused access does where it was refused below the root.

    :param doing: what failed, as a phrase: ``an entry cannot be written``.
    :param root: the store's directory.
    """
    place = error.filename if isinstance(error.filename, str) else os.fspath(root)
    where = os.fspath(root) if error.filename is None else place
    reason = error.strerror or str(error)
    if error.errno in _NO_ROOM:
        hint = f"make room, or set {option('cache_dir')} to a directory on another disk"
        return StoreError(f"{doing}: no space left", where=where, why=reason, hint=hint)
    if error.errno in _NO_DESCRIPTORS:
        return StoreError(f"{doing}: too many open files", where=where, why=reason, hint=FEWER_FILES)
    inside = _is_below(place, root)
    is_part = inside and os.path.abspath(place) != os.path.abspath(root)
    obstacle = in_the_way(Path(place).parent) if is_part and error.errno in _NO_DIRECTORY else ""
    if obstacle:
        hint = "remove it: the store has a directory there, which is made again"
        return StoreError(doing, where=os.path.dirname(place), why=obstacle, hint=hint)
    if error.errno == errno.EROFS or (inside and error.errno in _REFUSED | _BROKEN):
        return StoreError(doing, where=where, why=reason, hint=_MOVE)
    return None


def _is_below(place: str | bytes, root: str | os.PathLike[str]) -> bool:
    return f"{os.path.abspath(os.fsdecode(place))}{os.sep}".startswith(f"{os.path.abspath(root)}{os.sep}")


def unexpected(error: OSError, root: str | os.PathLike[str]) -> FastenvError:
    """Return the diagnosis of an operating-system error that no code nearer to it has explained."""
    known = store_error(error, "the environment cannot be provided", root)
    if known is not None:
        return known
    if error.errno in _UNFIT_PATHS and isinstance(error.filename, (str, bytes)) and not _is_below(error.filename, root):
        reason = error.strerror or str(error)
        return UsageError("a path cannot be used", where=os.fsdecode(error.filename), why=reason)
    shortage = ShortageError.of(error)
    if shortage is not None:
        return shortage
    named = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, (str, bytes))]
    is_inside = not named or any(_is_below(name, root) for name in named)
    return StoreError(
        "the environment cannot be provided: the operating system refused something",
        where=" -> ".join(named) or os.fspath(root),
        why=error.strerror or str(error) or type(error).__name__,
        hint=_VERIFY if is_inside else f"see what is at {named[0]}",
    )


@contextmanager
def diagnosed(doing: str, root: str | os.PathLike[str], *, any_reason: bool = False) -> Iterator[None]:
    """Turn errors that speak of the store into `StoreError`; all others pass as they are.

    :param any_reason: nothing but the store is touched in the block, so that every error speaks of it.
    """
    try:
        yield
    except OSError as error:
        diagnosis = store_error(error, doing, root)
        if diagnosis is None and any_reason:
            diagnosis = StoreError(doing, where=os.fspath(root), why=error.strerror or str(error), hint=_MOVE)
        if diagnosis is None:
            raise
        raise diagnosis from error
