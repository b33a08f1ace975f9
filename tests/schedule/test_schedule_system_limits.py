"""Too little memory or too few descriptors are refused before anything begins."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_fastenv
from pytest_fastenv.schedule.system_limits import memory_is_ample, memory_mib

resource = pytest.importorskip("resource")


@pytest.fixture
def limit() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_AS)
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def checked(setting: str) -> str:
    code = (
        f"import resource; resource.setrlimit(resource.{setting})\n"
        "from pytest_fastenv.errors import ShortageError\n"
        "from pytest_fastenv.schedule.system_limits import check\n"
        "try:\n    check()\n"
        "except ShortageError as error:\n    print(error)"
    )
    return subprocess.check_output([sys.executable, "-c", code], text=True)


def test_too_little_is_refused() -> None:
    told = checked("RLIMIT_AS, (150 << 20, -1)")
    assert told.startswith("too little memory: this process may have 150 MiB, and 256 are needed to begin\n")
    assert "next:  raise it" in told
    assert checked("RLIMIT_NOFILE, (63, 63)").startswith("too many open files: this process may have 63")
    assert checked("RLIMIT_AS, (300 << 20, -1)") == ""


def test_what_reserves_memory_is_done_without_where_that_is_limited(limit: None) -> None:
    from pytest_fastenv.index.config import Network
    from pytest_fastenv.index.transport import make_client

    resource.setrlimit(resource.RLIMIT_AS, (4000 << 20, resource.getrlimit(resource.RLIMIT_AS)[1]))
    assert memory_mib() == 4000
    assert not memory_is_ample()
    client = make_client(Network(), verify=True, idle=1)
    assert "Rust" not in type(client._transport).__name__  # noqa: SLF001 - it has no other name


def test_every_event_loop_keeps_quiet_about_shortages() -> None:
    """asyncio tells of what was left half begun, with tracebacks; the diagnosis is all that is to be told."""
    package = Path(pytest_fastenv.__file__).parent
    runs = [
        line.strip()
        for path in package.rglob("*.py")
        for line in path.read_text().splitlines()
        if re.search(r"asyncio\.run\b|run_until_complete|runner\.run\b", line)
    ]
    assert runs
    assert [line for line in runs if "with_one_voice(" not in line] == []
