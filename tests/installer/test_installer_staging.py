"""Where wheel files lie while they are unpacked."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from installing import artifact, engine, run
from kit.archives import make_wheel

from pytest_fastenv.installer.staging import StagedFile, StagingFiles
from pytest_fastenv.store.store import Store

linux = pytest.mark.skipif(sys.platform != "linux", reason="anonymous files with a path exist on Linux only")


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@linux
def test_small_files_stay_in_memory_while_the_budget_lasts(tmp_path: Path) -> None:
    files = StagingFiles(budget_bytes=100, most_bytes=60)
    before = open_files()
    with files.place(tmp_path, 60) as first, files.place(tmp_path, 41) as second:
        assert first.in_memory
        assert not second.in_memory
        first.path.write_bytes(b"content")
        assert Path(first.elsewhere).read_bytes() == b"content"
        with files.place(tmp_path, 40) as third:
            assert third.in_memory
    assert open_files() == before
    with files.place(tmp_path, 60) as again, files.place(tmp_path, 61) as large:
        assert again.in_memory
        assert not large.in_memory
    assert not (tmp_path / "archive.whl").exists()


def test_unknown_size_lands_in_a_file(tmp_path: Path) -> None:
    with StagingFiles().place(tmp_path, None) as staged:
        assert (staged.in_memory, staged.path, staged.elsewhere) == (
            False,
            tmp_path / "archive.whl",
            str(tmp_path / "archive.whl"),
        )


@linux
def test_workers_that_cannot_reach_memory_get_a_file(
    store: Store, artifacts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: list[StagedFile] = []
    place = StagingFiles.place

    @contextmanager
    def unreachable(self: StagingFiles, directory: Path, size_bytes: int | None) -> Iterator[StagedFile]:
        with place(self, directory, size_bytes) as staged:
            staged.elsewhere = "/proc/self/fd/9999"
            places.append(staged)
            yield staged

    monkeypatch.setattr(StagingFiles, "place", unreachable)

    async def work() -> None:
        async with engine(store) as parts:
            wheel = await parts.wheels.from_artifact(artifact(make_wheel(artifacts, "demo")))
            assert sorted(os.listdir(wheel.entry)) == [".ready", "manifest.json", "tree", "wheel.json"]

    run(work())
    assert [staged.in_memory for staged in places] == [False]
