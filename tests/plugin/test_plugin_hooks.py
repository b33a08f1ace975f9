"""The entry point: what it costs, and when it acts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable

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


Measured = tuple[set[str], set[str], float]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Measured]:
    """Run pytest without an environment; gives what is imported at import, what later, and how long importing took."""
    directory = tmp_path_factory.mktemp("plain")
    (directory / "test_it.py").write_text("def test_it():\n    pass\n")
    # With bytecode, as installed packages have it; the machine's own wishes must not decide what is measured.
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST_"))}
    environ["PYTHONPYCACHEPREFIX"] = str(directory / "bytecode")

    def measure(*arguments: str) -> Measured:
        words = ", ".join(map(repr, ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", *arguments)))
        command = [sys.executable, "-c", SCRIPT.format(arguments=words)]
        done = subprocess.run(
            command, cwd=directory, env=environ, capture_output=True, text=True, check=True, timeout=60
        )
        at_import, later, took, code = json.loads(done.stdout.splitlines()[-1])
        assert code == 0, done.stdout
        return set(at_import), set(later), took

    measure()
    return measure


@pytest.mark.slow
def test_import_is_cheap(run: Callable[..., Measured]) -> None:
    at_import, later, _ = run()
    assert at_import == {
        "pytest_fastenv",
        "pytest_fastenv.plugin",
        "pytest_fastenv.plugin.hooks",
        "pytest_fastenv.runtime",
        "pytest_fastenv.runtime.inside",
        "pytest_fastenv.runtime.options",
        "pytest_fastenv.runtime.session",
        "pytest_fastenv.settings",
        "pytest_fastenv.settings.options",
        "pytest_fastenv.version",
    }
    # Hooks and fixtures are known also where no environment is asked for.
    assert {name for name in later if name.startswith("pytest_fastenv")} == {
        "pytest_fastenv.runtime.fixtures",
        "pytest_fastenv.runtime.hookspecs",
        "pytest_fastenv.runtime.server_start",
    }


@pytest.mark.slow
@pytest.mark.nightly  # a clock decides: what is imported is asserted above
def test_import_takes_at_most_two_milliseconds(run: Callable[..., Measured]) -> None:
    """The best of a few: the machine may be busy, the import is not faster than it is."""
    assert min(run()[2] for _ in range(5)) < 0.002


@pytest.mark.slow
def test_nothing_heavy_is_imported_by_a_run_without_it(run: Callable[..., Measured]) -> None:
    with_plugin = set.union(*run()[:2])
    without = set.union(*run("-p", "no:fastenv")[:2])
    assert not (with_plugin - without) & HEAVY
    assert not with_plugin & {"httpx", "virtualenv", "rich", "filelock", "resolvelib"}


@pytest.mark.slow
def test_options_are_in_the_help(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--help")
    result.stdout.fnmatch_lines(["*--fastenv=SOURCE*", "*--fastenv-max-age=AGE*", "*fastenv_max_age (str*):*"])


@pytest.mark.slow
def test_settings_alone_turn_nothing_on(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    pytester.makeini("[pytest]\nfastenv_link = copy\naddopts = --fastenv-max-age 1h")
    result = pytester.runpytest("--fastenv-python", "3.99")
    result.assert_outcomes(passed=1)


@pytest.mark.slow
@pytest.mark.parametrize("words", [("--fastenv-python", "3.99"), ("--fastenv-lock=pylock.toml", "--fastenv-offline")])
def test_options_without_an_environment_are_told(words: tuple[str, ...], pytester: pytest.Pytester) -> None:
    """Somebody who types them means something."""
    pytester.makepyfile("def test_it(): pass")
    typed = [word.partition("=")[0] for word in words if word.startswith("--")]
    text = f"*no environment is asked for (--fastenv, --fastenv-env), so nothing comes of {', '.join(typed)}"
    pytester.runpytest(*words).stdout.fnmatch_lines([text])
    pytester.makeini("[pytest]\naddopts = --fastenv-max-age 1h")
    assert "no environment is asked for" not in pytester.runpytest().stdout.str()


def test_name_of_the_entry_point() -> None:
    from importlib.metadata import entry_points

    (entry,) = entry_points(group="pytest11", name="fastenv")
    assert entry.load() is hooks
