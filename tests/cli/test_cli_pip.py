"""``fastenv pip`` beside pip itself, on the same environments."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from kit.archives import make_project, make_sdist, make_wheel
from kit.server import IndexServer

from pytest_fastenv.cli.main import main
from pytest_fastenv.environment import manifest

pytestmark = pytest.mark.slow


class Ended(NamedTuple):
    code: int
    out: str
    err: str


class Desk:
    """An environment in a directory of its own, for both programs."""

    def __init__(self, base: Path, capsys: pytest.CaptureFixture[str], url: str) -> None:
        self.base, self.capsys, self.url = base, capsys, url
        self.prefix = base / "env"

    def fastenv(self, *words: str) -> Ended:
        self.capsys.readouterr()
        try:
            code = main(list(words))
        except SystemExit as end:
            code = int(end.code or 0)
        return Ended(code, *self.capsys.readouterr())

    def create(self, *sources: str) -> None:
        assert self.fastenv("create", *sources, str(self.prefix)).code == 0

    def ours(self, *words: str) -> Ended:
        return self.fastenv("pip", "--python", str(self.prefix), *words)

    def pips(self, *words: str) -> Ended:
        python = self.prefix / "bin" / "python"
        command = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.base)
        return Ended(done.returncode, done.stdout, done.stderr)

    def compare(self, *words: str) -> Ended:
        """Both say the same, and end the same; what they say is returned."""
        ours, pips = self.ours(*words), self.pips(*words)
        assert (ours.code, ours.out) == (pips.code, pips.out)
        return ours


@pytest.fixture
def desk(
    tmp_path: Path,
    index_server: Callable[..., IndexServer],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Desk:
    url = index_server().url
    monkeypatch.setenv("FASTENV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_INDEX_URL", url)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.chdir(tmp_path)
    return Desk(tmp_path, capsys, url)


@pytest.fixture
def mixed(desk: Desk, artifacts: Path, tmp_path: Path) -> Desk:
    """An environment with distributions of every kind."""
    make_wheel(artifacts, "Alpha", requires=["beta-plus>=1", "gamma; python_version < '3'"])
    make_wheel(artifacts, "beta_plus", tag="1-py3-none-any")
    make_wheel(tmp_path / "elsewhere", "delta")
    make_project(tmp_path / "plain", "epsilon")
    make_project(tmp_path / "linked", "zeta")
    make_project(tmp_path / "checkout", "eta")
    for words in (
        ["init", "-q"],
        ["remote", "add", "origin", "https://example.invalid/eta.git"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "one"],
    ):
        subprocess.run(["git", *words], cwd=tmp_path / "checkout", check=True)
    desk.create("alpha", "elsewhere/delta-1.0-py3-none-any.whl")
    return desk


def install_local_projects(desk: Desk) -> None:
    ended = desk.ours("install", "./plain", "-e", "linked", "-e", "./checkout")
    assert ended.code == 0, ended.err


LOOKS = [
    ["freeze"],
    ["freeze", "--all"],
    ["freeze", "-l", "--exclude", "beta.plus"],
    ["freeze", "--exclude-editable"],
    ["list"],
    ["list", "-v"],
    ["list", "--format", "json"],
    ["list", "--format=freeze", "--exclude", "alpha"],
    ["list", "--not-required"],
    ["list", "-e"],
    ["list", "--exclude-editable", "--format", "json", "-v"],
    ["check"],
    ["show", "alpha"],
    ["show", "-f", "Beta.Plus", "delta"],
    ["show", "-v", "epsilon"],
    ["show", "nothing"],
]


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
def test_looks_say_what_pip_says(words: list[str], mixed: Desk) -> None:
    install_local_projects(mixed)
    mixed.compare(*words)


@pytest.mark.parametrize("words", [["list", "-o"], ["list", "-o", "--format", "json"], ["list", "-u"]], ids=" ".join)
def test_newer_versions_are_told_as_pip_tells_them(words: list[str], desk: Desk, artifacts: Path) -> None:
    make_wheel(artifacts, "alpha")
    make_wheel(artifacts, "beta")
    desk.create("alpha", "beta")
    make_wheel(artifacts, "alpha", "2.0")
    make_wheel(artifacts, "alpha", "3.0rc1")
    make_sdist(artifacts, "alpha", "2.5")
    told = desk.compare(*words).out
    assert ("2.5" in told) is ("-o" in words)
    assert "3.0rc1" in desk.compare(*words, "--pre").out or "-u" in words


def test_what_does_not_fit_is_told_as_pip_tells_it(desk: Desk, artifacts: Path) -> None:
    make_wheel(artifacts, "alpha", requires=["beta>=2", "gamma"])
    make_wheel(artifacts, "beta")
    desk.create("beta")
    ended = desk.ours("install", "--no-deps", "alpha")
    assert ended.code == 0
    assert ended.err == (
        "WARNING: alpha 1.0 requires gamma, which is not installed.\n"
        "WARNING: alpha 1.0 has requirement beta>=2, but you have beta 1.0.\n"
    )
    assert desk.compare("check").code == 1


def test_installed_as_pip_tells_it(desk: Desk, artifacts: Path, tmp_path: Path) -> None:
    make_wheel(artifacts, "alpha", requires=["beta"])
    make_wheel(artifacts, "beta")
    make_wheel(artifacts, "gamma")
    make_wheel(artifacts, "gamma", "2.0")
    desk.create("alpha")
    (tmp_path / "more.txt").write_text("gamma\n")
    (tmp_path / "limits.txt").write_text("gamma<2\n")
    words = ("install", "-r", "more.txt", "-c", "limits.txt", "alpha")
    assert desk.ours(*words, "--dry-run").out.splitlines()[-1] == "Would install gamma-1.0"
    told = desk.ours(*words)
    assert told.out.splitlines()[-1] == "Successfully installed gamma-1.0"
    assert told.out.splitlines()[0].startswith("Requirement already satisfied: alpha in ")
    assert desk.ours("install", "-q", "-U", "gamma").out == ""
    assert desk.compare("freeze").out == "alpha==1.0\nbeta==1.0\ngamma==2.0\n"
    assert desk.ours("install", "--force-reinstall", "alpha").out == "Successfully installed alpha-1.0 beta-1.0\n"


def test_a_report_says_where_things_came_from(desk: Desk, artifacts: Path) -> None:
    make_wheel(artifacts, "alpha")
    desk.create("alpha")
    ended = desk.ours("install", "-q", "--dry-run", "--force-reinstall", "--report", "-", "alpha")
    pips = desk.pips("install", "-q", "--dry-run", "--force-reinstall", "--report", "-", "alpha")
    (ours,), (its,) = json.loads(ended.out)["install"], json.loads(pips.out)["install"]
    for key in ("is_direct", "is_yanked", "requested"):
        assert ours[key] == its[key]
    assert ours["download_info"]["archive_info"]["hashes"] == its["download_info"]["archive_info"]["hashes"]
    assert ours["download_info"]["url"] == its["download_info"]["url"]


def test_what_pip_put_there_goes_and_what_we_put_there_goes_with_pip(desk: Desk, artifacts: Path) -> None:
    make_wheel(artifacts, "alpha", entry_points={"alpha": "alpha:main"})
    make_wheel(artifacts, "beta")
    make_wheel(artifacts, "gamma")
    desk.create("beta")
    theirs = desk.pips("install", "alpha", "gamma")
    assert theirs.code == 0, theirs.err
    ended = desk.ours("uninstall", "-y", "alpha", "nothing")
    pips = desk.pips("uninstall", "-y", "gamma", "nothing")
    assert ended.out == pips.out.replace("gamma", "alpha")
    assert ended.err == pips.err
    assert desk.pips("uninstall", "-y", "beta").code == 0
    assert desk.compare("list").out == ""
    assert not (desk.prefix / "bin" / "alpha").exists()


def test_nothing_goes_unless_somebody_says_so(
    desk: Desk, artifacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(artifacts, "alpha")
    desk.create("alpha")
    with open(os.devnull, encoding="ascii") as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        ended = desk.ours("uninstall", "alpha")
    assert ended.code == 4
    assert "-y" in ended.err
    (tmp_path / "no.txt").write_text("n\n")
    with open(tmp_path / "no.txt", encoding="ascii") as no:
        monkeypatch.setattr("sys.stdin", no)
        assert "Would remove:" in desk.ours("uninstall", "alpha").out
    assert desk.compare("freeze").out == "alpha==1.0\n"


REFUSED = [
    ["install", "alpha", "--target", "x"],
    ["install", "-t", "x", "alpha"],
    ["install", "alpha", "--prefix=x"],
    ["install", "alpha", "--root", "x"],
    ["install", "alpha", "--user"],
    ["install", "alpha", "--no-build-isolation"],
    ["install", "-I", "alpha"],
    ["install", "alpha", "--platform", "any"],
    ["install", "alpha", "--src", "x"],
    ["install", "alpha", "--cache-dir", "x"],
    ["freeze", "--user"],
    ["freeze", "-r", "x"],
    ["uninstall", "-y", "./plain"],
]


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_what_pip_does_and_this_does_not_is_refused_with_the_reason(words: list[str], desk: Desk) -> None:
    make_project(desk.base / "plain", "epsilon")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", desk.prefix], check=True)
    ended = desk.ours(*words)
    assert ended.code == 4
    assert "next:" in ended.err
    assert "Traceback" not in ended.err


def test_every_option_of_pip_is_known() -> None:
    """pip's own help names them: none is met with silence, or with an unknown word."""
    for command in ("install", "uninstall", "freeze", "list", "check", "show"):
        theirs = subprocess.run([sys.executable, "-m", "pip", command, "--help"], capture_output=True, text=True)
        flags = {word.strip(",") for line in theirs.stdout.splitlines() if line.startswith("  -")
                 for word in line.split("  ")[1].replace("=", " ").split() if word.startswith("--")}  # fmt: skip
        flags = {flag.partition("<")[0].strip() for flag in flags} - {"--help", "--version"}
        known = known_flags(command)
        assert flags - known == set(), command


