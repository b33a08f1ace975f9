"""An environment as a value: its places, its variables, running inside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from pytest_fastenv.errors import UsageError
from pytest_fastenv.runtime.environment import Environment

INTERPRETER = {
    "version": "3.12.1",
    "short": "CPython 3.12.1",
    "identity": "i",
    "schemes": {"scripts": "bin", "purelib": "lib/site-packages", "platlib": "lib64/site-packages"},
}


@pytest.fixture
def somewhere(tmp_path: Path) -> Environment:
    """An environment that is only described."""
    return Environment.at(tmp_path / "env", "f" * 64, INTERPRETER)


def test_places(somewhere: Environment, tmp_path: Path) -> None:
    assert somewhere.prefix == tmp_path / "env"
    assert somewhere.scripts == tmp_path / "env" / "bin"
    assert somewhere.purelib == tmp_path / "env" / "lib" / "site-packages"
    assert somewhere.platlib == tmp_path / "env" / "lib64" / "site-packages"
    assert (somewhere.python_version, somewhere.interpreter) == ("3.12.1", "CPython 3.12.1")


def test_an_incomplete_description_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        Environment.at(tmp_path, "f", {"version": "3.12"})


def test_environment_that_was_active_is_not_on_the_path(somewhere: Environment, tmp_path: Path) -> None:
    scripts = "Scripts" if os.name == "nt" else "bin"
    active, unmarked = tmp_path / "active", tmp_path / "unmarked"
    active.mkdir()
    (active / "pyvenv.cfg").touch()
    (tmp_path / "link").symlink_to(active)
    places = [str(active / scripts), str(active / "other"), str(active / scripts) + os.sep, str(unmarked / scripts)]
    own = [os.path.join(sys.prefix, scripts)] if sys.prefix != sys.base_prefix else []
    kept = [str(active / "other"), str(unmarked / scripts), "/usr/bin"]
    for virtual_env in (str(active), str(active) + os.sep, str(tmp_path / "link")):
        outside = {"PATH": os.pathsep.join([*places, *own, "/usr/bin"]), "VIRTUAL_ENV": virtual_env}
        assert somewhere.variables(outside)["PATH"].split(os.pathsep) == [str(somewhere.scripts), *kept]
    # A variable may say anything: /usr is no environment whose programs may be missing.
    outside["VIRTUAL_ENV"] = str(unmarked)
    assert str(unmarked / scripts) in somewhere.variables(outside)["PATH"]


def test_variables(somewhere: Environment) -> None:
    outside = {
        "PATH": os.pathsep.join(("/usr/bin", "/bin")),
        "HOME": "/home/somebody",
        "PYTHONPATH": "/outside",
        "PYTHONHOME": "/outside",
        "PYTHONEXECUTABLE": "/outside/python",
        "__PYVENV_LAUNCHER__": "/outside/python",
        "VIRTUAL_ENV": "/outside/venv",
        "PYTHONHASHSEED": "1",
    }
    assert somewhere.variables(outside) == {
        "PATH": os.pathsep.join((str(somewhere.scripts), "/usr/bin", "/bin")),
        "HOME": "/home/somebody",
        "VIRTUAL_ENV": str(somewhere.prefix),
        "VIRTUAL_ENV_PROMPT": "fastenv",
        "PYTHONHASHSEED": "1",
    }
    assert somewhere.variables(outside, inherit_pythonpath=True)["PYTHONPATH"] == "/outside"
    assert "PYTHONPATH" in outside


def test_variables_twice_are_the_same(somewhere: Environment) -> None:
    once = somewhere.variables({"PATH": "/bin"})
    assert somewhere.variables(once) == once


def test_no_path_outside(somewhere: Environment) -> None:
    assert somewhere.variables({})["PATH"].split(os.pathsep)[0] == str(somewhere.scripts)


def test_installed(somewhere: Environment) -> None:
    assert somewhere.installed() == {}
    for place, name in (
        (somewhere.purelib, "Zope.Interface-7.0.dist-info"),
        (somewhere.purelib, "typing_extensions-4.12.dist-info"),
        (somewhere.platlib, "numpy-2.0+local.1.dist-info"),
        (somewhere.purelib, "left-over.dist-info.bak"),
        (somewhere.purelib, "six.py"),
    ):
        (place / name).mkdir(parents=True)
    assert somewhere.installed() == {"numpy": "2.0+local.1", "typing-extensions": "4.12", "zope-interface": "7.0"}


def test_json_gives_it_back(somewhere: Environment) -> None:
    value = json.loads(json.dumps({**somewhere.to_json(), "name": "gw0"}))
    assert Environment.from_json(value) == somewhere
    del value["identity"]
    with pytest.raises(KeyError):
        Environment.from_json(value)


@pytest.fixture
def real(tmp_path: Path) -> Environment:
    """An environment that the interpreter's own module made, with one module in it."""
    prefix = tmp_path / "real"
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", prefix], check=True)
    base = {"base": "", "platbase": ""}
    paths = sysconfig.get_paths("venv", base)
    schemes = {name: paths[name].lstrip("/") for name in ("scripts", "purelib", "platlib")}
    made = Environment.at(prefix, "f", {**INTERPRETER, "schemes": schemes})
    (made.purelib / "six.py").write_text("")
    return made


@pytest.mark.slow
def test_run(real: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = real
    (tmp_path / "outside.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = made.run(["python", "-c", "import six, sys; print(sys.prefix)"], capture_output=True, text=True)
    assert done.stdout.strip() == str(made.prefix)
    assert made.run([made.python, "-c", "import outside"], stderr=subprocess.DEVNULL).returncode == 1
    assert made.run(["python", "-c", "import outside"], inherit_pythonpath=True).returncode == 0
    with pytest.raises(subprocess.CalledProcessError):
        made.run(["python", "-c", "raise SystemExit(3)"], check=True)
    with pytest.raises(FileNotFoundError):
        made.run(["no-such-program"])
    done = made.run(["python", "-c", "import os; print(os.environ.get('A'))"], env={"A": "1"}, stdout=subprocess.PIPE)
    assert done.stdout.strip() == b"1"


def test_program_of_another_installation_is_refused(
    real: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("pip", "other"):
        (tmp_path / name).write_text("#!/bin/sh\necho ran\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="the environment has no pip") as caught:
        real.run(["pip", "install", "six"])
    assert caught.value.where == str(tmp_path / "pip")
    assert real.run([tmp_path / "pip"], capture_output=True).stdout == b"ran\n"
    assert real.run(["other"], capture_output=True).stdout == b"ran\n"
