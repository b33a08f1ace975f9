"""Errors of the operating system become diagnoses: which, and what they say."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pytest_fastenv.errors import FastenvError, StoreError, UsageError, option
from pytest_fastenv.filesystem import oslock
from pytest_fastenv.store.diagnosis import store_error, unexpected

OTHER_DISK = f"make room, or set {option('cache_dir')} to a directory on another disk"
OPEN_FILES = f"raise the limit of open files (ulimit -n), or lower {option('concurrent_downloads')}"
MOVE = f"set {option('cache_dir')} to a directory that can be written"
LOOK = f"see what is there; 'fastenv cache verify' looks at all of a store, {option('cache_dir')} names another one"


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
    ("error", "where", "why", "hint"),
    [
        (refused(errno.EEXIST, "/store/x"), "/store/x", os.strerror(errno.EEXIST), LOOK),
        (refused(errno.EACCES, "/elsewhere"), "/elsewhere", os.strerror(errno.EACCES), "see what is at /elsewhere"),
        (refused(errno.EXDEV, "/a", b"/b"), "/a -> /b", os.strerror(errno.EXDEV), "see what is at /a"),
        (refused(errno.EXDEV, "/a", b"/store/b"), "/a -> /store/b", os.strerror(errno.EXDEV), LOOK),
        (refused(errno.EXDEV), "/store", os.strerror(errno.EXDEV), LOOK),
        (OSError("words alone"), "/store", "words alone", LOOK),
        (TimeoutError(), "/store", "TimeoutError", LOOK),
    ],
)
def test_an_unexplained_error_names_what_there_is(error: OSError, where: str, why: str, hint: str) -> None:
    made = unexpected(error, "/store")
    assert type(made) is StoreError
    assert made.what == "the environment cannot be provided: the operating system refused something"
    assert (made.where, made.why, made.hint) == (where, why, hint)


def test_what_the_store_explains_is_not_unexpected() -> None:
    made: FastenvError = unexpected(refused(errno.ENOSPC, "/store/x"), Path("/store"))
    assert made.what == "the environment cannot be provided: no space left"


@pytest.mark.parametrize("is_link", [False, True])
@pytest.mark.parametrize("below", ["47/x", "47", "locks/a/b.lock"])
def test_what_is_in_the_way_of_a_directory_of_the_store_is_named(is_link: bool, below: str, tmp_path: Path) -> None:
    bucket = tmp_path / "wheels"
    if is_link:
        bucket.symlink_to("nowhere")
    else:
        bucket.touch()
    place = bucket / below
    with pytest.raises((FileNotFoundError, NotADirectoryError)) as caught:
        place.mkdir()
    made = unexpected(caught.value, tmp_path)
    assert type(made) is StoreError
    assert str(bucket) in f"{made.where} {made.why}"
    assert ("a symbolic link to nowhere" if is_link else "a file, and not a directory") in (made.why or "")
    assert (made.hint or "").startswith("remove it")
    with pytest.raises(StoreError, match="a lock file cannot be opened") as refused:
        oslock.try_lock(place)
    assert "symbolic link" in (refused.value.why or "") if is_link else "a file" in (refused.value.why or "")
