"""The hooks that other plugins and ``conftest.py`` files implement."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from kit.archives import make_wheel

from pytest_fastenv.runtime import hookspecs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Project

USES_LIBRARY = "import sys\nimport library\n\ndef test_inside():\n    assert library.PREFIX == sys.prefix\n"
ASKS = "def pytest_fastenv_requirements(config):\n    return {answer!r}\n"


@pytest.fixture
def bare(project: Project) -> Project:
    """A project whose sources lack what its test uses."""
    project.write(requirements__txt="pytest-only-inside\n")
    return project


@pytest.fixture
def outside(bare: Project) -> Path:
    """A directory of modules that pytest outside can import."""
    directory = bare.directory.parent / "outside"
    directory.mkdir()
    bare.variables["PYTHONPATH"] = str(directory)
    return directory


def install(directory: Path, name: str, module: str, text: str) -> None:
    """Put an installed plugin there, as an installer leaves one behind."""
    path = directory.joinpath(*module.split(".")).with_suffix(".py")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    dist_info = directory / f"{name}-1.0.dist-info"
    dist_info.mkdir()
    (dist_info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (dist_info / "entry_points.txt").write_text(f"[pytest11]\n{name} = {module}\n")


def passed(run: subprocess.CompletedProcess[str], count: int = 1) -> str:
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{count} passed" in run.stdout
    return run.stdout


def refused(run: subprocess.CompletedProcess[str]) -> str:
    assert run.returncode == 4, run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr
    return run.stderr


def test_every_hook_is_described() -> None:
    found = {name: value for name, value in vars(hookspecs).items() if name.startswith("pytest_fastenv_")}
    assert {name: list(inspect.signature(value).parameters) for name, value in found.items()} == {
        "pytest_fastenv_requirements": ["config"],
        "pytest_fastenv_environment_ready": ["config", "environment"],
        "pytest_fastenv_worker_environment": ["node", "environment"],
    }
    page = Path(__file__).parents[2].joinpath("docs", "reference", "hooks.md").read_text(encoding="utf-8")
    assert all(f"`{name}({', '.join(inspect.signature(value).parameters)})`" in page for name, value in found.items())


@pytest.mark.slow
def test_conftest_of_the_root_directory_asks(bare: Project) -> None:
    bare.write(conftest__py=ASKS.format(answer=["library"]))
    passed(bare.run("--fastenv", "requirements.txt"))
    assert "reused" in passed(bare.run("--fastenv", "requirements.txt"))


@pytest.mark.slow
def test_asking_leaves_no_bytecode(bare: Project) -> None:
    """What is imported outside is not kept beside the user's files; what pytest inside keeps has its name in it."""
    bare.variables["PYTHONDONTWRITEBYTECODE"] = None
    bare.write(
        neighbour__py="",
        late__py="REQUIREMENTS = ['library']\n",
        conftest__py="""\
            import os
            if "FASTENV_INSIDE" not in os.environ:
                import neighbour

            def pytest_fastenv_requirements(config):
                import late
                return late.REQUIREMENTS
            """,
    )
    passed(bare.run("--fastenv", "requirements.txt"))
    kept = {path.name for path in bare.directory.rglob("*.pyc")}
    assert kept
    assert {name for name in kept if "-pytest-" not in name} == set()


@pytest.mark.slow
def test_another_answer_is_another_environment(bare: Project) -> None:
    bare.write(conftest__py=ASKS.format(answer=["library"]))
    passed(bare.run("--fastenv", "requirements.txt"))
    bare.write(conftest__py=ASKS.format(answer=None))
    assert "No module named 'library'" in bare.run("--fastenv", "requirements.txt").stdout
    bare.write(conftest__py=ASKS.format(answer=("library==1.0",)))
    passed(bare.run("--fastenv", "requirements.txt"))


@pytest.mark.slow
def test_answers_are_as_binding_as_the_sources(bare: Project) -> None:
    bare.write(conftest__py=ASKS.format(answer=["library<1"]))
    error = refused(bare.run("--fastenv", "requirements.txt"))
    assert "no release of library fits library<1, which pytest_fastenv_requirements of conftest.py asks for" in error


@pytest.mark.slow
def test_paths_are_relative_to_the_root_directory(bare: Project, tmp_path: Path) -> None:
    make_wheel(bare.directory, "nearby", files={"nearby.py": ""})
    bare.write(conftest__py=ASKS.format(answer=["./nearby-1.0-py3-none-any.whl"]), test_inside__py=USES_NEARBY)
    passed(bare.run("--fastenv", str(bare.directory / "requirements.txt"), f"--rootdir={bare.directory}", "project",
                    cwd=tmp_path))  # fmt: skip


USES_NEARBY = "import nearby\n\ndef test_inside():\n    pass\n"


