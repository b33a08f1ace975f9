"""What a requirement refers to: every kind answers the same questions."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import get_args

import pytest

from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.codec import decode, encode, encode_for_key
from pytest_fastenv.model.plan import Vcs
from pytest_fastenv.model.reference import (
    ArchiveReference,
    DirectoryReference,
    IndexReference,
    LockedReference,
    Reference,
    RepositoryReference,
    is_same_directory,
    may_be_on_this_machine,
)

ARCHIVE = ArchiveReference("https://h.invalid/a.zip", "sub")
DIRECTORY = DirectoryReference(Path("/src"), "sub")
REPOSITORY = RepositoryReference(Vcs("https://h.invalid/r.git", "v1"), "sub")
LOCKED = LockedReference("1.0", (Artifact("a", "1.0", "a-1.0-py3-none-any.whl", "https://h.invalid/a-1.0.whl"),))
ALL: list[Reference] = [IndexReference(), ARCHIVE, DIRECTORY, REPOSITORY, LOCKED]


def test_all_kinds_are_here() -> None:
    assert {type(one) for one in ALL} == set(get_args(Reference))


@pytest.mark.parametrize("one", ALL)
def test_it_comes_back_from_json(one: Reference) -> None:
    assert decode(Reference, encode(one, Reference)) == one  # type: ignore[arg-type]


def test_keys_tell_them_apart() -> None:
    keys = [encode_for_key(one) for one in (*ALL, ArchiveReference(ARCHIVE.url), DirectoryReference(DIRECTORY.path))]
    assert all(one != other for one, other in itertools.combinations(keys, 2))


def test_what_can_be_editable() -> None:
    found = [one.with_editable(True) for one in ALL]
    assert [one is not None and one.editable for one in found] == [False, False, True, True, False]
    assert [one.with_editable(False) for one in ALL] == ALL


def test_what_is_direct_and_what_has_a_digest() -> None:
    assert [one.is_direct for one in ALL] == [False, True, True, True, True]
    assert [one.has_digest for one in ALL] == [True, True, False, False, True]


def test_a_directory_that_is_built_decides_by_its_content() -> None:
    assert [one.tree_to_build for one in ALL] == [None, None, Path("/src/sub"), None, None]
    assert DirectoryReference(Path("/src"), editable=True).tree_to_build is None


def test_only_the_url_of_a_transfer_is_changed() -> None:
    changed = [one.with_url(lambda url: url.replace("h.invalid", "i.invalid")) for one in ALL]
    assert changed == [ALL[0], ArchiveReference("https://i.invalid/a.zip", "sub"), *ALL[2:4], changed[4]]
    assert isinstance(changed[4], LockedReference)
    assert [file.url for file in changed[4].files] == ["https://i.invalid/a-1.0.whl"]


def test_the_same_directory_by_another_path(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "other").symlink_to("real")
    assert is_same_directory(DirectoryReference(tmp_path / "other"), tmp_path / "real")
    assert not is_same_directory(DirectoryReference(tmp_path), tmp_path / "real")
    assert not is_same_directory(ARCHIVE, tmp_path)


@pytest.mark.parametrize(
    "address",
    ["/x", "x", "../x", "~/x", "~/x://y", "C:\\x", "C://x", "file:///x", "FILE:/x", "git+file:///x", "jar:file:///x"],
)
def test_what_is_no_url_may_be_a_path(address: str) -> None:
    assert may_be_on_this_machine(address)


@pytest.mark.parametrize("address", ["https://h.invalid/x", "HTTP://h.invalid/x", "git+ssh://h.invalid/x"])
def test_what_servers_have(address: str) -> None:
    assert not may_be_on_this_machine(address)
