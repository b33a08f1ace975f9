"""What a command says on standard output to people."""

from __future__ import annotations

from pytest_fastenv.errors import printable


def show(text: str) -> None:
    """Print lines; names, metadata and paths in them come from anywhere, and cannot steer a terminal."""
    print(printable(text, but="\n\t"))
