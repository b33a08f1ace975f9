"""Reports as files: the name's ending decides what is written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pytest_fastenv.errors import ProvideError, UsageError
from pytest_fastenv.filesystem.private_files import write
from pytest_fastenv.model.events import Span


def write_report(path: Path, spans: Iterable[Span], meta: Mapping[str, Any]) -> None:
    """Write a trace (``.json``) or a timeline (``.html``); an earlier file of the name is replaced at once.

    :param meta: what to say about the run as a whole, such as the summary: plain values.
    :raises UsageError: the name has another ending.
    :raises ProvideError: the file cannot be written.
    """
    if path.suffix == ".json":
        from pytest_fastenv.report.trace import trace as text  # only what is asked for is imported
    elif path.suffix == ".html":
        from pytest_fastenv.report.timeline import timeline as text
    else:
        why = "the ending decides what is written: .html for a timeline, .json for a trace"
        raise UsageError(f"{str(path)!r} is no name for a report", why=why)
    content = text(list(spans), meta).encode("utf-8", "backslashreplace")
    private = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(private, content)
            os.replace(private, path)
        except BaseException:
            private.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ProvideError("a report cannot be written", where=str(path), why=error.strerror or str(error)) from error
