"""What was looked at is looked at again: each kind of thing, and each way in which it can change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from kit.dynamic_backends import git, make_repository

from pytest_fastenv.filesystem.observations import change, first_change, observe, observe_file
from pytest_fastenv.model.digest import text_sha256
from pytest_fastenv.model.observation import Kind, Observation


@pytest.mark.parametrize("mark", ["pyvenv.cfg", "CACHEDIR.TAG"])
@pytest.mark.parametrize("kind", ["tree", "sources", "native sources"])
def test_environments_and_caches_in_a_tree_are_no_sources(kind: Kind, mark: str, tmp_path: Path) -> None:
    """The store may lie in the project: each run writes to it."""
    (tmp_path / "setup.py").touch()
    (tmp_path / "deep" / "cache").mkdir(parents=True)
    (tmp_path / "deep" / "cache" / mark).touch()
    before = observe(kind, tmp_path)
    (tmp_path / "deep" / "cache" / "entry.c").write_text("x")
    (tmp_path / "deep" / "cache" / "folder").mkdir()
    (tmp_path / "deep" / "cache" / "folder" / "entry.c").write_text("x")
    assert observe(kind, tmp_path) == before


def test_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    absent = observe("file", path)
    assert change(absent, {}) is None
    path.write_text("one")
    assert change(absent, {}) == f"{path} is new"
    seen, content = observe_file(path, keep=True)
    assert content == b"one"
    os.utime(path, ns=(0, 0))
    assert change(seen, {}) is None
    path.write_text("two")
    assert change(seen, {}) == f"{path} changed"
    path.unlink()
    assert change(seen, {}) == f"{path} is gone"
    path.mkdir()
    assert change(seen, {}) == f"{path} changed"


def test_file_with_its_old_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    seen, times = observe("file", path), os.stat(path)
    path.write_text("two")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert change(seen, {}) == f"{path} changed"


def test_names(tmp_path: Path) -> None:
    (tmp_path / "a.py").touch()
    seen = observe("names", tmp_path)
    for passing in ("__pycache__", ".cache", "demo.egg-info"):
        (tmp_path / passing).mkdir()
    (tmp_path / "a.py").write_text("edited")
    assert change(seen, {}) is None
    (tmp_path / "b.py").touch()
    assert change(seen, {}) == f"{tmp_path} changed"


def test_listing(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_text("one")
    seen = observe("listing", tmp_path)
    assert change(seen, {}) is None
    (tmp_path / "a.whl").write_text("more")
    assert change(seen, {}) == f"{tmp_path} changed"
    gone = observe("listing", tmp_path / "nowhere")
    assert change(gone, {}) is None
    (tmp_path / "nowhere").mkdir()
    assert change(gone, {}) == f"{tmp_path / 'nowhere'} is new"


@pytest.mark.parametrize("inside", [True, False], ids=["in a link's directory", "behind a link"])
def test_tree_with_links(inside: bool, tmp_path: Path) -> None:
    outside, tree = tmp_path / "outside", tmp_path / "tree"
    outside.mkdir()
    tree.mkdir()
    (outside / "a.py").write_text("one")
    (tree / "link").symlink_to(outside if inside else outside / "a.py")
    (tree / "circle").symlink_to(tree)
    seen = observe("tree", tree)
    assert change(seen, {}) is None
    (outside / "a.py").write_text("another")
    assert change(seen, {}) == f"{tree} changed"


def test_sources_without_what_builds_write(tmp_path: Path) -> None:
    (tmp_path / "a.c").touch()
    (tmp_path / "a.py").touch()
    sources, native = observe("sources", tmp_path), observe("native sources", tmp_path)
    (tmp_path / "a.cpython-311.so").touch()
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "a.txt").touch()
    assert first_change([sources, native], {}) is None
    (tmp_path / "a.py").write_text("edited")
    assert change(sources, {}) == f"{tmp_path} changed"
    assert change(native, {}) is None
    (tmp_path / "a.c").write_text("edited")
    assert change(native, {}) == f"{tmp_path} changed"


def test_variables() -> None:
    seen = [observe("variable", "A", {"A": "secret"}), observe("build variables", "", {"CFLAGS": "-O"})]
    assert "secret" not in repr(seen)
    assert first_change(seen, {"A": "secret", "CFLAGS": "-O", "OTHER": "x"}) is None
    assert first_change(seen, {"CFLAGS": "-O"}) == "the variable A changed"
    assert first_change(seen, {"A": "secret"}) == "variables that builds read changed: CFLAGS"
    others = {"A": "secret", "CFLAGS": "-O3", "LDFLAGS": "-s"}
    assert first_change(seen, others) == "variables that builds read changed: CFLAGS, LDFLAGS"


@pytest.mark.parametrize("state", [text_sha256("by an older version"), "7" * 64])
def test_variables_of_builds_of_which_one_digest_was_kept(state: str) -> None:
    seen = Observation("build variables", "", state)
    assert change(seen, {"CFLAGS": "-O"}) == "variables that builds read changed"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "a.py").write_text("one\n")
    make_repository(tmp_path)
    return tmp_path


CHANGES = {
    "commit": [("commit", "-q", "--allow-empty", "-m", "x")],
    "tag": [("tag", "v2")],
    "tag gone": [("tag", "-d", "v1.0")],
    "branch": [("checkout", "-q", "-b", "other")],
    "detached": [("checkout", "-q", "--detach")],
    "staged": [("add", "new.py")],
}


@pytest.mark.parametrize("version", ["2", "3", "4"])
@pytest.mark.parametrize("how", CHANGES)
def test_history(how: str, version: str, repository: Path) -> None:
    git(repository, "update-index", "--index-version", version)
    (repository / "new.py").touch()
    seen = observe("history", repository / "pkg")
    assert change(seen, {}) is None
    for words in CHANGES[how]:
        git(repository, *words)
    assert "has another commit" in str(change(seen, {}))


@pytest.mark.parametrize("packed", [False, True])
def test_history_with_edits(packed: bool, repository: Path) -> None:
    """That a tracked file is edited counts; what is edited in it, and files that are not tracked, do not."""
    if packed:
        git(repository, "pack-refs", "--all")
    seen = observe("history", repository)
    (repository / "untracked.py").touch()
    assert change(seen, {}) is None
    (repository / "pkg" / "a.py").write_text("edited\n")
    assert change(seen, {}) is not None
    edited = observe("history", repository)
    (repository / "pkg" / "a.py").write_text("edited once more\n")
    assert change(edited, {}) is None
    (repository / "pkg" / "a.py").unlink()
    assert change(edited, {}) is not None


def test_history_of_a_worktree(repository: Path) -> None:
    git(repository, "worktree", "add", "-q", "-b", "other", str(repository / "wt"))
    seen = observe("history", repository / "wt")
    git(repository / "wt", "commit", "-q", "--allow-empty", "-m", "x")
    assert change(seen, {}) is not None


def test_no_history(tmp_path: Path) -> None:
    seen = observe("history", tmp_path)
    assert seen.state == ""
    git(tmp_path, "init", "-q")
    assert change(seen, {}) is not None


@pytest.mark.skipif(os.name == "nt", reason="there are no named pipes in directories there")
def test_a_pipe_that_takes_a_files_place_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    before = observe("file", path)
    path.unlink()
    os.mkfifo(path)
    assert change(before, {}) == f"{path} cannot be read: it is a named pipe, and not a file"
    with pytest.raises(OSError, match="it is a named pipe"):
        observe_file(path, keep=True)
