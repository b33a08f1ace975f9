"""Which things of a store may go: decided from what it holds and what is wanted, without touching anything."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pytest_fastenv.environment.manifest import ENVIRONMENTS
from pytest_fastenv.environment.request_cache import REQUESTS
from pytest_fastenv.store.buckets import EntryBucket, InStore, Remaking
from pytest_fastenv.store.inventory import Kept
from pytest_fastenv.upkeep.holdings import Beside, Holdings

DAY_S = 86400.0
UNUSED_S = 30 * DAY_S
"""How long a thing stays that nothing uses, where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to go.

    :ivar unused_s: what was not used for that long; infinite for nothing.
    :ivar max_size_bytes: as much of what was used least recently that the rest is no larger; ``None`` for no bound.
    :ivar environments: all environments that nobody holds.
    :ivar only_costly: all that is cheaper to download or to make again than to carry about, as CI caches are.
    :ivar by_itself: nobody asked: what strangers may use stays.
    """

    unused_s: float = UNUSED_S
    max_size_bytes: int | None = None
    environments: bool = False
    only_costly: bool = False
    by_itself: bool = False


@dataclass(frozen=True, slots=True)
class Departure:
    """A thing that is to go, and why."""

    kept: Kept
    reason: str


def choose(holdings: Holdings, wanted: Wanted, now: float) -> list[Departure]:
    """Return what is to go; what refers to others comes before those.

    Nothing is chosen that is held, or that an entry needs which stays.

    :param now: seconds since the epoch.
    """
    choice = _Choice(holdings, wanted, now)
    return [Departure(one, choice.reasons[one.path.as_posix()]) for one in choice.in_order()]


def choose_beside(holdings: Holdings, wanted: Wanted, now: float) -> list[Beside]:
    """Return the buckets of older versions that are to go: none that was used within the time."""
    return [one for one in holdings.beside if one.is_older and one.used_at < now - wanted.unused_s]


def of_projects(holdings: Holdings, projects: Iterable[str]) -> list[Departure]:
    """Return everything about some projects, the environments that hold them, and the records that lead there.

    :param projects: normalized names.
    """
    from pytest_fastenv.wheel.filenames import normalized  # only here are names compared

    names = frozenset(projects)
    reasons = {
        one.path.as_posix(): f"it is about {', '.join(sorted(about))}"
        for one in holdings.kept
        if not one.is_held and (about := names & {normalized(name) for name in one.projects})
    }
    gone = {one.name for one in holdings.kept if one.path.as_posix() in reasons}
    for _ in range(2):
        for one in holdings.kept:
            is_record = not isinstance(one.bucket, EntryBucket)
            if is_record and one.path.as_posix() not in reasons and not gone.isdisjoint(one.refers_to):
                reasons[one.path.as_posix()] = "what it leads to goes"
                gone.add(one.name)
    return [Departure(one, reasons[one.path.as_posix()]) for one in _ordered(holdings, reasons)]


def everything(holdings: Holdings) -> list[Departure]:
    """Return all that nobody holds and that nothing needs which is held."""
    wanted = Wanted(unused_s=math.inf)
    choice = _Choice(holdings, wanted, 0.0)
    for one in holdings.kept:
        choice.let_go(one, "all is to go")
    choice.keep_what_is_needed()
    return [Departure(one, choice.reasons[one.path.as_posix()]) for one in choice.in_order()]


def needs_what_it_names(one: Kept) -> bool:
    """Tell whether a thing is damaged by the loss of what it refers to.

    Entries are. A record only leads somewhere; but that of a request stands for its environment where that lies outside
    of the store.
    """
    if isinstance(one.bucket, EntryBucket):
        return True
    return one.bucket is REQUESTS and any(name.bucket != ENVIRONMENTS.directory for name in one.refers_to)


class _Choice:
    """The reasons why things go, by their paths: names are for what is whole."""

    def __init__(self, holdings: Holdings, wanted: Wanted, now: float) -> None:
        self.reasons: dict[str, str] = {}
        self._holdings = holdings
        self._wanted = wanted
        self._now = now
        self._used = holdings.used_at(now)
        self._unfinished()
        self._unused()
        self._asked_for()
        self.keep_what_is_needed()
        self._to_size()
        self._leading_nowhere()

    def in_order(self) -> list[Kept]:
        return _ordered(self._holdings, self.reasons)

    def let_go(self, one: Kept, reason: str) -> None:
        if not one.is_held:
            self.reasons.setdefault(one.path.as_posix(), reason)

    def _goes(self, one: Kept) -> bool:
        return one.path.as_posix() in self.reasons

    def _unfinished(self) -> None:
        for one in self._holdings.kept:
            if not one.is_whole:
                self.let_go(one, "it is not whole")

    def _unused(self) -> None:
        for one in self._holdings.by_name.values():
            unused_s = self._now - self._used[one.name]
            if unused_s > self._wanted.unused_s and not self._is_for_strangers(one):
                self.let_go(one, f"unused for {_days(unused_s)}")

    def _asked_for(self) -> None:
        for one in self._holdings.by_name.values():
            if self._wanted.environments and one.bucket is ENVIRONMENTS:
                self.let_go(one, "nobody uses it now")
            is_entry = isinstance(one.bucket, EntryBucket)
            if self._wanted.only_costly and is_entry and self._holdings.costs[one.name] is not Remaking.BUILT:
                self.let_go(one, "it is cheap to have again")

    def keep_what_is_needed(self) -> None:
        """Let stay what is needed by what stays."""
        staying = [one for one in self._holdings.kept if needs_what_it_names(one) and not self._goes(one)]
        while staying:
            for name in staying.pop().refers_to:
                needed = self._holdings.by_name.get(name)
                if needed is not None and self._goes(needed):
                    del self.reasons[needed.path.as_posix()]
                    staying.append(needed)

    def _to_size(self) -> None:
        limit = self._wanted.max_size_bytes
        if limit is None:
            return
        size = sum(one.size_bytes for one in self._holdings.beside)
        size += sum(one.size_bytes for one in self._holdings.kept if not self._goes(one))
        candidates = sorted(self._candidates(), key=self._by_use)
        progress = True
        while size > limit and progress:
            progress = False
            for one in candidates:
                if size <= limit:
                    break
                if not self._goes(one) and not self._is_needed(one):
                    self.let_go(one, "the store is too large, and others were used later")
                    size -= one.size_bytes
                    progress = True

    def _candidates(self) -> list[Kept]:
        """Return what may go for its size: a record that leads to something goes with that, and is small."""
        found = [
            one for one in self._holdings.by_name.values() if isinstance(one.bucket, EntryBucket) or not one.refers_to
        ]
        return [one for one in found if not (one.is_held or self._goes(one) or self._is_for_strangers(one))]

    def _by_use(self, one: Kept) -> tuple[float, int, float]:
        """Order by the day of the last use; within a day what is cheap to have again comes first."""
        used_at = self._used[one.name]
        return used_at // DAY_S, self._holdings.costs[one.name].value, used_at

    def _is_needed(self, one: Kept) -> bool:
        users = self._holdings.users.get(one.name, ())
        return any(needs_what_it_names(user) and not self._goes(user) for user in users)

    def _is_for_strangers(self, one: Kept) -> bool:
        return self._wanted.by_itself and isinstance(one.bucket, EntryBucket) and one.bucket.has_strangers

    def _leading_nowhere(self) -> None:
        for _ in range(2):
            for one in self._holdings.by_name.values():
                if not isinstance(one.bucket, EntryBucket) and any(map(self._is_lost, one.refers_to)):
                    self.let_go(one, "what it leads to is not there")

    def _is_lost(self, name: InStore) -> bool:
        there = self._holdings.by_name.get(name)
        return there is None or self._goes(there)


def _ordered(holdings: Holdings, reasons: Mapping[str, str]) -> list[Kept]:
    """Return what goes, what refers to others first: records, environments, and what these are made of."""
    going = [one for one in holdings.kept if one.path.as_posix() in reasons]
    return sorted(going, key=lambda one: _depth(holdings, one.name, 0))


def _depth(holdings: Holdings, name: InStore, level: int) -> int:
    users = holdings.users.get(name, ())
    return max((_depth(holdings, user.name, level + 1) for user in users), default=level) if level < 5 else level


def _days(seconds: float) -> str:
    days = round(seconds / DAY_S)
    return f"{days} days" if days != 1 else "a day"