@pytest.mark.slow
def test_conftests_of_test_paths_ask(bare: Project) -> None:
    tests = bare.directory / "checks" / "unit"
    tests.mkdir(parents=True)
    (tests / "test_it.py").write_text(USES_LIBRARY)
    (tests / "conftest.py").write_text(ASKS.format(answer=["library"]))
    bare.write(pytest__ini="[pytest]\ntestpaths = checks/unit\n")
    passed(bare.run("--fastenv", "requirements.txt"))
    passed(bare.run("--fastenv", "requirements.txt", "checks/unit/test_it.py::test_inside"))
    passed(bare.run("--fastenv", str(bare.directory / "requirements.txt"), "test_it.py", cwd=tests))
    assert "No module named 'library'" in bare.run("--fastenv", "requirements.txt", "test_inside.py").stdout
    assert "No module named 'library'" in bare.run("--fastenv", "requirements.txt", "--noconftest").stdout


@pytest.mark.slow
def test_conftest_that_has_more_than_the_hook(bare: Project) -> None:
    """Its neighbours can be imported; nothing but this hook of it is registered outside."""
    bare.write(
        neighbour__py="REQUIREMENTS = ['library']\n",
        conftest__py="""\
            import dataclasses
            import sys
            import pytest
            import neighbour

            @dataclasses.dataclass
            class Value:
                prefix: str = sys.prefix

            def pytest_addoption(parser):
                parser.addoption("--of-the-conftest", required=True)

            def pytest_fastenv_requirements(config):
                assert config.rootpath.name == "project"
                assert not hasattr(config.option, "of_the_conftest")
                return neighbour.REQUIREMENTS
            """,
    )
    passed(bare.run("--fastenv", "requirements.txt", "--of-the-conftest=x"))


@pytest.mark.slow
def test_conftest_that_needs_what_only_the_environment_has(bare: Project) -> None:
    text = ASKS.format(answer=["library"])
    bare.write(conftest__py="import sys\nimport library\n\n" + text)
    error = refused(bare.run("--fastenv", "requirements.txt"))
    assert "conftest.py defines pytest_fastenv_requirements, but cannot be imported" in error
    assert f"{bare.directory / 'conftest.py'}:2" in error
    assert "No module named 'library'" in error
    assert "inside the functions that use it" in error
    bare.write(conftest__py="def pytest_configure():\n    import library\n\n" + text)
    passed(bare.run("--fastenv", "requirements.txt"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ASKS.format(answer="library"), "returned 'library'"),
        (ASKS.format(answer=[1]), "returned [1]"),
        (ASKS.format(answer=["library ="]), "this requirement cannot be read"),
        (ASKS.format(answer=["no-such-project-anywhere"]), "no-such-project-anywhere"),
        ("def pytest_fastenv_requirements(config):\n    raise OSError('broken')\n", "conftest.py:2\n  why:   OSError"),
        ("def pytest_fastenv_requirements(cfg):\n    return []\n", "Argument(s) {'cfg'} are declared"),
        ("def pytest_fastenv_requirements(:\n", "SyntaxError"),
        ("import pytest\npytest.importorskip('library')\n" + ASKS.format(answer=[]), "could not import 'library'"),
    ],
)
def test_wrong_implementations(bare: Project, text: str, expected: str) -> None:
    bare.write(conftest__py=text)
    assert expected in refused(bare.run("--fastenv", "requirements.txt"))


