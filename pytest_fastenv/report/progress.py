"""Tell people how far a run is: live on a terminal, in plain lines elsewhere, nothing when it shall be quiet.

A thread of its own draws; events only leave a note for it, so nothing that works ever waits for a terminal or a pipe.
Runs that are over within a third of a second show nothing, and pay for no import.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self, TextIO

from pytest_fastenv.errors import printable
from pytest_fastenv.model.events import Notice, Recorder, Span
from pytest_fastenv.report.quantities import bytes_text, seconds_text
from pytest_fastenv.report.tally import Tally, makes_a_wheel

SHOW_AFTER_S = 0.3
"""How long a run lasts before anything is shown of its progress."""

REDRAW_S = 0.1
"""How often live lines are drawn anew."""

PLAIN_EVERY_S = 10.0
"""How often counts are shown where lines cannot be drawn anew."""

_LINES = 8
#: How many builds are named in a plain line: those that go on longest.
_NAMED = 3


class Progress:
    """Shows a recorder's events while its block runs.

    Warnings are left to those who show the answer, which has them. Where there is none, because the block fails, they
    are written at its end, also where it shall be quiet.

    Interactive: some lines that are redrawn, and removed at the end. Else: a line for each build that ended, each
    interpreter that was fetched, each wait once its holder is known, and every ten seconds the counts and what is being
    built. Notices are shown in both.

    A stream that is closed or broken ends the display, never the run.

    :param stream: where to write, usually the standard error output.
    :param quiet: write nothing but the warnings of a failure.
    :param interactive: whether the stream is a terminal on which lines may be redrawn.
    """

    def __init__(self, recorder: Recorder, stream: TextIO, quiet: bool, interactive: bool) -> None:
        self._recorder = recorder
        self._stream = stream
        self._quiet = quiet
        self._interactive = interactive
        self._lines: deque[str] = deque()
        self._warnings: list[str] = []
        self._told: set[int] = set()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        self._recorder.subscribe(self._note)
        if not self._quiet:
            self._thread = threading.Thread(target=self._show, name="pytest-fastenv-progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        if kind is not None and self._warnings:
            with suppress(OSError, ValueError):  # as in `_show`
                self._write([f"fastenv: warning: {printable(text)}" for text in self._warnings])

    def _note(self, what: str, event: Span | Notice) -> None:
        """Listen to the recorder; called in the thread that records."""
        if self._over.is_set():
            return
        if isinstance(event, Notice):
            if event.level == "warning":
                self._warnings.append(event.text)
            elif not self._quiet:
                self._lines.append(event.text)
        elif not self._interactive and not self._quiet:
            self._lines.extend(self._plain(what, event))

    def _plain(self, what: str, span: Span) -> Iterator[str]:
        failed = "error" in span.args
        # What a backend is asked beforehand (requirements, metadata) is told of only where that fails.
        if span.kind == "build" and what == "end" and (failed or makes_a_wheel(span)):
            how = "failed after" if failed else "built in"
            yield f"{_subject(span)}: {how} {seconds_text(span.duration_s)}"
        if span.kind == "interpreter" and span.args.get("stage") == "fetch" and what == "end" and not failed:
            yield f"{span.subject}: fetched in {seconds_text(span.duration_s)} ({bytes_text(_bytes(span))})"
        if span.kind in {"lock-wait", "slot-wait"} and what == "progress" and id(span) not in self._told:
            self._told.add(id(span))
            yield _wait(span)

    def _show(self) -> None:
        with suppress(OSError, ValueError):  # the stream is closed or broken: there is no reader
            if self._interactive and not self._over.wait(SHOW_AFTER_S):
                from pytest_fastenv.report.live import Live  # its library is imported when something is shown

                with Live(self._stream) as live:
                    while not self._over.wait(REDRAW_S):
                        live.draw(self._picture(), self._due())
                    live.draw([], self._due())
            elif not self._interactive:
                self._show_plain()
            self._write(self._due())

    def _show_plain(self) -> None:
        next_counts = self._began + PLAIN_EVERY_S
        while not self._over.wait(REDRAW_S):
            self._write(self._due())
            if time.monotonic() >= next_counts:
                next_counts += PLAIN_EVERY_S
                tally = Tally.of(list(self._recorder.spans))
                self._write(["; ".join([self._counts(tally), *map(printable, _builds(tally)[:_NAMED])])])

    def _due(self) -> list[str]:
        lines = []
        while self._lines:
            lines.append(f"fastenv: {printable(self._lines.popleft())}")
        return lines

    def _write(self, lines: list[str]) -> None:
        encoding = getattr(self._stream, "encoding", None) or "ascii"
        for line in lines:
            self._stream.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        if lines:
            self._stream.flush()

    def _picture(self) -> list[str]:
        """Return the lines to draw now: counts, then what is being built and waited for, the longest first."""
        tally = Tally.of(list(self._recorder.spans))
        lines = [*map(_arrival, tally.arriving), *_builds(tally), *map(_wait, tally.waiting)]
        if len(lines) > _LINES:
            lines[_LINES - 1 :] = [f"and {len(lines) - _LINES + 1} more"]
        return [self._counts(tally), *(f"  {printable(line)}" for line in lines)]

    def _counts(self, tally: Tally) -> str:
        elapsed = time.monotonic() - self._began
        parts = []
        if tally.interpreters:
            count = len(tally.interpreters)
            parts.append(f"{count} interpreter{'s' if count > 1 else ''}")
        if tally.resolved:
            parts.append(f"{tally.resolved} resolved")
        elif tally.resolving:
            parts.append("resolving")
        if tally.fetched or tally.fetching:
            parts.append(f"{tally.fetched} fetched ({bytes_text(tally.fetched_bytes)})")
        parts.extend(f"{count} {name}" for count, name in ((tally.built, "built"), (tally.linked, "linked")) if count)
        return f"fastenv: {', '.join(parts) or 'looking'} ({seconds_text(elapsed)})"


def _subject(span: Span) -> str:
    return f"{span.subject} {span.args['version']}" if span.args.get("version") else span.subject


def _builds(tally: Tally) -> list[str]:
    """Return what is being built, the longest first; while a plan is made backends are asked for metadata, too."""
    now = time.monotonic_ns()
    return [f"building {_subject(span)} ({seconds_text((now - span.start_ns) / 1e9)})" for span in tally.building]


def _arrival(span: Span) -> str:
    return f"{span.args['stage']}ing {span.subject} ({bytes_text(_bytes(span))})"


def _bytes(span: Span) -> int:
    count = span.args.get("bytes", 0)
    return count if isinstance(count, int) else 0


def _wait(span: Span) -> str:
    what = "a build slot for " if span.kind == "slot-wait" else ""
    return f"waiting for {what}{span.subject}: held by {span.args.get('holder', 'another process')}"
