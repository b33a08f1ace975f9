"""What counts in a source tree: all that a build could read, and nothing that tools and test runs leave there."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_fastenv.filesystem.observations import observe
from pytest_fastenv.filesystem.source_digest import source_digest


@pytest.fixture
def project(tmp_path: Path) -> Path:
    tree = tmp_path / "project"
    (tree / "package").mkdir(parents=True)
    (tree / "pyproject.toml").write_text("[project]\n")
    (tree / "package" / "data.json").write_text("{}")
    return tree


@pytest.mark.parametrize(
    "name",
    [
        ".coverage",
        ".coverage.host.123.XYZ",
        "tests/.coverage",
        "coverage.xml",
        "coverage.json",
        "report.xml",
        "junit.xml",
        "test-report.html",
        "junit-3.12.xml",
        "fastenv-report.json",
        "trace.json",
        "pylock.toml",
        "pylock.py312-django5.toml",
        "dist/project-1.0-py3-none-any.whl",
        "dist/project-1.0.tar.gz",
        "htmlcov/index.html",
        ".pytest_cache/v/cache/lastfailed",
        "package/__pycache__/a.pyc",
    ],
)
def test_what_a_test_run_leaves_is_no_source(project: Path, name: str) -> None:
    (project / "tests").mkdir()
    before, listed = source_digest(project), observe("names", project)
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    (project / name).write_text("left")
    assert source_digest(project) == before
    assert observe("names", project).state == listed.state


@pytest.mark.parametrize(
    "name",
    [
        ".coveragerc",
        "package/report.xml",
        "package/coverage.json",
        "data.xml",
        "coverage.py",
        "package/htmlcov.py",
        "report.py",
        "package/pylock.toml",
        "pylock.py",
        "dist/data.json",
        "package/dist/a.whl",
        "requirements-coverage.txt",
        "MANIFEST.in",
        "results",
    ],
)
def test_what_a_build_could_read_is_one(project: Path, name: str) -> None:
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    before = source_digest(project)
    (project / name).write_text("new")
    assert source_digest(project) != before


def test_names_like_reports_count_where_no_project_is(project: Path) -> None:
    before = observe("names", project / "package")
    (project / "package" / "report.json").write_text("{}")
    assert observe("names", project / "package").state != before.state
