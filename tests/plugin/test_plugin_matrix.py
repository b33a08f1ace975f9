"""``--fastenv-env``: one session over several environments, in turn and with workers."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kit.interpreters import find_interpreters
from matrix_project import CANARIES, TWO, rows, write_canaries

if TYPE_CHECKING:
    from conftest import Project

pytestmark = pytest.mark.slow

ALL = ("--fastenv-env", "all")
#: In turn, and by workers.
WAYS = pytest.mark.parametrize("way", [(), ("-n", "2")], ids=["in turn", "workers"])


@pytest.fixture
def matrix(project: Project) -> Project:
    write_canaries(project.directory)
    (project.directory / "test_inside.py").unlink()
    project.write(pyproject__toml=TWO, test_canary__py=CANARIES)
    return project


def with_cache(project: Project, *words: str) -> subprocess.CompletedProcess[str]:
    """Run pytest with its cache."""
    command = [word for word in project.command(*words) if word not in ("-p", "no:cacheprovider")]
    return project.run_command(command)


@WAYS
def test_every_test_runs_in_each(matrix: Project, way: tuple[str, ...]) -> None:
    run = matrix.run(*ALL, *way, "-rfs")
    assert run.returncode == 1, run.stdout + run.stderr
    assert "1 failed, 6 passed, 1 skipped" in run.stdout
    assert re.search(r"^FAILED test_canary.py::test_holds_in_two\[one\]", run.stdout, re.MULTILINE)
    assert re.search(r"^_+ test_holds_in_two\[one\] _+$", run.stdout, re.MULTILINE)
    table = rows(run.stdout)
    assert list(table) == ["one", "two"]
    assert (table["one"]["passed"], table["one"]["failed"], table["one"]["skipped"]) == ("3", "1", "-")
    assert (table["two"]["passed"], table["two"]["failed"], table["two"]["skipped"]) == ("3", "-", "1")
    assert re.search(r"^one: canary 1\.0$", run.stdout, re.MULTILINE)
    assert re.search(r"^two: canary 2\.0$", run.stdout, re.MULTILINE)


@WAYS
def test_all_of_them_pass(matrix: Project, way: tuple[str, ...]) -> None:
    run = matrix.run(*ALL, *way, "-k", "not holds")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "5 passed, 1 skipped" in run.stdout


def test_one_alone(matrix: Project) -> None:
    run = matrix.run("--fastenv-env", "two", "-v")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "test_canary.py::test_at_home[1][two] PASSED" in run.stdout
    assert "= environments =" not in run.stdout


@WAYS
def test_node_ids_select(matrix: Project, way: tuple[str, ...]) -> None:
    plain = matrix.run(*ALL, *way, "test_canary.py::test_at_home")
    assert "4 passed" in plain.stdout, plain.stdout
    shown = matrix.run(*ALL, *way, "test_canary.py::test_at_home[1][two]", "test_canary.py::test_of_one[one]")
    assert "2 passed" in shown.stdout, shown.stdout
    table = rows(shown.stdout)
    assert (table["one"]["passed"], table["two"]["passed"]) == ("1", "1")


@WAYS
def test_a_suite_for_each_in_junit_files(matrix: Project, way: tuple[str, ...], tmp_path: Path) -> None:
    matrix.run(*ALL, *way, f"--junitxml={tmp_path / 'junit.xml'}")
    suites = {suite.get("name"): suite for suite in ET.parse(tmp_path / "junit.xml").getroot()}
    assert list(suites) == ["one", "two"]
    counts = {name: [suite.get(kind) for kind in ("tests", "failures", "skipped")] for name, suite in suites.items()}
    assert counts == {"one": ["4", "1", "0"], "two": ["4", "0", "1"]}
    for name, version in (("one", "1.0"), ("two", "2.0")):
        properties = {one.get("name"): one.get("value") for one in suites[name].iter("property")}
        assert properties["fastenv.environment"] == name
        assert properties["fastenv.version.canary"] == version
        assert {case.get("name", "").rpartition("[")[2] for case in suites[name].iter("testcase")} == {f"{name}]"}


@WAYS
def test_last_failed(matrix: Project, way: tuple[str, ...]) -> None:
    assert "1 failed, 6 passed" in with_cache(matrix, *ALL, *way).stdout
    again = with_cache(matrix, *ALL, *way, "--lf")
    assert again.returncode == 1
    assert re.search(r"= 1 failed(, \d deselected)? in", again.stdout), again.stdout


def test_stepwise_goes_on_where_it_stopped(matrix: Project) -> None:
    first = with_cache(matrix, *ALL, "--sw")
    assert "1 failed, 3 passed" in first.stdout, first.stdout
    matrix.write(test_canary__py=CANARIES.replace("VERSION == 2\n", "VERSION in (1, 2)\n"))
    again = with_cache(matrix, *ALL, "--sw")
    assert "1 skipped" in again.stdout, again.stdout
    assert "4 passed" in again.stdout
    assert again.returncode == 0


@WAYS
@pytest.mark.parametrize("option", ["-x", "--maxfail=2"])
def test_stopping(matrix: Project, way: tuple[str, ...], option: str) -> None:
    matrix.write(
        test_canary__py="import pytest\n\n@pytest.mark.parametrize('n', range(30))\ndef test_it(n):\n    assert n < 0\n"
    )
    run = matrix.run(*ALL, *way, option, *(("--maxschedchunk=1",) if way else ()))
    most = 1 if option == "-x" else 2
    assert run.returncode == (2 if way else 1), run.stdout + run.stderr
    assert f"stopping after {most} failures" in run.stdout
    if not way:
        assert f"= {most} failed in" in run.stdout


@WAYS
def test_collections_differ(matrix: Project, way: tuple[str, ...]) -> None:
    matrix.write(
        test_canary__py="""\
            import canary

            if canary.VERSION == 2:
                def test_new():
                    pass
            """
    )
    run = matrix.run(*ALL, *way)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 passed" in run.stdout
    table = rows(run.stdout)
    assert (table["one"]["passed"], table["two"]["passed"]) == ("-", "1")
    assert table["one"]["remark"] == "no tests"


def test_no_tests_at_all(matrix: Project) -> None:
    assert matrix.run(*ALL, "-k", "nothing_is_called_so").returncode == 5


@WAYS
def test_collection_error_in_one(matrix: Project, way: tuple[str, ...]) -> None:
    matrix.write(
        test_canary__py=CANARIES,
        test_more__py="import canary\n\nassert canary.VERSION == 2\n\ndef test_more():\n    pass\n",
    )
    run = matrix.run(*ALL, *way, "-k", "not holds")
    assert run.returncode == 1, run.stdout + run.stderr
    table = rows(run.stdout)
    assert table["one"]["error"] == "1"
    assert table["two"]["passed"] == "3"
    assert re.search(r"^ERROR test_more.py", run.stdout, re.MULTILINE)


@WAYS
def test_a_process_that_is_killed(matrix: Project, way: tuple[str, ...]) -> None:
    matrix.write(
        test_canary__py=CANARIES
        + """\

