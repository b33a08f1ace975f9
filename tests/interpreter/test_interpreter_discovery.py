"""Find the interpreter that was asked for; know it the next time; notice when it is another one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kit.damage import damaged
from kit.interpreters import BASE, Found, hide_interpreters

from pytest_fastenv.errors import InterpreterNotFoundError
from pytest_fastenv.interpreter.discovery import SEARCHES, find, find_target, list_found
from pytest_fastenv.interpreter.known import FAILURES_STAND_S, INTERPRETERS
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.store.store import Store

_PYENV = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))


@pytest.fixture(autouse=True)
def _only_this_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with nothing on PATH, and no version managers."""
    hide_interpreters(tmp_path, monkeypatch)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every start of a process fail from now on."""

    def refuse(*_args: object, **_options: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)


def other(interpreters: list[Found]) -> Found:
    """An interpreter of another minor version than the running one."""
    found = [item for item in interpreters if item[0][:2] != sys.version_info[:2]]
    if not found:
        pytest.skip("one CPython only on this machine")
    return found[-1]


def test_none_is_the_base_of_the_running_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = find_target(None, store)
    assert first.python == BASE
    forbid(monkeypatch)
    assert find_target(None, store) == first
    assert find_target("", store) == first
    assert find_target(sys.executable, store) == first


def test_a_path_may_be_relative_or_a_virtual_environment(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run([BASE, "-m", "venv", "--without-pip", tmp_path / "work" / "v"], check=True)
    target = find_target("./v", store)
    assert target.python == BASE
    assert find_target("v/bin/python", store) == target
    monkeypatch.setenv("HOME", str(tmp_path / "work"))
    assert find_target("~/v", store) == target


def test_nothing_at_a_path(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InterpreterNotFoundError, match="there is no Python interpreter at"):
        find_target(str(tmp_path / "python"), store)


@pytest.mark.slow
def test_a_version_on_path(
    store: Store, tmp_path: Path, interpreters: list[Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    version, python = other(interpreters)
    minor = "{}.{}".format(*version)
    (tmp_path / "bin" / f"python{minor}").symlink_to(python)
    full = ".".join(map(str, version))
    found = {spec: find_target(spec, store) for spec in (minor, full, f"cpython@{minor}", f"=={minor}.*")}
    assert {target.python for target in found.values()} == {os.path.realpath(python)}
    forbid(monkeypatch)
    for spec, target in found.items():
        assert find_target(spec, store) == target


def test_compatible_releases_are_no_path(store: Store) -> None:
    spec = "~={}.{}.0".format(*sys.version_info)
    assert find_target(spec, store).python == BASE


def test_a_programs_name(
    store: Store, tmp_path: Path, interpreters: list[Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, python = other(interpreters)
    (tmp_path / "bin" / "our-python").symlink_to(python)
    assert find("our-python", store) == ("PATH", find_target(str(python), store))
    with monkeypatch.context() as patch:
        forbid(patch)
        assert find("our-python", store)[1].python == os.path.realpath(python)
    with pytest.raises(InterpreterNotFoundError, match="no Python interpreter fits 'their-python'"):
        find_target("their-python", store)


def test_what_it_was_found_by(store: Store, tmp_path: Path, interpreters: list[Found]) -> None:
    version, python = other(interpreters)
    minor = "{}.{}".format(*version)
    assert find(None, store)[0] == "running"
    assert find(str(python), store)[0] == "path"
    place = tmp_path / ".local" / "share" / "uv" / "python" / f"cpython-{minor}-linux"
    place.mkdir(parents=True)
    (place / "bin").symlink_to(python.parent)
    for _ in range(2):  # looked for, then remembered
        assert find(minor, store)[0] == "uv"
    (tmp_path / "bin" / f"python{minor}").symlink_to(python)
    for _ in range(2):
        assert find(minor, store)[0] == "PATH"


def test_the_running_one_comes_first(store: Store, tmp_path: Path, interpreters: list[Found]) -> None:
    _, python = other(interpreters)
    (tmp_path / "bin" / "python3").symlink_to(python)
    assert find_target(">=3.8,<4", store).python == BASE


def test_something_new_on_path_is_seen(store: Store, tmp_path: Path, interpreters: list[Found]) -> None:
    version, python = other(interpreters)
    minor = "{}.{}".format(*version)
    with pytest.raises(InterpreterNotFoundError):
        find_target(minor, store)
    (tmp_path / "bin" / f"python{minor}").symlink_to(python)
    assert find_target(minor, store).python == os.path.realpath(python)
    (tmp_path / "bin" / f"python{minor}").unlink()
    with pytest.raises(InterpreterNotFoundError):
        find_target(minor, store)


def test_versions_of_pyenv_need_not_be_activated(store: Store, tmp_path: Path, interpreters: list[Found]) -> None:
    version, python = other(interpreters)
    place = tmp_path / ".pyenv" / "versions" / ".".join(map(str, version)) / "bin"
    place.mkdir(parents=True)
    (place / "python").symlink_to(python)
    assert find_target("{}.{}".format(*version), store).python == os.path.realpath(python)


def test_an_interpreter_that_is_replaced_is_noticed(store: Store, tmp_path: Path, interpreters: list[Found]) -> None:
    _, python = other(interpreters)
    link = tmp_path / "python"
    link.symlink_to(BASE)
    assert find_target(str(link), store).python == BASE
    link.unlink()
    link.symlink_to(python)
    assert find_target(str(link), store).python == os.path.realpath(python)
    link.unlink()
    with pytest.raises(InterpreterNotFoundError):
        find_target(str(link), store)


def test_a_virtual_environment_that_is_made_anew_is_noticed(
    store: Store, tmp_path: Path, interpreters: list[Found]
) -> None:
    _, python = other(interpreters)
    for base in (BASE, os.path.realpath(python)):
        command = [base, "-m", "venv", "--clear", "--without-pip", "--copies", tmp_path / "v"]
        subprocess.run(command, check=True)
        assert find_target(str(tmp_path / "v"), store).python == base


def test_a_shim_is_asked_each_time(store: Store, tmp_path: Path, interpreters: list[Found]) -> None:
    """A version manager's shim leads elsewhere when one of its files changes, and looks the same itself."""
    _, python = other(interpreters)
    shim = tmp_path / "python"
    shim.write_text(f'#!/bin/sh\nread python < "{tmp_path}/active"\nexec "$python" "$@"\n')
    shim.chmod(0o755)
    for base in (BASE, os.path.realpath(python)):
        (tmp_path / "active").write_text(f"{base}\n")
        assert find_target(str(shim), store).python == base


