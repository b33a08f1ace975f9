"""A full disk, no inodes, no file descriptors, nothing that may be written: a diagnosis, and the next run is fine."""

from __future__ import annotations

import os
import random
import shutil
import sys
from pathlib import Path

import pytest
from front_doors import DOORS, Desk, Outcome, missing, whole
from kit.archives import make_sdist, make_wheel
from kit.nightly import first_and_at_night

from pytest_fastenv.model.link import LinkMode

_WHY_NOT = "mount namespaces are for Linux" if sys.platform != "linux" else missing("unshare", "-rm", "true")
pytestmark = pytest.mark.slow
mounting = pytest.mark.skipif(bool(_WHY_NOT), reason=_WHY_NOT)

#: On a small file system; then with room; each exit code is told.
_FULL = """
place=$1 options=$2 room=$3; shift 3
mkdir -p "$place"; mount -t tmpfs -o "mode=755,$options" tmpfs "$place"
"$@" && code=0 || code=$?
echo "== exit code $code"
left=$(find "$place" -name ready -path '*/.fastenv/*' | wc -l)
echo "== $left whole environments"
mount -o "remount,$room" "$place"
"$@" && code=0 || code=$?
echo "== exit code $code"
made=$place/made/bin/python
if [ -x "$made" ]; then "$made" -c 'import big; print("== imported", len(big.__file__) > 0)'; fi
"""
_ROOM = "size=400m,nr_inodes=100000"


def artifacts(desk: Desk) -> Path:
    assert desk.server is not None
    return desk.server.directory


def incompressible(size: int) -> bytes:
    return random.Random(7).randbytes(size)


@pytest.fixture
def big(desk: Desk) -> Desk:
    """An index with a wheel that needs room wherever it goes."""
    files = {"big/__init__.py": "", "big/random.bin": incompressible(3 << 20), "big/zeros.bin": bytes(12 << 20)}
    make_wheel(artifacts(desk), "big", files=files)
    return Desk(desk.directory, desk.store, desk.variables, good="big", server=desk.server)


def on_small_disk(desk: Desk, place: Path, options: str, command: list[str]) -> tuple[Outcome, Outcome, str]:
    """Run a command twice, on a small file system and with room; return both outcomes and all that was said."""
    script = ["unshare", "-rm", "sh", "-uc", _FULL, "sh", str(place), options, _ROOM, *command]
    said = desk.run(script).output
    first, _, rest = said.partition("== exit code ")
    code, _, rest = rest.partition("\n")
    left, _, rest = rest.partition("\n")
    assert left == "== 0 whole environments", said
    second, _, rest = rest.partition("== exit code ")
    return Outcome(int(code), first), Outcome(int(rest.split()[0]), second), said


#: How much room there is, and with that how far a run gets.
STAGES = {
    "nothing": "size=64k",
    "skeleton": "size=300k",
    "fetching": "size=2m",
    "unpacking": "size=10m",
    "inodes": "size=100m,nr_inodes=20",
    "more-inodes": "size=100m,nr_inodes=36",
}


@mounting
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("door", DOORS)
def test_the_stores_disk_is_full(big: Desk, door: str, stage: str) -> None:
    first, second, _ = on_small_disk(big, big.store, STAGES[stage], big.words(door, "big"))
    first.is_diagnosis(3, "[Nn]o space left|[Nn]o room", "next:")
    second.is_fine()


@mounting
@pytest.mark.parametrize(
    "options", ["size=20k", "size=10m", "size=100m,nr_inodes=30"], ids=["begin", "linking", "inodes"]
)
def test_the_environments_disk_is_full(big: Desk, options: str) -> None:
    place = big.directory / "small"
    command = [*big.words("fastenv", "big")[:-1], str(place / "made")]
    first, second, said = on_small_disk(big, place, options, command)
    first.is_diagnosis(3, "[Nn]o space left", "next:")
    second.is_fine()
    assert "== imported True" in said


@mounting
def test_the_disk_is_full_while_building(seeded: Desk) -> None:
    code = "def build_wheel(*_, **__):\n    open('filler', 'wb').write(bytes(64 << 20))"
    make_sdist(artifacts(seeded), "big", backend_code=code)
    script = ["unshare", "-rm", "sh", "-uc", _FULL, "sh", str(seeded.store), "size=20m", "size=20m"]
    said = seeded.run([*script, *seeded.words("fastenv", "big")])
    assert "== exit code 3" in said.output
    said.is_civil()
    assert "No space left" in said.output
    assert "next: " in said.output
    assert "== 0 whole environments" in said.output


@pytest.mark.skipif(sys.platform == "win32", reason="ulimit")
@pytest.mark.parametrize("limit", [20, 63, 64, 80])
@pytest.mark.parametrize("door", DOORS)
def test_few_file_descriptors(seeded: Desk, door: str, limit: int) -> None:
    """Either it gets by or it says what is missing; then, with more of them, it works."""
    names = [f"lib-{number}" for number in range(20)]
    for name in names:
        make_wheel(artifacts(seeded), name)
    what = "[Tt]oo many open files"
    limited = ["sh", "-uc", 'ulimit -n "$1"; shift; exec "$@"', "sh", str(limit)]
    outcome = seeded.run([*limited, *seeded.words(door, *names, "good")])
    outcome.is_civil()
    if outcome.code:
        outcome.is_diagnosis(3, what, "next:")
        seeded.nothing_whole_is_left()  # removing directories takes descriptors, too: the next run does it
        seeded.recovers(door)
        assert not (seeded.directory / ".made.fastenv-staging").exists()
    assert limit >= 64 or f"this process may have {limit}" in outcome.output


