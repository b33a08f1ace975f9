"""Plugins that a session names, and options of plugins that only the outside has."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from kit.archives import make_wheel

import pytest_fastenv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Project

pytestmark = pytest.mark.slow

PLUGIN = "def pytest_report_header(config):\n    return 'the plugin is here'\n"
#: How a plugin is named: the ini file's text, variables, the command line.
WAYS = {
    "command line": ("", {}, ("-p", "PLUGIN")),
    "addopts": ("addopts = -p PLUGIN", {}, ()),
    "PYTEST_ADDOPTS": ("", {"PYTEST_ADDOPTS": "-pPLUGIN"}, ()),
    "PYTEST_PLUGINS": ("", {"PYTEST_PLUGINS": "PLUGIN"}, ()),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("where", ["PYTHONPATH", "pythonpath", "package without __init__.py"])
def test_plugin_is_found_inside(project: Project, way: str, where: str) -> None:
    tools = project.directory / "tools"
    (tools / "ours").mkdir(parents=True)
    (tools / "ours" / "mine.py").write_text(PLUGIN)
    (tools / "mine.py").write_text(PLUGIN)
    name = "ours.mine" if where.startswith("package") else "mine"
    ini, variables, words = WAYS[way]
    ini = ini.replace("PLUGIN", name)
    project.variables |= {variable: text.replace("PLUGIN", name) for variable, text in variables.items()}
    if where == "pythonpath":
        ini += "\npythonpath = tools"
    else:
        project.variables["PYTHONPATH"] = "tools"
    project.write(
        pytest__ini=f"[pytest]\n{ini}\n",
        test_inside__py="""\
            import os
            import library

            def test_it():
                assert "PYTHONPATH" not in os.environ
            """,
    )
    run = project.run(*(word.replace("PLUGIN", name) for word in words), "--fastenv", "requirements.txt")
    assert "the plugin is here" in run.stdout, run.stdout + run.stderr
    assert run.returncode == 0, run.stdout


def test_option_of_a_plugin_that_only_the_outside_has(project: Project) -> None:
    """Such as ``--timeout``: pytest inside knows only that it does not know it."""
    outside = project.directory.parent / "outside"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(outside)], check=True)
    scheme = {"base": str(outside), "platbase": str(outside)}
    site = Path(sysconfig.get_path("purelib", "venv", vars=scheme))
    installed = [sysconfig.get_path("purelib"), str(Path(pytest_fastenv.__file__).parents[1])]
    (site / "beside.pth").write_text("\n".join(installed))
    wheel = make_wheel(
        project.directory.parent,
        "pytest-clock",
        files={"pytest_clock.py": "def pytest_addoption(parser):\n    parser.addoption('--clock', type=int)\n"},
        dist_info_files={"entry_points.txt": "[pytest11]\nclock = pytest_clock\n"},
    )
    zipfile.ZipFile(wheel).extractall(site)
    command = [str(outside / "bin" / "python"), "-m", "pytest", "--clock=5", "--fastenv", "requirements.txt"]
    run = project.run_command([*command, "--unheard-of"])
    assert run.returncode == 4
    assert "fastenv: --clock is an option of pytest-clock, which is installed outside" in run.stderr
    assert "unrecognized arguments: --clock=5 --unheard-of" in run.stderr
    assert "fastenv: --unheard-of" not in run.stderr
    run = project.run_command([*command, "--fastenv", str(wheel)])
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("way", ["./{}", "pytest==6.2.5"])
def test_pytest_that_is_too_old(project: Project, way: str) -> None:
    wheel = make_wheel(project.directory, "pytest", "6.2.5")
    project.variables["FASTENV_FIND_LINKS"] = str(project.directory)
    project.write(requirements__txt=way.format(wheel.name))
    run = project.run("--fastenv", "requirements.txt")
    assert run.returncode == 4, run.stdout + run.stderr
    assert "pytest-fastenv inside the environment" in run.stderr
    assert ">=7" in run.stderr
    assert "Traceback" not in run.stderr


def test_option_of_the_command(project: Project) -> None:
    """It is not that of a plugin which the requirements could bring: only the prefix is missing."""
    run = project.run("--fastenv", "requirements.txt", "--python", "3.11", "--offline", "--scope=worker", "--link=copy")
    assert run.returncode == 4
    for name in ("python", "offline", "scope", "link"):
        assert f"fastenv: --{name} is an option of the command 'fastenv': write --fastenv-{name}\n" in run.stderr
    assert "add it to the requirements" not in run.stderr
