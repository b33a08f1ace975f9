"""``fastenv why``, and when an environment is made anew: for what it rests on, and never for anything else."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.archives import make_project, make_wheel
from kit.dynamic_backends import git
from kit.server import IndexServer

from pytest_fastenv.cli.main import main
from pytest_fastenv.environment.places import Ready
from pytest_fastenv.matrix.selection import declared
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.provisioning.question import Question
from pytest_fastenv.provisioning.story import answer, reuse
from pytest_fastenv.settings.layers import Loaded, load, variables
from pytest_fastenv.settings.tables import tables

pytestmark = pytest.mark.slow

DECLARED = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[tool.fastenv]
project = "none"

[tool.fastenv.envs.test]
requirements = ["app", "-r.txt"]

[tool.fastenv.envs.other]
requirements = ["lib"]
"""


@pytest.fixture
def index(
    artifacts: Path, index_server: Callable[..., IndexServer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> IndexServer:
    make_wheel(artifacts, "app", requires=["lib>=1"])
    make_wheel(artifacts, "lib", "1.0")
    make_wheel(artifacts, "lib", "2.0")
    server = index_server()
    monkeypatch.setenv("FASTENV_INDEX_URL", server.url)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    Path("requirements.txt").write_text("lib<2\n")
    Path("pyproject.toml").write_text(DECLARED.replace("-r.txt", "requirements.txt"))
    return server


def loaded(name: str) -> Loaded:
    layer = declared(Path.cwd())[name].layer
    return load(tables(Path.cwd()), layer, variables(os.environ))


def made(name: str = "test") -> Ready:
    return answer(Question.of(loaded(name).settings, Path.cwd(), Path.cwd(), None, None, os.environ, name), Recorder())


def stands(name: str = "test") -> bool:
    return reuse(loaded(name).settings, base=Path.cwd()) is not None


def why(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert main(["why", *words]) == 0
    return capsys.readouterr().out


def test_of_an_environment(index: IndexServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert why(capsys, "test") == "test: never made\n  next run:  makes it\n"
    prefix = made().environment.prefix
    count = len(index.requests)
    text = why(capsys, "test")
    assert text.startswith(f"test: ready\n  where:     {prefix}\n  holds:     2 distributions, CPython")
    assert "asked for: app requirements.txt\n" in text
    assert "made:      a moment ago: there was none\n" in text
    assert text.endswith("next run:  uses it as it is\n")
    Path("requirements.txt").write_text("lib\n")
    assert why(capsys, "test").endswith("requirements.txt changed\n")
    assert str(made().summary.reason).endswith("requirements.txt changed: lib 1.0 → 2.0")
    (told,) = [line for line in why(capsys, "test").splitlines() if "made:" in line]
    assert told.startswith("  made:      a moment ago: ")
    assert told.endswith("requirements.txt changed: lib 1.0 → 2.0")
    text = DECLARED.replace("-r.txt", "requirements.txt").replace('["app", ', '["app>=1", ')
    Path("pyproject.toml").write_text(text)
    assert "needed: requirements app requirements.txt → app>=1 requirements.txt\n" in why(capsys, "test")
    assert len([path for path in index.paths() if path]) >= count


def test_it_asks_nothing(index: IndexServer, capsys: pytest.CaptureFixture[str]) -> None:
    made()
    count = len(index.requests)
    why(capsys)
    why(capsys, "lib")
    why(capsys, "-e", "test", "app")
    assert len(index.requests) == count


def test_of_a_distribution(index: IndexServer, capsys: pytest.CaptureFixture[str]) -> None:
    made()
    text = why(capsys, "test", "lib")
    assert text.startswith(f"test: lib 1.0 (lib-1.0-py3-none-any.whl, {index.url})\n")
    assert "  asked for by requirements.txt:1 <2\n" in text
    assert "  needed by app 1.0, which asks for >=1\n    asked for by the request\n" in text
    assert why(capsys, "LIB") == text, "of all environments that hold it"
    made("other")
    assert "other: lib 2.0" in why(capsys, "lib")
    assert "other" not in why(capsys, "-e", "test", "lib")
    assert main(["why", "nothing-like-it"]) == 4
    assert "nothing-like-it: no such distribution in test, other" in capsys.readouterr().err


def unrelated_edits() -> None:
    Path("README.md").write_text("more\n")
    Path("module.py").write_text("changed = True\n")
    Path("pyproject.toml").write_text(
        "# a comment\n"
        + Path("pyproject.toml").read_text().replace('requirements = ["lib"]', 'requirements = ["lib", "app"]')
        + '\n[tool.fastenv.envs.third]\ndescription = "more"\n[tool.else]\nkey = 1\n'
    )
    os.utime("requirements.txt", (1, 1))


def other_order_of_keys() -> None:
    text = Path("pyproject.toml").read_text()
    head, _, envs = text.partition("[tool.fastenv]")
    Path("pyproject.toml").write_text(f"[tool.fastenv]{envs}\n{head}")


def operations_of_git() -> None:
    git(Path.cwd(), "init", "-q")
    git(Path.cwd(), "add", "-A")
    git(Path.cwd(), "commit", "-q", "-m", "first")
    git(Path.cwd(), "checkout", "-q", "-b", "another")
    git(Path.cwd(), "tag", "v1")


@pytest.mark.parametrize("change", [unrelated_edits, other_order_of_keys, operations_of_git])
def test_never_for_an_unrelated_change(index: IndexServer, change: Callable[[], None]) -> None:
    made()
    change()
    assert stands()
    Path("requirements.txt").write_text("lib\n")
    assert not stands()
    assert index.requests


@pytest.mark.parametrize("change", [unrelated_edits, other_order_of_keys, operations_of_git])
def test_nor_for_one_outside_a_project_that_is_built(index: IndexServer, change: Callable[[], None]) -> None:
    make_project(Path("own"), "own", requires=["lib"])
    text = Path("pyproject.toml").read_text().replace('["app", ', '["./own", ')
    Path("pyproject.toml").write_text(text)
    before = made()
    os.utime("own/pyproject.toml", (1, 1))
    change()
    again = made()
    assert again.environment.prefix == before.environment.prefix
    assert index.requests


def test_an_interpreter_that_is_gone_is_named(
    index: IndexServer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    old = tmp_path / "old" / "bin"
    old.mkdir(parents=True)
    prefix = made().environment.prefix
    python = prefix / "bin" / "python"
    python.unlink()
    python.symlink_to(old / "python")
    assert f"its interpreter is gone ({old / 'python'})" in why(capsys, "test")
    again = made()
    assert f"its interpreter is gone ({old / 'python'})" in str(again.summary.reason)
    assert again.environment.prefix != prefix
    assert subprocess.run([again.environment.python, "-c", ""], check=False).returncode == 0
    assert index.requests


def test_a_damaged_one_is_named(index: IndexServer, capsys: pytest.CaptureFixture[str]) -> None:
    ready = made()
    next(ready.environment.prefix.rglob("METADATA")).write_text("x")
    assert "next run:  looks again, and makes another one if that is needed: " in why(capsys, "test")
    assert index.requests
