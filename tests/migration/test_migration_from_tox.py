"""tox configurations as environments by name: what they say is said, what cannot be is told."""

from __future__ import annotations

import logging
import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

pytest.importorskip("tox")

import tox.version

from pytest_fastenv.cli.main import main
from pytest_fastenv.errors import UsageError
from pytest_fastenv.matrix.declaration import NamedEnvironment
from pytest_fastenv.matrix.selection import declared, select
from pytest_fastenv.migration.from_tox import migrated

pytestmark = pytest.mark.slow

PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "x"
version = "1"
"""


class Migration:
    """A project's directory, and what became of its configuration."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "pyproject.toml").write_text(PROJECT)

    def of(self, text: str, name: str = "tox.ini") -> str:
        path = self.directory / name
        path.write_text(text)
        return migrated(path, own_file=True)

    def read(self, text: str, name: str = "tox.ini") -> Mapping[str, NamedEnvironment]:
        (self.directory / "fastenv.toml").write_text(self.of(text, name))
        return declared(self.directory)


@pytest.fixture
def migration(tmp_path: Path) -> Migration:
    return Migration(tmp_path)


def setting(environment: NamedEnvironment, field: str) -> Any:
    given = environment.layer.get(field)
    return None if given is None else given.value


INI = """
[tox]
env_list = py{311,312}-django{42,51}, lint
labels =
    fast = lint, py311-django42
skip_missing_interpreters = true
[testenv]
package = wheel
extras = test
deps =
    django42: django>=4.2,<5
    django51: django>=5.1,<5.2
    pytest
    -r requirements.txt
    -c{tox_root}/constraints.txt
set_env =
    COVERAGE_FILE = {env_dir}/.coverage
    LEVEL = {env:LEVEL:info}
pass_env = CI
commands_pre = {envpython} -m pip --version
commands =
    pytest {posargs:tests}
    - coverage report
    ! false
allowlist_externals = false
[testenv:lint]
skip_install = true
deps = ruff
commands = ruff check {posargs}
change_dir = docs
ignore_outcome = true
base_python = python3.11
"""


def test_each_environment_says_what_tox_said(migration: Migration) -> None:
    found = migration.read(INI)
    assert set(found) == {*(f"py{p}-django{d}" for p in ("311", "312") for d in ("42", "51")), "lint"}
    one, lint = found["py311-django42"], found["lint"]
    assert setting(one, "python") == "3.11"
    assert setting(found["py312-django51"], "python") == "3.12"
    assert setting(one, "sources") == ["django>=4.2,<5", "pytest", "requirements.txt", "pip"]
    assert [Path(path).name for path in setting(one, "constraints")] == ["constraints.txt"]
    assert setting(one, "project") == "wheel"
    assert list(setting(one, "extras")) == ["test"]
    assert [(command.words, command.succeeds) for command in one.commands] == [
        (("pytest", "{posargs:tests}"), "must"),
        (("coverage", "report"), "may"),
        (("false",), "must not"),
    ]
    assert one.commands_pre[0].words == ("{env_python}", "-m", "pip", "--version")
    assert one.set_env == {"COVERAGE_FILE": "{env_dir}/.coverage", "LEVEL": "{env:LEVEL:info}"}
    assert one.pass_env == ("CI",)
    assert one.allow_missing_python
    assert one.allowlist == ("false",)
    assert one.tags == lint.tags == {"fast"}
    assert (setting(lint, "project"), setting(lint, "python"), lint.change_dir) == ("none", "3.11", "docs")
    assert lint.allow_failure
    assert not one.allow_failure
    assert setting(lint, "extras") is None


def test_a_variable_may_be_several_words_or_none_as_in_tox(migration: Migration) -> None:
    found = migration.read(
        "[testenv:a]\ncommands =\n  {env:RUN:} pytest {posargs:{env:MORE:}}\n  - echo 'a b' {env:X:y}\n"
    )
    assert [(one.words, one.split, one.succeeds) for one in found["a"].commands] == [
        (("{env:RUN} pytest {posargs:{env:MORE}}",), True, "must"),
        (("echo 'a b' {env:X:y}",), True, "may"),
    ]


