"""``fastenv envs``: what is declared, and how it stands."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kit.archives import make_wheel
from kit.server import IndexServer

from pytest_fastenv.cli.main import main
from pytest_fastenv.environment.places import Ready
from pytest_fastenv.matrix.schema import schema
from pytest_fastenv.matrix.selection import declared
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.provisioning.question import Question, SessionNeeds
from pytest_fastenv.provisioning.several import provision_several
from pytest_fastenv.settings.layers import Given, Layer, Origin, load, variables
from pytest_fastenv.settings.tables import tables

DECLARED = """
[tool.fastenv]
python = {python!r}
project = "none"

[tool.fastenv.envs.lint]
description = "Style and types"
requirements = ["app"]
tags = ["quick"]

[tool.fastenv.envs.test]
matrix = {{ lib = {{ 1 = "lib<2", 2 = "lib>=2" }} }}

[tool.fastenv.envs.rare]
python = "3.99"
"""


@pytest.fixture
def directory(
    tmp_path: Path, artifacts: Path, index_server: Callable[..., IndexServer], monkeypatch: pytest.MonkeyPatch
) -> Path:
    make_wheel(artifacts, "app")
    for version in ("1.0", "2.0"):
        make_wheel(artifacts, "lib", version)
    make_wheel(artifacts, "pytest", "8.0")
    monkeypatch.setenv("FASTENV_INDEX_URL", index_server().url)
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    (project / "pyproject.toml").write_text(DECLARED.format(python=sys.executable))
    return project


def provide(directory: Path, name: str, needs: SessionNeeds | None = None, above: Layer | None = None) -> Path:
    """Make an environment by name, as the doors do."""
    loaded = load(tables(directory), declared(directory)[name].layer, variables(os.environ), above or {})
    base = loaded.directory_of("sources", directory)
    asked = Question.of(loaded.settings, base, directory, needs, None, os.environ, name)
    return provide_question(replace(asked, besides=frozenset(above or ())))


def provide_question(asked: Question) -> Path:
    (outcome,) = provision_several({asked.name: asked}, Recorder(), lambda _: None).values()
    assert isinstance(outcome.result, Ready), outcome.result
    if outcome.result.lease_fd is not None:
        os.close(outcome.result.lease_fd)
    return outcome.result.environment.prefix


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, dict[str, Any]]:
    capsys.readouterr()
    assert main(["envs", "--json", *words]) == 0
    return {one["name"]: one for one in json.loads(capsys.readouterr().out)}


def test_what_is_declared(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = listed(capsys)
    assert list(found) == ["lint", "test-lib1", "test-lib2", "rare"]
    assert found["lint"] == {
        "name": "lint",
        "description": "Style and types",
        "tags": ["quick"],
        "declared": f"{directory / 'pyproject.toml'}:6",
        "python": sys.executable,
        "interpreter": found["lint"]["interpreter"],
        "state": "never made",
        "why": None,
        "age_s": None,
        "path": None,
        "error": None,
    }
    assert found["lint"]["interpreter"]["version"] == ".".join(map(str, sys.version_info[:3]))
    assert (found["rare"]["interpreter"], found["rare"]["python"]) == (None, "3.99")
    assert main(["envs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(found)
    assert lines[0].endswith("never made    Style and types")
    assert "3.99: not found" in lines[-1]
    assert list(listed(capsys, "test")) == ["test-lib1", "test-lib2"]
    assert list(listed(capsys, "tag:quick", "*2")) == ["lint", "test-lib2"]


def test_an_interpreter_that_cannot_be_used_is_told_from_one_that_is_missing(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    declared = (directory / "pyproject.toml").read_text().replace('"3.99"', '"/nowhere/python"')
    (directory / "pyproject.toml").write_text(declared)
    assert main(["envs", "rare"]) == 0
    line, why = capsys.readouterr().out.splitlines()
    assert "/nowhere/python: cannot be used" in line
    assert why == "    there is no Python interpreter at /nowhere/python"
    assert listed(capsys, "rare")["rare"]["error"] == why.strip()


@pytest.mark.slow
def test_states(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ready is what would be used as it is; else it is said what has changed."""
    prefix = provide(directory, "test-lib1")
    found = listed(capsys)
    assert [one["state"] for one in found.values()] == ["never made", "ready", "never made", "never made"]
    assert found["test-lib1"]["path"] == str(prefix)
    assert 0 <= found["test-lib1"]["age_s"] < 600
    assert main(["envs", "test-lib1"]) == 0
    assert str(prefix) in capsys.readouterr().out
    pyproject = directory / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace("lib<2", "lib<1.5"))
    changed = listed(capsys)["test-lib1"]
    assert (changed["state"], changed["why"]) == ("outdated", "requirements lib<2 → lib<1.5")
    pyproject.write_text(pyproject.read_text().replace("lib<1.5", "lib<2"))
    assert listed(capsys)["test-lib1"]["state"] == "ready"
    (module,) = prefix.glob("lib/python*/site-packages/lib/__init__.py")
    module.unlink()
    assert (damaged := listed(capsys)["test-lib1"])["state"] == "outdated"
    assert "lib/__init__.py" in damaged["why"]


