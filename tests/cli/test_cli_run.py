"""``fastenv run``: a command in an environment of the store, as if it had been activated."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.archives import make_wheel
from kit.server import IndexServer

from pytest_fastenv.cli.main import main

pytestmark = pytest.mark.slow
PROGRAM = Path(sys.executable).with_name("fastenv")
DESCRIBE = """
import json, os, sys
found = {"prefix": sys.prefix, "arguments": sys.argv[1:], "active": os.environ["VIRTUAL_ENV"]}
found["path"] = os.environ["PATH"].split(os.pathsep)
print(json.dumps(found))
"""


@pytest.fixture
def index(artifacts: Path, index_server: Callable[..., IndexServer], monkeypatch: pytest.MonkeyPatch) -> IndexServer:
    make_wheel(artifacts, "app", entry_points={"app-tool": "app:main"}, files={"app.py": "def main():\n    return 7\n"})
    server = index_server()
    monkeypatch.setenv("FASTENV_INDEX_URL", server.url)
    return server


@pytest.fixture
def run(index: IndexServer, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(PROGRAM), "run", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    return run


def test_command_is_run_as_if_the_environment_was_activated(
    run: Callable[..., subprocess.CompletedProcess[str]], index: IndexServer
) -> None:
    words = ("--link", "copy", "--offline", "--", "-q", "run")
    first = run("app", "--link", "copy", "--", "python", "-c", DESCRIBE, *words)
    assert first.returncode == 0, first.stderr
    found = json.loads(first.stdout)
    assert found["arguments"] == list(words), "what stands behind -- is the command's"
    assert found["prefix"] == found["active"]
    assert found["path"][0] == os.path.join(found["prefix"], "bin")
    assert os.path.dirname(sys.executable) not in found["path"]
    assert first.stderr.startswith("fastenv: 1 distribution")
    assert found["prefix"] in first.stderr
    asked = len(index.requests)
    second = run("app", "--link", "copy", "-q", "--", "python", "-c", DESCRIBE)
    assert json.loads(second.stdout)["prefix"] == found["prefix"]
    assert second.stderr == ""
    assert len(index.requests) == asked


def test_exit_code_is_the_commands(run: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    assert run("app", "--", "app-tool").returncode == 7
    assert run("app", "--", "sh", "-c", "kill -TERM $$").returncode == -signal.SIGTERM


def test_sources_of_the_projects_own_files(
    run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    (tmp_path / "fastenv.toml").write_text("sources = ['app']\n")
    assert run("--", "app-tool").returncode == 7


@pytest.mark.skipif(os.name == "nt", reason="processes are replaced on POSIX only")
def test_process_becomes_the_command_and_gets_its_signals(index: IndexServer, tmp_path: Path) -> None:
    wait = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(60)"
    command = [str(PROGRAM), "run", "-q", "app", "--", "python", "-c", wait]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert int(child.stdout.readline()) == child.pid
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == -signal.SIGTERM


def test_environment_is_in_use_as_long_as_the_command_runs(
    run: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("descriptors are seen in /proc only")
    done = run("app", "--", "sh", "-c", "ls -l /proc/$$/fd")
    assert ".leases" in done.stdout, done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["app"], "a command is needed, after --"),
        (["app", "--"], "a command is needed, after --"),
        (["app", "--", ""], "the command after -- is empty"),
        (["--", "python"], "a source is needed, before --"),
        (["-j", "2", "--", "-x"], "-j means something for environments by name alone"),
        (["app", "--link", "glue", "--", "python"], "--link: 'glue' is not accepted"),
    ],
)
def test_a_wrong_request_is_diagnosed(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", *words]) == 4
    assert capsys.readouterr().err.startswith(f"fastenv: error: {said}")


@pytest.mark.parametrize("words", [["--", "python"], ["-j", "2", "--", "-x"]])
def test_what_may_have_been_meant_is_the_default_environments(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", *words]) == 4
    assert "-e default: those that run without any word" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permission to execute")
def test_what_is_no_program_is_told(run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "directory").mkdir()
    for name, said in {
        f"{tmp_path}/file": f"{tmp_path}/file is not executable",
        f"{tmp_path}/directory": f"{tmp_path}/directory is a directory",
        f"{tmp_path}/none": f"there is no program '{tmp_path}/none'",
        os.fsdecode(b"bad\xff"): r"there is no program 'bad\xff'",
    }.items():
        done = run("app", "--", name)
        assert done.returncode == 4
        assert f"fastenv: error: {said}\n" in done.stderr


def test_program_that_is_not_there(
    run: Callable[..., subprocess.CompletedProcess[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that only the environment outside has."""
    monkeypatch.setenv("PATH", f"{PROGRAM.parent}:/usr/bin:/bin")
    for program in ("no-such-program", "pytest"):
        done = run("app", "--", program)
        assert done.returncode == 4
        assert f"fastenv: error: there is no program {program!r}" in done.stderr
        assert "Traceback" not in done.stderr


def test_program_that_only_other_places_have(
    run: Callable[..., subprocess.CompletedProcess[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What works on the installation it belongs to is refused; anything else is told, also with -q."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    names = ("pip", "pip3.9", "pytest", "py.test", "python3.5", "pypy3")
    for name in (*names, "other"):
        (elsewhere / name).write_text("#!/bin/sh\necho ran $0\n")
        (elsewhere / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{elsewhere}:/bin")
    for name in names:
        done = run("app", "-q", "--", name)
        assert (done.returncode, done.stdout) == (4, ""), name
        assert f"fastenv: error: the environment has no {name}, and the one that PATH has belongs to" in done.stderr
        assert f"where: {elsewhere / name}\n" in done.stderr
    done = run("app", "-q", "--", "other")
    assert done.stdout == f"ran {elsewhere / 'other'}\n"
    assert f"fastenv: warning: the environment has no other: {elsewhere / 'other'} is run" in done.stderr
    done = run("app", "-q", "--", str(elsewhere / "pip"))
    assert (done.stdout, done.stderr) == (f"ran {elsewhere / 'pip'}\n", ""), "by its path it is meant"
