"""Words that stand in argument files (``@file``), and in all the places where pytest takes words from."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest

from pytest_fastenv.runtime.options import read_files, starts_workers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Project

#: How words can be said to pytest: the ini file's text, ``PYTEST_ADDOPTS``, the command line; ``{}`` stands for them.
PLACES = {
    "command line": ("", None, "{}"),
    "file": ("", None, "@words.txt"),
    "file in a file": ("", None, "@outer.txt"),
    "addopts": ("addopts = {}", None, ""),
    "file in addopts": ("addopts = @words.txt", None, ""),
    "PYTEST_ADDOPTS": ("", "{}", ""),
    "file in PYTEST_ADDOPTS": ("", "@words.txt", ""),
}


def say(project: Project, place: str, *words: str) -> tuple[str, ...]:
    """Say words in one of the places; gives what is left for the command line."""
    ini, variable, arguments = (text and text.format(" ".join(words)) for text in PLACES[place])
    project.write(pytest__ini=f"[pytest]\n{ini}\n", words__txt="\n".join(words), outer__txt="@words.txt\n")
    project.variables["PYTEST_ADDOPTS"] = variable
    return tuple(arguments.split())


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_no_environment_without_a_word_for_one(project: Project, place: str) -> None:
    project.write(test_inside__py="import sys\n\ndef test_it():\n    assert 'environments' not in sys.prefix\n")
    run = project.run(*say(project, place, "-v", "--fastenv-link=copy"))
    assert run.returncode == 0, run.stdout + run.stderr
    assert "test_it PASSED" in run.stdout
    told = [line for line in (run.stdout + run.stderr).splitlines() if "fastenv:" in line]
    typed = "fastenv: no environment is asked for (--fastenv, --fastenv-env), so nothing comes of --fastenv-link"
    assert told == ([typed] if place == "command line" else [])


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_environment_where_a_word_asks_for_one(project: Project, place: str) -> None:
    run = project.run(*say(project, place, "--fastenv", "requirements.txt"))
    assert "fastenv: " in run.stdout, run.stdout + run.stderr
    assert run.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("place", ["file", "file in PYTEST_ADDOPTS"])
def test_value_in_an_argument_file_is_no_test_path(project: Project, place: str) -> None:
    """pytest, which knows no options of plugins yet, would look for its ini file above the project."""
    (project.directory.parent / "shared.txt").write_text("library\n")
    (project.directory.parent / "pytest.ini").write_text("[pytest]\npython_files = none.py\n")
    run = project.run(*say(project, place, "--fastenv", "../shared.txt"))
    assert f"rootdir: {project.directory}\n" in run.stdout, run.stdout + run.stderr
    assert run.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_plugins_whose_options_are_used_are_inside(project: Project, place: str) -> None:
    project.write(test_inside__py="import library\n\ndef test_it():\n    assert library\n")
    arguments = say(project, place, "-n=1", "--cov=.", "--cov-report=term")
    run = project.run(*arguments, "--fastenv", "requirements.txt")
    assert "1 worker" in run.stdout, run.stdout + run.stderr
    assert "tests coverage" in run.stdout
    assert run.returncode == 0


def test_files_are_read_as_argparse_reads_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_text("-k\na b\n\n  indented\n@b\n-q")
    (tmp_path / "b").write_text("--fastenv=x\n# no comment\n")
    parser = argparse.ArgumentParser(fromfile_prefix_chars="@")
    parser.add_argument("words", nargs=argparse.REMAINDER)
    for words in (["x", "@a", "y"], ["x", "--", "@a"], ["x", "@b", "@b"], ["x", ""]):
        assert read_files(words) == ["x", *parser.parse_args(["x", *words[1:]]).words[1:]]
    assert read_files(["@none", "@"]) == ["@none", "@"]


@pytest.mark.parametrize(
    ("words", "starts"),
    [
        (["-n", "2"], True),
        (["-n=2"], True),
        (["-nauto"], True),
        (["--numprocesses=2"], True),
        (["--tx", "2*popen"], True),
        (["-d"], False),
        (["--dist=load"], False),
        (["-rn"], False),
        (["--no-header"], False),
        (["-kn"], False),
        (["--", "-n2"], False),
    ],
)
def test_starting_workers(words: list[str], starts: bool) -> None:
    assert starts_workers(words) is starts


def test_file_that_stands_in_itself_is_left_to_pytest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a").write_text("-q\n@b\n")
    Path("b").write_text("-v\n@./a\n@c\n@c\n")
    Path("c").write_text("-x\n")
    assert read_files(["@a", "@c"]) == ["-q", "-v", "@./a", "-x", "-x", "-x"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="only POSIX has named pipes in directories")
def test_pipe_is_left_to_pytest(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    descriptor = os.open(pipe, os.O_RDWR)  # a reader would take what stands in it
    try:
        os.write(descriptor, b"-q\n")
        assert read_files([f"@{pipe}"]) == [f"@{pipe}"]
        assert os.read(descriptor, 10) == b"-q\n"
    finally:
        os.close(descriptor)