def test_kill():
    if canary.VERSION == 1:
        os.kill(os.getpid(), 9)

def test_last():
    pass
"""
    )
    run = matrix.run(*ALL, *way, "-k", "not holds")
    assert run.returncode == 1, run.stdout + run.stderr
    assert re.search(r"^FAILED test_canary.py::test_kill\[one\]", run.stdout, re.MULTILINE), run.stdout
    assert rows(run.stdout)["two"]["passed"] == "4"


@WAYS
def test_one_that_cannot_be_provided(matrix: Project, way: tuple[str, ...]) -> None:
    more = '[tool.fastenv.envs.three]\nrequirements = ["no-such-project"]\n'
    matrix.write(pyproject__toml=TWO + more)
    fine = matrix.run(*ALL, *way, "-k", "not holds")
    assert fine.returncode == 4, fine.stdout + fine.stderr
    assert "5 passed, 1 skipped" in fine.stdout
    assert "not provided" in rows(fine.stdout)["three"]["remark"]
    assert "no-such-project" in fine.stdout + fine.stderr
    assert matrix.run(*ALL, *way).returncode == 1  # a test that failed comes first
    matrix.write(pyproject__toml=TWO + more + "allow-failure = true\n")
    assert matrix.run(*ALL, *way, "-k", "not holds").returncode == 0


def test_none_can_be_provided(matrix: Project) -> None:
    matrix.write(
        pyproject__toml="""\
            [tool.fastenv]
            project = "none"
            [tool.fastenv.envs.one]
            requirements = ["no-such-project"]
            [tool.fastenv.envs.two]
            requirements = ["no-other-project"]
            """
    )
    run = matrix.run(*ALL)
    assert run.returncode == 4, run.stdout + run.stderr
    assert "no-such-project" in run.stderr
    assert "no-other-project" in run.stderr


def test_a_missing_interpreter_may_be_skipped(matrix: Project) -> None:
    matrix.variables["FASTENV_PYTHON_DOWNLOADS"] = "never"
    missing = '[tool.fastenv.envs.old]\npython = "3.1"\nrequirements = []\n'
    matrix.write(pyproject__toml=TWO + missing)
    assert matrix.run(*ALL, "-k", "not holds").returncode == 4
    matrix.write(pyproject__toml=TWO + missing + "allow-missing-python = true\n")
    run = matrix.run(*ALL, "-k", "not holds")
    assert run.returncode == 0, run.stdout + run.stderr
    assert rows(run.stdout)["old"]["remark"].startswith("skipped: ")


@WAYS
def test_failure_that_is_allowed(matrix: Project, way: tuple[str, ...]) -> None:
    matrix.write(
        pyproject__toml=TWO.replace("[tool.fastenv.envs.two]", "allow-failure = true\n[tool.fastenv.envs.two]")
    )
    run = matrix.run(*ALL, *way)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 failed" in run.stdout


@WAYS
def test_equal_environments_are_told(matrix: Project, way: tuple[str, ...]) -> None:
    matrix.write(pyproject__toml=TWO + '[tool.fastenv.envs.other]\nrequirements = ["./canary-2.0-py3-none-any.whl"]\n')
    for _ in ("made", "found"):
        run = matrix.run(*ALL, *way, "-k", "not holds")
        assert run.returncode == 0, run.stdout + run.stderr
        remarks = {name: row["remark"] for name, row in rows(run.stdout).items()}
        assert remarks["one"] == ""
        assert {remarks["two"], remarks["other"]} in (
            {"", "the same environment as two"},
            {"", "the same environment as other"},
        )


def test_what_one_has_and_another_lacks_is_told_of_both(matrix: Project) -> None:
    bare = "[tool.fastenv.envs.bare]\nrequirements = []\n"
    matrix.write(pyproject__toml=TWO + bare, test_canary__py="def test_it():\n    pass\n")
    told = matrix.run(*ALL).stdout
    assert re.search(r"^one: canary 1\.0$", told, re.MULTILINE), told
    assert re.search(r"^bare: no canary$", told, re.MULTILINE), told
    same = TWO.replace("canary-2.0", "canary-1.0")
    matrix.write(pyproject__toml=same)
    told = matrix.run(*ALL).stdout
    assert rows(told)
    assert not re.search(r"^(one|two): ", told, re.MULTILINE), told


@WAYS
def test_variables_of_each(matrix: Project, way: tuple[str, ...]) -> None:
    matrix.variables |= {"SECRET": "s", "SHARED": "x"}
    matrix.write(
        pyproject__toml="""\
            [tool.fastenv]
            project = "none"
            [tool.fastenv.envs.one]
            requirements = []
            set-env = { COLOUR = "red", WHERE = "{env_name}" }
            [tool.fastenv.envs.two]
            requirements = []
            pass-env = ["SHARED"]
            """,
        test_canary__py="""\
            import os

            def test_it(request):
                seen = [os.environ.get(name, "-") for name in ("COLOUR", "WHERE", "SECRET", "SHARED")]
                expected = {"one": ["red", "one", "s", "x"], "two": ["-", "-", "-", "x"]}
                assert seen == expected[request.node.nodeid.rpartition("[")[2][:-1]]
            """,
    )
    run = matrix.run(*ALL, *way)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "2 passed" in run.stdout


@WAYS
def test_several_interpreters(matrix: Project, way: tuple[str, ...]) -> None:
    others = [str(path) for version, path in find_interpreters() if (3, 11) <= version[:2] != sys.version_info[:2]]
    if not others:
        pytest.skip("no second interpreter on this machine: a matrix of interpreters is NOT tested here")
    matrix.write(
        pyproject__toml=TWO
        + f'[tool.fastenv.envs.other]\npython = "{others[0]}"\nrequirements = ["./canary-2.0-py3-none-any.whl"]\n'
    )
    run = matrix.run(*ALL, *way, "-k", "not holds", "-v")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "7 passed, 2 skipped" in run.stdout


@WAYS
def test_report_says_what_each_held(matrix: Project, way: tuple[str, ...], tmp_path: Path) -> None:
    matrix.run(*ALL, *way, "--fastenv-report", str(tmp_path / "trace.json"))
    told = json.loads((tmp_path / "trace.json").read_text())["otherData"]["environments"]
    assert told["one"]["versions"]["canary"] == "1.0"
    assert told["two"]["versions"]["canary"] == "2.0"


@WAYS
def test_report_that_cannot_be_written(matrix: Project, way: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    run = matrix.run(*ALL, *way, "-k", "not holds", "--fastenv-report", str(tmp_path / "file" / "trace.json"))
    assert run.returncode == 3, run.stdout + run.stderr
    assert "fastenv: error: a report cannot be written" in run.stdout
    assert "Traceback" not in run.stdout + run.stderr
    assert "5 passed" in run.stdout


def test_listing(matrix: Project) -> None:
    run = matrix.run(*ALL, "--co", "-q")
    assert run.returncode == 0, run.stdout + run.stderr
    for name in ("one", "two"):
        assert f"test_canary.py::test_at_home[1][{name}]" in run.stdout


@pytest.mark.skipif(os.name == "nt", reason="signals")
@WAYS
def test_interrupted_in_the_middle(matrix: Project, way: tuple[str, ...], tmp_path: Path) -> None:
    """All processes end, what was done is told, and the next run is a run as ever."""
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    matrix.write(
        test_canary__py=f"""\
            import time

            def test_first():
                pass

            def test_wait():
                open({str(begun)!r}, "w").close()
                time.sleep(600)
            """
    )
    process = subprocess.Popen(
        matrix.command(*ALL, *way),
        cwd=matrix.directory,
        env=matrix.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    begun.read_text()
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "KeyboardInterrupt" in output
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    matrix.write(test_canary__py=CANARIES)
    assert "1 failed, 6 passed" in matrix.run(*ALL, *way).stdout


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_interrupting_the_controller_alone_interrupts_the_tests(matrix: Project, tmp_path: Path) -> None:
    """What the tests hold is put away, as where pytest runs them itself; a CI service signals one process."""
    begun, put_away = tmp_path / "begun", tmp_path / "put-away"
    os.mkfifo(begun)
    matrix.write(
        test_canary__py=f"""\
            import pathlib
            import time

            def test_wait():
                open({str(begun)!r}, "w").close()
                try:
                    time.sleep(600)
                finally:
                    pathlib.Path({str(put_away)!r}).touch()
            """
    )
    process = subprocess.Popen(
        matrix.command(*ALL),
        cwd=matrix.directory,
        env=matrix.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    begun.read_text()
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert put_away.exists()


@pytest.mark.skipif(os.name == "nt", reason="signals")
@WAYS
def test_nothing_outlives_a_controller_that_is_killed(matrix: Project, way: tuple[str, ...], tmp_path: Path) -> None:
    begun, over = tmp_path / "begun", tmp_path / "over"
    for pipe in (begun, over):
        os.mkfifo(pipe)
    matrix.write(
        test_canary__py=f"""\
            import os
            import time

            def test_wait():
                end = os.open({str(over)!r}, os.O_RDONLY | os.O_NONBLOCK)  # held as long as this process lives
                with open({str(begun)!r}, "w") as file:
                    file.write(str(end))
                time.sleep(600)
            """
    )
    process = subprocess.Popen(
        matrix.command("--fastenv-env", "one", "--fastenv-env", "two", *way),
        cwd=matrix.directory,
        env=matrix.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    begun.read_text()
    process.kill()
    process.wait()
    deadline = time.monotonic() + 60
    while is_read(over):
        assert time.monotonic() < deadline, "the test still runs"
        time.sleep(0.05)


def is_read(pipe: Path) -> bool:
    """Say whether a process has the reading end of a named pipe."""
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return False
    return True


def test_what_one_environment_lacks(matrix: Project) -> None:
    """The rest of what was asked for runs there; what no environment has is an error."""
    matrix.write(test_more__py="import canary\n\nif canary.VERSION == 2:\n    def test_new():\n        pass\n")
    words = ("test_more.py::test_new", "test_canary.py::test_at_home")
    run = matrix.run(*ALL, *words)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "5 passed" in run.stdout
    assert rows(run.stdout)["one"]["remark"] == "does not have test_more.py::test_new"
    assert matrix.run(*ALL, "test_more.py::test_never").returncode == 4


def test_pytest_exit_gives_its_code(matrix: Project) -> None:
    matrix.write(test_canary__py="import pytest\n\ndef test_it():\n    pytest.exit('no use', 7)\n")
    run = matrix.run(*ALL)
    assert run.returncode == 7, run.stdout + run.stderr
    assert "one: no use" in run.stdout
    assert "two: " not in run.stdout


def test_unknown_name(matrix: Project) -> None:
    run = matrix.run("--fastenv-env", "tow")
    assert run.returncode == 4
    assert "did you mean two?" in run.stderr
