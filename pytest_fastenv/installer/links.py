"""Sends distributions to be linked, several small ones together, and says which distributions collide."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pytest_fastenv.errors import ConflictError, option
from pytest_fastenv.filesystem.known_files import KnownFiles
from pytest_fastenv.filesystem.tree import Tree
from pytest_fastenv.installer.link import Destination, Linked, LinkOrder, location
from pytest_fastenv.installer.manifest import MANIFEST, Manifest
from pytest_fastenv.installer.overlaps import Brought, OverlapPolicy, Verdict, find_overlaps, judge, settle, told
from pytest_fastenv.schedule.pools import Pools
from pytest_fastenv.schedule.process_pool import ProcessPool
from pytest_fastenv.store.diagnosis import diagnosed

#: One call links at least one distribution, and more as long as they have fewer files than this together.
_BATCH_FILES = 400


@dataclass(slots=True, eq=False)
class _Waiting:
    order: LinkOrder
    files: int
    linked: asyncio.Future[Linked] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Links:
    """Links distributions into one environment."""

    def __init__(self, destination: Destination, pools: Pools, processes: ProcessPool) -> None:
        self._destination = destination
        self._pools = pools
        self._processes = processes
        self._waiting: list[_Waiting] = []
        self._taken: set[str] = set()
        self._touched: set[str] = set()
        self._known: list[Tree] = []

    async def link(self, order: LinkOrder, files: int) -> Linked:
        """Link a distribution under a permit to install, perhaps together with others that wait for one.

        :param files: how many files it has.
        :raises StoreError: the environment's file system is full, or cannot be written.
        """
        mine = _Waiting(order, files)
        self._waiting.append(mine)
        try:
            async with self._pools.install():
                if mine in self._waiting:
                    await self._link(self._take(mine))
            return await mine.linked
        finally:
            if mine in self._waiting:
                self._waiting.remove(mine)

    def _take(self, mine: _Waiting) -> list[_Waiting]:
        """Take what goes into one call: this one, and small ones that came before or after it."""
        batch, files = [mine], mine.files
        for other in self._waiting:
            if other is not mine and files + other.files <= _BATCH_FILES:
                batch.append(other)
                files += other.files
        self._waiting = [other for other in self._waiting if other not in batch]
        return batch

    async def _link(self, batch: list[_Waiting]) -> None:
        try:
            with diagnosed("the environment cannot be written", self._destination.prefix):
                answers: list[Linked] = await self._processes.call(
                    f"{Linked.__module__}:link_all", [waiting.order for waiting in batch], self._destination
                )
        except BaseException as error:
            for waiting in batch:
                if not waiting.linked.done():
                    waiting.linked.set_exception(error)
                    waiting.linked.exception()  # seen: the cancelled task does not come back for it
            raise
        for waiting, linked in zip(batch, answers, strict=True):
            if linked.known is not None:
                self._known.append(linked.known)
            if not waiting.linked.done():
                waiting.linked.set_result(linked)

    def judged(self, order: LinkOrder, linked: Linked, others: Sequence[LinkOrder], policy: OverlapPolicy) -> None:
        """Accept what a distribution has in common with others; reads manifests, so it blocks.

        :param others: what was linked into this environment, in part or whole.
        :raises ConflictError: it cannot be; both distributions are named.
        """
        if linked.blocked:
            raise self._conflict(order, linked.blocked, others)
        overlaps = find_overlaps(linked.taken, others, self._destination)
        refused = [path for path, brought in overlaps.items() if self._verdict(path, brought, policy) == "refused"]
        if refused:
            raise self._conflict(order, refused, others, can_be_permitted=len(overlaps[refused[0]]) > 1)
        self._taken.update(linked.taken)

    def settled(
        self, orders: Sequence[LinkOrder], policy: OverlapPolicy
    ) -> list[tuple[Literal["info", "warning"], str]]:
        """Give each place that several distributions want to one of them, and return what is to be said. Blocks."""
        overlaps = find_overlaps(self._taken, orders, self._destination)
        with diagnosed("the environment cannot be written", self._destination.prefix):
            self._touched = settle(overlaps, self._destination)
        groups: dict[tuple[Verdict, tuple[str, ...]], list[str]] = {}
        for path, brought in overlaps.items():
            verdict = self._verdict(path, brought, policy)
            groups.setdefault((verdict, tuple(one.order.name for one in brought)), []).append(path)
        return [
            ("info" if verdict == "allowed" else "warning", told(names, paths, names[0]))
            for (verdict, names), paths in groups.items()
            if verdict != "passes"
        ]

    @property
    def known(self) -> KnownFiles:
        """What is known of the files that were linked, once all is settled."""
        return KnownFiles(self._known, self._touched)

    def _verdict(self, path: str, brought: Sequence[Brought], policy: OverlapPolicy) -> Verdict:
        return judge(path, {one.order.name: one.content for one in brought}, self._destination.schemes, policy)

    def _conflict(
        self, order: LinkOrder, paths: Sequence[str], others: Iterable[LinkOrder], *, can_be_permitted: bool = False
    ) -> ConflictError:
        """Return the error that names both distributions."""
        path = paths[0]
        forms = {other.name: form for other in (order, *others) if (form := self._form(other, path))}
        rival = next((name for name in forms if name != order.name), None)
        count = len(paths) - 1
        more = f"; {count} more {'paths are' if count > 1 else 'path is'} taken as well" if count else ""
        # By name, so that which of the two was linked first cannot be seen.
        one, other = sorted([order.name, rival]) if rival else (order.name, "")
        whose = f"{other} brings it too" if rival else "it belongs to the environment itself"
        how, difference = "", "with other contents"
        if {forms.get(one), forms.get(other)} == {"file", "directory"}:
            how, difference = f" as a {forms[one]}", f"as a {forms[other]}"
        advice = "two distributions that overwrite each other cannot be in one environment: leave one of them out"
        permit = f", or permit it with {option('allow_overlaps', one)}" if can_be_permitted else ""
        return ConflictError(
            f"{one} brings {path}{how}, and {whose}, {difference}{more}",
            where=path,
            hint=f"{advice}{permit}",
        )

    def _form(self, order: LinkOrder, path: str) -> Literal["file", "directory"] | None:
        """Return what a path is to a distribution, or ``None`` where it does not bring it."""
        manifest = Manifest.load(f"{order.entry}/{MANIFEST}")
        if manifest is None:
            return None
        schemes = self._destination.schemes
        scripts = {f"{schemes['scripts']}/{script.name}" for script in manifest.scripts}
        places = [location(file, order, schemes) for file in manifest.paths]
        if path in scripts or path in places:
            return "file"
        return "directory" if any(place.startswith(f"{path}/") for place in places) else None
