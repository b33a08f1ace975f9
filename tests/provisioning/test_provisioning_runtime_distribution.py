"""The runtime as a distribution that an old interpreter can use."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import subprocess
import sys
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

import pytest_fastenv
from pytest_fastenv.provisioning.runtime_distribution import runtime_digest, runtime_files

SHARED = {"errors.py", "model/__init__.py", "model/link.py", "settings/__init__.py", "settings/options.py"}


def install(directory: Path) -> Path:
    for name, content in runtime_files("1.2.3").items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return directory


def test_record_is_right() -> None:
    files = runtime_files("1.2.3")
    *others, record = files
    assert record == "pytest_fastenv-1.2.3.dist-info/RECORD"
    rows = list(csv.reader(io.StringIO(files[record].decode())))
    assert [row[0] for row in rows] == [*others, record]
    assert rows[-1] == [record, "", ""]
    for name, digest, size in rows[:-1]:
        expected = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).decode().rstrip("=")
        assert (digest, int(size)) == (f"sha256={expected}", len(files[name]))


def test_it_is_a_distribution(tmp_path: Path) -> None:
    found = PathDistribution(install(tmp_path) / "pytest_fastenv-1.2.3.dist-info")
    assert (found.metadata["Name"], found.version) == ("pytest-fastenv", "1.2.3")
    assert found.read_text("INSTALLER") == "pytest-fastenv\n"
    assert not found.requires
    (entry,) = found.entry_points
    assert (entry.group, entry.name, entry.value) == ("pytest11", "fastenv", "pytest_fastenv_runtime.runtime.inside")


def test_all_modules_are_in_it_and_only_those() -> None:
    package = Path(pytest_fastenv.__file__).parent
    packed = {name.partition("/")[2] for name in runtime_files("1") if name.startswith("pytest_fastenv_runtime/")}
    runtime = {f"runtime/{path.name}" for path in (package / "runtime").glob("*.py")}
    assert packed == {"__init__.py", *runtime, *SHARED}


def test_digest_follows_the_content() -> None:
    assert runtime_digest("1") == runtime_digest("1") != runtime_digest("2")


@pytest.mark.slow
def test_every_interpreter_can_import_it(tmp_path: Path, interpreters: list[tuple[tuple[int, ...], Path]]) -> None:
    """All but the plugin module need nothing but the standard library."""
    install(tmp_path)
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); "
        "from pytest_fastenv_runtime.model import link; "
        "from pytest_fastenv_runtime.settings.options import OPTIONS; "
        "from pytest_fastenv_runtime.runtime import launch, options, relay, session, summary; "
        "compile(open(sys.argv[1] + '/pytest_fastenv_runtime/runtime/inside.py').read(), 'inside', 'exec'); "
        "raise SystemExit(relay.run_in_place([sys.executable, '-c', 'raise SystemExit(4)'], {}))"
    )
    for _, python in [(sys.version_info[:3], Path(sys.executable)), *interpreters]:
        run = subprocess.run(
            [python, "-I", "-W", "error", "-c", script, tmp_path],
            capture_output=True, text=True, env=dict(os.environ), check=False,
        )  # fmt: skip
        assert run.returncode == 4, (python, run.stderr)
