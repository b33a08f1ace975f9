"""Search the machine: every interpreter is asked once, several at a time, and none in vain."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from kit.interpreters import BASE, Found, hide_interpreters

from pytest_fastenv.errors import InterpreterError, InterpreterNotFoundError
from pytest_fastenv.interpreter import search as search_module
from pytest_fastenv.interpreter.discovery import find_target
from pytest_fastenv.interpreter.search import listing, search
from pytest_fastenv.model.events import Recorder, Span
from pytest_fastenv.store.store import Store


@pytest.fixture(autouse=True)
def bin_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory on PATH, on a machine without version managers."""
    return hide_interpreters(tmp_path, monkeypatch)


def script(path: Path, text: str) -> Path:
    """Write a program that is called as an interpreter is."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def asked(recorder: Recorder) -> list[str]:
    """Return the executables that were started, in order."""
    return [span.subject for span in recorder.spans if span.kind == "interpreter"]


def test_names_tell_what_need_not_be_asked(
    store: Store, recorder: Recorder, bin_directory: Path, interpreters: list[Found]
) -> None:
    """Only what may be the version that is wanted is started; a link's target tells more than its name."""
    find_target(None, store)
    for version, python in interpreters:
        (bin_directory / "python{}.{}".format(*version)).symlink_to(python)
    version, python = interpreters[0]
    (bin_directory / "python3").symlink_to(interpreters[-1][1])
    recorder.spans.clear()
    assert search("{}.{}".format(*version), store).target.python == os.path.realpath(python)
    running = os.path.realpath(python) == os.path.realpath(sys.executable)  # which was asked before
    assert [*map(os.path.realpath, asked(recorder))] == [] if running else [os.path.realpath(python)]


def test_an_interpreter_is_asked_once_for_all_its_names(
    store: Store, recorder: Recorder, bin_directory: Path, interpreters: list[Found]
) -> None:
    for name in ("python", "python3", "python3.99"):
        (bin_directory / name).symlink_to(interpreters[0][1])
    listing(None, store)
    assert len(asked(recorder)) == len({os.path.realpath(interpreters[0][1]), BASE})
    recorder.spans.clear()
    listing(None, store)
    assert asked(recorder) == []


