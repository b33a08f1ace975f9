"""Wheels in the store, as if they had been unpacked at another time."""

from __future__ import annotations

import os
from pathlib import Path

from pytest_fastenv.installer.manifest import MANIFEST, TREE, Manifest


def unpacked_at(entry: Path, time_s: int) -> None:
    """Make a wheel in the store as it would be if it had been unpacked within one second, at a time of long ago."""
    path = entry / MANIFEST
    manifest = Manifest.load(str(path))
    assert manifest is not None
    times = [time_s * 10**9 + number for number, _ in enumerate(manifest.paths)]
    for name, time_ns in zip(manifest.paths, times, strict=True):
        os.utime(entry / TREE / name, ns=(time_ns, time_ns))
    path.unlink()
    manifest._replace(mtimes_ns=times).save(str(path))