#: With the store (or what is named) read-only.
_READ_ONLY = """
place=$1; shift
mount --bind "$place" "$place"; mount -o remount,ro,bind "$place"
! touch "$place/probe" 2>/dev/null || exit 99
exec "$@"
"""


def read_only(desk: Desk, place: Path, command: list[str]) -> Outcome:
    return desk.run(["unshare", "-rm", "sh", "-uc", _READ_ONLY, "sh", str(place), *command])


@mounting
@pytest.mark.parametrize("door", DOORS)
def test_a_read_only_store_that_has_the_answer(seeded: Desk, door: str) -> None:
    seeded.ask(door, "good").is_fine()
    said = read_only(seeded, seeded.store, seeded.words(door, "good")).is_fine()
    assert "reused" in said
    if door == "pytest":
        assert "1 passed" in said


@mounting
@pytest.mark.parametrize("door", DOORS)
def test_a_read_only_store_where_something_has_to_be_made(seeded: Desk, door: str) -> None:
    outcome = read_only(seeded, seeded.store, seeded.words(door, "good"))
    outcome.is_diagnosis(3, "FASTENV_CACHE_DIR", "[Rr]ead-only")
    seeded.nothing_is_left()
    seeded.recovers(door)


@mounting
def test_a_read_only_place_for_the_environment(seeded: Desk) -> None:
    place = seeded.directory / "protected"
    place.mkdir()
    command = [*seeded.words("fastenv", "good")[:-1], str(place / "made")]
    read_only(seeded, place, command).is_diagnosis(3, "protected", "[Rr]ead-only", "next:")
    assert list(place.iterdir()) == []
    seeded.run(command).is_fine()
    assert "good" in whole(place / "made")


@pytest.mark.skipif(sys.platform == "win32", reason="users")
@pytest.mark.parametrize("door", DOORS)
def test_a_store_of_another_user(seeded: Desk, door: str) -> None:
    """No permission to write: root is run without its capabilities; other users take it from themselves."""
    directories = [seeded.store, *(path for path in seeded.store.rglob("*") if path.is_dir() and not path.is_symlink())]
    for directory in directories:
        directory.chmod(0o555)
    if os.geteuid() == 0:
        why = missing("setpriv", "--reuid=65534", "--clear-groups", "true")
        if why:
            pytest.skip(why)
        # CAP_DAC_OVERRIDE is what makes root's permissions go everywhere; without it root is an ordinary user here.
        seeded.before = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", "--inh-caps=-all")
    outcome = seeded.ask(door, "good")
    for directory in directories:
        directory.chmod(0o755)
    seeded.before = ()
    outcome.is_diagnosis(3, "[Pp]ermission denied", "next: .*(FASTENV_CACHE_DIR|directory that can be written)")
    shutil.rmtree(seeded.made, ignore_errors=True)
    seeded.recovers(door)


@mounting
@pytest.mark.parametrize("link", LinkMode)
def test_store_and_environment_on_different_file_systems(seeded: Desk, link: LinkMode) -> None:
    place = seeded.directory / "other-disk"
    place.mkdir()
    script = 'place=$1; mount -t tmpfs tmpfs "$place"; shift; "$@" && "$place/made/bin/python" -c "$PROBE"'
    seeded.variables["PROBE"] = "import good; print(good.__version__)"
    command = [*seeded.words("fastenv", "good", link=link)[:-1], str(place / "made")]
    said = seeded.run(["unshare", "-rm", "sh", "-uc", script, "sh", str(place), *command]).is_fine()
    assert said.endswith("1.0\n")


#: Root has no limit of processes, so the command runs as nobody, who may read what root may.
_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all,+dac_override",
           "--ambient-caps=+dac_override")  # fmt: skip
_NO_OTHER_USER = "another user is needed" if os.geteuid() else missing(*_NOBODY, "true")


@pytest.mark.parametrize(
    "limit",
    [
        "--nproc=2",
        *first_and_at_night(*(f"--nproc={n}" for n in (4, 6, 8)), *(f"--as={n << 20}" for n in (40, 60))),
    ],
)
@pytest.mark.skipif(bool(_NO_OTHER_USER), reason=_NO_OTHER_USER)
def test_too_few_processes_threads_or_memory(limit: str, desk: Desk) -> None:
    for place in (desk.directory, desk.store):
        place.mkdir(exist_ok=True)
        os.chown(place, 65534, 65534)
    desk.before = (*_NOBODY, "prlimit", limit)
    desk.ask("fastenv", "good").is_diagnosis(3, "(no|too little) memory|no threads|cannot be started", "ulimit")


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit")
@pytest.mark.parametrize(
    ("door", "mib"),
    first_and_at_night(
        ("fastenv", 200), ("fastenv", 280), *((door, mib) for door in DOORS for mib in (140, 400, 650)), by_day=2
    ),
)
def test_little_memory_is_never_the_end_of_the_process(door: str, mib: int, seeded: Desk) -> None:
    """Libraries that are compiled end the whole process where they get none (SIGABRT)."""
    seeded.before = ("prlimit", f"--as={mib << 20}")
    outcome = seeded.ask(door, "good")
    if outcome.code:
        outcome.is_diagnosis(3, "no (threads|memory)|too little memory", "ulimit")
