"""A timeline of a run as one HTML file: no scripts, nothing loaded from elsewhere, light and dark.

Every span is a bar in a lane of its kind; hovering tells all that is known about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any

from pytest_fastenv.errors import printable
from pytest_fastenv.model.events import Kind, Span
from pytest_fastenv.report.lanes import Placed, lane_count, place
from pytest_fastenv.report.quantities import bytes_text, seconds_text

_WIDTH = 1200
_LEFT = 96
_LANE = 18
_BAR = 14
_GAP = 10
_TOP = 24
_LETTER = 6.2
_STEPS = (1, 2, 5)

_STYLE = """
:root { color-scheme: light dark; --page: #fff; --ink: #1f2328; --faint: #59636e; --rule: #d9dee3;
  --resolve: #8250df; --fetch: #0969da; --build: #bc4c00; --unpack: #1a7f37; --link: #1b7c83;
  --interpreter: #6639ba; --lock-wait: #8c959f; --slot-wait: #afb8c1; --error: #cf222e }
@media (prefers-color-scheme: dark) { :root { --page: #0d1117; --ink: #e6edf3; --faint: #9198a1; --rule: #30363d;
  --resolve: #a371f7; --fetch: #4493f8; --build: #db6d28; --unpack: #3fb950; --link: #39c5cf;
  --interpreter: #bc8cff; --lock-wait: #6e7681; --slot-wait: #484f58; --error: #f85149 } }
body { background: var(--page); color: var(--ink); font: 14px/1.5 system-ui, sans-serif; margin: 24px }
h1 { font-size: 20px; margin: 0 0 8px } p, dl { margin: 0 0 16px }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px } dt { color: var(--faint) } dd { margin: 0 }
.chart { overflow-x: auto } svg { display: block; min-width: 900px; width: 100%; height: auto }
svg text { fill: var(--ink); font: 11px system-ui, sans-serif } svg .faint { fill: var(--faint) }
svg line { stroke: var(--rule) } svg .label { fill: #fff; pointer-events: none } svg rect:hover { opacity: .75 }
svg .failed { stroke: var(--error); stroke-width: 2 } svg .unfinished { stroke: var(--ink); stroke-dasharray: 3 2 }
table { border-collapse: collapse; margin-top: 16px; font-variant-numeric: tabular-nums }
th, td { padding: 2px 16px 2px 0; text-align: right; border-bottom: 1px solid var(--rule) }
th:first-child, td:first-child { text-align: left }
"""


def timeline(spans: Iterable[Span], meta: Mapping[str, Any]) -> str:
    """Return the timeline as an HTML document.

    :param meta: what to say about the run as a whole; shown above as a list.
    """
    groups = place(spans)
    colours = "".join(f"svg .{kind} {{ fill: var(--{kind}) }}\n" for kind in groups)
    body = (
        f'<div class="chart">{_chart(groups)}</div>\n{_table(groups)}' if groups else "<p>Nothing had to be done.</p>"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>pytest-fastenv timeline</title>\n<style>{_STYLE}{colours}</style>\n</head>\n<body>\n"
        f"<h1>pytest-fastenv timeline</h1>\n{_facts(meta)}\n{body}\n</body>\n</html>\n"
    )


def _facts(known: Mapping[str, Any]) -> str:
    return f"<dl>{''.join(f'<dt>{_text(name)}</dt><dd>{_fact(value)}</dd>' for name, value in known.items())}</dl>"


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return _facts(value)
    return ", ".join(map(_text, value)) if isinstance(value, (list, tuple)) else _text(value)


def _chart(groups: Mapping[Kind, list[Placed]]) -> str:
    total_ns = max([1, *(item.end_ns for placed in groups.values() for item in placed)])
    height = _TOP + sum(lane_count(placed) * _LANE + _GAP for placed in groups.values())
    scale = (_WIDTH - _LEFT - 8) / total_ns
    parts = [f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="timeline of {len(groups)} kinds of work">']
    parts.extend(_axis(total_ns, scale, height))
    top = _TOP
    for kind, placed in groups.items():
        parts.append(f'<text x="0" y="{top + 11}">{kind}</text>')
        parts.extend(_bar(item, top + item.lane * _LANE, scale) for item in placed)
        top += lane_count(placed) * _LANE + _GAP
        parts.append(f'<line x1="0" x2="{_WIDTH}" y1="{top - _GAP / 2}" y2="{top - _GAP / 2}"/>')
    return "\n".join([*parts, "</svg>"])


def _axis(total_ns: int, scale: float, height: int) -> Iterator[str]:
    step = next(s for s in _steps() if total_ns / s <= 12)
    for at in range(0, total_ns + 1, step):
        x = _LEFT + at * scale
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="16" y2="{height}"/>'
        yield f'<text class="faint" x="{x + 3:.1f}" y="11">{seconds_text(at / 1e9)}</text>'


def _steps() -> Iterator[int]:
    """Return 1, 2, 5, 10, 20, 50, ... microseconds as nanoseconds."""
    size = 1000
    while True:
        yield from (size * step for step in _STEPS)
        size *= 10


def _bar(item: Placed, top: float, scale: float) -> str:
    span = item.span
    x, width = _LEFT + item.start_ns * scale, max((item.end_ns - item.start_ns) * scale, 1.0)
    classes = " ".join(
        [span.kind, *(["failed"] if "error" in span.args else []), *(["unfinished"] * (not item.finished))]
    )
    bar = (
        f'<rect class="{classes}" x="{x:.2f}" y="{top}" width="{width:.2f}" height="{_BAR}" rx="2">'
        f"<title>{_text(_hover(item))}</title></rect>"
    )
    room = int(width / _LETTER) - 1
    if room < 4:
        return bar
    subject = printable(span.subject)
    label = subject if len(subject) <= room else f"{subject[: room - 1]}…"
    return f'{bar}<text class="label" x="{x + 3:.2f}" y="{top + 11}">{escape(label)}</text>'


def _hover(item: Placed) -> str:
    span = item.span
    lines = [f"{span.kind} {span.subject}", seconds_text((item.end_ns - item.start_ns) / 1e9)]
    lines.append(f"from {seconds_text(item.start_ns / 1e9)} to {seconds_text(item.end_ns / 1e9)}")
    for name, value in span.args.items():
        lines.append(f"{name}: {bytes_text(value) if name == 'bytes' and isinstance(value, int) else value}")
    if not item.finished:
        lines.append("not finished")
    return "\n".join(lines)


def _table(groups: Mapping[Kind, list[Placed]]) -> str:
    rows = ["<tr><th>work</th><th>spans</th><th>at once</th><th>together</th><th>longest</th><th>bytes</th></tr>"]
    for kind, placed in groups.items():
        times = [(item.end_ns - item.start_ns) / 1e9 for item in placed]
        size = sum(value for item in placed if isinstance(value := item.span.args.get("bytes"), int))
        cells: list[object] = [
            kind,
            len(placed),
            lane_count(placed),
            seconds_text(sum(times)),
            seconds_text(max(times)),
        ]
        cells.append(bytes_text(size) if size else "")
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return "<table>\n" + "\n".join(rows) + "\n</table>"


def _text(value: Any) -> str:
    return escape("\n".join(printable(line) for line in str(value).split("\n")))
