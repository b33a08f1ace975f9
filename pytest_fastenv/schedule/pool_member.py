"""One process of a pool, as its parent sees it: started, given a job, waited for. Blocks; knows no event loop."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

from pytest_fastenv.errors import ProvideError, ShortageError, option
from pytest_fastenv.schedule.process_groups import OWN_GROUP, end_group, signal_name

_PROGRAM = str(Path(__file__).with_name("pool_process.py"))
_PIECE_BYTES = 1 << 20
_TAIL_BYTES = 2000
_DYING_S = 1.0


class Member:
    """One process, its pipes and what it says on its standard error."""

    def __init__(self, process: subprocess.Popen[bytes], said: IO[bytes]) -> None:
        self._process = process
        self._said = said
        self._talking = threading.Lock()
        self._last_words = ""

    @classmethod
    def start(cls, imports: Sequence[str] = ()) -> Self:
        """Start a process and return at once.

        :param imports: modules that it imports while it waits for its first job.
        :raises OSError: none can be started.
        """
        said = _anonymous_file()
        try:
            process = subprocess.Popen(
                _command(), bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, **OWN_GROUP
            )
        except BaseException:
            said.close()
            raise
        started = cls(process, said)
        with suppress(ConnectionError):  # it died: the first job meets that
            started._send(pickle.dumps((_search_path(), list(imports)), 5))
        return started

    def exchange(self, message: bytes) -> bytes:
        """Send a job and return the answer.

        :raises EOFError, ConnectionError: the process died before it had answered in full.
        """
        with self._talking:
            self._send(message)
            return self._receive(int.from_bytes(self._receive(8), "big"))

    @property
    def lives(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Kill the process and all that it started; does not wait for that."""
        if self.lives:
            end_group(self._process.pid)

    def close(self) -> None:
        """Wait for the end of the process, which was killed or dies, and close what belongs to it. Idempotent."""
        try:
            self._process.wait(_DYING_S)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        with self._talking:  # nobody reads from it any more
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            if not self._said.closed:
                self._said.seek(0)
                self._last_words = self._said.read()[-_TAIL_BYTES:].decode("utf-8", "replace").strip()
                self._said.close()

    def death(self, function: str) -> ProvideError:
        """Return the error for a process that died while it did a job; it is closed."""
        shortage = ShortageError.of(RuntimeError(self._last_words.rpartition("\n")[2]))
        if shortage is not None:
            return shortage
        code = self._process.returncode or 0
        how = f"was killed by {signal_name(code)}" if code < 0 else f"ended with exit code {code}"
        hint = f"the system may be short of memory; {option('concurrent_installs', '1')} needs less"
        return ProvideError(
            f"a process of the pool {how} while it did {function}",
            why=self._last_words or None,
            hint=hint if code == -9 else None,
        )

    def _send(self, message: bytes) -> None:
        pipe = self._process.stdin
        view = memoryview(len(message).to_bytes(8, "big") + message)
        while pipe is not None and view:
            view = view[pipe.write(view) :]

    def _receive(self, count: int) -> bytes:
        pipe, parts = self._process.stdout, []
        while pipe is not None and count:
            part = pipe.read(min(count, _PIECE_BYTES))
            if not part:
                raise EOFError
            parts.append(part)
            count -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _anonymous_file() -> IO[bytes]:
    if hasattr(os, "memfd_create"):
        with suppress(OSError):  # a sandbox without it
            return os.fdopen(os.memfd_create("said"), "w+b")
    import tempfile  # costs more to import than all of this module

    return tempfile.TemporaryFile()


def _command() -> list[str]:
    options = ["-I", "-S"]  # no site, no variables: it starts in a third of the time
    if sys.dont_write_bytecode:
        options.append("-B")
    return [sys.executable, *options, _PROGRAM]


def _search_path() -> list[str]:
    """Return the paths to import from; this package's own too where an import hook found it."""
    paths = [path or os.getcwd() for path in sys.path]
    home = str(Path(__file__).resolve().parents[2])
    return paths if home in paths else [*paths, home]
