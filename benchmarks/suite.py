"""A suite of small tests that is run with workers, and when what happened in it."""

from __future__ import annotations

import shutil
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchmarkError

TESTS = 200
_MODULES = 20
_CONFTEST = Path(__file__).with_name("suite_conftest.py")

_MODULE = """\
import pytest


@pytest.mark.parametrize("number", range({count}))
def test_small(number):
    assert sum(range(number)) == number * (number - 1) // 2
"""


def write_suite(directory: Path) -> Path:
    """Write 200 tests in 20 modules into a directory, which is made; return it."""
    directory.mkdir()
    (directory / "pytest.ini").write_text("[pytest]\n", encoding="ascii")  # nothing above it is looked at
    shutil.copy(_CONFTEST, directory / "conftest.py")
    for number in range(_MODULES):
        text = _MODULE.format(count=TESTS // _MODULES)
        (directory / f"test_{number:02}.py").write_text(text, encoding="ascii")
    return directory


@dataclass(frozen=True, slots=True)
class Marks:
    """When what happened in a run of the suite, in seconds since the command was started.

    :ivar configured: the session in its environment has its plugins and options.
    :ivar preparing: everybody may prepare workers now; ``prepared``: has done so. Between the two environments of
        workers are made.
    :ivar answered: the last worker answers: its interpreter runs, and pytest in it.
    :ivar first_test: the first test of the first worker begins.
    :ivar every_first_test: the first test of the last worker begins.
    :ivar finished: the last test has ended.
    """

    configured: float
    preparing: float
    prepared: float
    answered: float
    first_test: float
    every_first_test: float
    finished: float


@dataclass(frozen=True, slots=True)
class SuiteLog:
    """What a run wrote down.

    :ivar prefixes: environment by worker.
    """

    marks: Marks
    prefixes: dict[str, str]


def read_log(path: Path, begun_ns: int) -> SuiteLog:
    """Read what the suite's conftest wrote.

    :raises BenchmarkError: something that should have happened did not.
    """
    times: dict[str, list[float]] = defaultdict(list)
    prefixes: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        at_ns, event, process, prefix = line.split(maxsplit=3)
        controller = process == "controller"
        if not controller:
            prefixes[process] = prefix
        if controller != (event == "test"):  # of the workers only their first tests
            times[event].append((int(at_ns) - begun_ns) / 1e9)
    missing = {"configured", "preparing", "prepared", "answered", "test", "finished"} - times.keys()
    if missing:
        raise BenchmarkError(f"the suite's run has no {', '.join(sorted(missing))} in {path}")
    marks = Marks(
        configured=times["configured"][0],
        preparing=times["preparing"][0],
        prepared=times["prepared"][0],
        answered=max(times["answered"]),
        first_test=min(times["test"]),
        every_first_test=max(times["test"]),
        finished=times["finished"][0],
    )
    return SuiteLog(marks, prefixes)
