"""Quantities as people read them."""

from __future__ import annotations


def bytes_text(size_bytes: int) -> str:
    """Return a size: ``512 B``, ``12 kB``, ``4.5 MB`` (powers of a thousand)."""
    if size_bytes < 1000:
        return f"{size_bytes} B"
    size, unit = next(
        (size_bytes / 1000**n, unit) for n, unit in ((1, "kB"), (2, "MB"), (3, "GB")) if _fits(size_bytes, n)
    )
    return f"{size:.1f} {unit}" if size < 9.95 else f"{size:.0f} {unit}"


def _fits(size_bytes: int, power: int) -> bool:
    return size_bytes / 1000**power < 999.5 or power == 3


def seconds_text(seconds: float) -> str:
    """Return a duration: ``0 s``, ``15 ms``, ``1.2 s``, ``95 s``, ``12 min``."""
    if not seconds:
        return "0 s"
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"
