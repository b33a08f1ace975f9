"""Copies of an environment for workers: each its own, right in every respect, and nothing left of failed ones."""

from __future__ import annotations

import asyncio
import csv
import errno
import os
import py_compile
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from copies_kit import MODULES, copies, fill_with, line, make_original
from kit.interpreters import BASE, Found
from kit.links import CERTAIN

from pytest_fastenv.environment import manifest
from pytest_fastenv.environment.staging import StagedEnvironment
from pytest_fastenv.environment_copies import duplication, worker_environments
from pytest_fastenv.environment_copies.original import read_original
from pytest_fastenv.environment_copies.worker_environments import WorkerEnvironments
from pytest_fastenv.errors import FastenvError, InterpreterError, StoreError, UsageError
from pytest_fastenv.filesystem import tree
from pytest_fastenv.filesystem.oslock import wait_lock
from pytest_fastenv.interpreter.discovery import find_target
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.link import LinkMode
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.runtime.summary import Summary
from pytest_fastenv.schedule.process_pool import ProcessPool
from pytest_fastenv.store.store import Store


def output(environment: Environment, *command: str) -> str:
    """What a program in an environment prints."""
    return str(environment.run(command, capture_output=True, text=True, check=True).stdout)


def inode(path: Path) -> int:
    return path.stat().st_ino


@pytest.mark.parametrize("link", LinkMode)
def test_each_is_an_environment_of_its_own(store: Store, tmp_path: Path, link: str) -> None:
    original = make_original(store, tmp_path, link)
    made = copies(original, ["gw0", "gw1", "gw2"])
    assert list(made) == ["gw0", "gw1", "gw2"]
    assert len({environment.prefix for environment in made.values()}) == 3
    for name, copy in made.items():
        assert copy.prefix.name == name
        assert copy.prefix.parent.parent == original.prefix.parent / ".workers"
        assert output(copy, "python", "-c", "import sys, six; print(sys.prefix, six.__file__)").split() == [
            str(copy.prefix),
            str(copy.purelib / "six.py"),
        ]
        assert output(copy, "six", "argument").split() == ["1.17", str(copy.prefix), "argument"]
        assert output(copy, "six-b").split() == ["1.17", str(copy.prefix)]
        assert output(copy, "tool") == "tool\n"
        assert (copy.prefix / "share/six/share.txt").read_text() == "shared data"
        assert (copy.purelib / "big/only.pyc").read_text() == MODULES["big/only.pyc"]
        known = manifest.read(copy.prefix)
        assert known is not None
        assert manifest.difference(copy.prefix, known) is None
        assert known.environment(copy.prefix) == copy
        assert (known.fingerprint, known.summary) == (original.fingerprint, Summary(distributions=1))
        assert manifest.read_tree(copy.prefix, known) == tree.snapshot(copy.prefix)


@pytest.mark.parametrize("link", LinkMode)
def test_no_file_of_a_copy_names_the_original(store: Store, tmp_path: Path, link: str) -> None:
    original = make_original(store, tmp_path, link)
    copy = copies(original, ["gw0"])["gw0"]
    old, holding = os.fsencode(original.prefix), []
    for folder, _, names in os.walk(copy.prefix):
        paths = [Path(folder, name) for name in names]
        holding += [path for path in paths if not path.is_symlink() and old in path.read_bytes()]
    assert holding == []
    holds = [
        path.name for path in copy.scripts.iterdir() if path.is_file() and os.fsencode(copy.prefix) in path.read_bytes()
    ]
    before = [path.name for path in original.scripts.iterdir() if path.is_file() and old in path.read_bytes()]
    assert sorted(holds) == sorted(before)
    assert {"six", "six-b", "activate", "activate.fish", "activate.csh"} <= set(holds)


def test_record_has_the_digests_of_the_scripts(store: Store, tmp_path: Path) -> None:
    copy = copies(make_original(store, tmp_path), ["gw0"])["gw0"]
    record = copy.purelib / "six-1.17.dist-info" / "RECORD"
    with record.open(newline="") as file:
        rows = [row for row in csv.reader(file) if row[1]]
    assert len(rows) == 3
    for path, digest, size in rows:
        assert line(path, (copy.purelib / path).read_bytes()) == f"{path},{digest},{size}"


