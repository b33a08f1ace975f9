"""The line in pytest's report header."""

from __future__ import annotations

from typing import Any, Mapping


def header_line(summary: Mapping[str, Any]) -> str:
    """Say in one line what the environment is and how it came about.

    ``fastenv: 145 distributions (120 cached, 24 fetched, 1 built) in 1.4 s, CPython 3.12.1, /…/environments/ab12``

    :param summary: ``distributions``, ``cached``, ``fetched``, ``built``, ``wasted_bytes``, ``seconds``, ``python``,
        ``downloaded`` (the interpreter, by this run), ``path``, ``reused``, ``age_s`` (of the resolution), ``reason``
        (why it was made anew); what is missing is left out.
    """
    parts = [_contents(summary)]
    if summary.get("python"):
        parts.append("{}{}".format(summary["python"], " (downloaded)" if summary.get("downloaded") else ""))
    if summary.get("path"):
        parts.append(str(summary["path"]))
    line = "fastenv: " + ", ".join(parts)
    reason = summary.get("reason")
    return "{} (made anew: {})".format(line, reason) if reason else line


def _contents(summary: Mapping[str, Any]) -> str:
    count = summary.get("distributions")
    text = "environment" if count is None else "{} distribution{}".format(count, "" if count == 1 else "s")
    origins = ["{} {}".format(summary[name], name) for name in ("cached", "fetched", "built") if summary.get(name)]
    if summary.get("wasted_bytes"):
        origins.append("{:.1f} MB fetched in vain".format(float(summary["wasted_bytes"]) / 1e6))
    if summary.get("reused"):
        origins = ["reused"]
        if summary.get("age_s") is not None:
            origins.append("resolved {} ago".format(duration(float(summary["age_s"]))))
    if origins:
        text += " ({})".format(", ".join(origins))
    seconds = summary.get("seconds")
    return text if seconds is None else "{} in {}".format(text, elapsed(float(seconds)))


def elapsed(value_s: float) -> str:
    """Write how long something took: ``80 ms``, ``1.4 s``, ``2 min``."""
    if value_s < 1:
        return "{:.0f} ms".format(value_s * 1000)
    return "{:.1f} s".format(value_s) if value_s < 60 else duration(value_s)


def duration(value_s: float) -> str:
    """Write a duration with its largest unit, rounded down: ``12 s``, ``5 min``, ``3 h``, ``2 d``."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if value_s >= size:
            return "{} {}".format(int(value_s // size), unit)
    return "{} s".format(max(int(value_s), 0))
