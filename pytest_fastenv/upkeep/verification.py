"""Whether everything in a store is as it was made: every digest, mode and record."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_fastenv.environment.manifest import ENVIRONMENTS
from pytest_fastenv.errors import printable
from pytest_fastenv.schedule.event_loop import run_briefly
from pytest_fastenv.store import durability
from pytest_fastenv.store.buckets import EntryBucket
from pytest_fastenv.store.inventory import Kept
from pytest_fastenv.store.store import Store
from pytest_fastenv.upkeep.buckets import ENTRIES, RECORDS


@dataclass(frozen=True, slots=True)
class Finding:
    """A thing that is not as it was made.

    :ivar fault: what is wrong with it, in a few words.
    :ivar outcome: what was done about it; empty where nothing was to be done.
    """

    kept: Kept
    fault: str
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found.

    :ivar checked: how many things were looked at.
    """

    checked: int
    findings: tuple[Finding, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is damaged any more."""
        return all(finding.outcome == WITHDRAWN for finding in self.findings)


WITHDRAWN = "withdrawn"
IN_USE = "left, since it is in use"


def verify(store: Store, *, repair: bool = False) -> Verified:
    """Compare everything that is published with what it was when it was made. Blocks; reads every byte.

    What environments are made of is looked at before them: an environment of links into a thing that was withdrawn is
    damaged as well. Where all is whole, or withdrawn, nothing is in doubt any more after a power cut.

    :param repair: withdraw what is damaged, so that the next run that needs it fetches or builds it again. What is in
        use stays, and is told.
    :raises StoreError: something cannot be withdrawn.
    """
    things = list(store.kept(*ENTRIES, *RECORDS))
    findings: list[Finding] = []
    for kept, fault in _damaged(things):
        outcome = ""
        if repair:
            done = run_briefly(store.withdraw(kept.bucket, kept.key, only_damaged=True))
            outcome = WITHDRAWN if done or not os.path.lexists(kept.path) else IN_USE
        findings.append(Finding(kept, fault, outcome))
    verified = Verified(len(things), tuple(findings))
    if verified.is_whole:
        durability.settle(store.root)
    return verified


def _damaged(things: Sequence[Kept]) -> Iterator[tuple[Kept, str]]:
    for kept in sorted(things, key=lambda one: one.bucket is ENVIRONMENTS):
        fault = _fault(kept)
        if fault is not None and os.path.lexists(kept.path):  # else another process took it out meanwhile
            yield kept, printable(fault)


def _fault(kept: Kept) -> str | None:
    if not isinstance(kept.bucket, EntryBucket):
        return None if kept.is_whole else "it is not as it was written"
    if not kept.is_whole:
        return None if kept.is_held else "it is not whole"
    try:
        return kept.bucket.difference(kept.path)
    except OSError as error:
        return f"{os.path.basename(str(error.filename or kept.path))}: {error.strerror}"
