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
    requirements = ["afar==1.0"]

    [tool.fastenv.envs.two]
    requirements = ["afar==2.0"]
"""

#: One test for each environment, which holds there alone.
CANARIES = """\
    import sys
    import unittest

    import afar
    import pytest

    @pytest.mark.parametrize("version", ["1.0", "2.0"])
    def test_canary(version):
        assert afar.VERSION == version

    def test_at_home():
        assert afar.PREFIX == sys.prefix

    @pytest.mark.skipif(afar.VERSION == "1.0", reason="not in one")
    def test_skipped_in_one():
        pass

    if afar.VERSION == "2.0":
        class Test(unittest.TestCase):
            def test_in_two_alone(self):
                pass
"""


@pytest.fixture
def afar(project: Project, suite_index: IndexServer) -> Project:
    for version in ("1.0", "2.0"):
        code = f"import sys\nVERSION = {version!r}\nPREFIX = sys.prefix\n"
        make_wheel(suite_index.directory, "afar", version, files={"afar.py": code})
    (project.directory / "test_inside.py").unlink()
    project.write(pyproject__toml=ENVIRONMENTS, test_it__py=CANARIES)
    return project


def table(output: str) -> dict[str, list[str]]:
    """Return the rows of the table: what stands beside each environment's name."""
    lines = output.partition("= environments =")[2].splitlines()
    return {name: line.split() for line in lines for name in ("one", "two") if re.match(rf"{name}  ", line)}


def test_each_canary_holds_in_its_environment_alone(afar: Project) -> None:
    run = afar.run(*ALL, "-v", "--junitxml", "junit.xml")
    progress = [int(percent) for percent in re.findall(r"\[ *(\d+)%\]$", run.stdout, re.MULTILINE)]
    assert progress == sorted(progress)
    assert progress.count(100) == 1, "the last test of the last environment"
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
    assert "one: afar 1.0" in run.stdout
    suites = {
        suite.get("name"): [suite.get(key) for key in ("tests", "failures", "errors", "skipped")]
        for suite in ET.parse(afar.directory / "junit.xml").getroot().iter("testsuite")
    }
    assert suites == {"one": ["4", "1", "0", "1"], "two": ["5", "1", "0", "0"]}


def test_a_plain_node_id_selects_in_all_and_one_with_a_name_there_alone(afar: Project) -> None:
    run = afar.run(*ALL, "-v", "test_it.py::test_canary[1.0][one]", "test_it.py::test_at_home")
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.findall(r"^test_it.py::(\S+) (\w+)", run.stdout, re.MULTILINE) == [
        ("test_canary[1.0][one]", "PASSED"),
        ("test_at_home[one]", "PASSED"),
        ("test_at_home[two]", "PASSED"),
    ]


def test_what_no_environment_has_is_a_wrong_request(afar: Project) -> None:
    run = afar.run(*ALL, "test_missing.py")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR, run.stdout + run.stderr
    assert "ERROR: not found in any environment: test_missing.py" in run.stderr
    assert run.stdout.count("does not have test_missing.py") == 2


def test_the_first_failure_ends_the_session_across_environments(afar: Project) -> None:
    run = afar.run(*ALL, "-x")
    assert run.returncode == 1, run.stdout + run.stderr
    assert table(run.stdout)["two"][1:3] == ["-", "-"]


@pytest.mark.parametrize(
    ("death", "told"),
    [("os.kill(os.getpid(), 9)", "was ended by signal 9"), ("os._exit(7)", "ended with exit code 7")],
)
def test_a_process_that_dies_ends_its_environments_part_alone(afar: Project, death: str, told: str) -> None:
    code = f"import os\nimport afar\n\ndef test_dies():\n    if afar.VERSION == '1.0':\n        {death}\n"
    afar.write(test_it__py=code)
    run = afar.run(*ALL)
    assert run.returncode == 1, run.stdout + run.stderr
    assert f"one: the process in which the tests ran {told} while it ran this test" in run.stdout
    assert "FAILED test_it.py::test_dies[one]" in run.stdout
    assert "1 failed, 1 passed" in run.stdout


def test_a_collection_error_ends_its_environments_part_alone(afar: Project) -> None:
    afar.write(test_it__py="import afar\n\nassert afar.VERSION == '2.0'\n\ndef test_fine():\n    pass\n")
    run = afar.run(*ALL)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "1 passed, 1 error" in run.stdout
    assert "1 error during collection" in " ".join(table(run.stdout)["one"])


