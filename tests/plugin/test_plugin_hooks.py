"""The entry point: what it costs, and when it acts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_fastenv.plugin import hooks

SCRIPT = """
import json, sys, time
import pytest
before = set(sys.modules)
began = time.perf_counter()
import pytest_fastenv.plugin.hooks
took = time.perf_counter() - began
after = set(sys.modules)
code = pytest.main([{arguments}])
print(json.dumps([sorted(after - before), sorted(set(sys.modules) - after), took, int(code)]))
"""
HEAVY = {
    "httpx", "asyncio", "virtualenv", "rich", "filelock", "resolvelib", "installer", "pyreqwest", "platformdirs",
    "concurrent.futures", "truststore", "distlib", "tomllib", "subprocess",
}  # fmt: skip


def modules_of_a_run(directory: Path, *arguments: str) -> tuple[set[str], set[str], float]:
    (directory / "test_it.py").write_text("def test_it():\n    pass\n")
    words = ", ".join(map(repr, ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", *arguments)))
    script = SCRIPT.format(arguments=words)
    # With bytecode, as installed packages have it; the machine's own wishes must not decide what is measured.
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST_"))}
    environ["PYTHONPYCACHEPREFIX"] = str(directory / "bytecode")
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=directory,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    at_import, later, took, code = json.loads(run.stdout.splitlines()[-1])
    assert code == 0, run.stdout
    return set(at_import), set(later), took


def test_import_is_cheap(tmp_path: Path) -> None:
    at_import, later, _ = modules_of_a_run(tmp_path)
    assert at_import == {
        "pytest_fastenv",
        "pytest_fastenv.plugin",
        "pytest_fastenv.plugin.hooks",
        "pytest_fastenv.runtime",
        "pytest_fastenv.runtime.inside",
        "pytest_fastenv.runtime.options",
        "pytest_fastenv.runtime.session",
    }
    assert not {name for name in later if name.startswith("pytest_fastenv")}


@pytest.mark.slow
def test_import_takes_at_most_two_milliseconds(tmp_path: Path) -> None:
    """The best of a few: the machine may be busy, the import is not faster than it is."""
    assert min(modules_of_a_run(tmp_path)[2] for _ in range(5)) < 0.002


def test_nothing_heavy_is_imported_by_a_run_without_it(tmp_path: Path) -> None:
    with_plugin = set.union(*modules_of_a_run(tmp_path)[:2])
    without = set.union(*modules_of_a_run(tmp_path, "-p", "no:fastenv")[:2])
    assert not (with_plugin - without) & HEAVY


def test_options_are_in_the_help(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--help")
    result.stdout.fnmatch_lines(["*--fastenv=SOURCE*", "*--fastenv-max-age=AGE*", "*fastenv_max_age (string):*"])


def test_settings_alone_turn_nothing_on(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    pytester.makeini("[pytest]\nfastenv_link = copy\naddopts = --fastenv-max-age 1h")
    result = pytester.runpytest("--fastenv-python", "3.99")
    result.assert_outcomes(passed=1)


def test_name_of_the_entry_point() -> None:
    from importlib.metadata import entry_points

    (entry,) = entry_points(group="pytest11", name="fastenv")
    assert entry.load() is hooks
