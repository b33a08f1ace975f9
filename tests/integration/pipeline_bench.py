"""Runs of the whole pipeline, seen as what they recorded: pieces of work with a beginning and an end."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from front_doors import Desk
from kit.server import Fault, Handler

from pytest_fastenv.environment.places import Missing
from pytest_fastenv.environment.skeleton import SKELETONS
from pytest_fastenv.interpreter.discovery import find_target
from pytest_fastenv.interpreter.known import INTERPRETERS
from pytest_fastenv.model.events import Notice, Recorder, Span
from pytest_fastenv.provisioning.cold_path import begin
from pytest_fastenv.provisioning.engine import Engine
from pytest_fastenv.provisioning.question import Question
from pytest_fastenv.runtime.summary import Summary
from pytest_fastenv.schedule.pools import Pools
from pytest_fastenv.settings.layers import load, variables
from pytest_fastenv.store.buckets import Bucket

#: Spans of work; the others are of waiting.
WORK = ("resolve", "fetch", "build", "unpack", "link", "interpreter")
#: How long anything is waited for that should have happened long ago.
PATIENCE_S = 30.0


@dataclass(frozen=True)
class Piece:
    """A span of a recorder, or an event of a trace."""

    kind: str
    name: str
    start: float
    end: float
    args: Mapping[str, Any]

    def lies_in(self, other: Piece) -> bool:
        return other.start <= self.start and self.end <= other.end

    def __repr__(self) -> str:
        return f"{self.kind} {self.name} {self.args.get('hook', '')} [{self.start:.0f}, {self.end:.0f}]"


class Pieces(list[Piece]):
    """What a run recorded."""

    @classmethod
    def of(cls, recorder: Recorder) -> Pieces:
        return cls(Piece(s.kind, s.subject, s.start_ns, s.end_ns, s.args) for s in recorder.spans if s.end_ns)

    @classmethod
    def of_trace(cls, path: Path) -> Pieces:
        events = [event for event in json.loads(path.read_text())["traceEvents"] if event["ph"] == "X"]
        # Whole nanoseconds again: sums of fractions of microseconds make neighbours overlap.
        times = [(round(event["ts"] * 1000), round((event["ts"] + event["dur"]) * 1000)) for event in events]
        return cls(
            Piece(event["name"], event["args"]["distribution"], start, end, event["args"])
            for event, (start, end) in zip(events, times, strict=True)
        )

    def some(self, kind: str, name: str | None = None, **args: str) -> Pieces:
        """Return the pieces of a kind, in the order in which they began."""
        found = [piece for piece in self if piece.kind == kind and name in {None, piece.name}]
        found = [piece for piece in found if all(piece.args.get(key) == value for key, value in args.items())]
        return Pieces(sorted(found, key=lambda piece: piece.start))

    def one(self, kind: str, name: str, **args: str) -> Piece:
        (found,) = self.some(kind, name, **args)
        return found

    def wheels_built(self) -> list[str]:
        """Return the names of what was built, in the order in which the builds began."""
        return [piece.name for piece in self.some("build", hook="build_wheel")]

    def work(self) -> Pieces:
        return Pieces(piece for piece in self if piece.kind in WORK)

    def most_at_once(self, *kinds: str) -> int:
        """Return how many pieces of some kinds overlapped at most; what ends as another begins does not."""
        chosen = [piece for piece in self if piece.kind in kinds]
        steps = sorted([(piece.end, -1) for piece in chosen] + [(piece.start, 1) for piece in chosen])
        most = now = 0
        for _, step in steps:
            now += step
            most = max(most, now)
        return most

    def overlaps(self) -> list[tuple[Piece, Piece]]:
        """Return all pairs that overlap."""
        ordered = sorted(self, key=lambda piece: piece.start)
        return [(a, b) for i, a in enumerate(ordered) for b in ordered[i + 1 :] if b.start < a.end]


class Gate:
    """Opens when some things have been recorded, or when it is opened; transfers can be made to wait for it."""

    def __init__(self, recorder: Recorder, *conditions: Callable[[str, Span], bool]) -> None:
        self._open = threading.Event()
        self.open = self._open.set
        self._missing = list(conditions)
        self._conditional = bool(conditions)
        recorder.subscribe(self._listen)

    def _listen(self, what: str, event: Span | Notice) -> None:
        if isinstance(event, Span):
            self._missing = [condition for condition in self._missing if not condition(what, event)]
            if self._conditional and not self._missing:
                self.open()

    @property
    def is_open(self) -> bool:
        return self._open.is_set()

    def wait(self) -> bool:
        return self._open.wait(PATIENCE_S)

    @property
    def fault(self) -> Fault:
        """Send half of a file, and the rest when the gate is open; never when it does not open."""
        return self._holding(lambda rest: rest)

    @property
    def corrupting_fault(self) -> Fault:
        """The same, with another last byte."""
        return self._holding(lambda rest: rest[:-1] + bytes([rest[-1] ^ 1]))

    def _holding(self, changed: Callable[[bytes], bytes]) -> Fault:
        def misbehave(handler: Handler) -> bool:
            content = (handler.index.directory / unquote(handler.path.rpartition("/")[2])).read_bytes()
            half = len(content) // 2
            with handler.index.transferring():
                handler.answer(200, content[:half], {"Content-Length": str(len(content))})
                handler.wfile.flush()
                opened = self.wait()
            if opened:
                handler.wfile.write(changed(content[half:]))
            handler.close_connection = not opened
            return True

        return misbehave


def begun(kind: str, name: str, **args: str) -> Callable[[str, Span], bool]:
    return lambda _what, span: (span.kind, span.subject) == (kind, name) and _has(span, args)


def ended(kind: str, name: str, **args: str) -> Callable[[str, Span], bool]:
    return lambda what, span: what == "end" and (span.kind, span.subject) == (kind, name) and _has(span, args)


def _has(span: Span, args: Mapping[str, str]) -> bool:
    return all(span.args.get(key) == value for key, value in args.items())


def noise(name: str, size_bytes: int) -> dict[str, bytes | str]:
    """Return files of a project that do not get smaller when packed."""
    return {f"{name.replace('-', '_')}/noise.bin": random.Random(name).randbytes(size_bytes)}


@dataclass
class Run:
    """What came of a run of the engine."""

    recorder: Recorder
    pools: Pools
    report: Summary

    @property
    def pieces(self) -> Pieces:
        return Pieces.of(self.recorder)


@dataclass
class Bench(Desk):
    """A desk with a store that has nothing but an empty environment, and an engine beside the command.

    :ivar during: what goes on beside the engine's work.
    """

    during: Callable[[Engine], AbstractAsyncContextManager[None]] | None = None
    made_environments: int = field(default=0)

    def run_engine(
        self, *sources: str, recorder: Recorder | None = None, environ: Mapping[str, str] | None = None
    ) -> Run:
        """Do in this process what the command does, with its engine in view."""
        return asyncio.run(self._run(sources, recorder or Recorder(), self.environ | dict(environ or {})))

    async def _run(self, sources: Sequence[str], recorder: Recorder, environ: Mapping[str, str]) -> Run:
        settings = replace(
            load(variables(environ)).settings, sources=tuple(sources), project="none", lock_timeout_s=PATIENCE_S
        )
        self.made_environments += 1
        place = self.directory / f"by-engine-{self.made_environments}"
        asked = Question.of(settings, self.directory, None, None, place, environ)
        store = asked.store(recorder)
        async with (
            asyncio.timeout(2 * PATIENCE_S),
            begin(asked, store, find_target(None, store), Missing()) as assembly,
            self.during(assembly.engine) if self.during else nullcontext(),
        ):
            ready = await assembly.finish()
        assert ready.lease_fd is not None
        os.close(ready.lease_fd)
        return Run(recorder, assembly.engine.tools.pools, ready.summary)

    def command(self, *words: str, into: str = "made") -> list[str]:
        return [str(Path(sys.executable).with_name("fastenv")), "create", *words, str(self.directory / into)]

    def traced(self, *words: str, into: str = "made") -> Pieces:
        """Run the command and return what its trace says."""
        report = self.directory / f"{into}.json"
        self.run(self.command("--report", str(report), *words, into=into)).is_fine()
        return Pieces.of_trace(report)

    def entries(self, bucket: Bucket) -> list[str]:
        """Return the names of the whole entries of a bucket."""
        return sorted(mark.parent.name for mark in (self.store / bucket.directory).glob("*/*/.ready"))

    def forget(self, *kept: Bucket) -> None:
        """Empty the store, but for some buckets and the empty environment that all others are copied from."""
        keep = {bucket.directory for bucket in (*kept, SKELETONS, INTERPRETERS)}
        for place in self.store.iterdir():
            if place.name not in keep:
                shutil.rmtree(place) if place.is_dir() else place.unlink()


def held_back(pool: str, count: int, until: Callable[[Engine], bool]) -> Callable[[Engine], Any]:
    """Hold permits of a pool beside the engine's work, from its beginning until something is so."""

    @asynccontextmanager
    async def hold(engine: Engine) -> AsyncIterator[None]:
        held = AsyncExitStack()
        for _ in range(count):
            await held.enter_async_context(getattr(engine.tools.pools, pool)())

        async def let_go() -> None:
            async with held, asyncio.timeout(PATIENCE_S):
                while not until(engine):
                    await asyncio.sleep(0.001)

        waiting = asyncio.create_task(let_go())
        yield
        await waiting

    return hold


def so_many_wait(pool: str, count: int) -> Callable[[Engine], bool]:
    return lambda engine: engine.tools.pools.waiting(pool) >= count


def all_of(*things: Callable[[Engine], Any]) -> Callable[[Engine], Any]:
    """Let several things go on beside the engine's work."""

    @asynccontextmanager
    async def together(engine: Engine) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for thing in things:
                await stack.enter_async_context(thing(engine))
            yield

    return together


def after_the_first_failure(gate: Gate) -> Callable[[Engine], Any]:
    """Open a gate when nothing new is admitted any more."""

    def open_it(engine: Engine) -> bool:
        if not engine.distributions.admission.open:
            gate.open()
        return gate.is_open

    return held_back("download", 0, open_it)
