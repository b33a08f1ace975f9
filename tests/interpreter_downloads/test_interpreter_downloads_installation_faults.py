"""Faults while an interpreter is fetched and unpacked: each is a diagnosis, and nothing half-made stays."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kit import faults
from kit.interpreter_bench import installing, nothing_is_left, offer_of, url_of, write_archive
from kit.server import IndexServer

from pytest_fastenv.archive.limits import Limits
from pytest_fastenv.errors import ArchiveError, BombError, FastenvError, NotFoundError, option
from pytest_fastenv.store.store import Store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="archives are packed from interpreters of Linux"),
]

_PROGRAM = str(Path(__file__).parents[1] / "kit" / "interpreter_bench.py")
Server = Callable[..., IndexServer]


TROUBLES = {
    "cut short": (faults.cut(100_000), "broke off"),
    "wrong checksum": (faults.corrupt(), "is not the file that was announced"),
    "missing": (faults.answer(404), "is not there"),
    "refused": (faults.answer(403), "403"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_with_the_transfer(trouble: str, archive: Path, served: IndexServer, store: Store) -> None:
    misbehave, text = TROUBLES[trouble]
    broken = [True]
    served.fault(archive.name, lambda handler: broken[0] and misbehave(handler))
    offer = offer_of(archive, url_of(served, archive))
    with pytest.raises(FastenvError) as caught:
        installing(store, offer)
    assert caught.value.exit_code == 3
    assert text in caught.value.diagnosis()
    assert archive.name in caught.value.diagnosis().replace("%2B", "+")
    assert nothing_is_left(store)
    broken[0] = False
    assert installing(store, offer).version == offer.version


def test_a_mirror_without_the_file_says_which(archive: Path, served: IndexServer, store: Store) -> None:
    offer = replace(offer_of(archive), filename="cpython-3.99.0.tar.gz", url=f"{served.files_url}cpython-3.99.0.tar.gz")
    with pytest.raises(NotFoundError) as caught:
        installing(store, offer)
    assert "cpython-3.99.0.tar.gz is not there" in caught.value.what
    assert served.origin in caught.value.diagnosis()
    assert option("python_mirror") in str(caught.value.hint)


_FULL = """
place=$1 options=$2; shift 2
mkdir -p "$place"; mount -t tmpfs -o "mode=755,$options" tmpfs "$place"
"$@" && code=0 || code=$?
echo "== exit code $code"
(cd "$place"; find . -name .ready -o -path './tmp/*/*' | sed 's/^/== left: /')
mount -o remount,size=400m,nr_inodes=100000 "$place"
"$@" && code=0 || code=$?
echo "== then exit code $code"
"""


def _no_mounts() -> str:
    """Return why there are no small file systems here; nothing when there are."""
    if shutil.which("unshare") is None:
        return "NO SMALL FILE SYSTEM: unshare is missing"
    done = subprocess.run(["unshare", "-rm", "true"], capture_output=True, text=True)
    return f"NO SMALL FILE SYSTEM: {done.stderr.strip()}" if done.returncode else ""


@pytest.mark.skipif(bool(_no_mounts()), reason=_no_mounts())
@pytest.mark.parametrize(
    "options", ["size=3m", "size=20m", "size=38m", "size=200m,nr_inodes=300"], ids=["fetch", "plain", "files", "inodes"]
)
def test_the_disk_is_full(options: str, archive: Path, store: Store) -> None:
    work = [sys.executable, _PROGRAM, str(store.root), str(archive), archive.as_uri()]
    command = ["unshare", "-rm", "sh", "-uc", _FULL, "sh", str(store.root), options, *work]
    said = subprocess.run(command, capture_output=True, text=True, timeout=120)
    output = said.stdout + said.stderr
    first, _, second = said.stdout.partition("== exit code 3")
    assert second, output
    assert "o space left" in first, output
    assert "  next: " in first, output
    assert "Traceback" not in output
    assert "== left" not in output
    assert "== then exit code 0" in second, output
    assert "\ninstalled " in second


PYTHON = ("python/bin/python3.12", b"#!/bin/sh\n")
HOSTILE: dict[str, tuple[list[tuple[str, bytes | str]], dict[str, Any], str]] = {
    "leaves the root": ([PYTHON, ("python/../../evil", b"x")], {}, "leaves the archive's root"),
    "absolute": ([PYTHON, ("/tmp/evil", b"x")], {}, "is an absolute path"),
    "link out": ([PYTHON, ("python/lib", "../../..")], {}, "is a link that leaves the archive's root"),
    "link out of its part": (
        [("python/PYTHON.json", b"{}"), ("python/install/bin/python3.12", b""), ("python/install/x", "../PYTHON.json")],
        {},
        "is a link that leaves the archive's root",
    ),
    "device": ([PYTHON, ("python/null", b"")], {"python/null": {"type": b"3"}}, "is a device"),
    "two tops": ([PYTHON, ("other/x", b"")], {}, "exactly one top directory"),
    "no interpreter": ([("python/bin/ruby", b"")], {}, "there is no bin/python3.12 in its directory python"),
    "empty": ([], {}, "is empty"),
}


@pytest.mark.parametrize("fault", HOSTILE)
def test_hostile_archives_are_refused(fault: str, tmp_path: Path, store: Store) -> None:
    members, fields, text = HOSTILE[fault]
    archive = write_archive(tmp_path / "cpython-3.12.1+1-x.tar.gz", members, **fields)
    with pytest.raises(ArchiveError) as caught:
        installing(store, offer_of(archive))
    assert type(caught.value) is ArchiveError
    assert text in caught.value.diagnosis()
    assert archive.name in caught.value.diagnosis()
    assert nothing_is_left(store)


def test_a_bomb_is_refused(tmp_path: Path, store: Store) -> None:
    archive = write_archive(tmp_path / "cpython-3.12.1+1-x.tar.gz", [PYTHON, ("python/zeros", bytes(8 << 20))])
    with pytest.raises(BombError):
        installing(store, offer_of(archive), limits=Limits(expanded_bytes=1 << 20))
    assert nothing_is_left(store)