@pytest.mark.slow
@pytest.mark.parametrize("first", [(), ("-p", "fastenv")])
def test_installed_plugins_ask(bare: Project, outside: Path, first: tuple[str, ...]) -> None:
    """Those that pytest would load after this one, too: which are first is the file system's whim."""
    text = "import sys\nassert 'late_package.other' not in sys.modules\n" + ASKS.format(answer=["library"])
    install(outside, "late-plugin", "late_package.inner.plugin", text)
    (outside / "late_package" / "other.py").write_text("raise ImportError('it was not to be imported')\n")
    passed(bare.run(*first, "--fastenv", "requirements.txt"))
    run = bare.run(*first, "--fastenv", "requirements.txt", "-p", "no:late-plugin")
    assert "No module named 'library'" in run.stdout
    bare.variables["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    run = bare.run("-p", "fastenv", "--fastenv", "requirements.txt")
    assert "No module named 'library'" in run.stdout


@pytest.mark.slow
def test_installed_plugin_that_cannot_be_imported(bare: Project, outside: Path) -> None:
    install(outside, "broken-plugin", "broken_plugin", "import no_such_module\n" + ASKS.format(answer=[]))
    error = refused(bare.run("-p", "fastenv", "--fastenv", "requirements.txt"))
    assert "the pytest plugin broken-plugin, which defines pytest_fastenv_requirements, cannot be loaded" in error
    assert f"{outside / 'broken_plugin.py'}:1" in error


@pytest.mark.slow
def test_named_plugins_ask(bare: Project, outside: Path) -> None:
    (outside / "asking.py").write_text(ASKS.format(answer=["library"]))
    passed(bare.run("-p", "asking", "--fastenv", "requirements.txt"))
    bare.variables["PYTEST_PLUGINS"] = "asking"
    passed(bare.run("--fastenv", "requirements.txt"))  # found where pytest outside found it
    passed(bare.run("--fastenv", "requirements.txt", "--fastenv-inherit-pythonpath"))


@pytest.mark.slow
def test_plugins_of_a_caller_ask(bare: Project) -> None:
    bare.write(
        asking__py=ASKS.format(answer=["library"]),
        caller__py="""\
            import pytest
            import asking
            words = ["-p", "no:cacheprovider", "--fastenv", "requirements.txt", "test_inside.py"]
            print("returned", int(pytest.main(words, plugins=[asking])))
            """,
    )
    run = bare.run_command([sys.executable, "caller.py"])
    assert "returned 0\n" in passed(run)


READY = """\
import os
import sys

def pytest_fastenv_environment_ready(config, environment):
    assert str(environment.prefix) == sys.prefix == os.environ["VIRTUAL_ENV"]
    assert os.path.samefile(environment.python, sys.executable)
    assert environment.installed()["library"] == "1.0"
    done = environment.run(["python", "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True)
    assert done.stdout.strip() == sys.prefix, done.stderr
    assert environment.run("python -c 'print(6 * 7)'").stdout == "42\\n"
    try:
        environment.run(["python", "-c", "raise SystemExit('no')"])
    except environment.CommandError as error:
        assert error.returncode == 1 and "no" in str(error)
    else:
        raise AssertionError
    assert environment.run(["python", "-c", "raise SystemExit(3)"], check=False).returncode == 3
    print("ready in", os.getpid(), config.pluginmanager.has_plugin("terminalreporter"))
"""


@pytest.mark.slow
def test_conftests_and_plugins_hear_that_the_environment_is_there(project: Project) -> None:
    (project.directory / "heard.py").write_text(READY)
    project.write(conftest__py="pytest_plugins = ['heard']\n" + READY)
    output = passed(project.run("-s", "--fastenv", "requirements.txt", module=True))
    assert output.count("ready in") == 2
    output = passed(project.run("-s", "--fastenv", "requirements.txt", "-n2", module=True))
    assert output.count("ready in") == 2, "not in every worker"


@pytest.mark.slow
def test_no_hook_is_called_where_no_environment_was_made(project: Project) -> None:
    project.write(
        conftest__py="def pytest_fastenv_environment_ready(config, environment):\n    raise AssertionError\n\n"
        "def pytest_fastenv_requirements(config):\n    raise AssertionError\n\n"
        "def pytest_fastenv_worker_environment(node, environment):\n    raise AssertionError\n",
        test_inside__py="def test_inside():\n    pass\n",
    )
    passed(project.run())


@pytest.mark.slow
def test_without_the_plugin_hooks_are_optional(project: Project) -> None:
    project.write(
        conftest__py="""\
            import pytest

            @pytest.hookimpl(optionalhook=True)
            def pytest_fastenv_requirements(config):
                return ["early-plugin"]

            @pytest.hookimpl(optionalhook=True)
            def pytest_fastenv_environment_ready(config, environment):
                print("ready")
            """,
        test_inside__py="def test_inside():\n    import early_plugin\n",
    )
    assert "ready" in passed(project.run("-s", "--fastenv", "requirements.txt"))
    project.write(test_inside__py="def test_inside():\n    pass\n")
    passed(project.run())
    passed(project.run("-p", "no:fastenv"))


@pytest.mark.slow
def test_wrong_argument_inside(project: Project) -> None:
    project.write(conftest__py="def pytest_fastenv_environment_ready(environmnet):\n    pass\n")
    run = project.run("--fastenv", "requirements.txt")
    assert run.returncode != 0
    assert "Argument(s) {'environmnet'} are declared" in run.stdout + run.stderr


@pytest.mark.slow
def test_conftest_hears_of_every_workers_environment(project: Project) -> None:
    """Before the worker starts: what it installs there, and what it sends along, is there."""
    project.write(
        conftest__py="""\
            import os

            def pytest_fastenv_worker_environment(node, environment):
                assert environment.prefix.is_dir() and str(environment.prefix) != os.environ["VIRTUAL_ENV"]
                (environment.site_packages / "of_the_hook.py").write_text(f"NAME = {node.gateway.id!r}\\n")
                node.workerinput["prefix_of_the_hook"] = str(environment.prefix)
            """,
        test_inside__py="""\
            import sys
            import pytest

            @pytest.mark.parametrize("n", range(4))
            def test_inside(n, pytestconfig, worker_id):
                import of_the_hook
                assert of_the_hook.NAME == worker_id
                assert pytestconfig.workerinput["prefix_of_the_hook"] == sys.prefix
            """,
    )
    passed(project.run("--fastenv", "requirements.txt", "--fastenv-scope", "worker", "-n2"), 4)
