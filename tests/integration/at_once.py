"""Sessions that begin at the same moment, and one that stays alive while others come and go."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import Any, Self

from front_doors import Desk, Outcome
from pipeline_bench import Pieces

#: How long anything is waited for that should have happened long ago; many processes share the machine meanwhile.
PATIENCE_S = 120.0
#: A shell says that it is there, waits for the end of its standard input, and becomes the command.
_WAIT = 'echo >&2; read -r _; exec "$@" </dev/null 2>&1'

#: A suite that tells where it runs; each process of it writes a file of its own.
SUITE = """\
import json
import os
import sys

import pytest


@pytest.mark.parametrize("number", range(4))
def test_where(number):
    import {wanted}
    assert {wanted}.__file__.startswith(sys.prefix)
    assert os.environ["VIRTUAL_ENV"] == sys.prefix
    seen = {{"prefix": sys.prefix, "worker": os.environ.get("PYTEST_XDIST_WORKER", "")}}
    path = os.path.join(os.environ["SEEN"], "%d.json" % os.getpid())
    with open(path, "w") as file:
        json.dump(seen, file)
"""


@dataclass(frozen=True)
class Session:
    """A session to be started.

    :ivar options: besides the sources and the report.
    """

    desk: Desk
    sources: tuple[str, ...]
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ended:
    """How a session ended: what it said, what it recorded, and where its processes ran."""

    outcome: Outcome
    trace: Pieces
    seen: tuple[dict[str, Any], ...]

    @property
    def prefixes(self) -> set[str]:
        return {one["prefix"] for one in self.seen}

    @property
    def prefix(self) -> Path:
        """The one environment that all its processes ran in."""
        (prefix,) = self.prefixes
        return Path(prefix)


def run_at_once(sessions: Sequence[Session], scratch: Path) -> list[Ended]:
    """Start all sessions when the last one is there, and wait for all; each must be green."""
    scratch.mkdir()
    gate, opener = os.pipe()
    hears, says = os.pipe()
    started = []
    for number, session in enumerate(sessions):
        place = scratch / str(number)
        place.mkdir()
        words = session.desk.words("pytest", *session.sources, report=str(place / "trace.json"))
        process = subprocess.Popen(
            ["sh", "-c", _WAIT, "sh", *words, *session.options],
            cwd=session.desk.directory,
            env=session.desk.environ | {"SEEN": str(place)},
            stdin=gate,
            stdout=subprocess.PIPE,
            stderr=says,
        )
        started.append((process, place))
    os.close(gate)
    os.close(says)
    with open(hears, "rb") as all_are_there:
        assert len(all_are_there.read(len(started))) == len(started)
    os.close(opener)
    outcomes = []
    for process, _ in started:
        output = process.communicate(timeout=PATIENCE_S)[0].decode("utf-8", "replace")
        outcomes.append(Outcome(process.returncode, output))
    for outcome in outcomes:
        assert " passed" in outcome.is_fine(), outcome.output
    return [Ended(outcome, _trace(place), _seen(place)) for outcome, (_, place) in zip(outcomes, started, strict=True)]


def _trace(place: Path) -> Pieces:
    return Pieces.of_trace(place / "trace.json")


def _seen(place: Path) -> tuple[dict[str, Any], ...]:
    paths = sorted(path for path in place.glob("*.json") if path.name != "trace.json")
    return tuple(json.loads(path.read_text()) for path in paths)


def counted(ended: Sequence[Ended], kind: str, **args: str) -> Counter[str]:
    """Count what all sessions together recorded of a kind, by distribution."""
    return Counter(piece.name for one in ended for piece in one.trace.some(kind, **args))


def builds(log: Path) -> Counter[str]:
    """Count builds as the backends themselves wrote them down, by distribution."""
    return Counter(line.split()[0] for line in log.read_text().splitlines()) if log.exists() else Counter()


def transfers(desk: Desk) -> Counter[str]:
    """Count transfers of artifacts as the index saw them, by file name."""
    assert desk.server is not None
    files = [path for path in desk.server.paths("GET") if path.startswith("/files/") and ".metadata" not in path]
    return Counter(path.rpartition("/")[2] for path in files)


class Living:
    """A session that is in the middle of a test until it is told to go on; use it in a ``with`` statement.

    :param before: what the test does first, as lines of Python.
    :param after: what it does when it was told to go on.
    :ivar prefix: where it runs.
    """

    def __init__(self, desk: Desk, command: Sequence[str], *, before: str = "", after: str = "") -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE_S)
        port = self._listener.getsockname()[1]
        body = _LIVING.format(port=port, before=indent(before, "    "), after=indent(after, "    "))
        self._process = desk.start([*command, desk.write("test_living.py", body)])
        self._connection: socket.socket | None = None
        self.prefix = Path()

    def __enter__(self) -> Self:
        try:
            self._connection, _ = self._listener.accept()
            self._connection.settimeout(PATIENCE_S)
            self.prefix = Path(self._connection.recv(4096).decode())
        except TimeoutError:
            self._process.kill()
            raise AssertionError(self._process.communicate()[0].decode()) from None
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        if self._connection is not None:
            self._connection.close()  # the test goes on, and ends
        if self._process.poll() is None:
            self._process.communicate(timeout=PATIENCE_S)

    def goes_on(self) -> Outcome:
        """Let the test do the rest; return how the session ended."""
        assert self._connection is not None
        assert self._process.poll() is None, self._process.communicate()[0].decode()
        self._connection.close()
        output = self._process.communicate(timeout=PATIENCE_S)[0].decode("utf-8", "replace")
        return Outcome(self._process.returncode, output)


#: It runs as one test, so nothing but that test holds the session up.
_LIVING = """\
import socket
import sys


def test_it():
{before}
    with socket.create_connection(("127.0.0.1", {port})) as outside:
        outside.sendall(sys.prefix.encode())
        assert outside.recv(1) == b""
{after}
"""