def test_an_internal_error_of_one_is_told_once(afar: Project) -> None:
    afar.write(
        conftest__py="import afar\n\ndef pytest_collection_finish():\n    assert afar.VERSION == '2.0', 'broken'\n",
        test_it__py="def test_fine():\n    pass\n",
    )
    run = afar.run(*ALL)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "fastenv: one: error: an internal error of pytest" in run.stdout
    assert "INTERNALERROR" not in run.stderr
    assert "1 passed" in run.stdout


def test_a_debugger_inside_reads_what_is_typed(afar: Project) -> None:
    afar.write(test_it__py="def test_fails():\n    assert not 'typed'\n")
    run = subprocess.run(
        afar.command(*ALL, "--pdb"),
        cwd=afar.directory,
        env=afar.environ,
        input="p 40 + 2\nc\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0, run.stdout + run.stderr
    assert "(Pdb) 42" in run.stdout, run.stdout + run.stderr


#: What plugins do that tell workers of pytest-xdist something, and are told something by them.
TELLS = """\
    import pathlib

    class Hooks:
        def pytest_configure_node(self, node):
            node.workerinput["seed"] = node.config.option.seed

        def pytest_testnodedown(self, node, error):
            with pathlib.Path("told").open("a") as file:
                print(node.gateway.id, node.workeroutput["seen"], error, file=file)

    def pytest_addoption(parser):
        parser.addoption("--seed", type=int)

    def pytest_configure(config):
        if config.pluginmanager.hasplugin("xdist"):
            config.pluginmanager.register(Hooks())
        if hasattr(config, "workerinput"):
            config.workeroutput["seen"] = config.workerinput["seed"]
        else:
            config.option.seed = 7
"""


def test_plugins_tell_and_are_told_as_with_workers(afar: Project) -> None:
    afar.write(
        pyproject__toml=ENVIRONMENTS.replace("afar==", 'pytest-xdist", "pytest-cov", "afar=='),
        conftest__py=TELLS,
        test_it__py="def test_it(request): assert request.config.workerinput['seed'] == 7\n",
    )
    run = afar.run(*ALL, "--cov=.")
    assert run.returncode == 0, run.stdout + run.stderr
    assert (afar.directory / "told").read_text() == "one 7 None\ntwo 7 None\n"


def test_plugins_that_would_tell_workers_find_their_options_where_xdist_is_missing(afar: Project) -> None:
    afar.write(
        conftest__py=TELLS,
        test_it__py="def test_it(request): assert request.config.workerinput['seed'] == 7\n",
    )
    run = afar.run(*ALL)
    assert run.returncode == 0, run.stdout + run.stderr
    assert not (afar.directory / "told").exists()


@pytest.mark.parametrize("option", ["-k", "-m"])
def test_what_pytest_refuses_inside_is_a_wrong_request(afar: Project, option: str) -> None:
    run = afar.run(*ALL, option, "(")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR, run.stdout + run.stderr
    assert f"Wrong expression passed to '{option}'" in run.stderr
    assert run.stdout.count("pytest refused its command line or its configuration") == 2


def test_an_exit_code_that_nothing_else_accounts_for_is_a_failure(afar: Project) -> None:
    afar.write(
        conftest__py="""\
            import afar

            def pytest_sessionfinish(session):
                if hasattr(session.config, "workerinput") and afar.VERSION == "2.0":
                    session.exitstatus = 1
            """,
        test_it__py="def test_it(): pass\n",
    )
    run = afar.run(*ALL)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "fastenv: two: error: pytest ended with exit code 1" in run.stdout


def test_parameters_that_no_environment_has_are_a_wrong_request(afar: Project) -> None:
    run = afar.run(*ALL, "test_it.py::test_at_home[3]", "test_it.py::test_canary[1.0]")
    assert run.returncode == 1, run.stdout + run.stderr
    assert run.stdout.count("does not have test_it.py::test_at_home[3]") == 2
    assert "1 failed, 1 passed" in run.stdout
    assert afar.run(*ALL, "test_it.py::test_at_home[3]").returncode == pytest.ExitCode.USAGE_ERROR


def test_sessions_that_run_nothing_are_pytests_own(afar: Project) -> None:
    run = afar.run("--fastenv-env", "all", "--fixtures")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "= environments =" not in run.stdout


@pytest.mark.parametrize("option", ["--setup-show", "--setup-plan"])
def test_setup_of_fixtures_is_shown(afar: Project, option: str) -> None:
    text = "import pytest\n@pytest.fixture\ndef held():\n    yield\ndef test_it(held):\n    pass\n"
    afar.write(test_it__py=text)
    run = afar.run(*ALL, option)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("SETUP    F held") == run.stdout.count("TEARDOWN F held") == 2
