"""The plugin inside, as an environment has it: copied, under its own name."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_fastenv.provisioning.runtime_distribution import runtime_files
from pytest_fastenv.runtime.session import VARIABLE, Handed, encode
from pytest_fastenv.runtime.summary import Summary

pytestmark = pytest.mark.slow


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    directory = tmp_path / "site"
    for name, content in runtime_files("1.2.3").items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "test_it.py").write_text("def test_it():\n    pass\n")
    return directory


def run(
    runtime: Path, *arguments: str, handed: Handed | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run pytest with the runtime instead of the whole plugin that is installed here."""
    environ: dict[str, str] = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "FASTENV_"))}
    environ |= {"PYTHONPATH": str(runtime), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **variables}
    if handed:
        environ[VARIABLE] = encode(handed)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "pytest_fastenv_runtime.runtime.inside",
        "-p",
        "no:cacheprovider",
        *arguments,
    ]
    return subprocess.run(command, cwd=runtime.parent, env=environ, capture_output=True, text=True, check=False)


SUMMARY = Summary(distributions=3, path="/envs/x")


def test_header(runtime: Path) -> None:
    done = run(runtime, "--fastenv=a.txt", "--fastenv-max-age=1h", handed=Handed(sys.prefix, SUMMARY))
    assert done.returncode == 0, done.stderr
    assert "fastenv: 3 distributions in 0 ms, /envs/x\n" in done.stdout


def test_details_are_for_the_verbose(runtime: Path) -> None:
    told = replace(SUMMARY, pip_settings=("PIP_CONSTRAINT", "pre in /etc/pip.conf"))
    line = "fastenv: heeded of pip's settings: PIP_CONSTRAINT, pre in /etc/pip.conf\n"
    assert line not in run(runtime, handed=Handed(sys.prefix, told)).stdout
    assert line in run(runtime, "-v", handed=Handed(sys.prefix, told)).stdout


def test_ini_values_are_known(runtime: Path) -> None:
    (runtime.parent / "pytest.ini").write_text(
        "[pytest]\nfastenv = a.txt\nfastenv_link = copy\nfastenv_offline = yes\n"
    )
    done = run(runtime, "--strict-config", handed=Handed(sys.prefix, SUMMARY))
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stdout


def test_what_the_session_starts_needs_nothing(runtime: Path) -> None:
    (runtime.parent / "pytest.ini").write_text("[pytest]\nfastenv = a.txt\n")
    done = run(runtime, handed=Handed(sys.prefix), PYTEST_ADDOPTS="--fastenv b.txt")
    assert done.returncode == 0, done.stderr
    assert "fastenv: " not in done.stdout


def test_wish_of_its_own_without_the_whole_plugin(runtime: Path) -> None:
    for handed in (None, Handed(sys.prefix, outside=("/no/such/python", "-m", "pytest"))):
        done = run(runtime, "--fastenv=a.txt", handed=handed)
        assert done.returncode == 4
        assert "add pytest-fastenv to its requirements" in done.stderr


def test_wish_of_its_own_is_passed_on(runtime: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.py"
    outside.write_text(
        "import os, sys\nprint(sys.argv[1:], os.environ.get('VIRTUAL_ENV'), 'FASTENV_INSIDE' in os.environ)\n"
    )
    path = os.pathsep.join([os.path.join(sys.prefix, "bin"), "/else"])
    handed = Handed(sys.prefix, outside=(sys.executable, str(outside)))
    done = run(runtime, "--fastenv=a.txt", handed=handed, VIRTUAL_ENV=sys.prefix, PATH=path)
    assert done.stdout.endswith("'--fastenv=a.txt'] None False\n"), done.stderr


def test_pytest_main_in_a_session(runtime: Path) -> None:
    (runtime.parent / "test_it.py").write_text(
        "import pytest\n\ndef test_it():\n"
        "    assert pytest.main(['-p', 'pytest_fastenv_runtime.runtime.inside', '--fastenv=a.txt', 'x']) == 4\n"
    )
    done = run(runtime, "-s", handed=Handed(sys.prefix, SUMMARY, outside=(sys.executable, "-m", "pytest")))
    assert done.returncode == 0, done.stdout
    assert "start pytest as a process" in done.stderr


def test_program_of_its_own_that_calls_pytest(runtime: Path) -> None:
    """It is not pytest's process, so it is not given away, even where both have no arguments of their own."""
    (runtime.parent / "caller.py").write_text(
        "import pytest\n"
        "code = pytest.main(['-p', 'pytest_fastenv_runtime.runtime.inside', '--fastenv=a.txt'])\n"
        "print('returned', int(code))\n"
    )
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "FASTENV_"))}
    environ |= {"PYTHONPATH": str(runtime), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environ[VARIABLE] = encode(Handed(sys.prefix, outside=(sys.executable, "-c", "")))
    done = subprocess.run(
        [sys.executable, "caller.py"], cwd=runtime.parent, env=environ, capture_output=True, text=True, check=False
    )
    assert done.stdout.endswith("returned 4\n"), done.stdout + done.stderr
