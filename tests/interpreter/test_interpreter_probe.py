"""Facts of an interpreter come from the interpreter, and from nothing the user has lying about."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from kit.interpreters import BASE, Found
from packaging.markers import default_environment

from pytest_fastenv.errors import InterpreterError, ProvideError
from pytest_fastenv.interpreter import probe as probe_module
from pytest_fastenv.interpreter.probe import examine, probe


def program(path: Path, text: str) -> Path:
    """Write a shell script that stands for an interpreter."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_running_interpreter() -> None:
    target = probe(Path(sys.executable))
    assert target.python == BASE
    assert target.version == sys.version.split()[0].rstrip("+")
    assert target.markers == {k: v for k, v in default_environment().items() if k != "extra"}
    assert target.soabi == sysconfig.get_config_var("SOABI")
    assert target.platform == sysconfig.get_platform()
    assert target.version_info == sys.version_info[:2]
    minor = "{}.{}".format(*sys.version_info[:2])
    assert target.schemes["scripts"] == ("Scripts" if os.name == "nt" else "bin")
    assert target.schemes["data"] == "."
    assert target.schemes["headers"] == f"include/site/python{minor}"


@pytest.mark.slow
def test_every_interpreter_of_the_machine(interpreters: list[Found]) -> None:
    identities = set()
    for version, python in interpreters:
        target = probe(python)
        assert target.version.startswith(".".join(map(str, version)))
        assert target.implementation == "cpython"
        assert target.schemes["purelib"].endswith("/python{}.{}/site-packages".format(*version))
        identities.add(target.identity)
    assert len(identities) == len(interpreters)


@pytest.mark.slow
def test_a_virtual_environment_leads_to_its_base(tmp_path: Path, interpreters: list[Found]) -> None:
    """Made with links or with copies, and from another virtual environment: the base is meant."""
    for version, python in interpreters[:: len(interpreters) - 1]:
        place = tmp_path / "{}.{}".format(*version)
        for kind in ("symlinks", "copies"):
            inside = place / kind / "bin" / "python"
            subprocess.run([python, "-m", "venv", "--without-pip", f"--{kind}", place / kind], check=True)
            assert probe(inside).python == os.path.realpath(python), (version, kind)
        nested = place / "nested"
        subprocess.run([place / "copies" / "bin" / "python", "-m", "venv", "--without-pip", nested], check=True)
        assert probe(nested / "bin" / "python").identity == probe(python).identity


def test_nothing_of_the_users_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trap = "raise SystemExit('trapped')"
    for name in ("json", "platform", "sitecustomize", "usercustomize"):
        (tmp_path / f"{name}.py").write_text(trap)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "json.py"))
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    assert probe(Path(sys.executable)).python == BASE
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".py") == ["pip.conf"]


def test_what_it_prints_besides_does_not_matter(tmp_path: Path) -> None:
    chatty = program(tmp_path / "chatty", f'echo hello; echo fastenv >&2\nexec "{sys.executable}" "$@"')
    probed = examine(chatty)
    assert probed.target.python == BASE
    assert probed.executable == sys.executable


def test_too_old(tmp_path: Path) -> None:
    facts = json.dumps({"version": "3.7.16", "executable": "/somewhere/python"})
    old = program(tmp_path / "python3.7", f"echo 'fastenv-facts:{facts}'")
    with pytest.raises(InterpreterError, match=r"Python 3\.7\.16 is too old: pytest cannot run there") as caught:
        probe(old)
    assert caught.value.where == str(old)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("echo no such thing >&2; exit 3", "exit code 3\nno such thing"),
        ("kill -9 $$", "ended by SIGKILL"),
        ("echo 'Unknown option: -I' >&2; exit 2", "older than 3.4"),
        ("exit 0", "exit code 0"),
    ],
)
def test_what_is_no_python(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(InterpreterError, match="does not answer as a Python interpreter does") as caught:
        probe(program(tmp_path / "python", text))
    assert why in str(caught.value.why)


@pytest.mark.parametrize(
    ("said", "why"),
    [("MemoryError", "Cannot allocate memory"), ("OSError: [Errno 24] Too many open files", "Too many open files")],
)
def test_what_the_system_refuses_says_nothing_about_it(tmp_path: Path, said: str, why: str) -> None:
    with pytest.raises(ProvideError, match=why) as caught:
        probe(program(tmp_path / "python", f"echo '{said}' >&2; exit 1"))
    assert said in str(caught.value.why)


def test_what_cannot_be_started(tmp_path: Path) -> None:
    plain = tmp_path / "python"
    plain.write_text("")
    with pytest.raises(InterpreterError, match="does not start"):
        probe(plain)
    with pytest.raises(InterpreterError, match="does not start"):
        probe(tmp_path / "missing")


def test_what_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_module, "PROBE_TIMEOUT_S", 0.05)
    with pytest.raises(InterpreterError, match="no answer within"):
        probe(program(tmp_path / "python", "exec sleep 60"))


@pytest.mark.slow
def test_another_file_at_the_same_path_has_another_identity(tmp_path: Path) -> None:
    subprocess.run([BASE, "-m", "venv", "--without-pip", "--copies", tmp_path / "v"], check=True)
    copy = tmp_path / "v" / "bin" / "python"
    (tmp_path / "v" / "pyvenv.cfg").unlink()  # a base of its own now
    (tmp_path / "v" / "lib").rename(tmp_path / "v" / "lib-of-venv")
    (tmp_path / "v" / "lib").symlink_to(Path(sys.base_prefix) / "lib")
    first = probe(copy)
    assert first.python == str(copy)
    status = copy.stat()
    os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))
    assert probe(copy).identity != first.identity
