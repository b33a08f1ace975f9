"""Whether a directory still holds what it held; what running programs write does not count."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from array import array
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_fastenv.filesystem.tree import Tree, first_change, snapshot


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A small tree with a link to a directory, a dangling link, an empty directory and bytecode."""
    root = tmp_path / "place"
    for name in ("lib/django/conf/__init__.py", "lib/django/apps.py", "lib/six.py", "bin/python", "at-the-top"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
        (root / name).chmod(0o644)
    (root / "empty").mkdir()
    (root / "linked").symlink_to(tmp_path)
    (root / "bin" / "dangling").symlink_to("nowhere")
    (root / "lib" / "__pycache__").mkdir()
    (root / "lib" / "__pycache__" / "six.cpython-312.pyc").write_text("")
    (root / ".fastenv").mkdir()
    (root / ".fastenv" / "manifest.json").write_text("")
    return root


def later(path: Path) -> None:
    """Give a file another time."""
    status = path.lstat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000), follow_symlinks=False)


def edit(root: Path) -> None:
    (root / "lib/django/conf/__init__.py").write_text("more than before, much more")


def edit_keeping_size(root: Path) -> None:
    later(root / "lib/six.py")


def remove(root: Path) -> None:
    (root / "lib/six.py").unlink()


def remove_directory(root: Path) -> None:
    shutil.rmtree(root / "lib" / "django")


def remove_empty_directory(root: Path) -> None:
    (root / "empty").rmdir()


def add(root: Path) -> None:
    (root / "lib" / "django" / "new.py").write_text("")


def add_at_the_top(root: Path) -> None:
    (root / "new").write_text("")


def add_directory(root: Path) -> None:
    (root / "lib" / "new").mkdir()


def lead_elsewhere(root: Path) -> None:
    (root / "linked").unlink()
    (root / "linked").symlink_to(root)


def directory_for_file(root: Path) -> None:
    (root / "lib/six.py").unlink()
    (root / "lib/six.py").mkdir()


def file_for_directory(root: Path) -> None:
    (root / "empty").rmdir()
    (root / "empty").write_text("")


def link_for_directory(root: Path) -> None:
    (root / "lib").rename(root.parent / "elsewhere")
    (root / "lib").symlink_to(root.parent / "elsewhere")


def forbid(root: Path) -> None:
    (root / "lib/six.py").chmod(0)


def let_others_be(root: Path) -> None:
    """Give a file to whoever runs it: that its mode says so matters more than its bits for reading."""
    (root / "bin/python").chmod(0o4777)


def give_away(root: Path) -> None:
    os.chown(root / "lib/six.py", 4321, 4321)