def test_what_is_linked_is_linked_and_what_is_not_is_copied(store: Store, tmp_path: Path) -> None:
    original = make_original(store, tmp_path)
    copy = copies(original, ["gw0"])["gw0"]
    for name in MODULES:
        assert inode(copy.purelib / name) == inode(tmp_path / "stored" / name)
    assert inode(copy.scripts / "tool") == inode(tmp_path / "stored/tool")
    for name in ("six-1.17.dist-info/INSTALLER", "six-1.17.dist-info/METADATA", "six-1.17.dist-info/RECORD"):
        assert inode(copy.purelib / name) != inode(original.purelib / name)
        assert (copy.purelib / name).stat().st_mtime_ns == (original.purelib / name).stat().st_mtime_ns
    assert (copy.scripts / "six").stat().st_mode == (original.scripts / "six").stat().st_mode


def test_copies_share_nothing(store: Store, tmp_path: Path) -> None:
    original = make_original(store, tmp_path, "copy")
    made = copies(original)
    (made["gw0"].purelib / "six.py").write_text("__version__ = 'edited'\n")
    assert output(made["gw1"], "six").startswith("1.17")
    assert output(original, "six").startswith("1.17")


def test_symbolic_links_are_few(store: Store, tmp_path: Path) -> None:
    """A directory that holds nothing but links is one link; where something is an environment's own, it is not."""
    original = make_original(store, tmp_path, "symlink")
    copy = copies(original, ["gw0"])["gw0"]
    assert (copy.purelib / "big").readlink() == original.purelib / "big"
    assert (copy.purelib / "six.py").readlink() == tmp_path / "stored/six.py"
    assert not (copy.purelib / "six-1.17.dist-info").is_symlink()
    assert not (copy.prefix / "share").is_symlink()


def test_links_within_stay_within(store: Store, tmp_path: Path) -> None:
    async def fill(staged: StagedEnvironment) -> Summary:
        summary: Summary = await fill_with("hardlink", tmp_path / "stored")(staged)
        place = staged.prefix / staged.target.schemes["purelib"]
        (place / "absolute").symlink_to(staged.final / staged.target.schemes["purelib"] / "six.py")
        (place / "relative").symlink_to("six.py")
        return summary

    copy = copies(make_original(store, tmp_path, fill=fill), ["gw0"])["gw0"]
    assert (copy.purelib / "absolute").readlink() == copy.purelib / "six.py"
    assert (copy.purelib / "relative").readlink() == Path("six.py")


def test_bytecode_that_is_true_is_shared(store: Store, tmp_path: Path) -> None:
    original = make_original(store, tmp_path)
    compiled = Path(py_compile.compile(str(original.purelib / "six.py"), doraise=True) or "")
    stale = Path(py_compile.compile(str(original.purelib / "big/deep/module.py"), doraise=True) or "")
    content = bytearray(stale.read_bytes())
    content[8] ^= 1
    stale.write_bytes(content)
    copy = copies(original, ["gw0"])["gw0"]
    assert inode(copy.purelib / "__pycache__" / compiled.name) == inode(compiled)
    assert not (copy.purelib / "big/deep/__pycache__").exists()
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = ["python", "-v", "-c", "import six; print(six.__name__, six.__spec__.cached)"]
    done = copy.run(command, env=environ, capture_output=True, text=True)
    assert done.stdout.split() == ["six", str(copy.purelib / "__pycache__" / compiled.name)]
    assert f"code object from '{copy.purelib}/__pycache__/{compiled.name}'" in done.stderr


def test_a_long_path_needs_another_form_of_script(store: Store, tmp_path: Path) -> None:
    """And back: the copies of one with a long path, in a directory with a short one."""
    original = make_original(store, tmp_path)
    long = tmp_path / ("long" * 40)
    long.mkdir()
    copy = copies(original, ["gw0"], directory=long)["gw0"]
    assert (copy.scripts / "six").read_bytes().startswith(b"#!/bin/sh\n'''exec' ")
    assert output(copy, "six", "a b").split() == ["1.17", str(copy.prefix), "a", "b"]
    assert output(copy, "six-b").split() == ["1.17", str(copy.prefix)]
    short = copies(copy, ["gw0"], directory=tmp_path)["gw0"]
    assert output(short, "six").split() == ["1.17", str(short.prefix)]
    for name in ("six", "six-b", "activate"):
        path = (short.scripts / name).read_bytes().replace(os.fsencode(short.prefix), os.fsencode(original.prefix))
        assert path == (original.scripts / name).read_bytes()