def known_flags(command: str) -> set[str]:
    import argparse

    from pytest_fastenv.cli.pip.arguments import add_arguments

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))  # noqa: SLF001
    return {flag for action in commands.choices[command]._actions for flag in action.option_strings}  # noqa: SLF001


def test_the_environment_is_the_active_one(desk: Desk, artifacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheel(artifacts, "alpha")
    desk.create("alpha")
    monkeypatch.setenv("VIRTUAL_ENV", str(desk.prefix))
    assert desk.fastenv("pip", "freeze").out == "alpha==1.0\n"
    monkeypatch.setenv("VIRTUAL_ENV", str(desk.base))
    assert desk.fastenv("pip", "freeze").code == 4
    for where in (desk.prefix, desk.prefix / "bin" / "python"):
        assert desk.fastenv("pip", "freeze", "--python", str(where)).out == "alpha==1.0\n"
    for where in (desk.base / "nothing", desk.base, sys.base_prefix):
        ended = desk.fastenv("pip", "freeze", "--python", str(where))
        assert (ended.code, "Traceback" in ended.err) == (4, False)


def test_words_of_the_command_line_have_their_place_in_messages(desk: Desk) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", desk.prefix], check=True)
    assert "fastenv pip install" in desk.ours("install", "alpha==").err
    assert "a requirement is needed" in desk.ours("install").err
    assert "no such file: nothing.txt" in desk.ours("install", "-r", "nothing.txt").err


def test_the_manifest_is_right_after_a_change(desk: Desk, artifacts: Path) -> None:
    make_wheel(artifacts, "alpha")
    make_wheel(artifacts, "beta")
    desk.create("alpha")
    assert desk.ours("install", "beta").code == 0
    known = manifest.read(desk.prefix)
    assert known is not None
    assert known.is_changed
    assert manifest.difference(desk.prefix, known) is None
