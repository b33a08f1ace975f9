from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from pytest_fastenv.installer.build.source_tree import copy_tree


def make(root: Path, *paths: str) -> Path:
    for path in paths:
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(path)
    return root


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make(tmp_path / "project", "pyproject.toml", "src/demo/__init__.py")


def test_sources_are_copied_with_modes_and_times(project: Path, tmp_path: Path) -> None:
    script = make(project, "tools/configure") / "tools/configure"
    script.chmod(0o755)
    os.utime(script, (1e9, 1e9))
    copy = copy_tree(project, tmp_path / "copy")
    assert files(copy) == files(project)
    assert (copy / "tools/configure").stat().st_mode & 0o777 == 0o755
    assert (copy / "tools/configure").stat().st_mtime == 1e9


def test_what_tools_make_again_is_left_out(project: Path, tmp_path: Path) -> None:
    before = files(project)
    make(
        project, "src/demo/__pycache__/x.pyc", ".tox/py/x", ".mypy_cache/x", "env/pyvenv.cfg", "env/bin/python",
        "demo.egg-info/PKG-INFO", "build/lib/stale.py", "build/bdist.linux/x", "build/temp.linux/x",
        "dist/demo-1.0.tar.gz", "src/demo.egg-info/SOURCES.txt",
    )  # fmt: skip
    assert files(copy_tree(project, tmp_path / "copy")) == before | {"src/demo.egg-info/SOURCES.txt"}


def test_what_only_looks_like_it_is_kept(project: Path, tmp_path: Path) -> None:
    make(
        project, "src/demo/build/lib/needed.py", "build/helpers.py", "dist/bundle.js", "dist/demo-1.0.tar.gz",
        "env/notes", "src/demo/dist/demo.whl", "ignored_by_git.c", ".hidden/data", "node_modules/left/x.js",
        "dist.py", "build.py",
    )  # fmt: skip
    assert files(copy_tree(project, tmp_path / "copy")) == files(project)


@pytest.mark.skipif(os.name == "nt", reason="links and special files are POSIX here")
def test_links_lead_where_they_led_and_special_files_are_left_out(project: Path, tmp_path: Path) -> None:
    make(tmp_path, "outside/LICENSE")
    (project / "LICENSE").symlink_to("../outside/LICENSE")
    (project / "inner").symlink_to("src/demo")
    (project / "src" / "up").symlink_to("../pyproject.toml")
    (project / "dangling").symlink_to("nowhere")
    os.mkfifo(project / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(project)  # paths of sockets are short
        listener.bind("socket")
        os.chdir(here)
        (tmp_path / "deeper").mkdir()
        copy = copy_tree(project, tmp_path / "deeper" / "copy")
    assert (copy / "LICENSE").read_text() == "outside/LICENSE"
    assert os.readlink(copy / "inner") == "src/demo"
    assert (copy / "src" / "up").resolve() == (copy / "pyproject.toml").resolve()
    assert os.readlink(copy / "dangling") == "nowhere"
    assert not os.path.lexists(copy / "fifo")
    assert not os.path.lexists(copy / "socket")


def test_write_protected_directories_can_be_written_in_the_copy(project: Path, tmp_path: Path) -> None:
    (project / "src").chmod(0o555)
    try:
        copy = copy_tree(project, tmp_path / "copy")
        assert (copy / "src").stat().st_mode & 0o700 == 0o700
    finally:
        (project / "src").chmod(0o755)


def test_a_copy_inside_its_source_does_not_hold_itself(project: Path) -> None:
    before = files(project)
    (project / "cache").mkdir()
    assert files(copy_tree(project, project / "cache" / "copy")) == before


git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def run_git(directory: Path, *arguments: str) -> str:
    variables = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "HOME": str(directory)}
    command = ["git", "-c", "user.name=n", "-c", "user.email=e@example.invalid", *arguments]
    return subprocess.run(
        command, cwd=directory, env=variables, check=True, capture_output=True, text=True
    ).stdout.strip()


@git
def test_the_version_can_be_taken_from_the_history_and_the_original_is_untouched(project: Path, tmp_path: Path) -> None:
    run_git(project, "init", "--quiet")
    run_git(project, "add", ".")
    run_git(project, "commit", "--quiet", "-m", "first")
    run_git(project, "tag", "v1.2")
    copy = copy_tree(project, tmp_path / "copy")
    assert not list((copy / ".git" / "objects").glob("??"))
    assert run_git(copy, "describe", "--tags", "--dirty") == "v1.2"
    make(copy, "new.py")
    run_git(copy, "add", ".")
    run_git(copy, "commit", "--quiet", "-m", "second")
    assert run_git(project, "status", "--porcelain") == ""
    assert run_git(project, "rev-list", "--all", "--count") == "1"


@git
def test_a_worktree_still_finds_its_repository(project: Path, tmp_path: Path) -> None:
    run_git(project, "init", "--quiet")
    run_git(project, "add", ".")
    run_git(project, "commit", "--quiet", "-m", "first")
    run_git(project, "worktree", "add", "--quiet", str(tmp_path / "worktree"))
    copy = copy_tree(tmp_path / "worktree", tmp_path / "copy")
    assert run_git(copy, "rev-list", "--count", "HEAD") == "1"


@pytest.mark.parametrize("reference", ['readme = "../README.md"', "search_parent_directories = true", "root = '..'"])
def test_a_project_that_refers_to_the_repository_around_it_gets_that(tmp_path: Path, reference: str) -> None:
    repository = make(tmp_path / "repository", "README.md", ".git/HEAD", "packages/one/pyproject.toml")
    project = repository / "packages" / "one"
    copy = copy_tree(project, tmp_path / "alone")
    assert files(copy) == {"pyproject.toml"}
    (project / "pyproject.toml").write_text(reference)
    copy = copy_tree(project, tmp_path / "together")
    assert copy == tmp_path / "together" / "packages" / "one"
    assert (copy / "../../README.md").resolve().is_file()
