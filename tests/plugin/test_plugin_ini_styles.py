"""Settings in every kind of file that pytest reads, as text and as TOML's own types."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Project

pytestmark = pytest.mark.slow

HEADER = re.compile(r"^fastenv: \d+ distributions?\b", re.MULTILINE)
TYPED = pytest.mark.skipif(pytest.version_tuple < (9, 0), reason="TOML's own types came with pytest 9.0")
NUMBERS = pytest.mark.skipif(pytest.version_tuple < (9, 2), reason="either text or number came with pytest 9.2")

AS_TEXT = """\
fastenv =
    requirements.txt
    early-plugin
fastenv_offline = no
fastenv_recreate = TRUE
fastenv_concurrent = 3
fastenv_max_age = 90m
fastenv_report =
    trace.json
    timeline.html
fastenv_unchecked_records = library Other_One
"""
# In this table pytest takes values for text; lists stay lists.
AS_TOML_TEXT = """\
fastenv = ["requirements.txt", "early-plugin"]
fastenv_offline = false
fastenv_recreate = true
fastenv_concurrent = 3
fastenv_max_age = 5400
fastenv_report = ["trace.json", "timeline.html"]
fastenv_unchecked_records = ["library", "Other_One"]
"""
AS_TYPES = AS_TOML_TEXT
if pytest.version_tuple < (9, 2):
    AS_TYPES = AS_TYPES.replace("5400", "'90m'")


@pytest.mark.parametrize(
    ("name", "table", "values"),
    [
        ("pytest__ini", "[pytest]", AS_TEXT),
        (".pytest__ini", "[pytest]", AS_TEXT),
        ("tox__ini", "[pytest]", AS_TEXT),
        ("setup__cfg", "[tool:pytest]", AS_TEXT),
        ("pyproject__toml", "[tool.pytest.ini_options]", AS_TOML_TEXT),
        pytest.param("pyproject__toml", "[tool.pytest]", AS_TYPES, marks=TYPED),
        pytest.param("pytest__toml", "[pytest]", AS_TYPES, marks=TYPED),
        pytest.param(".pytest__toml", "[pytest]", AS_TYPES, marks=TYPED),
    ],
    ids=lambda value: value if len(value) < 30 else "",
)
def test_file(project: Project, name: str, table: str, values: str) -> None:
    """What is read is what is used: seen from the session inside, from a directory below."""
    project.write(**{name: f"{table}\n{values}"})
    project.write(
        test_inside__py="""\
            import json
            import os
            import early_plugin
            import library

            def test_inside():
                settings = json.loads(os.environ["FASTENV_INSIDE"])["settings"]
                assert settings.pop("reports")[0].endswith("project/trace.json".replace("/", os.sep))
                assert settings == {
                    "sources": ["requirements.txt", "early-plugin"],
                    "recreate": True,
                    "concurrent": 3,
                    "concurrent_downloads": 3,
                    "concurrent_builds": 3,
                    "concurrent_installs": 3,
                    "max_age_s": 5400.0,
                    "unchecked_records": ["library", "other-one"],
                    "bytecode": "own",  # what the variables say
                    "cache_sync": "never",
                } | {"cache_dir": settings["cache_dir"], "index_url": settings["index_url"]}
            """
    )
    below = project.directory / "below"
    below.mkdir()
    run = project.run("..", cwd=below)
    assert run.returncode == 0, run.stdout + run.stderr
    assert HEADER.search(run.stdout)
    assert (project.directory / "timeline.html").is_file()


# Who refuses it, and in which words, depends on pytest's version.
BY_PYTEST = (8, 4) <= pytest.version_tuple < (9, 2)
OF_TEXT = "fastenv_concurrent: invalid literal" if BY_PYTEST else "fastenv_concurrent in pyproject.toml: {} is not"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("[tool.pytest]\nfastenv = 'requirements.txt'", "'fastenv' expects a list", marks=TYPED),
        pytest.param("[tool.pytest]\nfastenv = [1]", "'fastenv' expects a list of strings", marks=TYPED),
        pytest.param("[tool.pytest]\nfastenv_offline = 'yes'", "'fastenv_offline' expects a bool", marks=TYPED),
        pytest.param("[tool.pytest]\nfastenv_link = 4", "'fastenv_link' expects a string", marks=TYPED),
        pytest.param("[tool.pytest]\nfastenv_python = 3.12", "'fastenv_python' expects a string", marks=TYPED),
        pytest.param("[tool.pytest]\nfastenv_concurrent = true", "'fastenv_concurrent' expects", marks=TYPED),
        pytest.param(
            "[tool.pytest]\nfastenv_concurrent = 0",
            "fastenv_concurrent in pyproject.toml: 0 is not accepted",
            marks=TYPED,
        ),
        pytest.param(
            "[tool.pytest]\nfastenv_max_age = -1",
            "fastenv_max_age in pyproject.toml: -1 is not accepted",
            marks=NUMBERS,
        ),
        ("[tool.pytest.ini_options]\nfastenv_offline = 'perhaps'", "fastenv_offline: invalid truth value 'perhaps'"),
        ("[tool.pytest.ini_options]\nfastenv_concurrent = 'x'", OF_TEXT.format("'x'")),
        ("[tool.fastenv]\ndir = 5", "dir in [tool.fastenv] of pyproject.toml: 5 is not accepted"),
        ("[tool.fastenv]\nreport = [5]", "report in [tool.fastenv] of pyproject.toml: 5 is not accepted"),
        ("[tool.fastenv]\ndir = ['a', 'b']", "dir in [tool.fastenv] of pyproject.toml"),
        ("[tool.fastenv]\npython = 3.12", "python in [tool.fastenv] of pyproject.toml: 3.12 is not accepted"),
        ("[tool.fastenv]\nconcurrent = 1.5", "concurrent in [tool.fastenv] of pyproject.toml: 1.5 is not accepted"),
        ("[tool.fastenv]\nmax-age = 2026-01-01", "max-age in [tool.fastenv] of pyproject.toml"),
    ],
)
def test_wrong_types(project: Project, text: str, message: str) -> None:
    project.write(pyproject__toml=text + "\n")
    run = project.run("--fastenv", "requirements.txt")
    assert run.returncode == 4, run.stdout + run.stderr
    assert message in run.stderr
    assert "Traceback" not in run.stdout + run.stderr


@pytest.mark.parametrize("arguments", [("-c", "ini/other.ini"), ("-c", "ini/other.ini", "--rootdir", ".")])
def test_file_named_on_the_command_line(project: Project, arguments: tuple[str, ...]) -> None:
    """Its values are relative to it; the rootdir may be another directory."""
    ini = project.directory / "ini"
    ini.mkdir()
    (ini / "other.ini").write_text("[pytest]\nfastenv = sources.txt\nfastenv_report = trace.json\n")
    (ini / "sources.txt").write_text("library\n")
    run = project.run(*arguments, "test_inside.py")
    assert run.returncode == 0, run.stdout + run.stderr
    assert HEADER.search(run.stdout)
    assert (ini / "trace.json").is_file()


def test_from_another_directory_with_a_path(project: Project, tmp_path: Path) -> None:
    project.write(pytest__ini="[pytest]\nfastenv = requirements.txt\ntestpaths = .\n")
    run = project.run("project/test_inside.py::test_inside", cwd=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"rootdir: {project.directory}\n" in run.stdout
    assert HEADER.search(run.stdout)


def test_override_on_the_command_line(project: Project) -> None:
    project.write(pytest__ini="[pytest]\nfastenv = early-plugin\n")
    run = project.run("-o", "fastenv=requirements.txt", "-o", "fastenv_concurrent=1")
    assert run.returncode == 0, run.stdout + run.stderr
    run = project.run("-o", "fastenv=requirements.txt", "-o", "fastenv_concurrent=none")
    assert run.returncode == 4
    assert run.stderr.startswith("fastenv: error: -o fastenv_concurrent: 'none' is not accepted\n")
    assert "pytest.ini" not in run.stderr


def test_conftest_plugins_that_only_the_environment_has(project: Project) -> None:
    """In the rootdir's conftest, with other plugins of the project behind them."""
    package = project.directory / "suite"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "fixtures.py").write_text(
        "import pytest\nimport library\n\n@pytest.fixture\ndef prefix():\n    return library.PREFIX\n"
    )
    project.write(
        requirements__txt="library\nearly-plugin\n",
        pytest__ini="[pytest]\nfastenv = requirements.txt\npythonpath = .\n",
        conftest__py="import library\n\npytest_plugins = ['early_plugin', 'suite.fixtures', 'pytester']\n",
        test_inside__py="import sys\n\ndef test_inside(prefix, pytester):\n    assert prefix == sys.prefix\n",
    )
    run = project.run()
    assert run.returncode == 0, run.stdout + run.stderr
    assert "early plugin is here" in run.stdout