def test_what_a_shim_led_to_is_kept(store: Store, tmp_path: Path, interpreters: list[Found]) -> None:
    """A search goes by the directories that it looked into; the interpreter itself is known, the shim is not."""
    version, python = other(interpreters)
    shim = tmp_path / "bin" / "python{}.{}".format(*version)
    shim.write_text(f'#!/bin/sh\nexec "{python}" "$@"\n')
    shim.chmod(0o755)
    spec = "{}.{}".format(*version)
    first = find(spec, store)
    assert first[1].python == os.path.realpath(python)
    store.recorder.spans.clear()
    assert find(spec, store) == first
    assert store.recorder.spans == []


@pytest.mark.slow
def test_a_damaged_record_of_a_search_is_made_again(store: Store) -> None:
    with pytest.raises(InterpreterNotFoundError):
        find_target("4.2", store)
    (record,) = (store.root / SEARCHES.directory).rglob("*.json")
    for number, damage in enumerate(damaged(record)):
        assert store.check(SEARCHES, record.stem), damage
        if number % 200 == 0:  # searching takes its time
            with pytest.raises(InterpreterNotFoundError, match="no Python interpreter fits"):
                find_target("4.2", store)
            assert store.check(SEARCHES, record.stem) is None, damage


@pytest.mark.slow
def test_a_damaged_record_is_made_again(store: Store) -> None:
    target = find_target(None, store)
    (record,) = (store.root / INTERPRETERS.directory).rglob("*.json")
    record.write_bytes(record.read_bytes()[:-1])
    assert find_target(None, store) == target
    assert store.check(INTERPRETERS, record.stem) is None


def test_nothing_fits(store: Store, tmp_path: Path) -> None:
    with pytest.raises(InterpreterNotFoundError, match=r"no Python interpreter fits '4\.2'") as caught:
        find_target("4.2", store)
    assert caught.value.exit_code == 4
    assert str(tmp_path / "bin") in str(caught.value.where)
    assert BASE in str(caught.value.why)


