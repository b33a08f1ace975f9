"""The session inside gets what pytest was given outside: options, files, variables, exit codes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from kit.archives import make_project

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Project

pytestmark = pytest.mark.slow

HEADER = re.compile(r"^fastenv: \d+ distributions?\b.*CPython \d+\.\d+", re.MULTILINE)


def fine(run, *, passed: int = 1) -> str:
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{passed} passed" in run.stdout
    return run.stdout


def test_runs_inside_and_says_so(project: Project) -> None:
    output = fine(project.run("--fastenv", "requirements.txt"))
    assert HEADER.search(output)
    assert output.count("test session starts") == 1


def test_without_it_nothing_is_different(project: Project) -> None:
    run = project.run("-q", "-k", "nothing", "--collect-only")
    assert "No module named 'library'" in run.stdout
    assert "fastenv" not in run.stderr


def test_outside_packages_are_not_importable(project: Project) -> None:
    project.write(
        test_outside__py="""\
            import importlib.util
            import pytest

            @pytest.mark.parametrize("name", ["httpx", "pytest_fastenv", "virtualenv", "xdist", "outside_module"])
            def test_absent(name):
                assert importlib.util.find_spec(name) is None
            """
    )
    outside = project.directory.parent / "outside"
    outside.mkdir()
    (outside / "outside_module.py").touch()
    project.variables["PYTHONPATH"] = str(outside)
    fine(project.run("--fastenv", "requirements.txt", "test_outside.py"), passed=5)


def test_pythonpath_reaches_inside_when_asked(project: Project) -> None:
    outside = project.directory.parent / "outside"
    outside.mkdir()
    (outside / "outside_module.py").touch()
    project.variables["PYTHONPATH"] = str(outside)
    project.write(test_inside__py="def test_it():\n    import outside_module\n")
    fine(project.run("--fastenv", "requirements.txt", "--fastenv-inherit-pythonpath"))


def test_same_pytest_version(project: Project) -> None:
    project.write(
        test_inside__py=f"""\
            import pytest

            def test_version():
                assert pytest.__version__ == {pytest.__version__!r}
            """
    )
    fine(project.run("--fastenv", "requirements.txt"))


def test_options_of_plugins_that_only_the_inside_has(project: Project) -> None:
    output = fine(project.run("--fastenv", "requirements.txt", "--fastenv", "pytest-only-inside", "--only-inside=x"))
    assert "only inside: x" in output


def test_plugin_named_with_p_that_only_the_inside_has(project: Project) -> None:
    """pytest imports ``-p`` plugins in the order given, before it knows others: so this one goes first."""
    arguments = ("-p", "fastenv", "-p", "early_plugin", "--fastenv", "requirements.txt", "--fastenv", "early-plugin")
    assert "early plugin is here" in fine(project.run(*arguments))


def test_p_in_the_ini_file_goes_first_for_every_command_line(project: Project) -> None:
    project.write(pytest__ini="[pytest]\naddopts = -p fastenv\n", requirements__txt="library\nearly-plugin\n")
    output = fine(project.run("-p", "early_plugin", "--fastenv", "requirements.txt"))
    assert "early plugin is here" in output


def test_plugins_variable_names_one_that_only_the_inside_has(project: Project) -> None:
    project.write(requirements__txt="library\nearly-plugin\n")
    project.variables["PYTEST_PLUGINS"] = "early_plugin"
    assert "early plugin is here" in fine(project.run("--fastenv", "requirements.txt"))


def test_required_plugins(project: Project) -> None:
    project.write(
        pytest__ini="[pytest]\nrequired_plugins = pytest-fastenv>=0.1 pytest-only-inside\n",
        requirements__txt="library\npytest-only-inside\n",
    )
    fine(project.run("--fastenv", "requirements.txt"))


def test_required_plugin_that_is_nowhere(project: Project) -> None:
    project.write(pytest__ini="[pytest]\nrequired_plugins = pytest-nowhere\n")
    run = project.run("--fastenv", "requirements.txt")
    assert run.returncode == 4
    assert "Missing required plugins: pytest-nowhere" in run.stderr


def test_addopts_variable(project: Project) -> None:
    project.variables["PYTEST_ADDOPTS"] = "--fastenv requirements.txt -v"
    assert "test_inside.py::test_inside PASSED" in fine(project.run())


def test_addopts_of_the_ini_file_from_a_directory_below(project: Project) -> None:
    project.write(pytest__ini="[pytest]\naddopts = --fastenv requirements.txt\n")
    below = project.directory / "below"
    below.mkdir()
    assert HEADER.search(fine(project.run("..", cwd=below)))


def test_ini_value_alone_turns_it_on(project: Project) -> None:
    project.write(pytest__ini="[pytest]\nfastenv = requirements.txt\nfastenv_max_age = forever\n")
    below = project.directory / "below"
    below.mkdir()
    assert HEADER.search(fine(project.run("..", cwd=below)))


def test_ini_value_can_be_turned_off(project: Project) -> None:
    project.write(pytest__ini="[pytest]\nfastenv = requirements.txt\n", test_inside__py="def test_it():\n    pass\n")
    assert "fastenv: " not in fine(project.run("-o", "fastenv="))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject__toml", "[tool.pytest.ini_options]\nfastenv = ['requirements.txt']\n"),
        ("tox__ini", "[pytest]\nfastenv =\n  requirements.txt\n"),
        ("setup__cfg", "[tool:pytest]\nfastenv = requirements.txt\n"),
        ("other__ini", "[pytest]\nfastenv = requirements.txt\n"),
    ],
)
def test_ini_styles(project: Project, name: str, text: str) -> None:
    project.write(**{name: text})
    more = ("-c", "other.ini") if name == "other__ini" else ()
    assert HEADER.search(fine(project.run(*more)))


@pytest.mark.skipif(pytest.version_tuple < (9, 0), reason="native TOML came with pytest 9")
def test_native_toml(project: Project) -> None:
    project.write(pyproject__toml="[tool.pytest]\nfastenv = ['requirements.txt']\nfastenv_offline = false\n")
    assert HEADER.search(fine(project.run()))


def test_tool_table_gives_settings(project: Project) -> None:
    project.write(pyproject__toml="[tool.fastenv]\nlink = 'sometimes'\n")
    run = project.run("--fastenv", "requirements.txt")
    assert run.returncode == 4
    assert "link in [tool.fastenv] of pyproject.toml: 'sometimes' is not accepted" in run.stderr


def test_rootdir(project: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    output = fine(project.run("--fastenv", "requirements.txt", f"--rootdir={elsewhere}"))
    assert f"rootdir: {elsewhere}" in output


def test_the_project_in_the_rootdir_is_installed_editable(project: Project) -> None:
    make_project(project.directory, "mine", requires=["library"], files={"mine/__init__.py": "VALUE = 41\n"})
    below = project.directory / "tests"
    below.mkdir()
    (below / "test_mine.py").write_text("import mine, library\n\ndef test_mine():\n    assert mine.VALUE == 42\n")
    (below / "more.txt").write_text("library\n")
    command = ("--fastenv", "more.txt", "test_mine.py")
    assert project.run(*command, cwd=below).returncode == 1
    (project.directory / "mine" / "__init__.py").write_text("VALUE = 42\n")
    ran = project.run(*command, cwd=below)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "reused" in ran.stdout
    assert project.run("--fastenv-project", "none", *command, cwd=below).returncode == 2


@pytest.mark.parametrize("below", ["", "tests/unit"])
def test_addopts_name_the_project_and_its_group(project: Project, below: str) -> None:
    make_project(project.directory, "mine", extras={"test": ["library"]})
    with (project.directory / "pyproject.toml").open("a") as file:
        file.write("[dependency-groups]\ntest = ['early-plugin']\n")
    (project.directory / "tests" / "unit").mkdir(parents=True)
    project.write(pytest__ini="[pytest]\naddopts = --fastenv .[test] --fastenv group:test -p fastenv -p early_plugin\n")
    run = project.run(str(project.directory / "test_inside.py"), cwd=project.directory / below)
    assert "early plugin is here" in fine(run)


def test_named_ini_file_below_the_project(project: Project) -> None:
    make_project(project.directory, "mine")
    (project.directory / "config").mkdir()
    (project.directory / "config" / "pytest.ini").write_text("[pytest]\n")
    project.write(test_inside__py="import library, mine\n\ndef test_it():\n    assert mine\n")
    fine(project.run("-c", "config/pytest.ini", "--fastenv", "requirements.txt", "test_inside.py"))


@pytest.mark.parametrize("files", [{"setup.py": ""}, {"pyproject.toml": "[project]\nname = 'mine'\nversion = '1'\n"}])
def test_project_that_is_left_out_is_named(project: Project, files: dict[str, str]) -> None:
    for name, text in files.items():
        (project.directory / name).write_text(text)
    told = f"fastenv: warning: the project in {project.directory} is not installed"
    for _ in range(2):
        assert told in fine(project.run("--fastenv", "requirements.txt"))
    assert told not in fine(project.run("--fastenv", "requirements.txt", "--fastenv-project=none"))


def test_sources_do_not_move_the_rootdir(project: Project) -> None:
    """pytest takes words that it does not know yet for test paths when it looks for its rootdir."""
    project.write(pytest__ini="[pytest]\nfastenv_link = sometimes\n")
    (project.directory.parent / "shared.txt").write_text("library\n")
    run = project.run("--fastenv", "../shared.txt")
    assert "fastenv_link in pytest.ini: 'sometimes' is not accepted" in run.stderr
    project.write(pytest__ini="[pytest]\n")
    for module in (False, True):
        assert f"rootdir: {project.directory}\n" in fine(project.run("--fastenv", "../shared.txt", module=module))
    project.variables["PYTEST_ADDOPTS"] = "--fastenv ../shared.txt"
    assert f"rootdir: {project.directory}\n" in fine(project.run())


@pytest.mark.parametrize("module", [False, True])
def test_form_of_the_command(project: Project, module: bool) -> None:
    """``python -m pytest`` puts the working directory on ``sys.path``, the script does not."""
    tests = project.directory / "tests"
    tests.mkdir()
    (tests / "test_path.py").write_text(
        f"import os, sys\n\ndef test_path():\n    assert (os.getcwd() in sys.path) is {module}\n"
    )
    fine(project.run("--fastenv", "requirements.txt", "tests", module=module))


def test_interpreter_options(project: Project) -> None:
    project.write(
        test_inside__py="""\
            import sys

            def test_flags():
                if sys.flags.optimize != 1 or not sys.flags.utf8_mode or "mine" not in sys._xoptions:
                    raise RuntimeError(sys.flags)
                if "error::ImportWarning" not in sys.warnoptions:
                    raise RuntimeError(sys.warnoptions)
            """
    )
    flags = ("-OXutf8", "-X", "mine", "-W", "error::ImportWarning", "-Wignore::pytest.PytestConfigWarning")
    fine(project.run("--fastenv", "requirements.txt", flags=flags, module=True))


def test_isolated_interpreter(project: Project) -> None:
    project.write(
        test_inside__py="""\
            import sys

            def test_flags():
                import library
                assert sys.flags.isolated
                assert library.PREFIX == sys.prefix
            """
    )
    fine(project.run("--fastenv", "requirements.txt", flags=("-I",)))


@pytest.mark.parametrize(
    ("body", "more", "code"),
    [
        ("pass", (), 0),
        ("assert 0", (), 1),
        ("raise KeyboardInterrupt", (), 2),
        ("pass", ("-k", "no_such_test"), 5),
        ("pass", ("--no-such-option",), 4),
        ("import pytest; pytest.exit('x', returncode=77)", (), 77),
    ],
)
def test_exit_codes(project: Project, body: str, more: tuple[str, ...], code: int) -> None:
    project.write(test_inside__py=f"def test_it():\n    {body}\n")
    assert project.run("--fastenv", "requirements.txt", *more).returncode == code


def test_help_shows_the_options_of_the_inside(project: Project) -> None:
    run = project.run("--fastenv", "pytest-only-inside", "--help")
    assert run.returncode == 0
    assert "--only-inside=WORD" in run.stdout
    assert "--fastenv-max-age=AGE" in run.stdout


def test_versions_of_plugins(project: Project) -> None:
    run = project.run("--fastenv", "pytest-only-inside", "--version", "--version")
    assert run.returncode == 0
    assert "pytest-only-inside-1.0" in run.stdout + run.stderr


def test_fixtures_and_collection(project: Project) -> None:
    project.write(
        conftest__py="""\
            import pytest
            import library

            @pytest.fixture
            def of_the_conftest():
                "A fixture of a conftest that needs the environment."
            """
    )
    run = project.run("--fastenv", "requirements.txt", "--fixtures")
    assert run.returncode == 0
    assert "A fixture of a conftest that needs the environment." in run.stdout
    run = project.run("--fastenv", "requirements.txt", "--co", "-q")
    assert run.returncode == 0
    assert run.stdout.splitlines()[0] == "test_inside.py::test_inside"


def test_quiet(project: Project) -> None:
    project.run("--fastenv", "requirements.txt", "-q")
    run = project.run("--fastenv", "requirements.txt", "-q")
    assert "fastenv" not in fine(run)
    assert run.stderr == ""


def test_without_capturing(project: Project) -> None:
    project.write(test_inside__py="def test_it():\n    print('straight to the terminal')\n")
    assert "straight to the terminal" in fine(project.run("--fastenv", "requirements.txt", "-s"))


def test_junit_and_coverage(project: Project) -> None:
    project.write(requirements__txt="library\npytest-cov\n")
    output = fine(project.run("--fastenv", "requirements.txt", "--junitxml=report.xml", "--cov=test_inside"))
    assert re.search(r"^test_inside\.py\s.*100%$", output, re.MULTILINE)
    assert 'tests="1"' in (project.directory / "report.xml").read_text()


def test_workers(project: Project) -> None:
    project.write(
        pytest__ini="[pytest]\nfastenv = requirements.txt\n",
        test_inside__py="""\
            import os
            import sys
            import library
            import pytest

            @pytest.mark.parametrize("n", range(4))
            def test_inside(n):
                assert library.PREFIX == sys.prefix == os.environ["VIRTUAL_ENV"]
                assert "PYTEST_XDIST_WORKER" in os.environ
            """,
    )
    output = fine(project.run("--fastenv", "requirements.txt", "-n", "2"), passed=4)
    assert "2 workers" in output
    fine(project.run("-n2"), passed=4)


def test_autoload_disabled(project: Project) -> None:
    project.variables["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    fine(project.run("-p", "fastenv", "--fastenv", "requirements.txt"))
    fine(project.run("-p", "pytest_fastenv.plugin.hooks", "--fastenv", "requirements.txt"))
    project.variables["PYTEST_PLUGINS"] = "pytest_fastenv.plugin.hooks"
    fine(project.run("--fastenv", "requirements.txt"))


def test_warnings_as_errors_are_for_tests(project: Project) -> None:
    project.write(pytest__ini="[pytest]\nfilterwarnings = error\n")
    fine(project.run("--fastenv", "requirements.txt", "--fastenv-recreate"))


def test_variables_of_the_session(project: Project) -> None:
    project.write(
        test_inside__py="""\
            import json
            import os
            import subprocess
            import sys

            def test_variables():
                assert os.environ["VIRTUAL_ENV"] == sys.prefix
                assert os.environ["PATH"].startswith(os.path.dirname(sys.executable))
                handed = json.loads(os.environ["FASTENV_INSIDE"])
                assert handed["prefix"] == sys.prefix
                assert "summary" not in handed and "lease_fd" not in handed
                script = "import sys; print(sys.prefix)"
                assert subprocess.check_output(["python", "-c", script], text=True).strip() == sys.prefix
            """
    )
    fine(project.run("--fastenv", "requirements.txt"))


def test_pytest_started_by_a_test_is_in_the_same_environment(project: Project) -> None:
    project.write(
        pytest__ini="[pytest]\nfastenv = requirements.txt\n",
        test_inside__py="""\
            import subprocess
            import sys

            def test_outer():
                done = subprocess.run([sys.executable, "-m", "pytest", "nested.py"], capture_output=True, text=True)
                assert "1 passed" in done.stdout, done.stdout + done.stderr
                assert "fastenv: " not in done.stdout
            """,
        nested__py="import sys\nimport library\n\ndef test_nested():\n    assert library.PREFIX == sys.prefix\n",
    )
    fine(project.run())


def test_pytest_started_by_a_test_gets_the_environment_it_asks_for(project: Project) -> None:
    project.write(
        test_inside__py="""\
            import subprocess
            import sys

            def test_outer():
                command = ["pytest", "--fastenv", "early-plugin", "nested.py"]
                done = subprocess.run(command, capture_output=True, text=True)
                assert "1 passed" in done.stdout, done.stdout + done.stderr
                assert done.stdout.count("fastenv: ") == 1
                assert sys.prefix not in done.stdout
            """,
        nested__py="""\
            import importlib.util

            def test_nested():
                import early_plugin
                assert importlib.util.find_spec("library") is None
            """,
    )
    fine(project.run("--fastenv", "requirements.txt"))


def test_requirements_that_bring_the_whole_plugin(project: Project) -> None:
    """Inside it does what the runtime does."""
    project.write(
        pytest__ini="[pytest]\nfastenv = requirements.txt\nrequired_plugins = pytest-fastenv\n",
        requirements__txt="library\npytest-fastenv\n",
        test_inside__py="""\
            import importlib.util
            import json
            import os
            import subprocess
            import sys

            def test_inside():
                assert importlib.util.find_spec("pytest_fastenv_runtime") is None
                assert importlib.util.find_spec("pytest_fastenv") is not None
                assert "summary" not in json.loads(os.environ["FASTENV_INSIDE"])
                done = subprocess.run([sys.executable, "-m", "pytest", "nested.py"], capture_output=True, text=True)
                assert "1 passed" in done.stdout, done.stdout + done.stderr
            """,
        nested__py="import sys\nimport library\n\ndef test_nested():\n    assert library.PREFIX == sys.prefix\n",
    )
    assert HEADER.search(fine(project.run()))
    assert "2 workers" in fine(project.run("-n2"))


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--fastenv",), 4, "argument --fastenv: expected one argument"),
        (("--fastenv", "no-such-file.txt"), 4, "no-such-file.txt"),
        (("--fastenv", "no-such-project-anywhere"), 4, "no-such-project-anywhere"),
        (("--fastenv", "library", "--fastenv-link", "sometimes"), 4, "--fastenv-link: 'sometimes' is not accepted"),
        (("--fastenv", "library", "--fastenv-max-age", "soon"), 4, "--fastenv-max-age: 'soon' is not accepted"),
    ],
)
def test_wrong_requests(project: Project, arguments: tuple[str, ...], code: int, text: str) -> None:
    run = project.run(*arguments)
    assert run.returncode == code
    assert text in run.stderr
    assert "Traceback" not in run.stdout + run.stderr
    assert "INTERNALERROR" not in run.stdout + run.stderr


def test_index_that_does_not_answer(project: Project, unused_port: int) -> None:
    project.variables["FASTENV_INDEX_URL"] = f"http://127.0.0.1:{unused_port}/simple/"
    project.variables["FASTENV_CACHE_DIR"] = str(project.directory / "store")
    run = project.run("--fastenv", "library")
    assert run.returncode == 3, run.stderr
    assert "Traceback" not in run.stdout + run.stderr


def test_unknown_variable(project: Project) -> None:
    project.variables["FASTENV_OFLINE"] = "1"
    run = project.run("--fastenv", "library")
    assert run.returncode == 4
    assert "did you mean FASTENV_OFFLINE?" in run.stderr


def test_other_interpreter(project: Project, interpreters: list[tuple[tuple[int, ...], Path]]) -> None:
    others = [(version, path) for version, path in interpreters if version[:2] != sys.version_info[:2]]
    newer = [(version, path) for version, path in others if version[:2] > sys.version_info[:2]]
    if not newer:
        pytest.skip("needs a CPython that is newer than the running one")
    version, path = newer[-1]
    project.write(test_inside__py=f"import sys\n\ndef test_it():\n    assert sys.version_info[:2] == {version[:2]!r}\n")
    fine(project.run("--fastenv", "library", "--fastenv-python", str(path)))


def test_trace_is_written_where_it_was_asked_for(project: Project) -> None:
    fine(project.run("--fastenv", "requirements.txt", "--fastenv-recreate", "--fastenv-report", "trace.json"))
    assert json.loads((project.directory / "trace.json").read_text())


def test_a_cold_run_waits_for_nobody(project: Project) -> None:
    """Its own tasks share what they need, and that is no wait."""
    project.variables["FASTENV_CACHE_DIR"] = str(project.directory.parent / "store")
    run = project.run("--fastenv", "requirements.txt", "--fastenv-report", "trace.json")
    assert "waiting" not in fine(run) + run.stderr
    events = json.loads((project.directory / "trace.json").read_text())["traceEvents"]
    assert "link" in {event.get("cat", event["name"]) for event in events}, events[:3]
    assert [event for event in events if "lock-wait" in (event["name"], event.get("cat"))] == []


def test_programs_of_the_environment_outside_are_not_found(project: Project) -> None:
    """What a test runs is its environment's or the system's: never what is installed beside the pytest outside."""
    active = project.directory.parent / "active"
    for directory in (active / "bin", project.directory.parent / "tools"):
        directory.mkdir(parents=True)
        for name in ("pip", "tool-of-active" if directory.name == "bin" else "tool"):
            (directory / name).write_text("#!/bin/sh\nexit 9\n")
            (directory / name).chmod(0o755)
    (active / "pyvenv.cfg").touch()
    own = str(project.script.parent)
    system = "/usr/bin:/bin"
    project.variables |= {"VIRTUAL_ENV": str(active), "PATH": f"{active}/bin:{own}:{active.parent}/tools:{system}"}
    project.write(
        test_inside__py=f"""\
            import os, shutil, subprocess, sys
            import pytest

            def test_programs(fastenv, venv):
                for run in (lambda word: subprocess.run([word]), fastenv.run, venv.run):
                    with pytest.raises(FileNotFoundError):
                        run("tool-of-active")
                assert shutil.which("pip") == "{active.parent}/tools/pip"
                assert shutil.which("pytest") == os.path.join(os.path.dirname(sys.executable), "pytest")
                assert os.environ["VIRTUAL_ENV_PROMPT"] == "fastenv"

            def test_outside(fastenv):
                words = ["pytest", "-p", "no:cacheprovider", "other.py", "--fastenv", "library", "-s"]
                done = subprocess.run(words, capture_output=True, text=True)
                assert "1 passed" in done.stdout, done.stdout + done.stderr
            """,
        other__py="import os, shutil\ndef test_it():\n    assert shutil.which('tool-of-active') is None\n",
    )
    fine(project.run("--fastenv", "requirements.txt"), passed=2)


@pytest.mark.skipif(sys.platform == "win32", reason="programs are replaced by others elsewhere")
def test_a_closed_standard_stream_is_no_file_of_the_store(project: Project) -> None:
    project.write(
        test_streams__py="""\
            import os

            def test_streams():
                assert [os.fstat(number).st_rdev for number in (0, 2)] == [os.stat(os.devnull).st_rdev] * 2
            """
    )
    closing = "import os, sys; os.close(0); os.close(2); os.execv(sys.argv[1], sys.argv[1:])"
    words = [str(project.script), "-s", "--fastenv", "requirements.txt", "-p", "no:cacheprovider", "test_streams.py"]
    for _ in ("made", "reused"):
        run = subprocess.run(
            [sys.executable, "-c", closing, *words],
            cwd=project.directory,
            env=project.environ,
            capture_output=True,
            text=True,
        )
        fine(run)
        assert HEADER.search(run.stdout)
