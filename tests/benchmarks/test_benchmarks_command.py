"""The whole harness on a tiny set: files, index, rounds, checks, memory, stages, report."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.archives import make_sdist, make_wheel
from kit.server import IndexServer

from benchmarks.checks import check_environment
from benchmarks.errors import BenchmarkError
from benchmarks.report import BEGIN, END

ROOT = Path(__file__).parents[2]
needs_hyperfine = pytest.mark.skipif(shutil.which("hyperfine") is None, reason="hyperfine is not there")


def run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )


@needs_hyperfine
@pytest.mark.slow
def test_a_tiny_set_from_download_to_report(
    tmp_path: Path, artifacts: Path, index_server: Callable[..., IndexServer], write_set: Callable[..., Path]
) -> None:
    sets = write_set("tiny", make_wheel(artifacts, "spam", requires=["eggs"]), make_sdist(artifacts, "eggs"))
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    data = tmp_path / "data"
    options = ["--data", data, "--sets", sets, "--tools", "fastenv", "--rounds", "1", "--report", page]
    ran = run(*options, "--processes", "2", "--cases", "*/cold/*", FASTENV_INDEX_URL=index_server().url)
    assert ran.returncode == 0, ran.stderr
    results = json.loads((data / "results.json").read_text())
    assert [(one["case"], one["tool"], one["round"]) for one in results["timings"]] == [("tiny/cold/2", "fastenv", 1)]
    assert {stage["kind"] for stage in results["profiles"][0]["stages"]} >= {
        "resolve",
        "fetch",
        "build",
        "unpack",
        "link",
    }
    if sys.platform.startswith("linux"):
        assert results["peaks"][0]["processes"] >= 3  # a shell and two installers
    assert "| tiny/cold/2 |" in page.read_text()
    assert page.with_suffix(".svg").exists()


def test_a_file_with_other_content_is_not_used(
    tmp_path: Path, artifacts: Path, index_server: Callable[..., IndexServer], write_set: Callable[..., Path]
) -> None:
    from benchmarks.files import provide_files
    from benchmarks.sets import read_sets

    wheel = make_wheel(artifacts, "spam")
    _, pins = read_sets(write_set("tiny", wheel))
    make_wheel(artifacts, "spam", files={"spam/__init__.py": "other = True\n"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTENV_INDEX_URL", index_server().url)
        with pytest.raises(BenchmarkError, match="spam"):
            provide_files(pins, tmp_path / "files")
    assert list((tmp_path / "files").iterdir()) == []


def test_another_environment_than_asked_for_is_noticed(tmp_path: Path) -> None:
    metadata = tmp_path / "lib" / "python3.11" / "site-packages" / "Spam_Eggs-1.0.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text("Metadata-Version: 2.1\nName: Spam_Eggs\nVersion: 1.0.0\n")
    check_environment(tmp_path, {"spam-eggs": "1.0.0"}, "uv")
    for expected in ({}, {"spam-eggs": "1.1"}, {"spam-eggs": "1.0.0", "ham": "1"}):
        with pytest.raises(BenchmarkError, match="uv made another environment"):
            check_environment(tmp_path, expected, "uv")


@pytest.mark.slow
def test_a_page_that_cannot_be_written_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    ran = run("--data", tmp_path / "data", "--report", tmp_path / "missing.md")
    assert ran.returncode == 1
    assert ran.stderr == f"benchmarks: {tmp_path / 'missing.md'} is no page with {BEGIN} and {END} to write between\n"
    assert not (tmp_path / "data").exists()
