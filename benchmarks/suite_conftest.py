"""The ``conftest.py`` of the suite that is run with workers: it writes down when what happens.

Each line of the file that ``SUITE_LOG`` names is ``nanoseconds event process prefix``; the clock is the same in all
processes (``CLOCK_MONOTONIC``). The process is the worker's name, or ``controller``. Public hooks of pytest and
pytest-xdist only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Generator

import pytest

_PROCESS = os.environ.get("PYTEST_XDIST_WORKER", "controller")
_written: set[str] = set()


def _write(event: str) -> None:
    line = f"{time.monotonic_ns()} {event} {_PROCESS} {sys.prefix}\n"
    descriptor = os.open(os.environ["SUITE_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def pytest_configure() -> None:
    """Write that the controller, or a worker, has begun."""
    _write("configured")


@pytest.hookimpl(wrapper=True, tryfirst=True, optionalhook=True)
def pytest_xdist_setupnodes() -> Generator[None, object, object]:
    """Write when everybody begins, and ends, to prepare workers that are not there yet: their environments, too."""
    _write("preparing")
    prepared = yield
    _write("prepared")
    return prepared


@pytest.hookimpl(optionalhook=True)
def pytest_testnodeready() -> None:
    """Write that a worker answers."""
    _write("answered")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call() -> Generator[None]:
    """Write when the process runs its first test."""
    if not _written:
        _written.add("test")
        _write("test")
    yield


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish() -> Generator[None]:
    """Run the command of ``SUITE_AT_END`` while all environments are still there."""
    yield
    if _PROCESS == "controller":
        _write("finished")
        command = json.loads(os.environ.get("SUITE_AT_END", "[]"))
        if command:
            subprocess.run([*command, sys.prefix, os.environ["SUITE_LOG"]], check=True)
