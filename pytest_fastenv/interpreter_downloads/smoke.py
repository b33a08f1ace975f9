"""Start an interpreter that was just unpacked, before anything relies on it."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

from pytest_fastenv.errors import InterpreterError
from pytest_fastenv.schedule.program import Ran, run_program

SMOKE_TIMEOUT_S = 60.0
#: Modules that need libraries beyond the C library, and that nearly every test run imports.
PROGRAM = "import ssl, sqlite3, ctypes"
_TAIL_BYTES = 2000
_ANOTHER_MACHINE = "it is built for another processor, or its loader is not on this system (glibc, musl)"
_LIBRARY = re.compile(r"(?:libraries: )?([\w.+-]+\.(?:so[\d.]*|dylib|dll)): cannot open shared object")
_GLIBC = re.compile(r"version [`'](GLIBC\w*_[\d.]+)' not found")
_MODULE = re.compile(r"No module named '([\w.]+)'")


async def smoke_test(python: Path, name: str) -> None:
    """Start an interpreter and import what archives of interpreters most often lack.

    No bytecode is written. When this is cancelled the process has ended before that is reported.

    :param name: of the interpreter, for messages.
    :raises InterpreterError: it does not start, does not end, or cannot import one of them.
    :raises ProvideError: see `run_program`.
    """
    environ = {key: value for key, value in os.environ.items() if key != "__PYVENV_LAUNCHER__"}
    argv = [str(python), "-I", "-B", "-c", PROGRAM]
    ran = await run_program(argv, environ, limit_s=SMOKE_TIMEOUT_S, keep_bytes=_TAIL_BYTES)
    if ran.code != 0:
        raise _failure(python, name, ran)


def _failure(python: Path, name: str, ran: Ran) -> InterpreterError:
    if ran.code is None:
        return InterpreterError(
            f"{name} was downloaded and cannot be used",
            where=str(python),
            why=f"it {ran.how}",
            hint=None if ran.has_started else _ANOTHER_MACHINE,
        )
    said = ran.output.decode("utf-8", "replace").strip()
    return InterpreterError(
        f"{name} was downloaded and does not pass its first test",
        where=f"python -I -c '{PROGRAM}'",
        why=f"it {ran.how}\n{said}" if said else f"it {ran.how}",
        hint=_hint(ran.code, said),
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