def test_that_nothing_fits_is_remembered(
    store: Store, tmp_path: Path, interpreters: list[Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same words again cost a few looks at the file system; other words start nothing; a change is seen."""
    version, python = other(interpreters)
    (tmp_path / "bin" / "python3").symlink_to(python)
    with pytest.raises(InterpreterNotFoundError) as first:
        find_target("4.2", store)
    with monkeypatch.context() as patch:
        forbid(patch)
        patch.setattr("pytest_fastenv.interpreter.search.search", lambda *_: pytest.fail("it was looked for"))
        with pytest.raises(InterpreterNotFoundError) as second:
            find_target("4.2", store)
    assert second.value.diagnosis() == first.value.diagnosis()
    with monkeypatch.context() as patch:
        forbid(patch)
        with pytest.raises(InterpreterNotFoundError):
            find_target("pypy4.3", store)
        # What was asked then is known now.
        assert find_target("{}.{}".format(*version), store).python == os.path.realpath(python)
    (tmp_path / "bin" / "new").touch()
    with pytest.raises(InterpreterNotFoundError) as third:
        find_target("4.2", store)
    assert third.value.diagnosis() == first.value.diagnosis()


def test_nothing_fits_is_asked_again_after_an_hour(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InterpreterNotFoundError):
        find_target("4.2", store)
    monkeypatch.setattr("time.time", lambda now=time.time: now() + FAILURES_STAND_S)
    monkeypatch.setattr("pytest_fastenv.interpreter.search.search", lambda *_: (_ for _ in ()).throw(KeyError))
    with pytest.raises(KeyError):
        find_target("4.2", store)


def test_all_that_are_there(store: Store, tmp_path: Path, interpreters: list[Found]) -> None:
    """Each once, in the order of preference, under all its names and places."""
    version, python = other(interpreters)
    minor = "{}.{}".format(*version)
    for name in ("python", "python3", f"python{minor}"):
        (tmp_path / "bin" / name).symlink_to(python)
    place = tmp_path / ".pyenv" / "versions" / ".".join(map(str, version))
    place.mkdir(parents=True)
    (place / "bin").symlink_to(python.parent)
    found = [(item.where, item.target.python) for item in list_found(None, store)]
    assert found == [("running", BASE), ("PATH", os.path.realpath(python))]
    assert [item.target.python for item in list_found(minor, store)] == [os.path.realpath(python)]
    assert [item.where for item in list_found(str(python), store)] == ["path"]
    assert list_found("4.2", store) == []


def test_what_cannot_be_read(store: Store) -> None:
    with pytest.raises(InterpreterNotFoundError, match="does not say which Python is meant"):
        find_target(">=3.foo", store)


def test_too_old_is_said(store: Store, tmp_path: Path) -> None:
    """Only with one on the machine: an interpreter that cannot run pytest is found, and refused by name."""
    old = next((path for minor in (7, 6) for path in Path(_PYENV).glob(f"versions/3.{minor}.*/bin/python3")), None)
    if old is None:
        pytest.skip("no Python 3.6 or 3.7 on this machine")
    minor = old.parent.parent.name.rpartition(".")[0]
    (tmp_path / "bin" / f"python{minor}").symlink_to(old)
    list_found(None, store)  # asks it, and keeps the answer
    for _ in range(2):  # found, and remembered
        with pytest.raises(InterpreterNotFoundError, match="is too old: pytest cannot run there"):
            find_target(minor, store)
    with pytest.raises(InterpreterNotFoundError, match="is too old: pytest cannot run there"):
        find_target(str(old), store)
    with pytest.raises(InterpreterNotFoundError):
        find_target(f"=={minor}.*,!={minor}.*", store)


def test_a_read_only_store_is_enough(recorder: Recorder, tmp_path: Path) -> None:
    unwritable = Store(tmp_path / "file" / "store", recorder=recorder)
    (tmp_path / "file").write_text("")
    assert find_target(None, unwritable).python == BASE


def test_the_warm_path_imports_the_standard_library_only(store: Store) -> None:
    find_target(None, store)
    program = """
import sys
started = {*sys.modules}
from pathlib import Path
from pytest_fastenv.interpreter.discovery import SEARCHES, find_target
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.store.store import Store
before = {name.partition(".")[0] for name in sys.modules}
find_target(None, Store(Path(sys.argv[1]), recorder=Recorder()))
foreign = {name.partition(".")[0] for name in sys.modules} - before - {*sys.stdlib_module_names}
heavy = {"asyncio", "subprocess", "platform", "packaging", "python_discovery"}
print(*sorted(foreign), *(heavy & ({*sys.modules} - started)))
"""
    done = subprocess.run([sys.executable, "-c", program, store.root], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
