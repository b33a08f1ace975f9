"""How the session inside is started."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from pytest_fastenv.errors import UsageError
from pytest_fastenv.plugin.inner_command import Invocation, inner_command, outside_words, read_invocation
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.runtime.launch import Launch, read_launch
from pytest_fastenv.runtime.session import Handed

HANDED = Handed("/env")


def environment(version: str = "3.12.1") -> Environment:
    return Environment.at(
        Path("/env"),
        "f",
        {
            "version": version,
            "short": f"CPython {version}",
            "identity": "i",
            "schemes": {"scripts": "bin", "purelib": "site-packages", "platlib": "site-packages"},
        },
    )


def command(words: list[str], *, version: str = "3.12.1", **more: Any) -> tuple[str, ...]:
    launch = read_launch(words)
    invocation = Invocation(launch, launch.arguments, as_module=launch.module is not None, **more)
    python, *rest = inner_command(environment(version), invocation, HANDED).argv
    assert Path(python).parent == Path("/env/bin")
    return tuple(rest)


SCRIPT = str(Path("/env/bin/pytest.exe" if sys.platform == "win32" else "/env/bin/pytest"))


def test_form_stays() -> None:
    assert command(["python", "/outside/bin/pytest", "-x"]) == (SCRIPT, "-x")
    assert command(["python", "-m", "pytest", "-x"]) == ("-m", "pytest", "-x")


def test_interpreter_options_stay() -> None:
    words = ["python", "-OW", "error", "-X", "dev", "-Im", "pytest", "tests"]
    assert command(words) == ("-O", "-Werror", "-Xdev", "-I", "-m", "pytest", "tests")


def test_options_that_make_no_sense_inside_go() -> None:
    assert command(["python", "-S", "-s", "/outside/bin/pytest"]) == ("-s", SCRIPT)
    assert command(["python", "-P", "/outside/bin/pytest"]) == ("-P", SCRIPT)
    assert command(["python", "-P", "/outside/bin/pytest"], version="3.8.18") == (SCRIPT,)


def test_values_are_joined_with_their_options() -> None:
    words = [
        "python",
        "-m",
        "pytest",
        "--fastenv",
        "../a.txt",
        "--fastenv-link",
        "copy",
        "-k",
        "--fastenv",
        "b",
        "--",
        "--fastenv",
    ]
    assert command(words)[2:] == ("--fastenv=../a.txt", "--fastenv-link=copy", "-k", "--fastenv=b", "--", "--fastenv")


def test_plugin_is_called_by_the_name_it_has_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "-ppytest_fastenv.plugin.hooks -k 'a b' --fastenv x")
    monkeypatch.setenv("PYTEST_PLUGINS", "one,pytest_fastenv.plugin.hooks")
    words = ("-p", "pytest_fastenv.plugin.hooks", "-ppytest_fastenv.plugin.hooks")
    made = inner_command(environment(), Invocation(Launch(arguments=words), words), HANDED)
    assert made.argv[-3:] == ("-p", "fastenv", "-pfastenv")
    assert made.variables["PYTEST_ADDOPTS"] == "-pfastenv -k 'a b' --fastenv=x"
    assert made.variables["PYTEST_PLUGINS"] == "one,fastenv"


def test_plugins_of_a_caller() -> None:
    assert command(["python", "-m", "pytest", "x"], plugins=("a", "b"))[2:] == ("-p", "a", "-p", "b", "x")
    words = command(["python", "-m", "pytest", "x"], plugins=("a",), plugin_paths=("/there",))
    assert words[2:] == ("-p", "fastenv", "-p", "a", "x"), "the runtime makes the directory known before it is needed"


def test_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/outside")
    monkeypatch.setenv("PYTEST_VERSION", "9")
    words = ("x",)
    made = inner_command(environment(), Invocation(Launch(arguments=words), words), HANDED).variables
    assert "PYTHONPATH" not in made
    assert "PYTEST_VERSION" not in made
    assert "PYTEST_CURRENT_TEST" not in made, "workers of a session that a test starts would take themselves for tests"
    assert json.loads(made["FASTENV_INSIDE"]) == {"prefix": "/env"}
    kept = inner_command(environment(), Invocation(Launch(), words), HANDED, inherit_pythonpath=True).variables
    assert kept["PYTHONPATH"] == "/outside"


def test_caller_in_this_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    launch = read_launch(["python", "runner.py"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert read_invocation(config("-x"), launch).as_module
    monkeypatch.setattr(sys, "path", ["/elsewhere", *sys.path])
    assert not read_invocation(config("-x"), launch).as_module
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    assert not read_invocation(config("-x"), read_launch(["python", "/outside/bin/pytest", "-x"])).as_module
    assert read_invocation(config("-x"), read_launch(["python", "-m", "pytest", "-x"])).as_module


def test_outside_words() -> None:
    launch = read_launch(["python", "/outside/bin/pytest", "-x"])
    assert outside_words(Invocation(launch, ("-x",)))[1:] == (str(Path("/outside/bin/pytest").absolute()),)
    assert outside_words(Invocation(launch, ("-v",)))[1:] == ("-m", "pytest")


class FakeConfig(types.SimpleNamespace):
    """As much of a configuration as says how pytest was invoked."""


def config(*arguments: str, plugins: list[Any] | None = None) -> Any:
    return FakeConfig(invocation_params=FakeConfig(args=arguments, plugins=plugins), getini=lambda _name: [])


def test_plugin_objects_are_refused_by_name() -> None:
    made_here = types.ModuleType("made_here")
    with pytest.raises(UsageError, match="plugin objects") as caught:
        read_invocation(config(plugins=["name", made_here, FakeConfig(mine=1)]), Launch())
    assert "made_here" in str(caught.value)
    assert "FakeConfig(mine=1)" in str(caught.value)


def test_modules_become_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runner_package").mkdir()
    (tmp_path / "runner_package" / "__init__.py").touch()
    (tmp_path / "runner_package" / "plugin_in_it.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    import runner_package.plugin_in_it as plugin  # type: ignore[import-not-found]
    import xdist.plugin

    invocation = read_invocation(config(plugins=[plugin, xdist.plugin]), Launch())
    assert invocation.plugins == ("runner_package.plugin_in_it", "xdist.plugin")
    assert invocation.plugin_paths == (str(tmp_path),), "what is installed is the environment's own business"


def test_plugins_from_pythonpath(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "from_pythonpath.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    arguments = ("-p", "from_pythonpath", "-pno:terminal", "-pxdist")
    assert read_invocation(config(*arguments), Launch()).plugin_paths == (str(tmp_path),)
    assert read_invocation(config(*arguments), Launch(), inherit_pythonpath=True).plugin_paths == ()
    monkeypatch.delenv("PYTHONPATH")
    assert read_invocation(config(*arguments), Launch()).plugin_paths == ()
