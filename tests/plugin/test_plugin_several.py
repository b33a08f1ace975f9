"""Several environments for one session, outside: from the command line to what became of each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Project

pytestmark = pytest.mark.slow

_TWO = """\
    [tool.fastenv]
    project = "none"

    [tool.fastenv.envs.one]
    requirements = ["library"]

    [tool.fastenv.envs.two]
    requirements = ["library", "early-plugin"]
    """


def _report(project: Project) -> dict[str, dict[str, dict[str, str]]]:
    text = (project.directory / "report.json").read_text(encoding="utf-8")
    told: dict[str, dict[str, dict[str, str]]] = json.loads(text)["otherData"]["environments"]
    return told


def test_a_report_is_about_all_environments_also_when_all_are_there(project: Project, tmp_path: Path) -> None:
    project.variables["FASTENV_CACHE_DIR"] = str(tmp_path / "store")  # other tests make one of these environments
    project.write(pyproject__toml=_TWO)
    for reused in (False, True):
        result = project.run("--fastenv-env", "all", "--fastenv-report", "report.json")
        assert result.returncode == 0, result.stdout + result.stderr
        environments = _report(project)
        assert {name: one["reused"] for name, one in environments.items()} == {"one": reused, "two": reused}
        assert "early-plugin" not in environments["one"]["versions"]
        assert {"library", "pytest", "early-plugin"} <= set(environments["two"]["versions"])
        (project.directory / "report.json").unlink()


@pytest.mark.parametrize(("second", "code"), [("no-such", 4), ("far @ http://127.0.0.1:9/far-1.0-py3-none-any.whl", 3)])
def test_where_none_can_be_had_each_is_told_in_their_order(project: Project, second: str, code: int) -> None:
    text = _TWO.replace('"library", "early-plugin"', f'"{second}"').replace('"library"', '"library<1"')
    project.write(pyproject__toml=text)
    result = project.run("--fastenv-env", "all")
    told = result.stdout + result.stderr
    assert result.returncode == code, told
    assert "Traceback" not in told
    assert "[1/2] environment one: " in told
    assert "[2/2] environment two: " in told


def test_where_no_interpreter_is_there_and_that_is_allowed_nothing_runs_and_it_is_said(project: Project) -> None:
    project.write(
        pyproject__toml=_TWO.replace("requirements", 'python = "/no/python"\nallow-missing-python = true\nrequirements')
    )
    result = project.run("--fastenv-env", "all")
    told = result.stdout + result.stderr
    assert result.returncode == 4, told
    assert "Traceback" not in told
    assert "no environment can be had" in told
    assert "/no/python" in told
