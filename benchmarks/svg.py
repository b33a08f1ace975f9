"""What plots are drawn with: SVG without a plotting library.

The ground is white, whatever the page around it has, so that a picture reads alike in light and dark.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

INK, GRID, FAINT = "#222222", "#bbbbbb", "#eeeeee"
COLOURS = ("#0b6e4f", "#7a3fa0", "#c4620a", "#4fae8a", "#555555")


def document(title: str, width: int, height: float, body: Iterable[str]) -> str:
    """Return the whole document; the title is what is read out."""
    size = f'viewBox="0 0 {width} {height:g}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{width}" height="{height:g}" fill="#ffffff"/>',
            *body,
            "</svg>",
            "",
        ]
    )


def line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1) -> str:
    """Return a straight line."""
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" stroke-width="{width}"/>'


def dot(x: float, y: float, colour: str) -> str:
    """Return a filled circle."""
    return f'<circle cx="{x}" cy="{y}" r="4.5" fill="{colour}"/>'


def path(points: Iterable[tuple[float, float]], colour: str, *, dashed: bool = False) -> str:
    """Return a line through some points."""
    places = " ".join(f"{x},{y}" for x, y in points)
    dashes = ' stroke-dasharray="5 4"' if dashed else ""
    return f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'


def text(x: float, y: float, words: str, anchor: str, colour: str = INK, *, bold: bool = False) -> str:
    """Return a line of text; the anchor is ``start``, ``middle`` or ``end``."""
    place = f'x="{x}" y="{y}" text-anchor="{anchor}" fill="{colour}" font-weight="{"bold" if bold else "normal"}"'
    return f"<text {place}>{escape(words)}</text>"


def apart(heights: Iterable[float], least: float) -> list[float]:
    """Return where labels may stand that belong to some heights: in their order, and never nearer than that."""
    wanted = list(heights)
    placed = dict.fromkeys(range(len(wanted)), 0.0)
    reached = float("-inf")
    for number in sorted(placed, key=lambda number: wanted[number]):
        reached = placed[number] = max(wanted[number], reached + least)
    return list(placed.values())