@pytest.mark.slow
def test_several_are_asked_at_once(
    store: Store, recorder: Recorder, bin_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as may be: each program waits until all of its kind were started."""
    monkeypatch.setattr(search_module, "AT_ONCE", 3)
    find_target(None, store)
    recorder.spans.clear()
    wait = "while [ $(ls {0} | wc -l) -lt 3 ]; do :; done"
    place = bin_directory.parent / "started"
    place.mkdir()
    for name in ("python3.50", "python3.51", "python3.52"):
        script(bin_directory / name, f"/bin/touch {place}/{name}; PATH=/usr/bin:/bin; {wait.format(place)}")
    with pytest.raises(InterpreterNotFoundError):
        search(">=3.50", store)
    spans = [span for span in recorder.spans if span.kind == "interpreter"]
    assert len(spans) == 3
    assert max(span.start_ns for span in spans) < min(span.end_ns for span in spans)


def test_what_there_is_instead_is_found_out_by_who_reads_it(
    store: Store, recorder: Recorder, bin_directory: Path, interpreters: list[Found]
) -> None:
    """Who downloads what is missing does not wait for the answers of all the others."""
    for version, python in interpreters:
        (bin_directory / "python{}.{}".format(*version)).symlink_to(python)
    with pytest.raises(InterpreterNotFoundError) as caught:
        search("3.99", store)
    assert asked(recorder) == []
    assert [str(python) for _, python in interpreters if os.path.realpath(python) not in str(caught.value.why)] == []
    assert len(asked(recorder)) == len(interpreters)
    assert caught.value.where
    assert len(asked(recorder)) == len(interpreters)


@pytest.mark.parametrize("content", [b"\x7fELF no program", b"MZ"])
def test_what_is_no_program_at_all(store: Store, bin_directory: Path, content: bytes) -> None:
    broken = bin_directory / "python3.77"
    broken.write_bytes(content)
    broken.chmod(0o755)
    with pytest.raises(InterpreterNotFoundError) as caught:
        search("3.77", store)
    assert f"{broken} does not start" in str(caught.value.why)


def test_a_program_that_is_no_interpreter_is_remembered_as_one(
    store: Store, recorder: Recorder, bin_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For an hour: what it lacks may be installed without a change of its own file."""
    program = bin_directory / "python3.77"
    program.write_bytes(Path("/bin/true").read_bytes())
    program.chmod(0o755)
    for starts in (1, 0, 0):
        recorder.spans.clear()
        assert [item.where for item in listing(None, store)] == ["running"]
        assert asked(recorder).count(str(program)) == starts
    monkeypatch.setattr("time.time", lambda now=time.time: now() + 4000)
    listing(None, store)
    assert asked(recorder).count(str(program)) == 1
    program.write_bytes(Path("/bin/false").read_bytes())
    recorder.spans.clear()
    listing(None, store)
    assert asked(recorder).count(str(program)) == 1


def test_a_script_may_do_something_else_the_next_time(
    store: Store, tmp_path: Path, bin_directory: Path, interpreters: list[Found]
) -> None:
    shim = script(bin_directory / "python3.77", f'read python < "{tmp_path}/active"; exec "$python" "$@"')
    version, python = interpreters[0]
    spec = "{}.{}".format(*version)
    shim.rename(bin_directory / f"python{spec}")
    (tmp_path / "active").write_text("/bin/false\n")
    if version[:2] != sys.version_info[:2]:
        with pytest.raises(InterpreterNotFoundError):
            search(spec, store)
    (tmp_path / "active").write_text(f"{python}\n")
    assert search(spec, store).target.python == os.path.realpath(python)


def test_too_old_is_told_once_nothing_newer_fits(store: Store, bin_directory: Path) -> None:
    facts = '{"version": "3.7.16", "executable": "/opt/python3.7"}'
    script(bin_directory / "python3.7", f"echo 'fastenv-facts:{facts}'")
    with pytest.raises(InterpreterError, match=r"Python 3\.7\.16 is too old"):
        search("3.7", store)
    with pytest.raises(InterpreterNotFoundError) as caught:
        search("==3.99.*", store)
    assert "Python 3.7.16, which is too old" in str(caught.value.why)
    assert search(">=3.7", store).target.python == BASE


def test_too_old_is_no_reason_where_a_newer_one_may_be_had(store: Store, bin_directory: Path) -> None:
    facts = '{"version": "3.7.16", "executable": "/opt/python3.7"}'
    script(bin_directory / "python3.7", f"echo 'fastenv-facts:{facts}'")
    exclude_running = "!={}.{}.*".format(*sys.version_info)
    with pytest.raises(InterpreterNotFoundError, match="no Python interpreter fits"):
        search(f">=3.7,{exclude_running}", store)


def test_a_virtual_environment_on_path_stands_for_its_base(
    store: Store, tmp_path: Path, bin_directory: Path, interpreters: list[Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    version, python = interpreters[0]
    for kind in ("symlinks", "copies"):
        place = tmp_path / kind
        subprocess.run([python, "-m", "venv", "--without-pip", f"--{kind}", place], check=True)
        monkeypatch.setenv("PATH", str(place / "bin"))
        assert search("{}.{}".format(*version), store).target.python == os.path.realpath(python)


def test_directories_that_cannot_be_read(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "bin" / "python3").mkdir()
    monkeypatch.setenv("PATH", os.pathsep.join(str(tmp_path / name) for name in ("file", "missing", "bin")))
    assert [item.where for item in listing(None, store)] == ["running"]


def test_from_several_threads(store: Store, bin_directory: Path, interpreters: list[Found]) -> None:
    """The plugin asks in one thread while another one imports; both may search."""
    for version, python in interpreters:
        (bin_directory / "python{}.{}".format(*version)).symlink_to(python)
    results: list[list[str]] = []

    def run() -> None:
        results.append([item.target.python for item in listing(None, store)])

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert results[0] == results[1] == results[2]
    assert isinstance(store.recorder.spans[0], Span)