def test_what_differs_in_the_python_alone_becomes_a_matrix(migration: Migration) -> None:
    text = migration.of(INI)
    tables = tomllib.loads(text)["envs"]
    assert "django42" not in tables  # one of the two has a tag of its own
    assert tables["django51"]["matrix"] == {"python": ["3.11", "3.12"], "name": "{python}-django51"}


def test_toml_and_ini_come_out_equal(migration: Migration) -> None:
    ini = "[tox]\nenv_list = a\n[testenv:a]\ndeps = pytest\ncommands = pytest {posargs:x}\nset_env =\n  V = {env:W:1}\n"
    if Version(tox.version.version) < Version("4.21"):
        pytest.skip("this tox reads no TOML")
    toml = """
env_list = ["a"]
[env.a]
deps = ["pytest"]
commands = [["pytest", { replace = "posargs", default = ["x"], extend = true }]]
set_env.V = { replace = "env", name = "W", default = "1" }
"""
    pyproject = PROJECT + "[tool.tox]\n" + toml.replace("[env.a]", "[tool.tox.env.a]")
    texts = [
        migration.of(text, name) for text, name in ((ini, "tox.ini"), (toml, "tox.toml"), (pyproject, "pyproject.toml"))
    ]
    bare = [text.partition("\n")[2] for text in texts]
    assert bare[0] == bare[1] == bare[2]
    assert '"{posargs:x}"' in bare[0]
    assert "{env:W:1}" in bare[0]
    legacy = "[tox:tox]\nenv_list = a\n" + ini.partition("\n")[2].partition("\n")[2]
    assert migration.of(legacy, "setup.cfg").partition("\n")[2] == bare[0]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("depends = b", "depends = b: environments do not wait"),
        ("platform = linux", "platform = linux"),
        ("pip_pre = true", "pip_pre = True: write --pre"),
        ("install_command = uv pip install {packages}", "install_command"),
        ("commands_retry = 3", "commands_retry = 3"),
        ("ignore_errors = true", "ignore_errors"),
        ("system_site_packages = true", "system_site_packages"),
        ("recreate = true", "recreate"),
        ("constrain_package_deps = true", "constrain_package_deps"),
        ("deps = -e other", "-e before other"),
        ("deps = -e .", "deps: -e .: the project here comes as"),
        ("deps = --pre", "deps: --pre"),
        ("deps = {env:WHAT:pytest}", "variables and arguments in deps"),
        ("package = external", "package = external"),
        ("no_such_key = 1", "no_such_key: the tox that is installed here does not know it either"),
        ("commands = python -c {glob:*.py}", "{glob}"),
        ("deps = {[nosuch]deps}", "deps: {[nosuch]deps}: {[nosuch]deps} refers to nothing"),
        ("runner = some-plugins-runner", "runner = some-plugins-runner: environments are made"),
        ("runner = uv-venv-lock-runner", "uv export --format pylock.toml"),
    ],
)
def test_what_cannot_be_said_is_told_with_the_reason(line: str, told: str, migration: Migration) -> None:
    text = migration.of(f"[testenv:a]\n{line}\n[testenv:b]\ncommands = python -V\n")
    comments = [one for one in text.splitlines() if one.startswith("#")]
    assert any(told in one for one in comments), text


@pytest.mark.parametrize(
    ("value", "spec"),
    [
        ("python3.11", "3.11"), ("py311", "3.11"), ("3.12", "3.12"), ("python3", "3"), ("pypy3.10", "pypy3.10"),
        ("pypy310", "pypy3.10"), ("3.13t", "3.13t"), ("python", None), (sys.executable, None),
        ("/usr/bin/python9", "/usr/bin/python9"),
    ],
)  # fmt: skip
def test_interpreters(value: str, spec: str | None, migration: Migration) -> None:
    found = migration.read(f"[testenv:a]\nbase_python = {value}\nskip_install = true\ncommands = python -V\n")
    assert setting(found["a"], "python") == spec


