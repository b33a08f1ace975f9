"""The options of the command: those of the table, and what the project's files say."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.archives import make_wheel
from kit.server import IndexServer

from pytest_fastenv.cli.main import main
from pytest_fastenv.settings.options import OPTIONS, Option, of_door

TRY = {
    "text": "3.99", "path": "x", "number": "0", "age": "soon", "names": "x", "choice": "glue", "reports": "x.txt",
    "words": "x", "variables": "X", "overlaps": "x", "constraints": "x",
}  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    return project


@pytest.fixture
def index(artifacts: Path, index_server: Callable[..., IndexServer], monkeypatch: pytest.MonkeyPatch) -> IndexServer:
    make_wheel(artifacts, "app")
    make_wheel(artifacts, "lib")
    make_wheel(artifacts, "hooked", files={"hooked.pth": "import sys\n"})
    server = index_server()
    monkeypatch.setenv("FASTENV_INDEX_URL", server.url)
    return server


@pytest.mark.parametrize("door", ["create", "run", "list", "install"])
def test_every_option_of_a_command_is_there(
    door: str, directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are understood; what is wrong about the request is told after that, by name."""
    words = {"create": ["create"], "run": ["run"], "list": ["python", "list"], "install": ["python", "install"]}[door]
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    helped = capsys.readouterr().out
    there = {option for option in OPTIONS if f" {option.flag}" in helped and option.key}
    assert there == set(of_door(door))  # type: ignore[arg-type]


CHECKED = [option for option in of_door("create") if option.kind in {"number", "age", "choice", "reports"}]


@pytest.mark.parametrize("option", CHECKED, ids=repr)
def test_a_wrong_value_is_told_by_the_commands_name(
    option: Option, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["create", "missing.txt", "made", option.flag, TRY[option.kind]]) == 4
    assert capsys.readouterr().err.startswith(f"fastenv: error: {option.flag}: ")


@pytest.mark.parametrize("option", [option for option in of_door("create") if option not in CHECKED], ids=repr)
def test_other_values_are_taken_and_the_request_is_read(
    option: Option, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    value = [] if option.is_flag else [TRY[option.kind]]
    assert main(["create", "missing.txt", "made", option.flag, *value]) == 4
    # The interpreter is looked for before the sources are read.
    told = "no Python interpreter fits '3.99'" if option.field == "python" else "missing.txt"
    assert told in capsys.readouterr().err


@pytest.mark.slow
def test_strict(index: IndexServer, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An environment that was made without it is not taken for one that passes."""
    assert main(["create", "hooked", "made"]) == 0
    assert main(["create", "hooked", "made", "--strict"]) == 3
    assert "runs code whenever the interpreter starts" in capsys.readouterr().err
    (directory / "fastenv.toml").write_text("strict = true\n")
    assert main(["create", "hooked", "other"]) == 3
    assert "runs code whenever the interpreter starts" in capsys.readouterr().err
    assert main(["create", "app", "other"]) == 0


@pytest.mark.slow
def test_the_projects_own_files_count(
    index: IndexServer, directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / "requirements.txt").write_text("lib\n")
    (directory / "pyproject.toml").write_text(
        "[tool.fastenv]\nsources = ['requirements.txt', 'app']\nlink = 'copy'\nreport = ['trace.json']\n"
    )
    assert main(["create", "made"]) == 0
    assert "2 distributions" in capsys.readouterr().out
    assert (directory / "trace.json").exists()
    assert main(["create", "lib", "other"]) == 0
    assert "1 distribution" in capsys.readouterr().out
    (module,) = (directory / "other").glob("lib/python*/site-packages/lib/__init__.py")
    assert module.stat().st_nlink == 1


@pytest.mark.slow
def test_groups_extras_and_constraints(
    index: IndexServer, directory: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They add up, and a group is enough to make an environment."""
    make_wheel(artifacts, "lib", "2.0")
    (directory / "pyproject.toml").write_text("[dependency-groups]\none = ['app']\ntwo = ['lib']\n")
    (directory / "c.txt").write_text("lib<2\n")
    assert main(["create", "--groups", "one", "--groups", "two", "--constraints", "c.txt", "made"]) == 0
    assert {path.name for path in (directory / "made").glob("lib/python*/site-packages/*.dist-info")} == {
        "app-1.0.dist-info",
        "lib-1.0.dist-info",
    }
    capsys.readouterr()
    assert main(["create", "--extras", "x", "app", "made"]) == 4
    error = capsys.readouterr().err
    assert "extras of the project are asked for (x), and the project is not installed" in error
    assert "fastenv create leaves it out" in error
    assert "use --project editable, or leave the extras out" in error


def test_an_unknown_key_is_told(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "pyproject.toml").write_text("[tool.fastenv]\nlnik = 'copy'\n")
    for words in (["create", "app", "made"], ["python", "find"], ["python", "list", "--found"]):
        assert main(words) == 4
        assert "[tool.fastenv] of pyproject.toml has an unknown key: lnik" in capsys.readouterr().err


@pytest.mark.slow
def test_a_directory_of_environments(index: IndexServer, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is named by its content, as the plugin's are: the line says where it is."""
    assert main(["create", "app", "lib", "--dir", "environments"]) == 0
    said = capsys.readouterr().out
    (made,) = (directory / "environments").glob("[0-9a-f]*-*")
    assert str(made) in said
    assert main(["create", "lib", "app", "--dir", "environments"]) == 0
    assert main(["create", "app", "--dir", "environments"]) == 0
    assert len(list((directory / "environments").glob("[0-9a-f]*-*"))) == 2


@pytest.mark.parametrize(
    ("table", "words", "variables", "named"),
    [
        ("", ["--offline"], {}, "--offline"),
        ("offline = true\n", [], {}, "offline in fastenv.toml"),
        ("", [], {"FASTENV_OFFLINE": "yes"}, "FASTENV_OFFLINE"),
    ],
)
def test_a_hint_names_where_a_setting_was_given(
    index: IndexServer,
    directory: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    table: str,
    words: list[str],
    variables: dict[str, str],
    named: str,
) -> None:
    (directory / "fastenv.toml").write_text(table)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["create", "app", "made", *words]) == 3
    assert f"  next:  run once without {named}\n" in capsys.readouterr().err
    assert not index.requests


def test_an_interpreter_that_is_advised(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "script.py").write_text("# /// script\n# requires-python = '<3'\n# dependencies = []\n# ///\n")
    assert main(["create", "script.py", "made"]) == 4
    assert "choose one with --python '<3'" in capsys.readouterr().err
    (directory / "fastenv.toml").write_text(f"python = '{sys.executable}'\n")
    assert main(["create", "script.py", "made"]) == 4
    assert 'choose one with python = "<3" in fastenv.toml' in capsys.readouterr().err
