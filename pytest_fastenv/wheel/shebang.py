"""The first lines of a script: which interpreter starts it, whether the system's ``#!`` can say so or not."""

from __future__ import annotations

import re
import shlex
from typing import NamedTuple

#: What every system reads of a ``#!`` line; longer ones, and those with spaces, need another way.
_SHEBANG_BYTES = 127
_BY_SHELL = re.compile(rb"#!/bin/sh\n'''exec' (?P<words>[^\n]*) \"\$0\" \"\$@\"\n' '''")


class Lead(NamedTuple):
    """How a script is started.

    :ivar python: path of the interpreter.
    :ivar options: what follows it, as written.
    :ivar end: how many bytes of the script say so, without the end of the last line.
    """

    python: str
    options: bytes
    end: int


def shebang(python: str, options: bytes = b"") -> bytes:
    """Return the first lines of a script, without the last line's end.

    Where the interpreter's path is too long or has spaces, the lines are a program for ``/bin/sh`` that starts the
    interpreter and at the same time a string that Python ignores.

    :param options: of the interpreter, as they are to be written.
    """
    path = python.encode("utf-8", "surrogateescape")
    tail = b" " + options if options else b""
    if len(path) + 3 <= _SHEBANG_BYTES and not any(space in path for space in b" \t"):
        return b"#!" + path + tail
    quoted = shlex.quote(python).encode("utf-8", "surrogateescape")
    return b"#!/bin/sh\n'''exec' " + quoted + tail + b' "$0" "$@"\n' + b"' '''"


def read_shebang(content: bytes, python: str) -> Lead | None:
    """Return how a script is started, where it is by an interpreter of a known path in one of the forms above."""
    path = python.encode("utf-8", "surrogateescape")
    if shell := _BY_SHELL.match(content):
        quoted = shlex.quote(python).encode("utf-8", "surrogateescape")
        named, end = shell["words"], shell.end()
    else:
        line = content.partition(b"\n")[0]
        quoted, named, end = b"#!" + path, line.rstrip(b"\r"), len(line.rstrip(b"\r"))
    options = named.removeprefix(quoted)
    if not named.startswith(quoted) or not (options == b"" or options.startswith((b" ", b"\t"))):
        return None
    return Lead(python, options.strip(), end)
