"""An installation that was made before, made again from what the store holds: nothing is fetched, built or unpacked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from pytest_fastenv.installer.link import LinkOrder
from pytest_fastenv.installer.linking import Linking, Told, bytecode_entry
from pytest_fastenv.schedule.outcome import Admission, run_all
from pytest_fastenv.schedule.process_pool import ProcessPool
from pytest_fastenv.store.buckets import EntryBucket
from pytest_fastenv.store.store import Store

if TYPE_CHECKING:
    from pytest_fastenv.model.protocols import Staging


class Kept(NamedTuple):
    """A distribution as it was linked.

    :ivar wheel: the wheel's SHA-256.
    :ivar files: how many files it has.

    The others are those of `LinkOrder`.
    """

    name: str
    version: str
    wheel: str
    files: int
    dist_info: str
    data: str
    root_is_purelib: bool
    requested: bool
    direct_url: str

    @classmethod
    def of(cls, order: LinkOrder, told: Told, files: int) -> Kept:
        """Return what is kept of a distribution that was linked."""
        return cls(
            order.name, told.version, told.key, files,
            order.dist_info, order.data, order.root_is_purelib, order.requested, order.direct_url,
        )  # fmt: skip

    def order(self, entry: str, bytecode: str) -> LinkOrder:
        """Return what to link, now that its place in the store is known."""
        return LinkOrder(
            entry, self.name, self.dist_info, self.data, self.root_is_purelib, self.requested, self.direct_url,
            bytecode=bytecode,
        )  # fmt: skip


class SpoiltError(Exception):
    """A wheel is not in the store any more, or not as it was."""


async def check(kept: Sequence[Kept], store: Store, wheels: EntryBucket, processes: ProcessPool) -> None:
    """See that the store holds all that is to be linked as it was, before anything is begun.

    Linking looks again. This is for where something is known to have been edited: several processes that find that at
    the same moment would each link what is still good, in vain.

    :raises SpoiltError: it does not.
    """
    entries = [store.lookup(wheels, one.wheel) for one in kept]
    if None in entries:
        raise SpoiltError
    parts = [list(map(str, entries[number :: processes.count])) for number in range(processes.count)]
    found = await run_all(processes.call(f"{LinkOrder.__module__}:first_spoilt", part) for part in parts if part)
    if any(found):
        raise SpoiltError


async def relink(
    kept: Sequence[Kept],
    staging: Staging,
    linking: Linking,
    store: Store,
    wheels: EntryBucket,
    *,
    shares_bytecode: bool,
) -> None:
    """Fill an environment with what another one was filled with.

    :param wheels: the bucket of unpacked wheels.
    :raises SpoiltError: the store does not hold it any more; what was staged is of no use then.
    :raises FastenvError: see `Linking.link`.
    """
    orders = []
    for one in kept:
        entry = store.lookup(wheels, one.wheel)
        if entry is None:
            raise SpoiltError(one.name)
        bytecode = bytecode_entry(store, one.wheel, staging.target) if shares_bytecode else ""
        orders.append(one.order(str(entry), bytecode))
        staging.uses(wheels.directory, one.wheel)
    admission = Admission()

    async def link(one: Kept, order: LinkOrder) -> None:
        linked = await linking.link(order, one.files, Told(one.version, "cache", one.wheel))
        if linked.changed:
            raise SpoiltError(one.name)

    pairs = sorted(zip(kept, orders, strict=True), key=lambda pair: pair[0].files, reverse=True)
    await run_all([link(one, order) for one, order in pairs], admission)
    await linking.settled()
