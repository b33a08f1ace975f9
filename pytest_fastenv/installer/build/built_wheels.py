"""Built wheels: what is asked before a source is built, and told after.

A build is known by everything that decides its wheel, and by nothing else: no path of this machine is in its key, but
that of sources which stay where they lie. So what keeps built wheels may be another machine.

::

    built-v2/ab/<key of the build>.json
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pytest_fastenv.installer.unpacked_wheel import UnpackedWheel
from pytest_fastenv.installer.wheel_bucket import WHEELS
from pytest_fastenv.installer.wheels import Wheels
from pytest_fastenv.model.build import Build, Installed
from pytest_fastenv.store.buckets import InStore, RecordBucket, Remaking
from pytest_fastenv.store.store import Store


@dataclass(frozen=True, slots=True)
class Made:
    """What a build made.

    :ivar file: the wheel, as the backend wrote it; it is there until `BuiltWheels.keep` returns.
    :ivar wheel: the same in the store, checked and unpacked.
    :ivar seconds: how long the backend took.
    """

    file: Path
    wheel: UnpackedWheel
    seconds: float


@dataclass(frozen=True, slots=True)
class BuiltWheel:
    """A successful build, as the store remembers it.

    :ivar wheel: SHA-256 of the wheel.
    :ivar environment: what the build environment held.
    :ivar subject: project and version, for people.
    """

    wheel: str
    environment: tuple[Installed, ...]
    subject: str
    seconds: float


def _wheel_of(built: BuiltWheel) -> Iterator[InStore]:
    yield InStore(WHEELS.directory, built.wheel)


BUILT = RecordBucket(
    name="built",
    version=2,
    about="which wheel came of which source, for which interpreter, settings and build environment",
    remaking=Remaking.BUILT,
    record=BuiltWheel,
    refers_to=_wheel_of,
    projects=lambda built: built.subject.split()[:1],
)


class BuiltWheels(Protocol):
    """Where wheels that were built are looked for, and kept. For one event loop.

    Both are called with the lock of the source held, and `find` before that, too. Neither makes anything.
    """

    async def find(self, build: Build) -> UnpackedWheel | None:
        """Return the wheel of a build, unpacked in the store of this machine; ``None`` where it is not kept."""

    async def keep(self, build: Build, made: Made) -> None:
        """Remember what a build made. Never fails: a wheel that cannot be kept is built again the next time."""


class StoredWheels:
    """Built wheels of this machine's store; fulfils `BuiltWheels`. One record leads from a build to a wheel."""

    def __init__(self, store: Store, wheels: Wheels) -> None:
        self._store = store
        self._wheels = wheels

    async def find(self, build: Build) -> UnpackedWheel | None:
        """Return the wheel of a build, if the store has it; one record is read, and no lock is taken."""
        built = self._store.read_record(BUILT, build.key)
        return self._wheels.find(built.wheel) if built is not None else None

    async def keep(self, build: Build, made: Made) -> None:
        """Remember the wheel's digest; its content is in the store already."""
        built = BuiltWheel(made.wheel.sha256, build.environment, build.subject, round(made.seconds, 3))
        self._store.write_record(BUILT, build.key, built)
