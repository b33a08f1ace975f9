"""Live on a terminal, plain lines elsewhere, nothing when quiet or quickly over."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from pytest_fastenv.model.events import Recorder
from pytest_fastenv.report import progress
from pytest_fastenv.report.progress import Progress


class Stream(io.TextIOWrapper):
    """A stream that tells when certain text has been written to it."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self._bytes = io.BytesIO()
        super().__init__(self._bytes, encoding=encoding, write_through=True)
        self._changed = threading.Condition()

    def write(self, text: str) -> int:
        with self._changed:
            count = super().write(text)
            self._changed.notify_all()
        return count

    @property
    def text(self) -> str:
        return self._bytes.getvalue().decode(self.encoding)

    def wait_for(self, text: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: text in self.text, timeout=10), self.text


@pytest.fixture
def stream() -> Iterator[Stream]:
    with Stream() as stream:
        yield stream


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SHOW_AFTER_S", 0.0)
    monkeypatch.setattr(progress, "REDRAW_S", 0.001)


def a_run(recorder: Recorder, when_busy: Callable[[], None] = lambda: None) -> None:
    with recorder.span("resolve", "3 requirements") as span:
        span.args["distributions"] = 3
    with recorder.span("build", "spam", version="1.0"), recorder.span("lock-wait", "eggs [red]") as wait:
        recorder.progress(wait, holder="process 5 on here since noon")
        recorder.progress(wait, holder="process 5 on here since noon")
        recorder.notice("warning", "something\x1b[31m [red] was skipped")
        recorder.notice("info", "all is well")
        when_busy()


def test_plain_lines(recorder: Recorder, stream: Stream) -> None:
    with Progress(recorder, stream, quiet=False, interactive=False):
        a_run(recorder)
        with pytest.raises(ValueError, match="no"), recorder.span("build", "ham"):
            raise ValueError("no")
    lines = stream.text.splitlines()
    assert lines[:2] == [
        "fastenv: waiting for eggs [red]: held by process 5 on here since noon",
        "fastenv: all is well",
    ]
    assert lines[2].startswith("fastenv: spam 1.0: built in ")
    assert lines[3].startswith("fastenv: ham: failed after ")
    assert len(lines) == 4, "warnings are told with the answer"


@pytest.mark.parametrize("quiet", [False, True])
def test_warnings_of_a_failure(recorder: Recorder, stream: Stream, quiet: bool) -> None:
    progress = Progress(recorder, stream, quiet=quiet, interactive=False)
    progress.__enter__()
    a_run(recorder)
    progress.__exit__(ValueError, ValueError("no"), None)
    assert stream.text.splitlines()[-1] == "fastenv: warning: something\\x1b[31m [red] was skipped"
    assert (len(stream.text.splitlines()) == 1) is quiet


def test_interpreters_on_their_way(recorder: Recorder, at_once: None) -> None:
    plain, live = Stream(), Stream()

    def arrive(until: Callable[[], None] = lambda: None) -> None:
        with recorder.span("interpreter", "CPython 3.12.7", stage="fetch", version="3.12.7") as span:
            recorder.progress(span, bytes=25_000_000)
            until()
        with recorder.span("interpreter", "CPython 3.12.7", stage="unpack"):
            pass
        with recorder.span("interpreter", "/usr/bin/python3"):  # a probe: too quick to be shown
            pass

    with Progress(recorder, plain, quiet=False, interactive=False):
        arrive()
    assert [line.partition(" in ")[0] for line in plain.text.splitlines()] == ["fastenv: CPython 3.12.7: fetched"]
    with Progress(recorder, live, quiet=False, interactive=True):
        arrive(lambda: live.wait_for("fetching CPython 3.12.7 ("))
    assert "fastenv: 1 interpreter (" in live.text


def test_plain_lines_come_while_it_runs_and_counts_now_and_then(
    recorder: Recorder, stream: Stream, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.001)
    with Progress(recorder, stream, quiet=False, interactive=False):
        a_run(recorder, lambda: stream.wait_for("fastenv: 3 resolved ("))


def test_plain_counts_name_what_is_being_built_while_resolving(
    recorder: Recorder, stream: Stream, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.001)
    asked = recorder.span("build", "num\x1bpy", version="1.21.0", hook="prepare_metadata_for_build_wheel")
    with (
        Progress(recorder, stream, quiet=False, interactive=False),
        recorder.span("resolve", "1 requirement"),
        asked,
    ):
        stream.wait_for("); building num\\x1bpy 1.21.0 (")


def test_quiet_writes_nothing_and_starts_nothing(recorder: Recorder, stream: Stream) -> None:
    with Progress(recorder, stream, quiet=True, interactive=True):
        a_run(recorder)
        assert [thread.name for thread in threading.enumerate() if thread.name == "pytest-fastenv-progress"] == []
    assert stream.text == ""


def test_live_lines_show_what_goes_on_and_go_away(recorder: Recorder, stream: Stream, at_once: None) -> None:
    with Progress(recorder, stream, quiet=False, interactive=True):
        a_run(recorder, lambda: stream.wait_for("waiting for eggs [red]: held by process 5 on here since noon"))
    assert "fastenv: 3 resolved" in stream.text
    assert "building spam 1.0 (" in stream.text
    assert "something" not in stream.text, "warnings are told with the answer"
    assert stream.text.count("all is well") == 1
    assert stream.text.rstrip().endswith("\x1b[2K")  # the last thing done is to clear


def test_many_builds_are_cut_short(recorder: Recorder, stream: Stream, at_once: None) -> None:
    from contextlib import ExitStack

    with Progress(recorder, stream, quiet=False, interactive=True), ExitStack() as stack:
        for number in range(12):
            stack.enter_context(recorder.span("build", f"spam{number}"))
        stream.wait_for("and 5 more")
    assert "building spam6 (" in stream.text


def test_a_terminal_without_unicode(recorder: Recorder, at_once: None) -> None:
    with Stream("ascii") as stream:
        with (
            Progress(recorder, stream, quiet=False, interactive=True),
            recorder.span("build", "grün" + "x" * 200),
        ):
            stream.wait_for("building gr\\xfcnxxx")
        with Progress(recorder, stream, quiet=False, interactive=False):
            recorder.notice("info", "grün")
        assert "gr\\xfcn" in stream.text


@pytest.mark.parametrize("interactive", [True, False])
def test_a_stream_that_breaks_ends_the_display_not_the_run(
    recorder: Recorder, at_once: None, interactive: bool
) -> None:
    stream = Stream()
    stream.close()
    with Progress(recorder, stream, quiet=False, interactive=interactive):
        a_run(recorder)


def test_events_after_the_end_are_not_shown(recorder: Recorder, stream: Stream) -> None:
    with Progress(recorder, stream, quiet=False, interactive=False):
        pass
    recorder.notice("info", "too late")
    assert stream.text == ""


def test_a_short_run_imports_nothing_to_draw() -> None:
    program = (
        "import sys\n"
        "from pytest_fastenv.model.events import Recorder\n"
        "from pytest_fastenv.report.progress import Progress\n"
        "recorder = Recorder()\n"
        "with Progress(recorder, sys.stderr, quiet=False, interactive=True):\n"
        "    recorder.notice('info', 'seen at the end')\n"
        "print([name for name in sys.modules if name.split('.')[0] in {'rich', 'asyncio', 'httpx'}])\n"
    )
    command = [sys.executable, "-c", program]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environ)
    assert result.stdout == "[]\n"
    assert result.stderr == "fastenv: seen at the end\n"
