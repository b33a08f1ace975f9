"""Split a requirements file into logical lines: continuations joined, comments cut, variables replaced."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_fastenv.errors import RequirementsError
from pytest_fastenv.model.location import Location
from pytest_fastenv.requirements.excerpt import Excerpt, error_at
from pytest_fastenv.requirements.redaction import masked
from pytest_fastenv.requirements.variables import Expanded, expand

# A hash sign inside a word (a URL's fragment) begins no comment.
_COMMENT = re.compile(r"(?:^|\s+)#.*$")
_WHOLE_COMMENT = re.compile(r"\s*#")


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """One line after joining, which still knows the physical line and column of each of its characters.

    :ivar file: name for display.
    :ivar written: text before variables were replaced.
    :ivar physical: all lines of the file.
    :ivar pieces: pairs of (offset in the joined text, index of the physical line that begins there).
    :ivar indent: white space that the joined text has before `written`.
    """

    file: str
    written: str
    expanded: Expanded
    physical: Sequence[str]
    pieces: tuple[tuple[int, int], ...]
    indent: int

    @property
    def excerpt(self) -> Excerpt:
        """The text to be read."""
        return Excerpt(self.expanded.text, self.locate)

    def locate(self, offset: int) -> Location:
        """Return file, physical line and column of a character of the text."""
        joined = self.indent + self.expanded.written_offset(offset)
        start, index = self.pieces[bisect_right(self.pieces, (joined, 1 << 62)) - 1]
        # Control characters and tabs take one column each, so that the caret stands right.
        shown = re.sub(r"[\x00-\x1f\x7f]", " ", masked(self.physical[index]))
        return Location(self.file, index + 1, joined - start + 1, shown)

    def as_written(self, start: int, end: int) -> str:
        """Return a slice of the text as the user wrote it, variables unreplaced, without credentials."""
        return masked(self.written[self.expanded.written_offset(start) : self.expanded.written_offset(end)]).strip()


def logical_lines(text: str, file: str, environ: Mapping[str, str]) -> Iterator[LogicalLine]:
    """Yield the lines that are not empty, in order.

    A backslash at the end joins a line with the next; a line that is only a comment ends what is being joined.

    :raises RequirementsError: a comment ends with a backslash, which would make the next line part of the comment.
    """
    physical = text.splitlines()
    joined: list[int] = []
    for index, line in enumerate(physical):
        joined.append(index)
        if line.endswith("\\") and not _WHOLE_COMMENT.match(line) and index + 1 < len(physical):
            continue
        if found := _logical_line(physical, joined, file, environ):
            yield found
        joined = []


def _logical_line(
    physical: Sequence[str], indices: Sequence[int], file: str, environ: Mapping[str, str]
) -> LogicalLine | None:
    pieces: list[tuple[int, int]] = []
    joined = ""
    for index in indices:
        if _WHOLE_COMMENT.match(physical[index]):
            break  # it ends what is being joined
        text = physical[index].rstrip("\\")
        if index != indices[-1] and (comment := _COMMENT.search(text)):
            raise _swallowing_comment(file, physical[index], index, comment)
        pieces.append((len(joined), index))
        joined += text
    whole = _COMMENT.sub("", joined).rstrip()
    written = whole.lstrip()
    if not written:
        return None
    return LogicalLine(file, written, expand(written, environ), physical, tuple(pieces), len(whole) - len(written))


def _swallowing_comment(file: str, line: str, index: int, comment: re.Match[str]) -> RequirementsError:
    column = comment.start() + comment[0].index("#") + 1
    return error_at(
        Location(file, index + 1, column, masked(line)),
        "the backslash at the end of this comment makes the next line a part of it",
        hint="remove the backslash, or write the comment above the requirement",
    )