@pytest.mark.parametrize(
    ("lines", "project"),
    [
        ("package = wheel", "wheel"), ("package = sdist", "sdist"), ("", "sdist"), ("package = editable", "editable"),
        ("use_develop = true", "editable"), ("skip_install = true", "none"), ("package = skip", "none"),
        ("package = editable-legacy", "editable"),
    ],
)  # fmt: skip
def test_packages(lines: str, project: str, migration: Migration) -> None:
    assert setting(migration.read(f"[testenv:a]\n{lines}\ncommands = python -V\n")["a"], "project") == project


def test_variables_are_as_before(migration: Migration, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEVEL", "set")
    before = dict(os.environ)
    assert "{env:LEVEL:info}" in migration.of(INI)
    assert dict(os.environ) == before


def test_options_of_tox_in_variables_and_in_the_users_file_change_nothing(
    migration: Migration, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = migration.of(INI)
    (migration.directory / "user.ini").write_text("[tox]\nskip_env = lint\n")
    monkeypatch.setenv("TOX_USER_CONFIG_FILE", str(migration.directory / "user.ini"))
    monkeypatch.setenv("TOX_OVERRIDE", "testenv.description=told")
    monkeypatch.setenv("TOX_SKIP_ENV", "py.*")
    assert migration.of(INI) == expected


@pytest.mark.skipif(Version(tox.version.version) < Version("4.21"), reason="this tox reads no TOML")
@pytest.mark.parametrize(
    ("said", "own"),
    [("", "{root}/.tox"), ("work_dir = build/tox", "{root}/build/tox"), ("toxworkdir = /opt/tox", "/opt/tox")],
)
def test_toxs_own_directory_is_where_tox_has_it(said: str, own: str, migration: Migration) -> None:
    """And never the one that tox is given while it is asked."""
    core = f"[tox]\nno_package = true\nenv_list = a, b\n{said}\n"
    text = (
        "[testenv]\nchange_dir = {toxworkdir}/here\nset_env =\n  FILE = {work_dir}/.coverage\n  TMP = {temp_dir}/x\n"
        "deps = -r{work_dir}/r.txt\ndescription = in {work_dir}\nallowlist_externals = {work_dir}/bin/tool\n"
        "commands = python -c 1 {toxworkdir}/out {env_dir}/y\n"
    )
    written = migration.of(core + text)
    assert migration.of(core + text) == written, "the same each time"
    assert "fastenv-migrate" not in written
    one = tomllib.loads(written)
    both = one | one["envs"]["a"]
    assert both["change-dir"] == f"{own}/here".removeprefix("{root}/")
    assert both["set-env"] == {"FILE": f"{own}/.coverage", "TMP": f"{own}/.tmp/x"}
    assert both["commands"] == [["python", "-c", "1", f"{own}/out", "{env_dir}/y"]]
    assert both["allowlist"] == [f"{own}/bin/tool"]
    assert f"{{work_dir}} stands in tox.ini: it is {own}" in written


def test_what_tox_cannot_read_is_a_diagnosis(migration: Migration) -> None:
    with pytest.raises(UsageError, match=r"tox cannot read tox\.toml"):
        migration.of("env_list = 3\n", "tox.toml")


def test_without_tox_the_next_step_is_told(
    migration: Migration, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (migration.directory / "tox.ini").write_text(INI)
    monkeypatch.chdir(migration.directory)
    monkeypatch.setitem(sys.modules, "tox.run", None)
    assert main(["migrate"]) == 4
    assert "pytest-fastenv[tox]" in capsys.readouterr().err


def test_the_command_prints_the_table(
    migration: Migration, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(migration.directory)
    assert main(["migrate"]) == 4
    assert "there is no tox configuration here" in capsys.readouterr().err
    assert main(["migrate", "nothing.ini"]) == 4
    assert "no such file" in capsys.readouterr().err
    (migration.directory / "tox.ini").write_text(INI)
    assert main(["migrate"]) == 0
    assert "[tool.fastenv.envs.lint]" in capsys.readouterr().out


FACTORS = """
[tox]
env_list = py311
[testenv]
skip_install = true
deps =
    coverage: coverage
commands = pytest {posargs}
"""


def test_an_environment_that_tox_makes_of_factors_is_carried_over_where_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tox.ini").write_text(FACTORS)
    monkeypatch.chdir(tmp_path)
    assert main(["migrate", "--own-file", "-e", "py312-coverage,py313", "-e", "py311-coverage"]) == 0
    (tmp_path / "fastenv.toml").write_text(capsys.readouterr().out)
    environments = declared(tmp_path)
    assert {"py311", "py311-coverage", "py312-coverage", "py313"} <= set(environments)
    sources = setting(environments["py312-coverage"], "sources")
    assert [str(source) for source in sources] == ["coverage"]
    assert setting(environments["py313"], "sources") is None


@pytest.mark.skipif(sys.platform == "win32", reason="the program is a shell script")
@pytest.mark.parametrize("package", ["sdist", "wheel", "editable", "skip"])
def test_no_interpreter_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """What a configuration says does not depend on what is here, and starting each program on PATH takes its time."""
    programs, started = tmp_path / "bin", tmp_path / "started"
    programs.mkdir()
    for name in ("python3.13", "python3", "python"):
        (programs / name).write_text(f"#!/bin/sh\necho {name} >>{started}\nexit 1\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    ini = "[tox]\nenv_list = py313, pypy39\n[testenv]\npackage = {}\ncommands = {{env_python}} -m pytest\n"
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "tox.ini").write_text(ini.format(package))
    (tmp_path / "fastenv.toml").write_text(migrated(tmp_path / "tox.ini", own_file=True))
    assert {"py313", "pypy39"} <= set(declared(tmp_path))
    assert not started.exists(), started.read_text()


def test_the_version_of_a_file_is_written_down(migration: Migration) -> None:
    (migration.directory / ".python-version").write_text("3.13\n")
    text = migration.of("[testenv:a]\nbase_python_file = .python-version\ncommands = pytest\n")
    assert 'python = "3.13"' in text
    assert "base_python_file" not in text


def test_an_environment_that_tox_cannot_make_is_told(tmp_path: Path) -> None:
    (tmp_path / "tox.ini").write_text(FACTORS)
    with pytest.raises(UsageError, match="tox cannot read"):
        migrated(tmp_path / "tox.ini", further=["py312-nosuch"])


def test_an_environment_of_a_runner_that_is_not_installed_is_carried_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    base = "[testenv]\nskip_install = true\nrunner = a-runner-of-nobody\ncommands = pytest\n"
    (tmp_path / "tox.ini").write_text(f"[tox]\nenv_list = a, c\n{base}[testenv:b]\nrunner = virtualenv\n")
    monkeypatch.chdir(tmp_path)
    assert main(["migrate", "--own-file", "-e", "py311-c"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out.startswith("# Made from tox.ini.")
    assert "runner = a-runner-of-nobody" in out
    (tmp_path / "fastenv.toml").write_text(out)
    assert {name for name, one in declared(tmp_path).items() if one.commands} == {"a", "b", "c", "py311-c"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tox.ini", "[testenv:a]\ndeps = {[testenv:a]deps}\n"),
        ("tox.ini", "[testenv:a]\ndeps = {[testenv:b]deps}\n[testenv:b]\ndeps = {[testenv:a]deps}\n"),
        ("tox.ini", "[testenv:a]\nset_env =\n  A={env:B}\n  B={env:A}\n"),
        ("tox.ini", "[testenv:a]\nchange_dir = {change_dir}\n"),
        ("tox.ini", "[testenv:a]\nrunner = {[testenv:a]runner}\n"),
        ("tox.toml", '[env.a]\ndeps = [{replace = "ref", of = ["env", "a", "deps"], extend = true}]\n'),
    ],
)
def test_references_in_circles_are_a_diagnosis(
    name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    if name == "tox.toml" and Version(tox.version.version) < Version("4.21"):
        pytest.skip("this tox reads no TOML")
    (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    assert main(["migrate"]) == 4
    out, err = capfd.readouterr()
    assert out == ""
    assert f"tox cannot read {name}" in err
    assert err.count("tox cannot read") == 1


TALKING = """
import logging
from tox.plugin import impl
@impl
def tox_add_env_config(env_conf, state):
    print("printed")
    logging.getLogger("plugin").warning("told\\x1b[31m")
"""


def test_what_tox_and_its_plugins_say_is_no_part_of_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """tox writes its log to standard output, and a plugin may print."""
    before = list(logging.getLogger().handlers)
    (tmp_path / "tox.ini").write_text("[testenv:a]\nskip_install = true\ncommands = pytest\n")
    monkeypatch.chdir(tmp_path)

    site = tmp_path / "site"
    (site / "talking-1.0.dist-info").mkdir(parents=True)
    (site / "talking-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: talking\nVersion: 1.0\n")
    (site / "talking-1.0.dist-info" / "entry_points.txt").write_text("[tox]\ntalking = talking\n")
    (site / "talking.py").write_text(TALKING)
    monkeypatch.syspath_prepend(site)
    assert main(["migrate"]) == 0
    out, err = capfd.readouterr()
    assert tomllib.loads(out)["tool"]["fastenv"]["envs"]["a"]["commands"] == [["pytest"]]
    assert "printed" not in out
    assert err == "WARNING: tox: told\\x1b[31m\n"
    assert logging.getLogger().handlers == before


@pytest.mark.parametrize(("core", "default"), [("env_list = a, b", {"a", "b"}), ("", {"py"})])
def test_what_tox_runs_by_itself_runs_by_itself(tmp_path: Path, core: str, default: set[str]) -> None:
    (tmp_path / "tox.ini").write_text(f"[tox]\n{core}\n[testenv:a]\n[testenv:b]\n[testenv:release]\ncommands = twine\n")
    (tmp_path / "fastenv.toml").write_text(migrated(tmp_path / "tox.ini", own_file=True))
    found = declared(tmp_path)
    assert {"a", "b", "release"} <= set(found)
    assert {one.name for one in select(found, ["default"])} == default


@pytest.mark.parametrize("key", ["extras", "dependency_groups", "base_python"])
def test_variables_where_there_is_no_place_for_them_are_told(tmp_path: Path, key: str) -> None:
    (tmp_path / "tox.ini").write_text(f"[tox]\nenv_list = a\n[testenv]\npackage = wheel\n{key} = {{env:CHOSEN:x}}\n")
    assert f"not carried over: variables in {key}" in migrated(tmp_path / "tox.ini", own_file=True)


@pytest.mark.parametrize(
    ("deps", "command", "requirements"),
    [
        ("six", "pip wheel . -w dist", ["six", "pip"]),
        ("", "- python -m pip check", ["pip"]),
        ("pip>=24", "pip check", ["pip>=24"]),
        ("pip-tools", "pip-compile", ["pip-tools"]),
    ],
)
def test_pip_is_asked_for_where_commands_run_it(
    tmp_path: Path, deps: str, command: str, requirements: list[str]
) -> None:
    text = f"[tox]\nenv_list = a\n[testenv]\nskip_install = true\ndeps = {deps}\ncommands = {command}\n"
    (tmp_path / "tox.ini").write_text(text)
    assert tomllib.loads(migrated(tmp_path / "tox.ini", own_file=True))["envs"]["a"]["requirements"] == requirements


@pytest.mark.parametrize(
    "line",
    ["-i https://h.invalid/s", "--index-url=https://h.invalid/s", "--extra-index-url https://h.invalid/s", "-f wheels"],
)
def test_index_options_are_told(migration: Migration, line: str) -> None:
    """No environment has indexes of its own: what is written is read back, and says where they go."""
    text = migration.of(f"[tox]\nenv_list = a\n[testenv]\ndeps =\n    {line}\n    good\n")
    assert "put it into a requirements file, and name that" in text
    assert tomllib.loads(text)["envs"]["a"]["requirements"] == ["good"]
