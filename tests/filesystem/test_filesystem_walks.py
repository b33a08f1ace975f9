"""What the system does not list is not taken for an empty directory: by the walks, and by what rests on them."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_fastenv.filesystem.source_digest import source_digest
from pytest_fastenv.filesystem.walks import names_in, walk, walk_what_may_be_read
from pytest_fastenv.installer.build.tree_journal import Journal
from pytest_fastenv.installer.build.tree_undo import undo
from pytest_fastenv.provisioning.exchange import Exchange

Fail = Callable[[Path, int], None]


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Fail:
    """Let a directory not be listed any more, with an error of the system; 0: it is again."""
    scandir, errors = os.scandir, dict[str, int]()

    def listed(path: Any) -> object:  # a descriptor, where directories are removed
        if error := errors.get(str(path)):
            raise OSError(error, os.strerror(error), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", listed)
    return lambda place, error: errors.update({str(place): error})


@pytest.fixture
def top(tmp_path: Path) -> Path:
    for name in ("top/a/one.py", "top/b/two.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("x")
    return tmp_path / "top"


@pytest.mark.parametrize("error", [errno.EIO, errno.EMFILE, errno.ESTALE, errno.EACCES, errno.ENOENT])
def test_of_everything(top: Path, fail: Fail, error: int) -> None:
    assert len(list(walk(top))) == 3
    fail(top / "a", error)
    with pytest.raises(OSError, match=os.strerror(error)):
        list(walk(top))


@pytest.mark.parametrize(("error", "is_refused"), [(errno.EIO, True), (errno.EMFILE, True), (errno.EACCES, False)])
def test_of_what_may_be_read(top: Path, fail: Fail, error: int, is_refused: bool) -> None:
    fail(top / "a", error)
    if is_refused:
        with pytest.raises(OSError, match=os.strerror(error)):
            list(walk_what_may_be_read(top))
        with pytest.raises(OSError, match=os.strerror(error)):
            source_digest(top)
    else:
        assert [os.path.basename(place) for place, _, _ in walk_what_may_be_read(top)] == ["top", "b"]


@pytest.mark.parametrize("error", [errno.EIO, errno.EMFILE])
def test_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    assert names_in(tmp_path / "missing") == []
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a").touch()
    assert names_in(tmp_path / "there" / "a") == []
    assert names_in(tmp_path / "there") == ["a"]

    def listdir(path: str) -> list[str]:
        raise OSError(error, os.strerror(error), path)

    monkeypatch.setattr(os, "listdir", listdir)
    with pytest.raises(OSError, match=os.strerror(error)):
        names_in(tmp_path / "there")


def test_a_file_that_goes_meanwhile_has_no_part_in_a_digest(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lstat = os.lstat

    def gone(path: str) -> os.stat_result:
        if os.fspath(path).endswith("one.py"):
            raise FileNotFoundError(errno.ENOENT, "gone", path)
        return lstat(path)

    monkeypatch.setattr(os, "lstat", gone)
    without = source_digest(top)
    monkeypatch.undo()
    (top / "a" / "one.py").unlink()
    assert source_digest(top) == without


def test_nothing_that_comes_into_an_environment_is_left_out(tmp_path: Path, fail: Fail) -> None:
    (tmp_path / "env").mkdir()
    exchange = Exchange(tmp_path / "env")
    for name in ("a", "b"):
        (exchange.new / name).mkdir()
        (exchange.new / name / "module.py").touch()
    fail(exchange.new / "b", errno.EIO)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        exchange.run([], str)
    exchange.close()
    assert [path.name for path in (tmp_path / "env").iterdir()] == [".fastenv"]


def test_what_was_not_listed_before_a_build_is_not_removed_after_it(top: Path, tmp_path: Path, fail: Fail) -> None:
    """The list is for what looks like a product: ``a/mine.so`` does."""
    (top / "a" / "mine.so").write_text("mine")
    directory = tmp_path / "journal"
    Journal.begin(str(directory), str(top), str(top), str(tmp_path / "scratch"))
    journal = Journal(str(directory))
    fail(top / "a", errno.EIO)
    journal.before_programs()
    fail(top / "a", 0)
    undo(str(directory))
    assert (top / "a" / "mine.so").read_text() == "mine"
