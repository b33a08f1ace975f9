"""The artifacts on disk: downloaded once from the index that is configured, checked each time."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.sets import Pin
from pytest_fastenv.errors import FastenvError
from pytest_fastenv.index.package_index import PackageIndex
from pytest_fastenv.model.artifact import Hashes
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.provisioning.run import Run
from pytest_fastenv.provisioning.tools import open_tools
from pytest_fastenv.schedule.outcome import run_all
from pytest_fastenv.settings.layers import load, variables
from pytest_fastenv.store.store import Store


def provide_files(pins: Sequence[Pin], directory: Path) -> int:
    """Make a directory hold every pinned file; return how many had to be downloaded.

    Reading them all for the check also puts them into the page cache, so that no tool is the one that pays for it.

    :raises BenchmarkError: a file cannot be had, or it is not the pinned one.
    """
    directory.mkdir(parents=True, exist_ok=True)
    missing = [pin for pin in pins if _sha256(directory / pin.filename) != pin.sha256]
    if missing:
        try:
            asyncio.run(_download(missing, directory))
        except FastenvError as error:
            raise BenchmarkError(error.diagnosis()) from None
    return len(missing)


def _sha256(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _download(pins: Sequence[Pin], directory: Path) -> None:
    settings = replace(load(variables(os.environ)).settings, concurrent_downloads=8)
    with tempfile.TemporaryDirectory(prefix="index-", dir=directory.parent) as scratch:
        run = Run.of(settings, Store(Path(scratch), recorder=Recorder()), os.environ)
        async with open_tools(run) as tools:
            await run_all([_download_one(tools.index, pin, directory) for pin in pins])


async def _download_one(index: PackageIndex, pin: Pin, directory: Path) -> None:
    project = await index.project(pin.project)
    for artifact in project.files(pin.version):
        if artifact.filename == pin.filename:
            # The pin decides, whatever the index says.
            pinned = replace(artifact, hashes=Hashes.of({"sha256": pin.sha256}))
            await index.download(pinned, directory / pin.filename)
            return
    raise BenchmarkError(
        f"the configured index does not list {pin.filename}\n"
        f"put a file with SHA-256 {pin.sha256} into {directory} yourself, or configure an index that has it"
    )