@pytest.mark.slow
def test_what_the_command_made_is_known_by_name(directory: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pyproject = directory / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace("tags =", "commands = ['python -V', 'python -V']\ntags ="))
    assert main(["run", "-e", "lint"]) == 0
    pyproject.write_text(pyproject.read_text().replace('["app"]', '["lib"]'))
    capfd.readouterr()
    assert main(["envs", "lint", "--json"]) == 0
    (found,) = json.loads(capfd.readouterr().out)
    assert (found["state"], found["why"]) == ("outdated", "requirements app → lib")


@pytest.mark.slow
def test_what_a_session_was_given_besides_does_not_count(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An environment of a pytest session is ready for the next one, whatever that one is given besides."""
    pyproject = directory / "pyproject.toml"
    plain = pyproject.read_text()
    pyproject.write_text(plain.replace("tags = ", "strict = true\ntags = "))
    needs = SessionNeeds(("pytest==8.0",), {"pytest_fastenv_runtime/x.py": b""})
    provide(directory, "lint", needs, {"link": Given("copy", Origin("--fastenv-link"))})
    assert listed(capsys)["lint"]["state"] == "ready"
    pyproject.write_text(plain)
    assert listed(capsys)["lint"]["why"] == "strict True → False"


@pytest.mark.slow
def test_the_environment_of_another_name_is_ready_for_the_same_question_only(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pyproject = directory / "pyproject.toml"
    pyproject.write_text(
        pyproject.read_text() + "[tool.fastenv.envs.same]\nrequirements = ['app']\n[tool.fastenv.envs.other]\n"
    )
    prefix = provide(directory, "lint")
    found = listed(capsys, "same", "other")
    assert (found["same"]["state"], found["same"]["path"]) == ("ready", str(prefix))
    assert found["other"]["state"] == "never made"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", "test-lib2"])
def test_what_a_session_was_given_says_nothing_of_other_names(
    directory: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """A session with sources of its own, or in another environment by name, is none of this one."""
    needs = SessionNeeds(("pytest==8.0",), {})
    above = {"sources": Given(("lib<2",), Origin("--fastenv")), "link": Given("copy", Origin("--fastenv-link"))}
    loaded = load(tables(directory), variables(os.environ), above)
    asked = Question.of(loaded.settings, directory, directory, needs, None, os.environ, name)
    provide_question(replace(asked, besides=frozenset(above)))
    assert {one["state"] for one in listed(capsys, "lint", "test-lib1").values()} == {"never made"}


def test_a_value_that_is_not_accepted_is_told_beside_the_others(
    directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTENV_CONCURRENT", "x")
    assert main(["envs"]) == 4
    monkeypatch.delenv("FASTENV_CONCURRENT")
    assert main(["envs", "lnit"]) == 4
    assert "did you mean lint?" in capsys.readouterr().err


def test_where_nothing_is_declared(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "pyproject.toml").unlink()
    assert main(["envs"]) == 4
    assert "no environments are declared here" in capsys.readouterr().err
    assert main(["envs", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"


def test_the_schema(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["envs", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out) == schema()