def test_one_that_has_other_names_is_copied_all_the_same(store: Store, tmp_path: Path) -> None:
    """As after ``cp -al`` for a backup: that a file has other names does not make it one of the store's."""
    original = make_original(store, tmp_path)
    shutil.copytree(original.prefix, tmp_path / "backup", symlinks=True, copy_function=os.link)
    copy = copies(original, ["gw0"])["gw0"]
    assert output(copy, "six").split() == ["1.17", str(copy.prefix)]
    record = "six-1.17.dist-info/RECORD"
    assert (copy.purelib / record).read_text() != (original.purelib / record).read_text()
    assert inode(copy.purelib / record) != inode(original.purelib / record)


@pytest.mark.slow
def test_for_every_interpreter(store: Store, tmp_path: Path, interpreters: list[Found]) -> None:
    for version, python in interpreters:
        place = tmp_path / "-".join(map(str, version))
        original = make_original(store, place, target=find_target(str(python), store))
        copy = copies(original, ["gw0"])["gw0"]
        assert output(copy, "six").split() == ["1.17", str(copy.prefix)]
        assert copy.python_version == original.python_version


@pytest.mark.parametrize("count", [1, 2, 5])
def test_any_number_of_processes(store: Store, tmp_path: Path, count: int) -> None:
    made = copies(make_original(store, tmp_path), ["gw0", "gw1"], count=count)
    assert [output(environment, "six").split()[1] for environment in made.values()] == [
        str(environment.prefix) for environment in made.values()
    ]


EDITED = {
    "edited": (lambda root: (root / "six.py").write_text("__version__ = 'edited'\n"), "six.py"),
    "touched": (lambda root: os.utime(root / "big/deep/module.py", (1, 1)), "big/deep/module.py"),
    "removed": (lambda root: (root / "six.py").unlink(), "six.py"),
    "directory": (lambda root: shutil.rmtree(root / "big/deep"), "big/deep"),
    "own": (lambda root: (root / "six-1.17.dist-info/RECORD").write_text(""), "six-1.17.dist-info/RECORD"),
    "script": (lambda root: (root.parents[2] / "bin/six").write_text(""), "bin/six"),
}


#: What a symbolic link leads to is the store's, and compared there.
NOT_SEEN = {(LinkMode.SYMLINK, "edited"), (LinkMode.SYMLINK, "touched")}


@pytest.mark.parametrize(
    ("link", "edit"),
    [(link, edit) for link in CERTAIN for edit in EDITED if (link, edit) not in NOT_SEEN],
)
def test_what_was_changed_does_not_reach_copies(store: Store, tmp_path: Path, link: str, edit: str) -> None:
    original = make_original(store, tmp_path, link)
    change, path = EDITED[edit]
    change(original.purelib)
    with pytest.raises(StoreError) as caught:
        copies(original)
    assert path in caught.value.what
    assert "run again" in str(caught.value.hint)
    assert caught.value.exit_code == 3
    (home,) = (path for path in (original.prefix.parent / ".workers").iterdir() if path.is_dir())
    assert not {"gw0", "gw1"} & set(os.listdir(home))


