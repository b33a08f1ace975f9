"""Load: many at work in one store at once, some of them killed or stopped. Each change tries a small form of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kit.archives import make_sdist, make_wheel
from kit.server import IndexServer
from load import BUILT

from pytest_fastenv.model.events import Recorder
from pytest_fastenv.store import temporary
from pytest_fastenv.store.store import Store
from pytest_fastenv.upkeep.verification import verify

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="fork, and /proc tells who belongs to whom"),
]
LOAD = Path(__file__).with_name("load.py")


class Ground:
    """An index, a store, and a directory for what members make."""

    def __init__(self, tmp_path: Path, artifacts: Path, url: str) -> None:
        self.directory = tmp_path / "made"
        self.directory.mkdir()
        self.store = tmp_path / "cache"
        self.log = tmp_path / "builds"
        self.environ = os.environ | {
            "FASTENV_INDEX_URL": url,
            "FASTENV_CONCURRENT_INSTALLS": "1",  # a worker process each, not one per core
            "FASTENV_LOCK_TIMEOUT": "10m",
        }
        for name in ("lib", "other"):
            make_wheel(artifacts, name, files={f"{name}/{part}.py": f"{part!r}\n" for part in ("__init__", "a", "b")})
        for name in BUILT:
            make_sdist(artifacts, name, build_log=self.log, exclusive=tmp_path / f"sentinel-{name}", hold_s=0.2)

    def run(self, seconds: float, *, kills: int = 0, stops: int = 0, **roles: int) -> dict[str, Any]:
        """Let them work; return what came of it, which is printed as well."""
        words = [f"{role}={count}" for role, count in roles.items()]
        command = [sys.executable, str(LOAD), str(self.directory), str(seconds), str(kills), str(stops), *words]
        ran = subprocess.run(command, env=self.environ, capture_output=True, text=True, timeout=seconds + 600)
        told: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1]) if ran.stdout else {"failed": [ran.stderr]}
        print(f"{told} builds: {dict(self.builds)}, {ran.stderr[-2000:]}")
        assert told["failed"] == []
        assert "Traceback" not in ran.stderr, ran.stderr
        return told

    @property
    def builds(self) -> Counter[str]:
        """How often each thing was built. Where two were at it at once, one of them failed."""
        text = self.log.read_text() if self.log.exists() else ""
        return Counter(re.findall(r"^(\S+) ", text, re.MULTILINE))

    def is_in_order(self) -> None:
        """Check that all in the store is as it was made, and that nothing is left of anybody."""
        found = verify(Store(self.store, recorder=Recorder()))
        assert found.is_whole, found.findings
        deadline = time.monotonic() + 60
        while left := self.leftovers():
            temporary.sweep(str(self.store / "tmp"))  # as the next run does
            temporary.sweep(str(self.store / "environments" / ".staging"))
            assert time.monotonic() < deadline, left
            time.sleep(0.1)

    def leftovers(self) -> list[Path]:
        """Return what lies about that nobody needs any more."""
        places = (self.store / "tmp", self.store / "environments" / ".staging")
        return [path for place in places if place.exists() for path in place.iterdir()]


@pytest.fixture
def ground(tmp_path: Path, artifacts: Path, index_server: Callable[..., IndexServer]) -> Ground:
    return Ground(tmp_path, artifacts, index_server().url)


LONG = pytest.mark.nightly


@pytest.mark.parametrize(("seconds", "each"), [(8, 1), pytest.param(600, 16, marks=LONG)])
def test_readers_builders_recreators_and_pruners(ground: Ground, seconds: int, each: int) -> None:
    told = ground.run(seconds, reader=each + 1, builder=each + 1, recreator=each, pruner=each)
    assert all(count > 0 for count in told["did"].values()), told
    ground.is_in_order()


@pytest.mark.parametrize(("seconds", "kills", "each"), [(8, 5, 2), pytest.param(300, 200, 8, marks=LONG)])
def test_some_are_killed(ground: Ground, seconds: int, kills: int, each: int) -> None:
    told = ground.run(seconds, kills=kills, reader=each, builder=each)
    assert told["signals"] == kills
    ground.is_in_order()


@pytest.mark.parametrize(("seconds", "stops", "each"), [(8, 4, 2), pytest.param(180, 60, 8, marks=LONG)])
def test_some_are_stopped_for_a_moment(ground: Ground, seconds: int, stops: int, each: int) -> None:
    told = ground.run(seconds, stops=stops, reader=each, builder=each, pruner=1)
    assert told["signals"] == stops
    ground.is_in_order()
