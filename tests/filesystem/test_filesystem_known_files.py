"""A tree that is taken down by what its writers know of it."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from pytest_fastenv.filesystem import known_files
from pytest_fastenv.filesystem.known_files import UNKNOWN, KnownFiles, piece_of
from pytest_fastenv.filesystem.tree import Tree, first_change, numbers_of, snapshot

FILES = (
    "a/b/one.py",
    "a/b/two.py",
    "a/b.py",
    "a-b/three.py",
    "a/c/d/e/four.py",
    "top.py",
    "shared/x.py",
    "shared/y.py",
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    root = tmp_path / "place"
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "a" / "empty").mkdir()
    for name in ("a/b/__pycache__/one.cpython-311.pyc", "a/old.pyc", "a/__pycache__/notes.txt", ".fastenv/ready"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def piece(place: Path, files: Iterable[str], directories: Mapping[str, int] | Iterable[str] = ()) -> Tree:
    """Return what a writer knows that is right."""
    if not isinstance(directories, Mapping):
        directories = {path: os.stat(place / path).st_mtime_ns for path in directories}
    return piece_of({path: numbers_of(os.lstat(place / path)) for path in files}, directories)


def everything(place: Path) -> tuple[list[str], list[str]]:
    files, directories = [], []
    for base, below, names in os.walk(place):
        inside = Path(base).relative_to(place).as_posix()
        prefix = "" if inside == "." else f"{inside}/"
        files += [prefix + name for name in names if not prefix.startswith(".fastenv")]
        directories += [prefix + name for name in below if name != ".fastenv"]
    return files, directories


def test_one_writer_who_knows_all(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, directories = everything(place)
    known = KnownFiles([piece(place, files, directories)])
    whole = snapshot(place)
    listed: list[str] = []
    listing = known_files.listing
    monkeypatch.setattr(known_files, "listing", lambda at, path: listed.append(path) or listing(at, path))
    assert known.snapshot(place) == whole
    assert listed == [""]


@pytest.mark.parametrize("seed", range(40))
def test_writers_who_know_some(place: Path, seed: int) -> None:
    """Whatever is known of it, and by how many, the tree is the same."""
    chance = random.Random(seed)
    files, directories = everything(place)
    chance.shuffle(files)
    writers = [files[n::3] for n in range(3)]
    pieces = []
    for mine in writers:
        some = [path for path in mine if chance.random() < 0.7]
        others = {os.path.dirname(path) for path in files if path not in some}
        alone = {os.path.dirname(path) for path in some} - others - {""}
        complete = {path for path in alone if not any(one.startswith(f"{path}/") for one in directories)}
        shared = {path: UNKNOWN for path in {os.path.dirname(path) for path in some} - complete if path}
        times = {path: os.stat(place / path).st_mtime_ns for path in complete}
        pieces.append(piece(place, some, shared | times))
    assert KnownFiles(pieces).snapshot(place) == snapshot(place)


def test_a_directory_that_two_have_written_into_is_listed(place: Path) -> None:
    first = piece(place, ["shared/x.py"], ["shared"])
    second = piece(place, ["shared/y.py"], {"shared": UNKNOWN})
    assert KnownFiles([first, second]).snapshot(place) == snapshot(place)


def test_what_others_put_beside_is_in_the_tree(place: Path) -> None:
    known = KnownFiles([piece(place, ["shared/x.py"], {"shared": UNKNOWN})])
    (place / "shared" / "new").mkdir()
    (place / "shared" / "new" / "z.py").write_text("x")
    assert known.snapshot(place) == snapshot(place)


def test_an_edit_since_then_shows_at_the_first_comparison(place: Path) -> None:
    known = KnownFiles([piece(place, ["a/b/one.py", "a/b/two.py"], ["a/b"])])
    (place / "a" / "b" / "one.py").write_text("edited meanwhile")
    assert first_change(place, known.snapshot(place)) == "a/b/one.py changed since"
    assert first_change(place, snapshot(place)) is None


def test_a_file_that_came_since_then_shows_at_the_first_comparison(place: Path) -> None:
    known = KnownFiles([piece(place, ["a/b/one.py", "a/b/two.py"], ["a/b"])])
    (place / "a" / "b" / "three.py").write_text("new")
    assert first_change(place, known.snapshot(place)) == "a/b/three.py is new"


def test_what_was_replaced_is_looked_at(place: Path) -> None:
    known = KnownFiles([piece_of({"a/b/one.py": (1, 2, 3), "a/b/two.py": (4, 5, 6)}, {"a/b": 7})], ["a/b/one.py"])
    told = known.snapshot(place)
    assert first_change(place, told) == "a/b/two.py changed since"
    assert KnownFiles([piece(place, ["a/b/two.py"], {"a/b": 7})], ["a/b/one.py"]).snapshot(place) == snapshot(place)


def test_a_file_that_is_known_and_gone_is_not_in_the_tree(place: Path) -> None:
    known = KnownFiles([piece(place, ["shared/x.py", "shared/y.py"], {"shared": UNKNOWN})])
    (place / "shared" / "x.py").unlink()
    assert known.snapshot(place) == snapshot(place)


def test_nothing_known(place: Path) -> None:
    assert KnownFiles().snapshot(place) == snapshot(place)
