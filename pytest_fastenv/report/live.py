"""Lines on a terminal that are redrawn in place. Imported only when there is something to draw."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self, TextIO

import rich.live
from rich.console import Console, Group, OverflowMethod
from rich.spinner import Spinner
from rich.text import Text


class Live:
    """A block of lines at the bottom of a terminal; they are gone when the block ends.

    Texts are shown as they are: no markup is read from them.
    """

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream, force_terminal=True, highlight=False)
        self._encoding = self._console.encoding or "ascii"
        unicode = self._encoding.lower().startswith("utf")
        self._overflow: OverflowMethod = "ellipsis" if unicode else "crop"
        self._spinner = Spinner("dots" if unicode else "line", style="cyan")
        self._live = rich.live.Live(
            console=self._console, transient=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def draw(self, lines: Sequence[str], above: Sequence[str]) -> None:
        """Redraw; the first line turns its spinner.

        :param above: lines that stay, printed above the block.
        """
        for line in above:
            self._console.print(Text(self._shown(line)))
        if not lines:
            self._live.update(Text(""), refresh=True)
            return
        head, *rest = lines
        self._spinner.update(text=self._one_line(head))
        body = [self._one_line(line, "dim") for line in rest]
        self._live.update(Group(self._spinner, *body), refresh=True)

    def _one_line(self, line: str, style: str = "") -> Text:
        return Text(self._shown(line), style=style, no_wrap=True, overflow=self._overflow)

    def _shown(self, line: str) -> str:
        """Return what the terminal can show of a line; the rest as escapes."""
        return line.encode(self._encoding, "backslashreplace").decode(self._encoding)
