"""Errors of the system at the n-th call: a diagnosis with exit code 3, or success; and the next run is right."""

from __future__ import annotations

import random
from functools import partial

import pytest
from front_doors import Desk
from kit.nightly import first_and_at_night
from moments import KINDS, WHY_NOT, Moment, Runs, at_each

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]

#: Which calls fail in which way.
_NAMES = "mkdir,rename,unlink,rmdir,link,symlink,chmod,utimensat"
ERRORS = {
    "ENOSPC": f"write,ftruncate,openat,{_NAMES}",
    "EDQUOT": f"write,openat,{_NAMES}",
    "EMFILE": "openat,pipe2,socket",
    "EIO": f"read,write,openat,newfstatat,getdents64,{_NAMES}",
    "ENOLCK": "flock",
    "EXDEV": "link,rename",
    "EMLINK": "link,mkdir",
    "ESTALE": f"openat,newfstatat,getdents64,{_NAMES}",
    "EINTR": "flock,openat,write,read",
}
#: Descriptors come from anywhere; all other calls count where they are about the store or the user's directory: before
#: that the interpreter itself reads its modules, and nobody could say anything.
_ANYWHERE = ("pipe2", "socket")
#: Calls by which Python looks for modules.
_IMPORTING = ("openat", "read", "newfstatat", "getdents64")
#: At most so many moments of each call and error at night: most are alike, and a session with workers takes seconds.
_MOST, _MOST_WITH_WORKERS = 6, 3


def moments(runs: Runs, calls: str) -> dict[str, list[int]]:
    """Return by call at which of its times it could fail: in every process that gets so far it is one of ours."""
    # What a session reads in its user's directory pytest reads, and what it imports: those do not expect it to fail.
    places = (str(runs.desk.store), *(() if runs.is_session else (str(runs.desk.directory),)))
    ours: dict[tuple[str, int], bool] = {}
    for call, number, rest in runs.calls(calls):
        counts = call in _ANYWHERE or any(place in rest for place in places)
        if runs.is_session and call in _IMPORTING and "/site-packages" in rest:
            counts = False
        ours[call, number] = ours.get((call, number), True) and counts
    found: dict[str, list[int]] = {}
    for (call, number), counts in sorted(ours.items()):
        if counts:
            found.setdefault(call, []).append(number)
    return found


def fails_well(runs: Runs, moment: Moment) -> bool:
    """Let a call fail and look at the next run; tell whether the run ended with a diagnosis."""
    outcome = runs.disturbed(moment)
    if outcome.code:
        assert outcome.code == 3, f"{moment}: {outcome.code}\n{outcome.output}"
        assert outcome.output.count("fastenv: error: ") == 1, f"{moment}: {outcome.output}"
    runs.recovers(moment)
    return outcome.code != 0


@pytest.mark.parametrize("error", first_and_at_night(*ERRORS, by_day=0))
@pytest.mark.parametrize("kind", KINDS)
def test_calls_that_fail(kind: str, error: str, desk: Desk) -> None:
    runs, chance = Runs(desk, kind), random.Random(error)
    most = _MOST_WITH_WORKERS if kind == "workers" else _MOST
    chosen = [
        Moment(call, number, f"error={error}")
        for call, numbers in moments(runs, ERRORS[error]).items()
        for number in chance.sample(numbers, min(most, len(numbers)))
    ]
    diagnosed = at_each(chosen, partial(fails_well, runs))
    print(f"{kind} {error}: {len(chosen)} moments, {diagnosed} diagnoses")


@pytest.mark.parametrize("kind", ["warm", "edited"])
def test_some_calls_that_fail(kind: str, desk: Desk) -> None:
    """By day some moments of two runs: one that resolves, and one that links again what is known."""
    runs, chance = Runs(desk, kind), random.Random(19)
    there = moments(runs, "mkdir,openat,flock")
    chosen = [("openat", "EMFILE"), ("openat", "EIO"), ("flock", "ENOLCK"), ("mkdir", "ENOSPC")]
    assert at_each(
        (Moment(call, chance.choice(there[call]), f"error={error}") for call, error in chosen),
        partial(fails_well, runs),
    )
