"""The index of these runs: what pip chooses for each interpreter from the index that is configured, as files."""

from __future__ import annotations

import hashlib
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from packaging.utils import parse_wheel_filename

from benchmarks.errors import BenchmarkError
from benchmarks.pages import write_pages
from benchmarks.runners.sample import Needs
from benchmarks.sets import Pin


def provide_index(needs: Needs, pythons: Sequence[str], root: Path) -> None:
    """Make a directory an index that has wheels for what a project needs, and for what that needs.

    What was downloaded once stays as it is: an index that moves between two runs would be measured with them.

    :param pythons: versions such as ``3.12``.
    :raises BenchmarkError: pip could not download something.
    """
    files, done = root / "files", root / "done.txt"
    wanted = "\n".join([*sorted(pythons), *needs.requirements])
    if not done.is_file() or done.read_text(encoding="utf-8") != wanted:
        files.mkdir(parents=True, exist_ok=True)
        for python in pythons:
            for requirements in needs.compatible:
                _download(requirements, python, files)
        write_pages([_pin(path) for path in sorted(files.glob("*.whl"))], root)
        done.write_text(wanted, encoding="utf-8")


def _download(requirements: Sequence[str], python: str, files: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--only-binary", ":all:"]
    ran = subprocess.run(
        [*command, "--python-version", python, "--dest", str(files), *requirements],
        check=False,
        capture_output=True,
        text=True,
    )
    if ran.returncode:
        raise BenchmarkError(f"pip download {shlex.join(requirements)} for {python} failed:\n{ran.stderr.strip()}")


def _pin(wheel: Path) -> Pin:
    project, version = parse_wheel_filename(wheel.name)[:2]
    return Pin(wheel.name, hashlib.sha256(wheel.read_bytes()).hexdigest(), project, str(version))