def test_what_is_edited_while_it_is_copied_is_noticed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the first look and the copying; in this process, to edit at that moment."""
    original = make_original(store, tmp_path)
    (tmp_path / "target").mkdir()
    enter = os.chdir

    def edit_and_enter(place: str) -> None:
        if os.path.basename(place) == original.purelib.name:  # its files were looked at
            (original.purelib / "six.py").write_text("__version__ = 'edited'\n")
        enter(place)

    before = os.getcwd()
    monkeypatch.setattr(os, "chdir", edit_and_enter)
    with pytest.raises(StoreError, match=r"six\.py was changed"):
        duplication.copy_part(everything(original, tmp_path / "target"))
    assert os.getcwd() == before


def everything(original: Environment, target: Path) -> duplication.Part:
    """All directories of an environment, to copy into one place."""
    count = len(read_original(str(original.prefix)).positions)
    return duplication.Part(str(original.prefix), 0, count, (str(target),))


def test_what_is_new_stays_behind(store: Store, tmp_path: Path) -> None:
    original = make_original(store, tmp_path)
    (original.purelib / "new.py").write_text("")
    assert not (copies(original, ["gw0"])["gw0"].purelib / "new.py").exists()


def test_no_copies_of_what_is_not_whole(store: Store, tmp_path: Path) -> None:
    original = make_original(store, tmp_path)
    (original.prefix / ".fastenv/ready").unlink()
    with pytest.raises(StoreError, match="not whole"):
        copies(original)


def broken(program: str, tmp_path: Path) -> Any:
    async def fill(staged: StagedEnvironment) -> Summary:
        summary: Summary = await fill_with("hardlink", tmp_path / "stored")(staged)
        python = staged.prefix / staged.target.schemes["scripts"] / "python"
        python.unlink()
        python.write_text(program)
        python.chmod(0o755)
        return summary

    return fill


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("#!/bin/sh\necho no libc >&2\nexit 7\n", "it ended with exit code 7\nno libc"),
        ("#!/bin/sh\nkill -9 $$\n", "it was ended by SIGKILL"),
        ("#!/no/such/interpreter\n", "it does not start"),
        (f'#!/bin/sh\nexec {BASE} "$@"\n', "for its environment"),
    ],
)
def test_an_interpreter_that_does_not_start_is_told(store: Store, tmp_path: Path, program: str, why: str) -> None:
    original = make_original(store, tmp_path, fill=broken(program, tmp_path))
    with pytest.raises(FastenvError) as caught:
        copies(original)
    failures = getattr(caught.value, "failures", [caught.value])
    assert all(isinstance(failure, InterpreterError) for failure in failures)
    assert any("gw0" in failure.what for failure in failures)
    assert why in str(failures[0].why)
    assert caught.value.exit_code == 3


def test_a_worker_without_xdist_is_told(store: Store, tmp_path: Path) -> None:
    async def fill(staged: StagedEnvironment) -> Summary:
        summary: Summary = await fill_with("hardlink", tmp_path / "stored")(staged)
        shutil.rmtree(staged.prefix / staged.target.schemes["purelib"] / "xdist")
        return summary

    with pytest.raises(InterpreterError) as caught:
        copies(make_original(store, tmp_path, fill=fill), ["gw0"])
    assert caught.value.why == "it does not find xdist"


def test_a_second_one_is_new_and_the_first_still_runs(store: Store, tmp_path: Path) -> None:
    original = make_original(store, tmp_path)

    async def scenario() -> None:
        async with ProcessPool(2) as workers:
            maker = WorkerEnvironments(original.prefix.parent, workers, Recorder(), dict(os.environ))
            first = (await maker.make(original.prefix, ["gw0"]))["gw0"]
            (first.purelib / "mine.py").write_text("")
            before = inode(first.prefix)
            with subprocess.Popen([first.python, "-c", "input()"], stdin=subprocess.PIPE) as running:
                second = (await maker.make(original.prefix, ["gw0"]))["gw0"]
                running.communicate(b"\n")
            assert (second, running.returncode) == (first, 0)
            assert inode(second.prefix) != before
            assert not (second.purelib / "mine.py").exists()
            third = (await maker.make(original.prefix, ["gw1"]))["gw1"]
            assert third.prefix != second.prefix
            home = first.prefix.parent
            await maker.aclose()
            assert not home.exists()
            assert os.listdir(home.parent) == []

    asyncio.run(scenario())


def test_large_ones_are_removed_by_a_process_of_its_own(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_environments, "QUICKLY_REMOVED", 0)
    made = copies(make_original(store, tmp_path), then=lambda _: None)
    home = made["gw0"].prefix.parent
    wait_lock(f"{home}.lease").release()  # held by that process until it ends
    assert not home.exists()


def test_a_full_disk_is_told(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = make_original(store, tmp_path)
    mkdir = os.mkdir

    def refuse(path: str, *rest: Any) -> None:
        if str(path).endswith("gw1"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        mkdir(path, *rest)

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(StoreError, match="no space left"):
        copies(original)


@pytest.mark.parametrize("names", [["../gw0"], [""], ["gw0", "gw0"], [".hidden"], ["a/b"]])
def test_names_that_are_none(store: Store, tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(UsageError, match="name of a worker"):
        copies(make_original(store, tmp_path), names)


def test_where_nothing_can_be_linked_files_are_copied(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a file has as many links as the file system counts; tried in this process, to make linking fail."""
    original = make_original(store, tmp_path)
    target = tmp_path / "target"
    target.mkdir()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMLINK, "Too many links")

    monkeypatch.setattr(os, "link", refuse)
    duplication.copy_part(everything(original, target))
    copied = target / original.purelib.relative_to(original.prefix) / "six.py"
    assert copied.read_text() == MODULES["six.py"]
    assert inode(copied) != inode(original.purelib / "six.py")
    assert copied.stat().st_mtime_ns == (original.purelib / "six.py").stat().st_mtime_ns
