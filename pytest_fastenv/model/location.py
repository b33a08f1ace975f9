"""Places in the files a user wrote."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Location:
    """Where something was asked for.

    :ivar file: the file as the user named it, or a phrase such as ``command line``.
    :ivar line: one-based; 0 when the source has no lines.
    :ivar column: one-based; 0 when the whole line is meant.
    :ivar text: the (logical) line, for display.
    """

    file: str
    line: int = 0
    column: int = 0
    text: str = ""

    def __str__(self) -> str:
        parts = [self.file, *(str(n) for n in (self.line, self.column) if n)]
        return ":".join(parts)

    def caret(self, width: int = 1) -> str:
        """Return the line and, below it, a caret under the column; empty when there is no text."""
        if not self.text:
            return ""
        if not self.column:
            return self.text
        return f"{self.text}\n{' ' * (self.column - 1)}{'^' * max(width, 1)}"
