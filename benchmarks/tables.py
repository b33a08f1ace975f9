"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return the lines of a table; what is ``None`` is left empty. Numbers, all but the first column, stand right."""
    marks = ["---", *("---:" for _ in head[1:])]
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in [head, marks, *texts]]
