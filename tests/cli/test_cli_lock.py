"""``fastenv lock``, and environments made of what it wrote, with a real index on loopback."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kit.archives import make_project, make_sdist, make_wheel
from kit.dynamic_backends import git
from kit.server import IndexServer

from pytest_fastenv import provision
from pytest_fastenv.cli.main import main
from pytest_fastenv.provisioning.question import SessionNeeds
from pytest_fastenv.settings.layers import load, variables
from pytest_fastenv.settings.tables import tables

pytestmark = pytest.mark.slow


@pytest.fixture
def index(
    artifacts: Path, index_server: Callable[..., IndexServer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> IndexServer:
    make_wheel(artifacts, "app", "1.0", requires=["lib>=1"])
    make_sdist(artifacts, "app", "1.0")
    make_wheel(artifacts, "lib", "1.0")
    make_wheel(artifacts, "lib", "1.0", tag="cp38-cp38-win32")
    server = index_server()
    monkeypatch.setenv("FASTENV_INDEX_URL", server.url)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return server


def read(file: str = "pylock.toml") -> dict[str, Any]:
    return tomllib.loads(Path(file).read_text(encoding="utf-8"))


def locked(file: str = "pylock.toml") -> dict[str, str]:
    return {package["name"]: package.get("version", "") for package in read(file)["packages"]}


def pages(index: IndexServer) -> list[str]:
    return [path for path in index.paths() if "/simple/" in path]


def test_what_is_written(index: IndexServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lock", "app"]) == 0
    assert "pylock.toml: 2 packages" in capsys.readouterr().out
    app, lib = read()["packages"]
    assert (app["version"], app["index"]) == ("1.0", index.url)
    assert app["sdist"]["name"] == "app-1.0.tar.gz"
    assert [wheel["name"] for wheel in lib["wheels"]] == ["lib-1.0-py3-none-any.whl"], "the other one is for Windows"
    assert all(len(file["hashes"]["sha256"]) == 64 for file in (app["sdist"], *app["wheels"], *lib["wheels"]))
    assert "sys_platform" in read()["environments"][0]
    before = Path("pylock.toml").read_bytes()
    assert main(["lock", "app", "--max-age", "0"]) == 0
    assert Path("pylock.toml").read_bytes() == before
    assert main(["lock", "app", "-o", "pylock.other.toml"]) == 0
    assert Path("pylock.other.toml").read_bytes() == before


def test_no_login_is_written(index: IndexServer) -> None:
    assert main(["lock", "app", "--max-age", "0"]) == 0
    text = index.url.replace("http://", "http://somebody:secret@")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTENV_INDEX_URL", text)
        assert main(["lock", "app", "-o", "pylock.login.toml"]) == 0
    assert Path("pylock.login.toml").read_bytes() == Path("pylock.toml").read_bytes()


def test_what_is_locked_is_kept_until_it_is_to_move(
    index: IndexServer, artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lock", "app"]) == 0
    make_wheel(artifacts, "app", "1.1", requires=["lib>=1"])
    make_wheel(artifacts, "lib", "1.2")
    again = ["lock", "app", "--max-age", "0"]
    assert main(again) == 0
    assert locked() == {"app": "1.0", "lib": "1.0"}
    assert main([*again, "--check"]) == 0
    assert main([*again, "--upgrade-package", "Lib", "--check"]) == 1
    assert "lib 1.0 → lib 1.2" in capsys.readouterr().out
    assert locked() == {"app": "1.0", "lib": "1.0"}
    assert main([*again, "--upgrade-package", "Lib"]) == 0
    assert locked() == {"app": "1.0", "lib": "1.2"}
    assert main([*again, "lib<1.2"]) == 0
    assert locked() == {"app": "1.0", "lib": "1.0"}, "what no longer satisfies is not kept"
    assert main([*again, "--upgrade"]) == 0
    assert locked() == {"app": "1.1", "lib": "1.2"}


def test_check_writes_nothing(index: IndexServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lock", "app", "--check"]) == 1
    assert "pylock.toml is not there" in capsys.readouterr().out
    assert list(Path().iterdir()) == []
    assert main(["lock", "lib"]) == 0
    assert main(["lock", "app", "--check"]) == 1
    assert "+app 1.0" in capsys.readouterr().out
    assert index.requests


def test_an_environment_of_a_lock_asks_for_no_versions(index: IndexServer, artifacts: Path, tmp_path: Path) -> None:
    assert main(["lock", "app", "-q"]) == 0
    make_wheel(artifacts, "lib", "9.0")
    index.requests.clear()
    for number, words in enumerate((["pylock.toml"], ["--lock", "pylock.toml"], ["app", "--lock", "pylock.toml"])):
        place = tmp_path / f"environment {number}"
        assert (
            main(["create", *words, *(["--dir", str(place)] if number == 1 else [str(place)]), "--max-age", "0"]) == 0
        )
        assert len(list(place.rglob("lib-1.0.dist-info"))) == 1
        assert list(place.rglob("lib-9.0.dist-info")) == []
    assert pages(index) == []


def test_what_is_not_locked_is_an_error(index: IndexServer, capsys: pytest.CaptureFixture[str]) -> None:
    make_project(Path("own"), "own", requires=["lib>=2"])
    assert main(["lock", "app", "-q"]) == 0
    index.requests.clear()
    for words, text in (
        (["extra-thing"], "pylock.toml does not lock extra-thing, which the request asks for"),
        (["lib>=2"], "no release of lib fits lib>=2, which the request asks for"),
        (["./own"], "no release of lib fits"),
    ):
        assert main(["create", *words, "--lock", "pylock.toml", "made"]) == 4
        assert text in capsys.readouterr().err
    assert pages(index) == []


def test_another_content_than_the_locked_one_is_refused(index: IndexServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lock", "lib", "-q"]) == 0
    digest = read()["packages"][0]["wheels"][0]["hashes"]["sha256"]
    text = Path("pylock.toml").read_text(encoding="utf-8")
    Path("pylock.toml").write_text(text.replace(digest, "0" * 64), encoding="utf-8")
    assert main(["create", "pylock.toml", "made"]) == 3
    assert digest in capsys.readouterr().err
    assert not Path("made").exists()
    assert index.requests


def test_an_interpreter_that_the_lock_is_not_for(index: IndexServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lock", "lib", "-q"]) == 0
    text = Path("pylock.toml").read_text(encoding="utf-8")
    for wrong in (text.replace('"==3.', '"==4.'), text.replace("sys_platform == ", "sys_platform != ")):
        Path("pylock.wrong.toml").write_text(wrong, encoding="utf-8")
        assert main(["create", "pylock.wrong.toml", "made"]) == 4
        assert "pylock.wrong.toml is not for CPython" in capsys.readouterr().err
    assert index.requests


def test_what_the_session_needs_comes_beside_the_lock_and_is_told(index: IndexServer, artifacts: Path) -> None:
    make_wheel(artifacts, "pytest", "9.0", requires=["lib>=1"])
    make_wheel(artifacts, "lib", "2.0")
    assert main(["lock", "lib<2", "-q"]) == 0
    Path("fastenv.toml").write_text('sources = ["lib"]\nlock = "pylock.toml"\nproject = "none"\n')
    settings = load(tables(Path.cwd()), variables({"FASTENV_INDEX_URL": index.url})).settings
    ready = provision(settings=settings, needs=SessionNeeds(("pytest==9.0",)))
    held = {path.name for path in ready.environment.prefix.rglob("*.dist-info")}
    assert held == {"lib-1.0.dist-info", "pytest-9.0.dist-info"}
    (told,) = [line for line in ready.summary.warnings if "does not lock" in line]
    assert told.startswith("pylock.toml does not lock pytest 9.0:")
    assert main(["lock", "lib<2", "pytest", "-q"]) == 0
    again = provision(settings=settings, needs=SessionNeeds(("pytest==9.0",)))
    assert not any("does not lock" in line for line in again.summary.warnings)


def test_projects_archives_and_repositories(index: IndexServer, artifacts: Path, tmp_path: Path) -> None:
    make_project(Path("own"), "own", requires=["lib"])
    wheel = make_wheel(Path("own"), "local", "3.0")
    repository = make_project(tmp_path / "repository", "versioned")
    git(repository, "init", "-q", "-b", "main")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "first")
    commit = git(repository, "rev-parse", "HEAD").strip()
    words = ["./own", f"./own/{wheel.name}", f"versioned @ git+{repository.as_uri()}@main"]
    assert main(["lock", *words, "-q"]) == 0
    packages = {package["name"]: package for package in read()["packages"]}
    assert packages["own"]["directory"] == {"path": "own"}
    assert packages["local"]["archive"]["path"] == f"own/{wheel.name}"
    assert packages["versioned"]["vcs"]["commit-id"] == commit
    assert packages["versioned"]["vcs"]["requested-revision"] == "main"
    assert str(tmp_path) not in Path("pylock.toml").read_text(encoding="utf-8")
    assert main(["create", "pylock.toml", "made", "-q"]) == 0
    assert {path.name.partition("-")[0] for path in Path("made").rglob("*.dist-info")} == {*packages}
    assert artifacts.exists()
    assert index.requests


def test_environments_by_name(index: IndexServer, capsys: pytest.CaptureFixture[str]) -> None:
    Path("fastenv.toml").write_text(
        'project = "none"\n[envs.one]\nrequirements = ["app"]\nlock = "locks/pylock.toml"\n'
        '[envs.two]\nrequirements = ["lib"]\n[envs.three]\nrequirements = ["lib"]\nlock = "locks/pylock.toml"\n'
    )
    Path("locks").mkdir()
    assert main(["lock"]) == 4
    assert "one and three have one lock file" in capsys.readouterr().err
    assert main(["lock", "-e", "one"]) == 0
    assert locked("locks/pylock.toml") == {"app": "1.0", "lib": "1.0"}
    assert main(["lock", "-e", "two"]) == 0
    assert locked("pylock.two.toml") == {"lib": "1.0"}
    assert 'set lock = "pylock.two.toml" in [tool.fastenv.envs.two]' in capsys.readouterr().out
    assert main(["lock", "-e", "one", "--check"]) == 0
    assert main(["lock", "-e", "three", "--check"]) == 1
    assert index.requests


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "it is not said what is to be locked"),
        (["app", "-e", "x"], "sources and environments by name exclude each other"),
        (["app", "-o", "lock.toml"], "lock.toml is no name of a lock file"),
        (["app", "-o", "pylock.a.b.toml"], "pylock.a.b.toml is no name of a lock file"),
        (["-e", "x"], "no environments are declared here"),
        (["app", "-o", "missing/pylock.toml"], "cannot be written: No such file or directory"),
    ],
)
def test_wrong_requests(index: IndexServer, capsys: pytest.CaptureFixture[str], words: list[str], text: str) -> None:
    assert main(["lock", *words]) == 4
    assert text in capsys.readouterr().err
    assert list(Path().iterdir()) == []
    assert index.url
