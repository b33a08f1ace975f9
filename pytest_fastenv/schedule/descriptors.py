"""How many files this process may have open, and how much may go on at once with that.

What a run has open is bounded by its permits, never by the size of its plan. Where a process may have few
descriptors, there are fewer permits: such a run takes longer, and works.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Self

from pytest_fastenv.errors import ShortageError

if sys.platform == "win32":  # there is no such limit there
    resource = None
else:
    import resource

LEAST = 64
"""With fewer the HTTP library, which must not run out of them, may end the whole process."""

#: Threads with such a name start no programs.
_OURS = "pytest-fastenv-"
#: As many as a run may use; more would only slow down programs that close all that they may have open.
_PLENTY = 4096
#: For what is opened now and then: imports, records, listings, a name that is looked up.
_SPARE = 20
#: Threads of the event loop that read files.
_MOST_THREADS = 32

_raised_from: int | None = None


@dataclass(frozen=True, slots=True)
class Shares:
    """How much goes on at once.

    :ivar requests: small requests; of each host as many connections are kept.
    :ivar downloads: transfers.
    :ivar builds: hooks of build backends.
    :ivar installs: jobs of the process pool.
    :ivar artifacts: artifacts between the lock of their key and their place in the store.
    :ivar sources: sources whose key is locked, to be unpacked or built.
    :ivar build_environments: build environments that are being made.
    """

    requests: int
    downloads: int
    builds: int
    installs: int
    artifacts: int
    sources: int
    build_environments: int

    @classmethod
    def wanted(cls, *, downloads: int, builds: int, installs: int) -> Self:
        """Return the shares with which no permit waits for a descriptor."""
        artifacts = downloads + 2 * installs + 8  # while one is unpacked the next one is there
        return cls(64, downloads, builds, installs, artifacts, downloads + 2 * builds, 2 * builds + 8)

    def within(self, descriptors: int | None) -> Shares:
        """Return as much of this as some descriptors suffice for, but at least one of each.

        :param descriptors: how many are free; ``None`` for no limit.
        """
        counts = asdict(self)
        while descriptors is not None and _needed(counts) > descriptors:
            dearest = max((name for name in counts if counts[name] > 1), key=lambda n: _cost(n, counts), default=None)
            if dearest is None:
                break
            counts[dearest] -= 1
        return Shares(**counts)


COSTS = {
    "requests": 3,  # its connection, one that is kept open to another host, a name that is looked up
    "downloads": 3,  # the same, and the file
    "builds": 8,  # channel, control socket, locks of a user's tree, slot
    "installs": 4,  # a process of the pool: two pipes, what it says, and what its start is waited for with
    "artifacts": 2,  # lock and file
    "sources": 1,
    "build_environments": 2,
}
"""Descriptors that one of each share has open at most."""


def _cost(name: str, counts: dict[str, int]) -> int:
    return counts[name] * COSTS[name]


def _needed(counts: dict[str, int]) -> int:
    return sum(_cost(name, counts) for name in counts)


def free() -> int | None:
    """Return how many more descriptors this process can count on; ``None`` where nothing limits them."""
    if resource is None:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return None
    threads = min(_MOST_THREADS, (os.cpu_count() or 1) + 4)
    return soft - _open_now() - _SPARE - threads


def _open_now() -> int:
    for directory in ("/proc/self/fd", "/dev/fd"):
        try:
            return len(os.listdir(directory)) - 1  # without that of the listing
        except OSError:
            continue
    return _SPARE


def check(needed: int = LEAST) -> None:
    """Refuse to begin with too few descriptors, before anything is imported that needs them; after `raised`.

    :raises ShortageError: this process may not have as many as are needed to begin.
    """
    if resource is None:
        return
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed != resource.RLIM_INFINITY and allowed < needed:
        raise ShortageError(
            f"too many open files: this process may have {allowed}, and {needed} are needed to begin",
            where="the limit of open files (ulimit -n)",
            hint=f"raise it; 256 are plenty, {needed} enough for small environments",
        )


@contextmanager
def raised() -> Iterator[None]:
    """Raise the limit of open files for a block as far as that is allowed and useful, and give it back.

    Only where no other thread may start programs meanwhile, which would live with that limit: some break with
    descriptors above 1023 (``select``). What is started in the block for others is told `given_limit`.
    """
    global _raised_from  # noqa: PLW0603 - the limit is the process's, too
    before = _raise() if _raised_from is None and _is_alone() else None
    if before is None:
        yield
        return
    _raised_from, now = before, resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    try:
        yield
    finally:
        _raised_from = None
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == now:  # else somebody else has changed it meanwhile
            resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


def given_limit() -> int:
    """Return the limit of open files that this process was started with, where it is raised now; else 0."""
    return _raised_from or 0


def _is_alone() -> bool:
    return all(t is threading.current_thread() or t.name.startswith(_OURS) for t in threading.enumerate())


def _raise() -> int | None:
    """Raise the soft limit; return what it was, or ``None`` where it stays."""
    if resource is None:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _PLENTY if hard == resource.RLIM_INFINITY else min(hard, _PLENTY)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return None
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):  # macOS allows less than it says; a sandbox allows nothing
        return None
    return soft
