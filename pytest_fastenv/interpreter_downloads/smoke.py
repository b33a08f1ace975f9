"""Start an interpreter that was just unpacked, before anything relies on it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import cast

from pytest_fastenv.errors import InterpreterError
from pytest_fastenv.schedule.outcome import whatever_happens

SMOKE_TIMEOUT_S = 60.0
#: What needs libraries beyond the C library, and what nearly every test run comes to import.
PROGRAM = "import ssl, sqlite3, ctypes"
_TAIL_BYTES = 2000
_PIECE_BYTES = 1 << 16
_LIBRARY = re.compile(r"(?:libraries: )?([\w.+-]+\.(?:so[\d.]*|dylib|dll)): cannot open shared object")
_GLIBC = re.compile(r"version [`'](GLIBC\w*_[\d.]+)' not found")
_MODULE = re.compile(r"No module named '([\w.]+)'")


async def smoke_test(python: Path, name: str) -> None:
    """Start an interpreter and import what archives of interpreters most often lack.

    No bytecode is written. When this is cancelled the process has ended before that is reported.

    :param name: of the interpreter, for messages.
    :raises InterpreterError: it does not start, does not end, or cannot import one of them.
    """
    environ = {key: value for key, value in os.environ.items() if key != "__PYVENV_LAUNCHER__"}
    try:
        process = await asyncio.create_subprocess_exec(
            python,
            *("-I", "-B", "-c", PROGRAM),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environ,
            start_new_session=sys.platform != "win32",
        )
    except OSError as error:
        raise InterpreterError(
            f"{name} was downloaded and does not start",
            where=str(python),
            why=error.strerror or str(error),
            hint="it is built for another processor, or its loader is not on this system (glibc, musl)",
        ) from None
    try:
        async with asyncio.timeout(SMOKE_TIMEOUT_S):
            said = await _tail(process)
            code = await process.wait()
    except TimeoutError:
        raise InterpreterError(
            f"{name} was downloaded and gave no answer within {SMOKE_TIMEOUT_S:.0f} seconds", where=str(python)
        ) from None
    finally:
        await whatever_happens(_ended(process))
    if code:
        raise _failure(name, code, said)


async def _tail(process: asyncio.subprocess.Process) -> str:
    """Return the end of what a process says."""
    kept = b""
    stream = cast("asyncio.StreamReader", process.stdout)
    while piece := await stream.read(_PIECE_BYTES):
        kept = (kept + piece)[-_TAIL_BYTES:]
    return kept.decode("utf-8", "replace").strip()


async def _ended(process: asyncio.subprocess.Process) -> None:
    """End a process with its children, if it has not ended."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            if sys.platform == "win32":
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _failure(name: str, code: int, said: str) -> InterpreterError:
    how = f"it was ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return InterpreterError(
        f"{name} was downloaded and does not pass its first test",
        where=f"python -I -c '{PROGRAM}'",
        why=f"{how}\n{said}" if said else how,
        hint=_hint(code, said),
    )


def _hint(code: int, said: str) -> str:
    library, glibc, module = _LIBRARY.search(said), _GLIBC.search(said), _MODULE.search(said)
    if library:
        return f"a library of the system is missing: install the package that has {library[1]}"
    if glibc:
        return f"the system's C library is older than {glibc[1]}: a newer system, or an older Python, is needed"
    if module:
        return f"the archive was made without {module[1]}: ask for another version, or use another mirror"
    if code == -getattr(signal, "SIGILL", 4):
        return "it is built for a newer processor: use a mirror that has builds for this one"
    return "a library of the system may be missing; else ask for another version, or name an interpreter that is here"
