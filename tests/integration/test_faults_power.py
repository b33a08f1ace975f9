"""The machine stops before what was made is on its disk: nothing damaged is used, and what is whole is used again."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from front_doors import Desk, content, missing, whole
from kit.archives import make_sdist, make_wheel
from kit.boots import after_another_start, cut, why_not
from kit.nightly import first_and_at_night

from pytest_fastenv.model.events import Recorder
from pytest_fastenv.store.store import Store
from pytest_fastenv.upkeep.verification import verify

WHY_NOT = why_not()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]
STOPPED = "the machine stopped before"


@pytest.fixture
def stocked(desk: Desk) -> Desk:
    """An index with a wheel, what it requires, and a source distribution."""
    assert desk.server is not None
    files = {f"wanted/{name}.py": f"{name} = 1\n" * 50 for name in ("__init__", "one", "two", "three")}
    place = desk.server.directory
    make_wheel(place, "wanted", files=files, requires=["other"], entry_points={"wanted": "wanted:main"})
    make_sdist(place, "other")
    return desk


def after_the_cut(desk: Desk, number: int = 1) -> None:
    """All later commands see another start of the machine."""
    desk.before = after_another_start(desk.directory, number)


def look_after(desk: Desk) -> None:
    """Do what the process does that a session leaves behind."""
    desk.run([sys.executable, "-P", "-m", "pytest_fastenv.upkeep", str(desk.store), "flush"]).is_fine()


def epochs(desk: Desk) -> list[str]:
    directory = desk.store / "epochs"
    return sorted(os.listdir(directory)) if directory.exists() else []


@pytest.mark.parametrize("seed", first_and_at_night(0, 1, *range(2, 40)))
def test_files_that_were_not_on_the_disk(stocked: Desk, seed: int) -> None:
    desk = stocked
    desk.ask("fastenv", "wanted").is_fine()
    expected = content(desk.made)
    desk.ask("pytest", "wanted", "good").is_fine()
    assert cut([desk.store, desk.made], random.Random(seed)) > 20
    after_the_cut(desk)
    if not (desk.made / ".fastenv" / "manifest.json").exists():  # nothing tells any more whose directory that is
        desk.ask("fastenv", "wanted").is_diagnosis(4, "did not make", "remove that one")
        shutil.rmtree(desk.made)
    said = desk.ask("fastenv", "wanted").is_fine()
    assert content(desk.made) == expected
    assert "other" in whole(desk.made)
    assert "1 passed" in desk.ask("pytest", "wanted", "good").is_fine()
    look_after(desk)
    found = verify(Store(desk.store, recorder=Recorder()))
    assert found.is_whole, found.findings
    assert all(name.endswith(".settled") for name in epochs(desk))
    assert STOPPED not in desk.ask("fastenv", "wanted").is_fine(), said


def test_zeros_of_the_same_size_with_the_same_times(stocked: Desk) -> None:
    """No look at sizes and times finds that."""
    desk = stocked
    desk.ask("fastenv", "wanted").is_fine()
    expected = content(desk.made)
    (stored,) = (desk.store / "wheels-v3").glob("*/*/tree/wanted/one.py")
    status = stored.stat()
    with open(stored, "r+b") as file:
        file.write(bytes(status.st_size))
    os.utime(stored, ns=(status.st_atime_ns, status.st_mtime_ns))
    desk.ask("fastenv", "wanted").is_fine()
    assert content(desk.made) != expected  # on the same day it is taken for what it was: that is what is asked here
    after_the_cut(desk)
    said = desk.ask("fastenv", "wanted").is_fine()
    assert STOPPED in said
    assert said.count(STOPPED) == 1 + ("the machine stopped before it was on the disk" in said)
    assert content(desk.made) == expected


def test_what_is_whole_is_kept(stocked: Desk) -> None:
    """Nothing is fetched or built again, and the environment is made anew once."""
    desk = stocked
    desk.ask("fastenv", "wanted").is_fine()
    after_the_cut(desk)
    said = desk.ask("fastenv", "wanted", offline="").is_fine()
    assert STOPPED in said
    again = desk.ask("fastenv", "wanted", offline="").is_fine()
    assert "reused" in again
    assert "it was on the disk" not in again


def test_what_was_flushed_needs_no_look(stocked: Desk) -> None:
    desk = stocked
    desk.ask("fastenv", "wanted").is_fine()
    assert len(epochs(desk)) == 1
    look_after(desk)
    assert epochs(desk) == []
    after_the_cut(desk)
    said = desk.ask("fastenv", "wanted").is_fine()
    assert STOPPED not in said
    assert "reused" in said


def test_a_session_leaves_a_process_that_flushes(stocked: Desk) -> None:
    desk = stocked
    desk.variables["FASTENV_CACHE_SYNC"] = "after"
    desk.ask("pytest", "wanted", "good").is_fine()
    deadline = 600
    while epochs(desk) and deadline:
        subprocess.run(["sleep", "0.1"], check=True)
        deadline -= 1
    assert epochs(desk) == []


def test_a_copy_of_a_store_is_whole(stocked: Desk) -> None:
    """A cache that CI keeps, the layer of a container's image: it was read through the system."""
    desk = stocked
    desk.ask("fastenv", "wanted").is_fine()
    elsewhere = desk.store.with_name("restored")
    shutil.copytree(desk.store, elsewhere, symlinks=True)
    desk.store = elsewhere
    after_the_cut(desk)
    assert STOPPED not in desk.ask("fastenv", "wanted", offline="").is_fine()


