"""Where the output of commands goes: as it comes, in lines that name their environment, or as a block when all is said.

A block has standard output and standard error in their order, and goes to standard output. What is told of a run goes
to standard error.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

from pytest_fastenv.commands.results import EnvironmentResult
from pytest_fastenv.errors import printable

#: How long after a command's end its output is still read where something that it left behind has it open.
_HELD_S = 1.0


class Terminal:
    """What a run shows on this process's own streams; used by several threads.

    :param quiet: tell nothing but what is always told.
    :param in_groups: mark what belongs together as GitHub's logs fold it.
    :param redraws: standard error is a terminal with a last line that may be drawn anew.
    """

    def __init__(self, *, quiet: bool = False, in_groups: bool = False, redraws: bool = False) -> None:
        self._quiet = quiet
        self._in_groups = in_groups
        self._redraws = redraws
        self._lock = threading.Lock()
        self._has_status = False

    def tell(self, text: str, *, always: bool = False) -> None:
        """Write lines of our own."""
        if always or not self._quiet:
            with self._lock:
                self._clear()
                sys.stderr.writelines(f"fastenv: {printable(line)}\n" for line in text.splitlines())
                sys.stderr.flush()

    def status(self, text: str) -> None:
        """Draw the last line anew; empty: take it away."""
        if self._redraws and not self._quiet:
            with self._lock:
                self._clear()
                if text:
                    sys.stderr.write(printable(text)[: shutil.get_terminal_size().columns - 1])
                    self._has_status = True
                sys.stderr.flush()

    def write(self, line: bytes) -> None:
        """Write a line of a command's output."""
        with self._lock:
            self._clear()
            _binary(sys.stdout).write(line)
            sys.stdout.flush()

    def block(self, title: str, content: IO[bytes]) -> None:
        """Write all that the commands of an environment have said, and nothing between."""
        with self._lock:
            self._clear()
            self.begin_group(title)
            output = _binary(sys.stdout)
            content.seek(0)
            shutil.copyfileobj(content, output)
            if content.tell() and not _ends_line(content):
                output.write(b"\n")
            self.end_group()

    def begin_group(self, title: str) -> None:
        """Write GitHub's mark before what is folded under a title, where there are such marks."""
        self._mark(f"::group::{title}")

    def end_group(self) -> None:
        """Write GitHub's mark behind it."""
        self._mark("::endgroup::")

    def _mark(self, text: str) -> None:
        if self._in_groups:
            sys.stdout.write(f"{printable(text)}\n")
        sys.stdout.flush()

    def _clear(self) -> None:
        if self._has_status:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._has_status = False


class Channel(ABC):
    """Where the commands of one environment say what they say."""

    def __init__(self, terminal: Terminal, name: str) -> None:
        self._terminal = terminal
        self._name = name

    @abstractmethod
    def begin(self, words: Sequence[str]) -> None:
        """Say which command begins."""

    @abstractmethod
    def streams(self) -> Any:
        """Return a context of the streams that a command is started with, as `subprocess.Popen` takes them."""

    @abstractmethod
    def end(self, result: EnvironmentResult) -> None:
        """Show what was kept back, when all commands are over."""


class AsItComes(Channel):
    """The commands have this process's own streams."""

    def __init__(self, terminal: Terminal, name: str) -> None:
        super().__init__(terminal, name)
        terminal.begin_group(name)

    def begin(self, words: Sequence[str]) -> None:
        """See `Channel.begin`."""
        sys.stdout.flush()
        self._terminal.tell(f"{self._name}: {shlex.join(words)}")

    @contextmanager
    def streams(self) -> Iterator[dict[str, Any]]:
        """See `Channel.streams`."""
        yield {}

    def end(self, result: EnvironmentResult) -> None:
        """See `Channel.end`."""
        del result
        self._terminal.end_group()


class InLines(Channel):
    """Each line is shown when it is there, behind the name of its environment.

    Where one cannot be shown, the command's output is closed, and the exception is raised before the next command
    begins, or when all are over.
    """

    def __init__(self, terminal: Terminal, name: str) -> None:
        super().__init__(terminal, name)
        self._unshown: Exception | None = None

    def begin(self, words: Sequence[str]) -> None:
        """See `Channel.begin`."""
        self._raise_unshown()
        self._terminal.tell(f"{self._name}: {shlex.join(words)}")

    @contextmanager
    def streams(self) -> Iterator[dict[str, Any]]:
        """See `Channel.streams`."""
        read, write = os.pipe()
        reader = threading.Thread(target=self._read, args=(read,), name=f"output of {self._name}", daemon=True)
        reader.start()
        try:
            yield {"stdin": subprocess.DEVNULL, "stdout": write, "stderr": subprocess.STDOUT}
        finally:
            os.close(write)
            reader.join(_HELD_S)

    def end(self, result: EnvironmentResult) -> None:
        """See `Channel.end`."""
        del result
        self._raise_unshown()

    def _read(self, descriptor: int) -> None:
        with open(descriptor, "rb") as stream:
            for line in stream:
                try:
                    self._terminal.write(f"{self._name}: ".encode() + line.rstrip(b"\n") + b"\n")
                except Exception as error:  # noqa: BLE001 - raised again where the commands are run
                    self._unshown = error
                    break

    def _raise_unshown(self) -> None:
        if self._unshown is not None:
            raise self._unshown


class AsBlock(Channel):
    """Nothing is shown until all is said."""

    def __init__(self, terminal: Terminal, name: str) -> None:
        super().__init__(terminal, name)
        self._content = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`

    def begin(self, words: Sequence[str]) -> None:
        """See `Channel.begin`."""
        self._content.seek(0, os.SEEK_END)
        self._content.write(f"{printable(f'fastenv: {self._name}: {shlex.join(words)}')}\n".encode())
        self._content.flush()

    @contextmanager
    def streams(self) -> Iterator[dict[str, Any]]:
        """See `Channel.streams`."""
        yield {"stdin": subprocess.DEVNULL, "stdout": self._content, "stderr": subprocess.STDOUT}

    def end(self, result: EnvironmentResult) -> None:
        """See `Channel.end`."""
        with self._content:
            self._terminal.block(result.line(), self._content)


def _binary(stream: Any) -> Any:
    """Return what bytes are written to; a stream that was replaced may have nothing of the kind."""
    return stream.buffer if hasattr(stream, "buffer") else _Decoded(stream)


class _Decoded:
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, content: bytes) -> None:
        self._stream.write(content.decode("utf-8", "replace"))


def _ends_line(content: IO[bytes]) -> bool:
    content.seek(-1, os.SEEK_END)
    return content.read(1) == b"\n"
