"""SIGKILL at calls that change the file system: the next run makes a correct environment, and says nothing odd."""

from __future__ import annotations

import random
import shutil
import subprocess
from functools import partial

import pytest
from front_doors import Desk, whole
from kit.nightly import first_and_at_night
from moments import CHANGES, CREATES, KINDS, WHY_NOT, Moment, Runs, at_each

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]

BY_DAY = ("warm", "edited", "changed")
#: Each night every moment, in parts that processes of pytest-xdist share.
PARTS = 4


def killed(runs: Runs, moment: Moment) -> bool:
    """Kill at a moment and look at the next run; tell whether anything was killed."""
    code = runs.disturbed(moment).code
    runs.recovers(moment)
    return code != 0


@pytest.mark.parametrize(
    "kind",
    first_and_at_night(*BY_DAY, *(kind for kind in KINDS if kind not in BY_DAY), by_day=len(BY_DAY)),
)
def test_sigkill_at_some_calls(kind: str, desk: Desk) -> None:
    runs = Runs(desk, kind)
    moments = runs.changes(CHANGES)
    assert len(moments) > 10, moments
    chosen = one_of_each_kind_and_the_last_renames(moments)
    assert at_each(chosen, partial(killed, runs)) > len(chosen) // 3


def one_of_each_kind_and_the_last_renames(moments: list[Moment]) -> list[Moment]:
    """Choose a few moments that matter most: publishing is done by renames and ends with them."""
    found = by_call(moments)
    renames = found.get("rename", [])
    return [calls[len(calls) // 2] for calls in found.values()] + renames[-2:] + renames[:1]


def by_call(moments: list[Moment]) -> dict[str, list[Moment]]:
    """Return the moments of each call."""
    found: dict[str, list[Moment]] = {}
    for moment in moments:
        found.setdefault(moment.call, []).append(moment)
    return found


@pytest.mark.parametrize("kind", first_and_at_night("build", *(kind for kind in KINDS if kind != "build")))
def test_sigkill_at_some_files_that_are_made(kind: str, desk: Desk) -> None:
    runs = Runs(desk, kind)
    moments = runs.changes(CREATES)
    chosen = [*random.Random(kind).sample(moments, 3), moments[-1]]
    assert at_each(chosen, partial(killed, runs)) > 1


@pytest.mark.nightly
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("calls", [CHANGES, CREATES], ids=["changes", "creates"])
@pytest.mark.parametrize("kind", KINDS)
def test_sigkill_at_every_call(kind: str, calls: str, part: int, desk: Desk) -> None:
    runs = Runs(desk, kind)
    moments = runs.changes(calls)
    if kind == "workers":  # copies of whole environments: thousands of files are made and removed in one way
        moments = [moment for of_call in by_call(moments).values() for moment in of_call[:: len(of_call) // 25 + 1]]
    chosen = moments[part::PARTS]
    count = at_each(chosen, partial(killed, runs))
    print(f"{kind}: {len(chosen)} of {len(moments)} moments, killed at {count}")
    assert count > len(chosen) // 4


def test_the_run_inside_passes_after_any_of_it(seeded: Desk) -> None:
    """The same by the other door: pytest, killed while it provides, then run again."""
    command = seeded.words("pytest", "good")
    for moment in (Moment("rename", 2), Moment("mkdir", 12), Moment("link", 3), Moment("unlink", 1)):
        seeded.run([*moment.words(), *command]).is_civil()
        assert "1 passed" in seeded.run(command).is_fine()
        prefixes = seeded.environments()
        assert prefixes
        for prefix in prefixes:
            assert "good" in whole(prefix)
            shutil.rmtree(prefix)


def test_nothing_of_killed_runs_piles_up(seeded: Desk) -> None:
    command = seeded.words("fastenv", "good")
    for number in range(3, 8):
        subprocess.run([*Moment("mkdir", number).words(), *command], env=seeded.environ, cwd=seeded.directory)
    seeded.run(command).is_fine()
    seeded.ask("fastenv", "good", recreate="").is_fine()
    assert not (seeded.directory / ".made.fastenv-staging").exists()
    assert list((seeded.store / "tmp").glob("*/*")) == []
