"""Reports of a run that fails or is interrupted: when one needs them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytest_fastenv.errors import FastenvError
from pytest_fastenv.model.events import Recorder, Span
from pytest_fastenv.report.files import write_report

_INTERRUPTED = 130
#: How spans end whose work did not fail itself: something else failed meanwhile, or the run was interrupted.
_GIVEN_UP = frozenset({"CancelledError", "KeyboardInterrupt", "SystemExit", "Terminated"})


@contextmanager
def failure_reported(paths: Sequence[Path], recorder: Recorder) -> Iterator[None]:
    """Write reports where a block ends with an exception, which passes; one that cannot be written is a warning."""
    try:
        yield
    except BaseException as error:
        for path in paths:
            try:
                write_report(path, recorder.spans, _told(error, recorder))
            except FastenvError as unwritten:
                recorder.notice("warning", f"{unwritten.what}: {unwritten.where} ({unwritten.why})", of="run")
        raise


def _told(error: BaseException, recorder: Recorder) -> dict[str, Any]:
    match error:
        case FastenvError():
            text, code = error.diagnosis(recorder.naming, whole=True), error.exit_code
        case KeyboardInterrupt():
            text, code = "interrupted", _INTERRUPTED
        case SystemExit(code=int(code)):
            text = "terminated"
        case _:
            text, code = repr(error), FastenvError.exit_code
    return {"error": text, "exit_code": code, "under_way": under_way(recorder.spans)}


def under_way(spans: Iterable[Span]) -> list[str]:
    """Return what was being done when the run ended: kind and subject of each, the one that began first in front."""
    given_up = [span for span in spans if not span.end_ns or span.args.get("error") in _GIVEN_UP]
    return [f"{span.kind} {span.subject}" for span in sorted(given_up, key=lambda span: span.start_ns)]
