"""Spans and notices: what happened, when, told to listeners; the engine never prints."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal

from pytest_fastenv.errors import Naming, argument, named

Kind = Literal["resolve", "fetch", "build", "unpack", "link", "interpreter", "lock-wait", "slot-wait"]


@dataclass(slots=True, eq=False)
class Span:
    """One piece of work with a beginning and an end.

    :ivar subject: distribution, project or file it is about.
    :ivar start_ns: `time.monotonic_ns` at the beginning; the same clock in all processes of one machine.
    :ivar end_ns: 0 while it goes on.
    :ivar args: details for a reader: ``version``, ``bytes``, ``source`` (network, cache, built, waited), ``key``.
    """

    kind: Kind
    subject: str
    start_ns: int
    end_ns: int = 0
    args: dict[str, str | int] = field(default_factory=dict)

    @property
    def duration_s(self) -> float:
        """Seconds from beginning to end; 0 while it goes on."""
        return (self.end_ns - self.start_ns) / 1e9 if self.end_ns else 0.0


Subject = Literal["answer", "environment", "run"]
"""What a notice speaks of. Warnings of an *answer* (a candidate that was skipped) and of an *environment* (a wheel in
it) are kept with that and told in every run that uses it; those of a *run* (a part of the store was repaired) once."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a user should be told.

    :ivar text: with options as the reader of this run knows them.
    :ivar kept: the same for a later run, whose reader may know them by other names.
    :ivar strand: the part of the run that it belongs to; see `Recorder.strand`.
    """

    level: Literal["info", "warning"]
    text: str
    of: Subject = "answer"
    kept: str = ""
    strand: str = ""


#: Called with ``"start"``, ``"progress"`` or ``"end"`` and the span, or with ``"notice"`` and the notice.
Listener = Callable[[str, "Span | Notice"], None]


#: The part of a run that the current task, and what it starts, works for.
_STRAND: ContextVar[str] = ContextVar("strand", default="")


class Recorder:
    """Collects spans and notices of one run and passes them to listeners as they come.

    Safe to use from several threads (appending to a list is atomic); listeners are called in the thread in which
    the event happens and must not block.

    :param naming: how the reader of this run writes options; default: as a caller of `provision` does.
    """

    def __init__(self, naming: Naming = argument) -> None:
        self.naming = naming
        self.spans: list[Span] = []
        self.notices: list[Notice] = []
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> None:
        """Call the listener for every later event."""
        self._listeners.append(listener)

    @contextmanager
    def strand(self, name: str) -> Iterator[None]:
        """Let all that is recorded in a block, and in tasks and threads that begin in it, belong to a part of the run.

        Several environments that are made at once have a strand each: `warnings` are those of the current one, and
        spans name it (``args["environment"]``).
        """
        token = _STRAND.set(name)
        try:
            yield
        finally:
            _STRAND.reset(token)

    @contextmanager
    def span(self, kind: Kind, subject: str, **args: str | int) -> Iterator[Span]:
        """Record one span around a block; an exception is noted as ``args["error"]`` and passes."""
        span = Span(kind, subject, time.monotonic_ns(), args=dict(args))
        if strand := _STRAND.get():
            span.args["environment"] = strand
        self.spans.append(span)
        self._tell("start", span)
        try:
            yield span
        except BaseException as error:
            span.args["error"] = type(error).__name__
            raise
        finally:
            span.end_ns = time.monotonic_ns()
            self._tell("end", span)

    def add(self, span: Span) -> None:
        """Record a span that was measured elsewhere (in a worker process); it belongs to the current strand."""
        if strand := _STRAND.get():
            span.args["environment"] = strand
        self.spans.append(span)
        self._tell("end", span)

    def progress(self, span: Span, **args: str | int) -> None:
        """Update a running span's args and tell the listeners."""
        span.args.update(args)
        self._tell("progress", span)

    def notice(self, level: Literal["info", "warning"], text: str, *, of: Subject = "answer") -> None:
        """Record a notice; the same text is recorded once in each strand, and told once."""
        strand = _STRAND.get()
        same = [known for known in self.notices if known.kept == text]
        if any(known.strand == strand for known in same):
            return
        notice = Notice(level, named(text, self.naming), of, text, strand)
        self.notices.append(notice)
        if not same:
            self._tell("notice", notice)

    def warnings(self, of: Subject, *, since: int = 0) -> tuple[str, ...]:
        """Return the texts of the current strand's warnings that speak of one thing, to be kept.

        Their options have no reader yet.

        :param since: leaves out so many notices that came before.
        """
        own = [one for one in self.notices[since:] if one.strand == _STRAND.get()]
        return tuple(one.kept for one in own if one.level == "warning" and one.of == of)

    def _tell(self, what: str, event: Span | Notice) -> None:
        for listener in self._listeners:
            listener(what, event)
