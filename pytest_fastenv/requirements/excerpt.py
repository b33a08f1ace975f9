"""A piece of text that knows where it stands, so that any error in it can point at its column."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pytest_fastenv.errors import RequirementsError
from pytest_fastenv.model.location import Location
from pytest_fastenv.requirements.redaction import masked


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Text to be read, and its place in what the user wrote.

    :ivar text: what is to be read (variables replaced).
    :ivar at: gives the location of an offset of the whole text that this is a part of.
    :ivar offset: where this part begins in the whole.
    """

    text: str
    at: Callable[[int], Location]
    offset: int = 0

    @classmethod
    def of(cls, text: str, file: str, line: int = 0, column: int = 1, shown: str | None = None) -> Excerpt:
        """Make an excerpt of one line's text that begins at a column.

        :param shown: the whole line for display; the text itself when not given.
        """
        whole = masked(text if shown is None else shown)
        return cls(text, lambda offset: Location(file, line, column + offset, whole))

    def location(self, offset: int = 0) -> Location:
        """Return the place of a character."""
        return self.at(self.offset + offset)

    def part(self, start: int, end: int | None = None) -> Excerpt:
        """Return a slice without white space at its ends."""
        text = self.text[start:end]
        inner = text.lstrip()
        return Excerpt(inner.rstrip(), self.at, self.offset + start + len(text) - len(inner))

    def error(self, what: str, offset: int = 0, *, hint: str | None = None) -> RequirementsError:
        """Make the error that points at a character: file, line, column, the line itself and a caret below it."""
        return error_at(self.location(offset), what, hint=hint)


def error_at(location: Location, what: str, *, hint: str | None = None) -> RequirementsError:
    """Make the error for a location; see `Excerpt.error`."""
    where = str(location) if location.line else location.file
    return RequirementsError(what, where=where, why=location.caret() or None, hint=hint)
