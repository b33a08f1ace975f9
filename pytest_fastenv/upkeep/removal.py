"""Take out of a store what may go, beside processes that use it.

An environment goes if nobody holds its lease. Other entries may be in the hands of a process that makes something, so
they go in a moment when nothing is made and nothing was begun since it was decided that they go
(`pytest_fastenv.store.makers`); where there is no such moment they stay until the next time. Records only save work:
they go at any time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from pytest_fastenv.environment.manifest import ENVIRONMENTS
from pytest_fastenv.store import lease
from pytest_fastenv.store.buckets import EntryBucket
from pytest_fastenv.store.listing import is_own
from pytest_fastenv.store.lock_files import sweep_locks
from pytest_fastenv.store.makers import nothing_is_made
from pytest_fastenv.store.removal import remove_record, take_out
from pytest_fastenv.store.store import Store
from pytest_fastenv.store.temporary import remove_tree, sweep_store
from pytest_fastenv.upkeep.holdings import Beside, Holdings
from pytest_fastenv.upkeep.pruning import Departure, needs_what_it_names

_TRIES = 3
#: What build backends printed is of use as long as somebody looks for the cause of a failure.
_LOGS_KEPT_S = 30 * 86400.0
IN_USE = "it is in use"
BUSY = "something is being made in the store at this moment"
NEEDED = "it is needed by what is in use"


@dataclass(slots=True)
class Outcome:
    """What was done.

    :ivar before_bytes: the size of the store before.
    :ivar stayed: what was to go, and why it stays.
    """

    before_bytes: int = 0
    gone: list[Departure] = field(default_factory=list)
    gone_beside: list[Beside] = field(default_factory=list)
    stayed: list[tuple[Departure, str]] = field(default_factory=list)

    @property
    def freed_bytes(self) -> int:
        """The size of what went; files with several links count with the first thing that has them."""
        return sum(one.kept.size_bytes for one in self.gone) + sum(one.size_bytes for one in self.gone_beside)


def remove(
    store: Store,
    choose: Callable[[Holdings], Sequence[Departure]],
    choose_beside: Callable[[Holdings], Sequence[Beside]] = lambda _: (),
    *,
    only_tell: bool = False,
) -> Outcome:
    """Look at a store, choose what may go, and take it out; blocks.

    :param choose: gives what refers to others before those.
    :param choose_beside: gives buckets of older versions.
    :param only_tell: leave everything where it is, and say what would go.
    :raises StoreError: the store cannot be written.
    """
    outcome = Outcome()
    for number in range(_TRIES):
        with nothing_is_made(store.root) as token:
            pass
        holdings = Holdings.of(store)
        outcome.before_bytes = outcome.before_bytes or holdings.size_bytes
        departures = choose(holdings)
        if only_tell:
            outcome.gone, outcome.gone_beside = list(departures), list(choose_beside(holdings))
            return outcome
        work = _Work(store, holdings, departures)
        try:
            work.records_and_environments()
            is_done = work.entries(token, choose_beside(holdings))
        finally:
            outcome.gone += work.gone
            outcome.gone_beside += work.gone_beside
            outcome.stayed = work.stayed
            work.delete()
        if is_done or token is None or number == _TRIES - 1:
            break
    _sweep(store)
    return outcome


class _Work:
    """One round: what was chosen after one look."""

    def __init__(self, store: Store, holdings: Holdings, departures: Sequence[Departure]) -> None:
        self.gone: list[Departure] = []
        self.gone_beside: list[Beside] = []
        self.stayed: list[tuple[Departure, str]] = []
        self._store = store
        self._holdings = holdings
        self._departures = departures
        self._used_at = holdings.used_at(time.time())
        self._aside: list[str] = []

    def records_and_environments(self) -> None:
        for one in self._departures:
            bucket = one.kept.bucket
            if not isinstance(bucket, EntryBucket):
                if remove_record(self._store.root, one.kept.path):
                    self.gone.append(one)
            elif bucket.lease is not None:
                self._take_out(one, bucket)

    def entries(self, token: bytes | None, beside: Iterable[Beside]) -> bool:
        """Take out what only makers use; false where that was not the moment for it."""
        rest = [one for one in self._departures if getattr(one.kept.bucket, "lease", self) is None]
        beside = list(beside)
        if not rest and not beside:
            return True
        with nothing_is_made(self._store.root) as now:
            if token is None or now != token:
                self.stayed += [(one, BUSY) for one in rest]
                return False
            for one in rest:
                if self._is_needed(one):
                    self.stayed.append((one, NEEDED))
                else:
                    self._take_out(one, one.kept.bucket)  # type: ignore[arg-type] # entries have leases or none
            for directory in beside:
                aside = self._store.private().file("older")
                with suppress(FileNotFoundError):
                    os.rename(directory.path, aside)
                    self._aside.append(aside)
                    self.gone_beside.append(directory)
        return True

    def delete(self) -> None:
        """Delete what was moved away."""
        for path in self._aside:
            remove_tree(path)

    def _take_out(self, one: Departure, bucket: EntryBucket) -> None:
        aside = take_out(self._store.root, self._store.private(), bucket, one.kept.path)
        if aside is not None:
            self._aside.append(aside)
            self.gone.append(one)
            self._pass_on(one)
        elif os.path.lexists(one.kept.path):
            self.stayed.append((one, IN_USE))

    def _pass_on(self, one: Departure) -> None:
        """Note on what an entry was made of when that was used: nothing else tells it any more."""
        for name in one.kept.refers_to:
            needed = self._holdings.by_name.get(name)
            if needed is not None and isinstance(needed.bucket, EntryBucket):
                self._store.note_use(needed.bucket, needed.key, self._used_at[one.kept.name])

    def _is_needed(self, one: Departure) -> bool:
        """Tell whether what was to go stays, since it was taken into use meanwhile, and needs a thing."""
        stayed = {departure.kept.name for departure, _ in self.stayed}
        users = self._holdings.users.get(one.kept.name, ())
        return any(needs_what_it_names(user) and user.name in stayed for user in users)


def _sweep(store: Store) -> None:
    """Remove what is left of killed processes, of environments that are gone, and of old work."""
    environments = store.root / ENVIRONMENTS.directory
    leases, logs = environments / ".leases", store.root / "logs"
    sweep_store(store.root)
    for path in leases.glob("*.lock") if is_own(environments) and is_own(leases) else ():
        if not os.path.lexists(environments / path.stem):
            claim = lease.try_claim(path)
            if claim is not None:
                with suppress(OSError):
                    os.unlink(path)
                os.close(claim)
    sweep_locks(store.root, time.time())
    for path in logs.rglob("*.log") if is_own(logs) else ():
        with suppress(OSError):
            if os.lstat(path).st_mtime < time.time() - _LOGS_KEPT_S:
                path.unlink()