CHANGES = [
    (forbid, "lib/six.py is of mode 000, not 644"),
    (let_others_be, "bin/python is of mode 4777, not 644"),
    *([(give_away, "lib/six.py has another owner")] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
    (edit, "lib/django/conf/__init__.py changed since"),
    (edit_keeping_size, "lib/six.py changed since"),
    (remove, "lib/six.py is missing"),
    (remove_directory, "lib/django is missing"),
    (remove_empty_directory, "empty is missing"),
    (add, "lib/django/new.py is new"),
    (add_at_the_top, "new is new"),
    (add_directory, "lib/new is new"),
    (lead_elsewhere, "linked changed since"),
    (directory_for_file, "lib/six.py changed since"),
    (file_for_directory, "empty is new"),
    (link_for_directory, "lib is new"),
]


@pytest.mark.parametrize(("change", "told"), CHANGES, ids=lambda value: getattr(value, "__name__", None))
@pytest.mark.parametrize("halved", [False, True])
def test_a_change_is_told(place: Path, change: Callable[[Path], None], told: str, halved: bool) -> None:
    known = snapshot(place)
    assert first_change(place, known, halved=halved) is None
    change(place)
    assert first_change(place, known, halved=halved) == told


@pytest.mark.parametrize(("change", "told"), CHANGES, ids=lambda value: getattr(value, "__name__", None))
def test_a_change_is_told_without_directory_descriptors(
    place: Path, change: Callable[[Path], None], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way of platforms that cannot look below an open directory."""
    monkeypatch.setattr(os, "supports_dir_fd", frozenset())
    known = snapshot(place)
    assert first_change(place, known) is None
    change(place)
    assert first_change(place, known) == told


def test_bytecode_and_our_own_files_do_not_count(place: Path) -> None:
    known = snapshot(place)
    (place / "lib" / "django" / "__pycache__").mkdir()
    (place / "lib" / "django" / "__pycache__" / "apps.cpython-312.pyc").write_text("x")
    (place / "lib" / "six.pyc").write_text("x")
    (place / ".fastenv" / "ready").write_text("x")
    shutil.rmtree(place / "lib" / "__pycache__")
    assert first_change(place, known) is None
    assert not any(".fastenv" in block or "pyc" in block for block in known.directories)


def test_a_directory_of_our_name_deeper_down_counts(place: Path) -> None:
    known = snapshot(place)
    (place / "lib" / ".fastenv").mkdir()
    assert first_change(place, known) == "lib/.fastenv is new"


def test_what_a_link_leads_to_does_not_count(place: Path) -> None:
    known = snapshot(place)
    (place.parent / "new below the link").write_text("")
    assert first_change(place, known) is None


def test_a_moved_tree_is_unchanged(place: Path) -> None:
    known = snapshot(place)
    place.rename(place.parent / "moved")
    assert first_change(place.parent / "moved", known) is None
    assert first_change(place, known) == "the directory is missing"


def test_there_and_back(place: Path) -> None:
    (place / "lib" / "ünïcode \n name").write_text("")
    (place / "lib" / os.fsdecode(b"not utf-8 \xff")).write_text("")
    known = snapshot(place)
    again = Tree.decode(known.encode())
    assert again == known
    assert first_change(place, again) is None
    assert again.file_count == 9


def test_an_empty_directory(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    known = Tree.decode(snapshot(tmp_path / "empty").encode())
    assert (known.directories, known.file_count) == (("",), 0)
    assert first_change(tmp_path / "empty", known) is None


def test_damaged_records_are_refused(place: Path) -> None:
    content = snapshot(place).encode()
    for broken in (b"", b"something else", content[:-1], content[:-8], content[:40], content + b"8 bytes."):
        with pytest.raises(ValueError):  # noqa: PT011 - any of them means the same
            Tree.decode(broken)


def test_numbers_are_little_endian(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Tree(("",), array("q", [258]))
    assert known.encode().endswith(b"\x02\x01" + bytes(6))
    if sys.byteorder == "little":
        monkeypatch.setattr(sys, "byteorder", "big")
        assert known.encode().endswith(bytes(6) + b"\x01\x02")


def test_a_child_that_fails_is_made_up_for(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forked half that dies does not make a changed tree pass."""
    known = snapshot(place)
    parent, write = os.getpid(), os.write

    def dies(fd: int, data: bytes) -> int:
        if os.getpid() != parent:
            os._exit(3)
        return write(fd, data)

    monkeypatch.setattr(os, "write", dies)
    assert first_change(place, known, halved=True) is None
    later(place / "at-the-top")
    assert first_change(place, known, halved=True) == "at-the-top changed since"


def test_no_fork_among_threads() -> None:
    program = """
import threading
from pytest_fastenv.filesystem import tree
event = threading.Event()
before = tree._may_fork()
threading.Thread(target=event.wait).start()
print(before, tree._may_fork())
event.set()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    alone = sys.platform.startswith("linux") and len(os.sched_getaffinity(0)) > 1
    assert done.stdout.split() == [str(alone), "False"]


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0, reason="root may read everything")
def test_what_cannot_be_read_is_told(place: Path) -> None:
    known = snapshot(place)
    (place / "lib").chmod(0)
    try:
        assert "lib cannot be read" in str(first_change(place, known))
    finally:
        (place / "lib").chmod(0o755)


def test_who_writes_through_a_link_changes_the_tree(place: Path, tmp_path: Path) -> None:
    """Environments may be links into the store: an edit of what they lead to is an edit of the environment."""
    store = tmp_path / "store.py"
    store.write_text("VALUE = 1\n")
    (place / "lib" / "linked.py").symlink_to(store)
    (place / "lib" / "nowhere.py").symlink_to(tmp_path / "nothing")
    (place / "lib" / "folder").symlink_to(tmp_path)
    known = snapshot(place)
    (tmp_path / "beside").touch()
    assert first_change(place, known) is None
    with store.open("a") as file:
        file.write("# edited\n")
    assert first_change(place, known) == "lib/linked.py changed since"
