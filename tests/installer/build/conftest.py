"""Fixtures for the tests of building."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from build_bench import Bench, Environment


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A place for one project, and calls of its hooks."""
    directory = tmp_path / "bench"
    directory.mkdir()
    return Bench(directory)


@pytest.fixture(scope="session")
def setuptools_environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A virtual environment with setuptools, from the wheel that virtualenv carries."""
    from virtualenv import cli_run

    prefix = tmp_path_factory.mktemp("environment") / "venv"
    options = ["--no-download", "--no-pip", "--setuptools", "bundle", "--no-periodic-update"]
    cli_run([str(prefix), "-p", sys.executable, *options, "--app-data", str(tmp_path_factory.mktemp("app-data"))])
    return Environment.at(prefix)
