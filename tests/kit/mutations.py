"""Seeded mutations of bytes and texts, and the bounds in which whatever reads them has to stay."""

from __future__ import annotations

import contextlib
import random
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import TypeVar

from kit.nightly import first_and_at_night

_T = TypeVar("_T", bytes, str)

#: Mutations of one seed; each change tries the first seed, each night all of them.
COUNT, SEEDS = 2000, 50
#: CPU seconds for one input, far above what the slowest one needs; and address space beyond what is in use.
_CPU_S, _ROOM_BYTES = 10, 1 << 30
_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)


def seeds() -> Sequence[object]:
    """Return the seeds for ``parametrize``."""
    return first_and_at_night(*range(SEEDS))


def mutated(chance: random.Random, content: _T, pieces: Sequence[_T], places: Sequence[int] = ()) -> _T:
    """Return a content with one to three slips in it.

    :param pieces: what may be put in.
    :param places: offsets that matter more than others: half of the slips begin at one of them.
    """
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        if places and chance.random() < 0.5:
            at = min(chance.choice(places), len(content))
        else:
            at = chance.randrange(len(content) + 1)
        content = _slip(chance, content, at, chance.choice(pieces))
    return content


def _slip(chance: random.Random, content: _T, at: int, piece: _T) -> _T:
    length = chance.choice((1, 1, 1, 2, 4, 8, 40))
    head, part, rest = content[:at], content[at : at + length], content[at + length :]
    match chance.randrange(8):
        case 0:  # put in
            made = head + piece + part + rest
        case 1:  # written over
            made = head + piece + content[at + len(piece) :]
        case 2:  # left out
            made = head + rest
        case 3:  # said twice
            made = head + part + part + rest
        case 4:  # said elsewhere
            to = chance.randrange(len(content) + 1)
            made = content[:to] + part + content[to:]
        case 5 if chance.random() < 0.2:  # cut
            made = head
        case _:
            made = head + _other(chance, part) + rest
    return made


def _other(chance: random.Random, part: _T) -> _T:
    """Return as many letters or bytes, of which one or all differ."""
    if isinstance(part, str):
        return "".join(chr(ord(letter) ^ 1 << chance.randrange(7)) for letter in part)
    if chance.random() < 0.5 and len(part) in {1, 2, 4, 8}:
        return (chance.choice(_NUMBERS) % (1 << 8 * len(part))).to_bytes(len(part), "little")
    return bytes(byte ^ 1 << chance.randrange(8) for byte in part)


@contextlib.contextmanager
def bounded() -> Iterator[Callable[[], None]]:
    """Bound memory, and the time for each input; yields what is called before each."""
    if sys.platform == "win32":
        yield lambda: None
        return
    import resource

    def hangs(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"more than {_CPU_S} seconds of CPU for one input")

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    before = signal.signal(signal.SIGVTALRM, hangs)
    try:
        if sys.platform == "linux":
            resource.setrlimit(resource.RLIMIT_DATA, (_data_bytes() + _ROOM_BYTES, hard))
        yield lambda: signal.setitimer(signal.ITIMER_VIRTUAL, _CPU_S) and None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _data_bytes() -> int:
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmData:")) * 1024
