from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from build_bench import sdist, surroundings
from kit.archives import make_sdist

from pytest_fastenv.installer.build import bench
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.schedule.slots import MachineSlots

NATIVE = {"native/fast.cpp": "x" * 5000}
CORES = "CMAKE_BUILD_PARALLEL_LEVEL"


@pytest.mark.parametrize(
    ("files", "environ", "options", "busy", "told"),
    [
        (NATIVE, {}, {}, 0, "3"),
        (NATIVE, {}, {}, 1, "2"),
        (NATIVE, {}, {}, 2, "None"),
        (NATIVE, {CORES: "7"}, {}, 0, "7"),
        (NATIVE, {"MAKEFLAGS": "-j7"}, {}, 0, "None"),
        (NATIVE, {}, {"concurrent_builds": 1}, 0, "None"),
        (NATIVE, {}, {"concurrent_builds": 2}, 0, "2"),
        ({}, {}, {}, 0, "None"),
    ],
    ids=["alone", "beside one", "beside two", "said", "said to make", "one at a time", "two at a time", "pure Python"],
)
def test_cmake_is_told_of_the_cores_that_no_build_uses(
    files: dict[str, str],
    environ: dict[str, str],
    options: dict[str, int],
    busy: int,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench, "usable_cores", lambda: 8)
    root, log = tmp_path / "store", tmp_path / "log"
    code = f"with open({str(log)!r}, 'a') as file:\n    print(os.environ.get({CORES!r}), file=file)\n"
    source = sdist(make_sdist(tmp_path, "demo", files=files, backend_code=code))
    others = MachineSlots(root / "slots", 3, Recorder(), 10.0)  # of another process

    async def work(settings: dict[str, int], variables: dict[str, str]) -> None:
        async with surroundings(root, slots=3, environ=variables, **settings) as around, AsyncExitStack() as stack:
            for _ in range(busy):
                await stack.enter_async_context(others.take("another build"))
            await around.builder.build(source, "demo", "1.0")

    clean = {name: value for name, value in os.environ.items() if name not in {CORES, "MAKEFLAGS"}}
    asyncio.run(work({"concurrent_builds": 8, **options}, clean | environ))
    asked, built = log.read_text().split()
    assert (asked, built) == (environ.get(CORES, "None"), told)
