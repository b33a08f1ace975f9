"""SIGKILL at calls that change the file system: the next run makes a correct environment, and says nothing odd.

strace delivers the signal when the n-th call of a kind is entered, in whichever process gets that far first: the one
the user started, a worker, a builder. What follows is an ordinary run, compared file by file with one that was not
disturbed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from front_doors import Desk, content, missing, whole
from kit.archives import make_sdist, make_wheel
from kit.nightly import first_and_at_night

_WHY_NOT = "strace is for Linux" if sys.platform != "linux" else missing("strace", "-f", "-o", "/dev/null", "true")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(_WHY_NOT), reason=_WHY_NOT)]

#: Calls that change what names there are, or what they mean. Files that are being written have no name yet that counts.
CHANGES = (
    "rename,renameat,renameat2,link,linkat,symlink,symlinkat,mkdir,mkdirat,unlink,unlinkat,rmdir,ftruncate,truncate,"
    "chmod,fchmod,fchmodat,utimensat"
)
#: Opening to create: lock files, marks, contents.
CREATES = "open,openat,creat"


@dataclass(frozen=True)
class Point:
    """A moment: when a process enters a call for the n-th time."""

    call: str
    number: int

    def words(self) -> tuple[str, ...]:
        # With --seccomp-bpf, which is faster, strace 6.1 injects nothing.
        inject = f"inject={self.call}:signal=KILL:when={self.number}"
        return ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={self.call}", "-e", inject)


def artifacts(desk: Desk) -> Path:
    assert desk.server is not None
    return desk.server.directory


def nothing_yet(desk: Desk) -> None:
    """A cold run: the store is not even there."""


def wheels_are_there(desk: Desk) -> None:
    """A warm store: everything was fetched and unpacked for another environment."""
    desk.ask("fastenv", "wanted").is_fine()
    shutil.rmtree(desk.made)


def only_the_build_is_missing(desk: Desk) -> None:
    """A store that has the skeleton, and a source distribution to build."""
    desk.ask("fastenv", "other").is_fine()
    shutil.rmtree(desk.made)
    (wheel,) = artifacts(desk).glob("wanted-*.whl")
    wheel.unlink()
    sdist = make_sdist(artifacts(desk), "wanted", "2.0", requires=["other"], entry_points={"wanted": "wanted:main"})
    assert sdist.is_file()


KINDS: dict[str, Callable[[Desk], None]] = {
    "cold": nothing_yet,
    "warm": wheels_are_there,
    "build": only_the_build_is_missing,
}


class Sweep:
    """One kind of run, taken from the same beginning again and again."""

    def __init__(self, desk: Desk, kind: str) -> None:
        make_wheel(
            artifacts(desk),
            "wanted",
            files={f"wanted/{name}.py": f"{name} = 1\n" for name in ("__init__", "one", "two")},
            requires=["other"],
            entry_points={"wanted": "wanted:main"},
            data_files={"data/share/wanted.txt": "data"},
        )
        make_wheel(artifacts(desk), "other")
        self.desk = desk
        self.kind = kind
        self.command = desk.words("fastenv", "wanted")
        KINDS[kind](desk)
        desk.store.mkdir(exist_ok=True)
        self.beginning = desk.store.with_name("beginning")
        shutil.copytree(desk.store, self.beginning, symlinks=True)
        desk.run(self.command).is_fine()
        self.expected = content(desk.made)
        assert whole(desk.made) == {"wanted", "other"}

    def reset(self) -> None:
        """Go back to the beginning."""
        shutil.rmtree(self.desk.made, ignore_errors=True)
        shutil.rmtree(self.desk.directory / ".made.fastenv-staging", ignore_errors=True)
        shutil.rmtree(self.desk.store)
        shutil.copytree(self.beginning, self.desk.store, symlinks=True)

    def points(self, calls: str) -> list[Point]:
        """Count how often each process makes each call that changes something; return every moment."""
        self.reset()
        log = self.desk.store.with_name("trace")
        trace = ("strace", "-f", "-qq", "--seccomp-bpf", "-o", str(log), "-e", f"trace={calls}", "-e", "signal=none")
        self.desk.run([*trace, *self.command]).is_fine()
        counts: dict[tuple[str, str], int] = {}
        most: dict[str, int] = {}
        for line in log.read_text(errors="replace").splitlines():
            found = re.match(r"(\d+)\s+(\w+)\(", line)
            if not found:
                continue
            process, call = found.groups()
            counts[process, call] = count = counts.get((process, call), 0) + 1
            if call in CREATES.split(",") and "O_CREAT" not in line:
                continue
            most[call] = max(most.get(call, 0), count)
        return [Point(call, number) for call in sorted(most) for number in range(1, most[call] + 1)]

    def check(self, point: Point) -> bool:
        """Kill at a moment and look at the next run; tell whether anything was killed."""
        self.reset()
        killed = self.desk.run([*point.words(), *self.command])
        killed.is_civil()
        disturbed = killed.code != 0
        if not disturbed:  # no process came so far this time, or one whose death does not matter: all must be well
            assert content(self.desk.made) == self.expected, point
        said = self.desk.run(self.command)
        assert said.code == 0, f"{point}: {said.output}"
        said.is_civil()
        assert content(self.desk.made) == self.expected, point
        return disturbed


@pytest.mark.parametrize("kind", first_and_at_night("warm", *(kind for kind in KINDS if kind != "warm")))
def test_sigkill_at_some_calls(kind: str, desk: Desk) -> None:
    sweep = Sweep(desk, kind)
    points = sweep.points(CHANGES)
    assert len(points) > 10, points
    chosen = one_of_each_kind_and_the_last_renames(points)
    assert sum(sweep.check(point) for point in chosen) > len(chosen) // 3


def one_of_each_kind_and_the_last_renames(points: list[Point]) -> list[Point]:
    """Choose a few moments that matter most: publishing is done by renames and ends with them."""
    by_call: dict[str, list[Point]] = {}
    for point in points:
        by_call.setdefault(point.call, []).append(point)
    renames = by_call.get("rename", [])
    return [calls[len(calls) // 2] for calls in by_call.values()] + renames[-2:] + renames[:1]


@pytest.mark.nightly
@pytest.mark.parametrize("calls", [CHANGES, CREATES], ids=["changes", "creates"])
@pytest.mark.parametrize("kind", KINDS)
def test_sigkill_at_every_call(kind: str, calls: str, desk: Desk) -> None:
    sweep = Sweep(desk, kind)
    points = sweep.points(calls)
    print(f"{kind}: {len(points)} moments")
    assert sum(sweep.check(point) for point in points) > len(points) // 4


def test_the_run_inside_passes_after_any_of_it(seeded: Desk) -> None:
    """The same by the other door: pytest, killed while it provides, then run again."""
    command = seeded.words("pytest", "good")
    for point in (Point("rename", 2), Point("mkdir", 12), Point("link", 3), Point("unlink", 1)):
        seeded.run([*point.words(), *command]).is_civil()
        assert "1 passed" in seeded.run(command).is_fine()
        prefixes = seeded.environments()
        assert prefixes
        for prefix in prefixes:
            assert "good" in whole(prefix)
            shutil.rmtree(prefix)


def test_nothing_of_killed_runs_piles_up(seeded: Desk) -> None:
    command = seeded.words("fastenv", "good")
    for number in range(3, 8):
        subprocess.run([*Point("mkdir", number).words(), *command], env=seeded.environ, cwd=seeded.directory)
    seeded.run(command).is_fine()
    seeded.ask("fastenv", "good", recreate="").is_fine()
    assert not (seeded.directory / ".made.fastenv-staging").exists()
    assert list((seeded.store / "tmp").glob("*/*")) == []
