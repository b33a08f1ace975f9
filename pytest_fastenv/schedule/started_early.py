"""Processes of a pool that start before there is one: they import while their parent still does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar

from pytest_fastenv.schedule.pool_member import Member

#: More are started when there is work for them.
_MOST = 4

_STOCK: ContextVar[list[Member] | None] = ContextVar("stock", default=None)


@contextmanager
def started_early(count: int, imports: Sequence[str]) -> Iterator[None]:
    """Start processes for the pools that are opened inside the block; those that no pool takes end with it.

    :param count: how many a pool will have at most.
    :param imports: modules that their jobs need.
    """
    stock: list[Member] = []
    token = _STOCK.set(stock)
    try:
        with suppress(OSError):  # what is short will be told where a process is needed
            while len(stock) < min(count, _MOST):
                stock.append(Member.start(imports))
        yield
    finally:
        _STOCK.reset(token)
        for member in stock:
            member.kill()
        for member in stock:
            member.close()


def take_one() -> Member | None:
    """Take one of the processes that were started early; ``None`` where there is none."""
    stock = _STOCK.get()
    return stock.pop() if stock else None
