"""``--fastenv-env`` without ``-n``: one session over several environments, one after the other."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from kit.archives import make_wheel
from kit.server import IndexServer

if TYPE_CHECKING:
    from conftest import Project

pytestmark = pytest.mark.slow

ALL = ("--fastenv-env", "all", "-p", "no:cacheprovider")

ENVIRONMENTS = """\
    [tool.fastenv]
    project = "none"

    [tool.fastenv.envs.one]
    requirements = ["apart==1.0"]

    [tool.fastenv.envs.two]
    requirements = ["apart==2.0"]
"""

#: One test for each environment, which holds there alone.
CANARIES = """\
    import sys
    import unittest

    import apart
    import pytest

    @pytest.mark.parametrize("version", ["1.0", "2.0"])
    def test_canary(version):
        assert apart.VERSION == version

    def test_at_home():
        assert apart.PREFIX == sys.prefix

    @pytest.mark.skipif(apart.VERSION == "1.0", reason="not in one")
    def test_skipped_in_one():
        pass

    if apart.VERSION == "2.0":
        class Test(unittest.TestCase):
            def test_in_two_alone(self):
                pass
"""


@pytest.fixture
def apart(project: Project, suite_index: IndexServer) -> Project:
    for version in ("1.0", "2.0"):
        code = f"import sys\nVERSION = {version!r}\nPREFIX = sys.prefix\n"
        make_wheel(suite_index.directory, "apart", version, files={"apart.py": code})
    (project.directory / "test_inside.py").unlink()
    project.write(pyproject__toml=ENVIRONMENTS, test_it__py=CANARIES)
    return project


def table(output: str) -> dict[str, list[str]]:
    """Return the rows of the table: what stands beside each environment's name."""
    lines = output.partition("= environments =")[2].splitlines()
    return {name: line.split() for line in lines for name in ("one", "two") if re.match(rf"{name}  ", line)}


def test_each_canary_holds_in_its_environment_alone(apart: Project) -> None:
    run = apart.run(*ALL, "-v", "--junitxml", "junit.xml")
    assert run.returncode == 1, run.stdout + run.stderr
    for verdict in (
        "test_it.py::test_canary[1.0][one] PASSED",
        "test_it.py::test_canary[2.0][one] FAILED",
        "test_it.py::test_canary[1.0][two] FAILED",
        "test_it.py::test_canary[2.0][two] PASSED",
        "test_it.py::test_at_home[one] PASSED",
        "test_it.py::test_at_home[two] PASSED",
        "test_it.py::test_skipped_in_one[one] SKIPPED (not in one)",
        "test_it.py::test_skipped_in_one[two] PASSED",
        "test_it.py::Test::test_in_two_alone[two] PASSED",
    ):
        assert verdict in run.stdout, run.stdout
    assert "test_in_two_alone[one]" not in run.stdout
    assert table(run.stdout)["one"][1:4] == ["2", "1", "1"]
    assert table(run.stdout)["two"][1:4] == ["4", "1", "-"]
    assert "one: apart 1.0" in run.stdout
    suites = {
        suite.get("name"): [suite.get(key) for key in ("tests", "failures", "errors", "skipped")]
        for suite in ET.parse(apart.directory / "junit.xml").getroot().iter("testsuite")
    }
    assert suites == {"one": ["4", "1", "0", "1"], "two": ["5", "1", "0", "0"]}


def test_a_plain_node_id_selects_in_all_and_one_with_a_name_there_alone(apart: Project) -> None:
    run = apart.run(*ALL, "-v", "test_it.py::test_canary[1.0][one]", "test_it.py::test_at_home")
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.findall(r"^test_it.py::(\S+) (\w+)", run.stdout, re.MULTILINE) == [
        ("test_canary[1.0][one]", "PASSED"),
        ("test_at_home[one]", "PASSED"),
        ("test_at_home[two]", "PASSED"),
    ]


def test_what_no_environment_has_is_a_wrong_request(apart: Project) -> None:
    run = apart.run(*ALL, "test_missing.py")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR, run.stdout + run.stderr
    assert "test_missing.py" in run.stderr
    assert run.stdout.count("does not have what was asked for") == 2


def test_the_first_failure_ends_the_session_across_environments(apart: Project) -> None:
    run = apart.run(*ALL, "-x")
    assert run.returncode == 1, run.stdout + run.stderr
    assert table(run.stdout)["two"][1:3] == ["-", "-"]


@pytest.mark.parametrize(
    ("death", "told"),
    [("os.kill(os.getpid(), 9)", "was ended by signal 9"), ("os._exit(7)", "ended with exit code 7")],
)
def test_a_process_that_dies_ends_its_environments_part_alone(apart: Project, death: str, told: str) -> None:
    code = f"import os\nimport apart\n\ndef test_dies():\n    if apart.VERSION == '1.0':\n        {death}\n"
    apart.write(test_it__py=code)
    run = apart.run(*ALL)
    assert run.returncode == 1, run.stdout + run.stderr
    assert f"one: the process in which the tests ran {told} while it ran this test" in run.stdout
    assert "FAILED test_it.py::test_dies[one]" in run.stdout
    assert "1 failed, 1 passed" in run.stdout


def test_a_collection_error_ends_its_environments_part_alone(apart: Project) -> None:
    apart.write(test_it__py="import apart\n\nassert apart.VERSION == '2.0'\n\ndef test_fine():\n    pass\n")
    run = apart.run(*ALL)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "1 passed, 1 error" in run.stdout
    assert "1 error during collection" in " ".join(table(run.stdout)["one"])


def test_an_internal_error_of_one_is_told_once(apart: Project) -> None:
    apart.write(
        conftest__py="import apart\n\ndef pytest_collection_finish():\n    assert apart.VERSION == '2.0', 'broken'\n",
        test_it__py="def test_fine():\n    pass\n",
    )
    run = apart.run(*ALL)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "fastenv: one: error: an internal error of pytest" in run.stdout
    assert "INTERNALERROR" not in run.stderr
    assert "1 passed" in run.stdout


def test_a_debugger_inside_reads_what_is_typed(apart: Project) -> None:
    apart.write(test_it__py="def test_fails():\n    assert not 'typed'\n")
    run = subprocess.run(
        apart.command(*ALL, "--pdb"),
        cwd=apart.directory,
        env=apart.environ,
        input="p 40 + 2\nc\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0, run.stdout + run.stderr
    assert "(Pdb) 42" in run.stdout, run.stdout + run.stderr
