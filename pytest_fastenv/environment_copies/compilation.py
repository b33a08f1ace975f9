"""Compile once what sessions import, for all copies of an environment.

Python keeps what it compiles beside the source, but of what a worker compiles nothing is left when its environment
goes, and where ``PYTHONDONTWRITEBYTECODE`` is set, as in many containers, nothing is kept at all. So each session notes
what it imported (`pytest_fastenv.runtime.imported`), and before the next copies are made that is compiled in the
environment they are made from. Copies share compiled files (`pytest_fastenv.environment_copies.bytecode`).

::

    .fastenv/imported      paths of sources relative to the prefix, one on each line; sealed
    .fastenv/compiled      the key of what ``imported`` named when all of it had been compiled
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pytest_fastenv.errors import ProvideError
from pytest_fastenv.filesystem.tree import OWN_DIRECTORY
from pytest_fastenv.model.digest import key_of
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.runtime.imported import NAME, read
from pytest_fastenv.schedule.program import run_program

TIMEOUT_S = 120.0
_DONE = "compiled"
#: By time and size even where SOURCE_DATE_EPOCH is set: the files' times are the same in all copies (PEP 552).
_PROGRAM = """\
import importlib.util, os, py_compile, sys
def is_current(path):
    try:
        with open(importlib.util.cache_from_source(path), "rb") as file:
            header = file.read(16)
        status = os.stat(path)
    except OSError:
        return False
    words = (0, int(status.st_mtime), status.st_size)
    return header[4:] == b"".join((word & 0xFFFFFFFF).to_bytes(4, "little") for word in words)
for path in os.fsdecode(sys.stdin.buffer.read()).split("\\0"):
    try:
        if not is_current(path):
            py_compile.compile(path, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP)
    except (OSError, ValueError, py_compile.PyCompileError):
        pass
"""


async def compile_imported(
    environment: Environment, processes: int, environ: Mapping[str, str], recorder: Recorder
) -> None:
    """Compile what sessions in an environment imported and what is not compiled; at most once for each such list.

    What cannot be compiled is left to the sessions that import it: nothing fails here.

    :param processes: how many may work at once.
    :param environ: variables outside.
    """
    own = environment.prefix / OWN_DIRECTORY
    imported = read(own / NAME)
    if not imported:
        return
    digest = key_of(imported)
    if _is_done(own, digest) or not os.access(own, os.W_OK):
        return
    paths = _sources(environment.prefix, imported)
    with recorder.span("unpack", "bytecode", count=len(paths), path=str(environment.prefix)):
        parts = [paths[n::processes] for n in range(min(processes, len(paths)))]
        went_through = await asyncio.gather(*(_compile(environment, part, environ) for part in parts))
    if all(went_through):
        with suppress(OSError):  # it is done again, which costs a moment
            (own / _DONE).write_text(digest, encoding="ascii")


def _sources(prefix: Path, lines: Sequence[str]) -> list[str]:
    """Return the paths of sources inside the environment; a RECORD may also name files outside: not compiled."""
    below = os.path.join(prefix, "")
    paths = (os.path.normpath(os.path.join(prefix, line)) for line in lines)
    return [path for path in paths if path.startswith(below) and path.endswith(".py")]


def _is_done(own: Path, digest: str) -> bool:
    try:
        return (own / _DONE).read_text(encoding="ascii") == digest
    except (OSError, ValueError):
        return False


async def _compile(environment: Environment, paths: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Compile in the environment's own interpreter; tell whether that went through."""
    argv = [str(environment.python), "-I", "-S", "-c", _PROGRAM]
    given = os.fsencode("\0".join(paths))
    try:
        ran = await run_program(argv, environment.variables(environ), limit_s=TIMEOUT_S, given=given, errors="dropped")
    except ProvideError:  # no process is left for it
        return False
    return ran.code == 0  # where it does not start, the probe of the copies tells why