def test_a_file_system_that_is_cut_off(stocked: Desk, tmp_path: Path) -> None:
    """A real one: its image is copied while it is mounted, when its names are on the disk and its contents are not."""
    skip = missing("unshare", "-m", "sh", "-c", _LOOP, str(tmp_path / "probe"), "true")
    if skip:
        pytest.skip(skip)
    desk = stocked
    desk.ask("fastenv", "wanted").is_fine()
    expected = _installed(desk.made)
    assert len(expected) > 6
    disk, mounted = tmp_path / "disk", tmp_path / "probe.mounted"
    desk.variables["FASTENV_CACHE_DIR"] = str(mounted / "store")
    desk.before = ("unshare", "-m", "sh", "-c", _LOOP, str(tmp_path / "probe"))
    command = desk.words("fastenv", "wanted")[:-1]
    copied = 'touch "$1/last" && sync "$1/last" && cp --sparse=always "$2" "$3"'
    script = f'"$@" "$0/made" && set -- "$0" "{tmp_path}/probe" "{disk}" && {copied}'
    desk.run(["sh", "-c", script, str(mounted), *command]).is_fine()
    identity = after_another_start(tmp_path)
    desk.before = ("unshare", "-m", "sh", "-c", _LOOP, str(disk))
    again = tmp_path / "disk.mounted"
    rename = f'mount --move "{again}" "{mounted}" && exec "$@"'
    command = [*identity[3:], *command, str(mounted / "made")]
    judge = f'"$@" && cp -a "{mounted}/made" "{tmp_path}/judged" && find "{mounted}/store/epochs"'
    said = desk.run(["sh", "-c", rename, "-", "sh", "-c", judge, "-", "sh", "-c", *command]).is_fine()
    assert STOPPED in said
    assert _installed(tmp_path / "judged") == expected, said


def _installed(prefix: Path) -> dict[str, str]:
    """Return what is installed, but for what holds the environment's own path."""
    return {
        path: digest
        for path, digest in content(prefix).items()
        if "/site-packages/" in path and not path.endswith("/RECORD")
    }


_LOOP = (
    'test -e "$0" || (truncate -s 300M "$0" && mkfs.ext4 -q "$0"); mkdir -p "$0.mounted" && '
    'mount -o loop "$0" "$0.mounted" && exec "$@"'
)
