"""Errors of the operating system become diagnoses: which, and what they say."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pytest_fastenv.errors import FastenvError, StoreError, UsageError, option
from pytest_fastenv.store.diagnosis import store_error, unexpected

OTHER_DISK = f"make room, or set {option('cache_dir')} to a directory on another disk"
OPEN_FILES = f"raise the limit of open files (ulimit -n), or lower {option('concurrent_downloads')}"
MOVE = f"set {option('cache_dir')} to a directory that can be written"
LOOK = f"set {option('cache_dir')} to another directory; if that helps, the store is damaged and may be deleted"


def refused(code: int, *names: str | bytes) -> OSError:
    return OSError(code, os.strerror(code), *names[:1], *([None, *names[1:]] if len(names) > 1 else []))


@pytest.mark.parametrize(
    ("code", "place", "what", "hint"),
    [
        (errno.ENOSPC, "/elsewhere", "writing: no space left", OTHER_DISK),
        (errno.EDQUOT, "/store/a", "writing: no space left", OTHER_DISK),
        (errno.EMFILE, "/elsewhere", "writing: too many open files", OPEN_FILES),
        (errno.ENFILE, "/store/a", "writing: too many open files", OPEN_FILES),
        (errno.EROFS, "/elsewhere", "writing", MOVE),
        (errno.EACCES, "/store/a", "writing", MOVE),
        (errno.EPERM, "/store", "writing", MOVE),
        (errno.EIO, "/store/a/b", "writing", MOVE),
        (errno.ESTALE, "/store/a", "writing", MOVE),
    ],
)
def test_what_speaks_of_the_store(code: int, place: str, what: str, hint: str) -> None:
    made = store_error(refused(code, place), "writing", "/store")
    assert made is not None
    assert (made.what, made.where, made.why, made.hint) == (what, place, os.strerror(code), hint)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EIO])
@pytest.mark.parametrize("place", ["/elsewhere", "/store-2/a", "/"])
def test_what_was_refused_elsewhere_does_not(code: int, place: str) -> None:
    assert store_error(refused(code, place), "writing", "/store") is None


def test_an_error_without_a_name_is_of_the_store() -> None:
    made = store_error(refused(errno.EACCES), "writing", "/store")
    assert made is not None
    assert made.where == "/store"


@pytest.mark.parametrize("code", [errno.ENAMETOOLONG, errno.ENOTDIR, errno.EEXIST, errno.ELOOP])
@pytest.mark.parametrize("name", ["/elsewhere/x", b"/elsewhere/x"])
def test_a_path_outside_that_cannot_be_is_the_users(code: int, name: str | bytes) -> None:
    made = unexpected(refused(code, name), "/store")
    assert isinstance(made, UsageError)
    assert (made.what, made.where, made.why) == ("a path cannot be used", "/elsewhere/x", os.strerror(code))


@pytest.mark.parametrize(
    ("error", "where", "why"),
    [
        (refused(errno.EEXIST, "/store/x"), "/store/x", os.strerror(errno.EEXIST)),
        (refused(errno.EACCES, "/elsewhere"), "/elsewhere", os.strerror(errno.EACCES)),
        (refused(errno.EXDEV, "/a", b"/b"), "/a -> /b", os.strerror(errno.EXDEV)),
        (refused(errno.EXDEV), "/store", os.strerror(errno.EXDEV)),
        (OSError("words alone"), "/store", "words alone"),
        (TimeoutError(), "/store", "TimeoutError"),
    ],
)
def test_an_unexplained_error_names_what_there_is(error: OSError, where: str, why: str) -> None:
    made = unexpected(error, "/store")
    assert type(made) is StoreError
    assert made.what == "the environment cannot be provided: the operating system refused something"
    assert (made.where, made.why, made.hint) == (where, why, LOOK)


def test_what_the_store_explains_is_not_unexpected() -> None:
    made: FastenvError = unexpected(refused(errno.ENOSPC, "/store/x"), Path("/store"))
    assert made.what == "the environment cannot be provided: no space left"
