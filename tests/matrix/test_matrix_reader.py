"""What a project's files declare."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_fastenv.errors import UsageError
from pytest_fastenv.matrix.declaration import Command, NamedEnvironment
from pytest_fastenv.matrix.reader import declared
from pytest_fastenv.settings.environment_keys import ENVIRONMENT_KEYS
from pytest_fastenv.settings.layers import load
from pytest_fastenv.settings.tables import tables


def read(directory: Path, text: str = "", fastenv: str = "") -> Mapping[str, NamedEnvironment]:
    (directory / "pyproject.toml").write_text(textwrap.dedent(text))
    if fastenv:
        (directory / "fastenv.toml").write_text(textwrap.dedent(fastenv))
    return declared(directory)


def said(environment: NamedEnvironment) -> dict[str, Any]:
    return {name: given.value for name, given in environment.layer.items()}


def test_there_need_be_none(tmp_path: Path) -> None:
    assert read(tmp_path) == {}
    assert read(tmp_path, "[tool.fastenv]\nlink = 'copy'\n") == {}


EVERYTHING = """
[tool.fastenv.envs.all-keys]
description = "All of them"
tags = ["a", "b"]
python = "3.12"
requirements = ["requirements.txt", "django<5"]
constraints = ["constraints.txt", "lib<2"]
groups = ["Test_It"]
extras = ["docs"]
lock = "locks/pylock.toml"
project = "wheel"
scope = "worker"
link = "copy"
max-age = 90
strict = true
build-variables = ["VENDOR_*"]
commands-pre = ["python -m build {posargs}"]
commands = [["pytest", "-q", "{posargs:tests}"], "- coverage report", ["!", "false"]]
commands-post = ["! coverage combine"]
set-env = { A = "{env:HOME}", "B(x86)" = "" }
pass-env = ["CI", "GITHUB_*"]
change-dir = "{envdir}"
allow-failure = true
allow-missing-python = true
allowlist = ["make"]
"""


def test_all_keys(tmp_path: Path) -> None:
    (environment,) = read(tmp_path, EVERYTHING).values()
    assert said(environment) == {
        "sources": ["requirements.txt", "django<5"],
        "constraints": [str(tmp_path / "constraints.txt"), "lib<2"],
        "groups": ["Test_It"],
        "extras": ["docs"],
        "project": "wheel",
        "python": "3.12",
        "scope": "worker",
        "link": "copy",
        "max_age_s": 90,
        "strict": True,
        "build_variables": ["VENDOR_*"],
        "lock": str(tmp_path / "locks" / "pylock.toml"),
    }
    assert environment.commands_pre == (Command(("python -m build {posargs}",), split=True),)
    assert environment.commands == (
        Command(("pytest", "-q", "{posargs:tests}")),
        Command(("coverage report",), split=True, succeeds="may"),
        Command(("false",), succeeds="must not"),
    )
    assert environment.commands_post == (Command(("coverage combine",), split=True, succeeds="must not"),)
    assert environment.set_env == {"A": "{env:HOME}", "B(x86)": ""}
    assert (environment.pass_env, environment.allowlist) == (("CI", "GITHUB_*"), ("make",))
    assert (environment.description, environment.tags) == ("All of them", {"a", "b"})
    assert environment.change_dir == "{envdir}"
    assert environment.allow_failure
    assert environment.allow_missing_python
    assert (environment.family, environment.factors) == ("all-keys", ("all", "keys"))
    loaded = load(tables(tmp_path), environment.layer)
    assert loaded.settings.groups == {"test-it"}
    assert loaded.directory_of("sources", Path("/")) == tmp_path
    assert str(loaded.origins["python"]) == "python in [tool.fastenv.envs.all-keys] of pyproject.toml"


def test_every_key_that_is_no_setting_has_a_field() -> None:
    fields = NamedEnvironment.__dataclass_fields__
    assert [row.key for row in ENVIRONMENT_KEYS if row.field not in fields] == ["extends", "matrix"]


def test_defaults_are_for_environments_alone(tmp_path: Path) -> None:
    environments = read(
        tmp_path,
        """
        [tool.fastenv]
        python = "3.11"
        requirements = ["pytest"]
        commands = ["pytest"]
        set-env = { A = "1", B = "1" }
        tags = ["every"]
        [tool.fastenv.envs.a]
        set-env = { B = "2" }
        [tool.fastenv.envs.b]
        requirements = []
        commands = ["echo", "{inherited}"]
        tags = []
        """,
    )
    assert said(environments["a"]) == {"sources": ["pytest"]}
    assert environments["a"].set_env == {"A": "1", "B": "2"}
    assert environments["a"].tags == {"every"}
    assert said(environments["b"]) == {"sources": []}
    assert [command.words for command in environments["b"].commands] == [("echo",), ("pytest",)]
    assert environments["b"].tags == set()
    plain = load(tables(tmp_path))
    assert (plain.settings.sources, plain.settings.python) == ((), "3.11")


def test_sources_are_the_default_of_requirements(tmp_path: Path) -> None:
    environments = read(
        tmp_path,
        """
        [tool.fastenv]
        sources = ["requirements.txt"]
        groups = ["base"]
        [tool.fastenv.envs.a]
        requirements = ["{inherited}", "lib"]
        groups = ["more", "{inherited}"]
        [tool.fastenv.envs.b]
        """,
    )
    assert said(environments["a"]) == {"sources": ["requirements.txt", "lib"], "groups": ["more", "base"]}
    assert load(tables(tmp_path), environments["b"].layer).settings.sources == ("requirements.txt",)


def test_inheritance(tmp_path: Path) -> None:
    environments = read(
        tmp_path,
        """
        [tool.fastenv.envs._base]
        requirements = ["pytest"]
        extras = ["test"]
        set-env = { A = "base", B = "base" }
        description = "base"
        [tool.fastenv.envs._slow]
        extends = "_base"
        requirements = ["{inherited}", "slow"]
        set-env = { B = "slow", C = "slow" }
        [tool.fastenv.envs.first]
        extends = ["_slow", "_base"]
        [tool.fastenv.envs.second]
        extends = ["_base", "_slow"]
        requirements = ["own", "{inherited}"]
        extras = []
        set-env = { C = "own" }
        """,
    )
    assert list(environments) == ["first", "second"]
    first, second = environments.values()
    assert said(first) == {"sources": ["pytest"], "extras": ["test"]}
    assert first.set_env == {"A": "base", "B": "base", "C": "slow"}
    assert said(second) == {"sources": ["own", "pytest", "slow"], "extras": []}
    assert second.set_env == {"A": "base", "B": "slow", "C": "own"}
    assert second.description == "base"


def test_both_files_declare(tmp_path: Path) -> None:
    environments = read(
        tmp_path,
        """
        [tool.fastenv.envs.a]
        python = "3.11"
        description = "A"
        [tool.fastenv.envs.b]
        """,
        """
        [envs.c]
        extends = "a"
        [envs.a]
        python = "3.12"
        """,
    )
    assert list(environments) == ["a", "b", "c"]
    assert [said(environments[name]) for name in "abc"] == [{"python": "3.12"}, {}, {"python": "3.12"}]
    assert str(environments["c"].layer["python"].origin) == "python in [envs.a] of fastenv.toml"
    assert environments["a"].description == "A"


@pytest.mark.parametrize(
    ("name", "python"),
    [
        ("py312", "3.12"),
        ("py3.12-django5", "3.12"),
        ("lint-3.13t", "3.13t"),
        ("pypy311", "pypy3.11"),
        ("django-3.2", None),
        ("py3", None),
        ("py312-py313", None),
        ("312", None),
        ("happy312", None),
    ],
)
def test_a_name_says_which_python_is_meant(tmp_path: Path, name: str, python: str | None) -> None:
    text = f"""
    [tool.fastenv]
    python = "3.10"
    [tool.fastenv.envs._base]
    python = "3.9"
    [tool.fastenv.envs."{name}"]
    """
    assert said(read(tmp_path, text)[name]).get("python") == python
    assert said(read(tmp_path, f'{text}extends = "_base"\n')[name]).get("python") == (python or "3.9")
    assert said(read(tmp_path, f'{text}python = ">=3.12"\n')[name])["python"] == ">=3.12"


def test_what_is_right_imports_little(tmp_path: Path) -> None:
    """A warm run reads this: no line of a file is looked for, and nothing compared, where nothing is wrong."""
    (tmp_path / "fastenv.toml").write_text(
        "[envs._base]\n[envs.a]\nextends = '_base'\nmatrix = { python = ['3.12'] }\nset-env = { A = 'x' }\n"
    )
    code = (
        "import sys; from pathlib import Path; from pytest_fastenv.matrix.selection import declared, select\n"
        "select(declared(Path.cwd()), ['a', 'a-*', 'all'])\n"
        "print('\\n'.join(sys.modules))"
    )
    modules = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout.split()
    assert {name.partition(".")[0] for name in modules} & {"packaging", "httpx", "asyncio", "difflib", "json"} == set()
    assert {name for name in modules if name.startswith("pytest_fastenv.")} == {
        "pytest_fastenv.version",
        "pytest_fastenv.errors",
        *(f"pytest_fastenv.matrix{end}" for end in ["", *map(".{}".format, MODULES)]),
        *(f"pytest_fastenv.model{end}" for end in ["", ".codec", ".link", ".regular_files"]),
        *(f"pytest_fastenv.settings{end}" for end in ["", *map(".{}".format, SETTINGS)]),
    }


MODULES = ["axes", "declaration", "inheritance", "keys", "reader", "selection"]
SETTINGS = ["environment_keys", "layers", "options", "parsers", "tables", "values"]
REFUSED = [
    ("[envs.'py3{12,13}']", "an environment cannot be called 'py3{12,13}'", 1, "several are made by a matrix"),
    ("[envs.a]\nlnik = 'copy'", "[envs.a] of fastenv.toml has an unknown key: lnik", 2, "did you mean link?"),
    (
        "[envs.a]\nsources = ['x']",
        "[envs.a] of fastenv.toml has an unknown key: sources", 2, "did you mean requirements?",
    ),
    (
        "[envs.a]\nskip_install = true",
        "[envs.a] of fastenv.toml has an unknown key: skip_install", 2, "did you mean project?",
    ),
    ("[envs.a]\nset_env = {}", "[envs.a] of fastenv.toml has an unknown key: set_env", 2, "did you mean set-env?"),
    (
        "\n[envs]\npython = '3.12'",
        "[envs] has an unknown key: python", 3, "it belongs into the table of an environment",
    ),
    ("envs = 3", "envs in fastenv.toml: 3 is not accepted", 1, ""),
    ("[envs]\na = 3", "a in [envs] of fastenv.toml: 3 is not accepted", 2, ""),
    ("[envs.all]", "an environment cannot be called 'all'", 1, ""),
    ("\n[envs.'a b']", "an environment cannot be called 'a b'", 2, ""),
    ("[envs.a]\npython = 3.12", "python in [envs.a] of fastenv.toml: 3.12 is not accepted", 2, ""),
    ("[envs.a]\npython = ''", "python in [envs.a] of fastenv.toml: '' is not accepted", 2, ""),
    ("[envs.a]\nproject = 'egg'", "project in [envs.a] of fastenv.toml: 'egg' is not accepted", 2, ""),
    ("[envs.a]\nrequirements = 'x'", "requirements in [envs.a] of fastenv.toml: 'x' is not accepted", 2, ""),
    ("[envs.a]\ngroups = ['a b']", "groups in [envs.a] of fastenv.toml: 'a b' is not accepted", 2, ""),
    ("[envs.a]\nextends = []", "extends in [envs.a] of fastenv.toml: an empty list is not accepted", 2, ""),
    ("[envs.a]\nmatrix = { lib = [] }", "matrix.lib in [envs.a] of fastenv.toml: an empty list is not accepted", 2, ""),
    ("[envs.a]\ntags = ['x', 'a,b']", "tags in [envs.a] of fastenv.toml: 'x', 'a,b' is not accepted", 2, ""),
    ("[envs.a]\ntags = 'x'", "tags in [envs.a] of fastenv.toml: 'x' is not accepted", 2, ""),
    ("[envs.a]\nallow-failure = 1", "allow-failure in [envs.a] of fastenv.toml: 1 is not accepted", 2, ""),
    ("[envs.a]\nset-env = { A = 1 }", "set-env in [envs.a] of fastenv.toml: {'A': 1} is not accepted", 2, ""),
    ("[envs.a]\nset-env = { 'A=' = '1' }", "set-env in [envs.a] of fastenv.toml: {'A=': '1'} is not accepted", 2, ""),
    ("[envs.a]\ncommands = 'pytest'", "commands in [envs.a] of fastenv.toml: 'pytest' is not accepted", 2, ""),
    ("[envs.a]\ncommands = [\n['x'],\n[]]", "commands in [envs.a] of fastenv.toml: ", 4, ""),
    (
        "[envs.a]\ncommands = [\n'pytest', \n'-q']",
        "commands in [envs.a] of fastenv.toml: '-q' is no command", 4, "a command is one text",
    ),
    ("commands = [['-', '-x']]\n[envs.a]", "commands in fastenv.toml: ['-', '-x'] is no command", 1, ""),
    ("[envs.a]\nextends = []", "extends in [envs.a] of fastenv.toml: ", 2, ""),
    (
        "[envs.a]\nextends = 'b'\n[envs.bb]",
        "extends in [envs.a] of fastenv.toml: no environment is called b", 2, "did you mean bb?",
    ),
    (
        "[envs.a]\nextends = 'b'\n[envs.b]\nextends = ['c']\n[envs.c]\nextends = 'b'",
        "environments extend each other in a circle: b → c → b", 6, "",
    ),
    (
        "[envs.a]\nextends = 'b-py312'\n[envs.b]\nmatrix = { python = ['3.12'] }",
        "extends in [envs.a] of fastenv.toml: no environment is called b-py312",
        2,
        "extend b",
    ),
    ("[envs.a]\ngroups = ['x', 'a,b']", "groups in [envs.a] of fastenv.toml: 'a,b' is not accepted", 2, ""),
    ("[envs.a]\nextends = 'a'", "environments extend each other in a circle: a → a", 2, ""),
    ("[envs._a]\nextends = '_a'", "environments extend each other in a circle: _a → _a", 2, ""),
    (
        "[envs.a]\ncommands = ['x {matrix:y}']",
        "commands in [envs.a] of fastenv.toml: {matrix:y}: no axis is called y", 2,
        "without a matrix there is a default",
    ),
    (
        "[envs.py312]\npython = '3.13'",
        "python in [envs.py312] of fastenv.toml: 3.13 is not the Python that py312 has in its name", 2, "leave it out",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "what", "line", "hint"), REFUSED)
def test_refused(tmp_path: Path, text: str, what: str, line: int, hint: str) -> None:
    (tmp_path / "fastenv.toml").write_text(text)
    with pytest.raises(UsageError) as raised:
        declared(tmp_path)
    assert raised.value.what.startswith(what)
    assert raised.value.where == f"{tmp_path / 'fastenv.toml'}:{line}"
    assert hint in (raised.value.hint or "")
