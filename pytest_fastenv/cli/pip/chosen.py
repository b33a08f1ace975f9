"""The environment that ``fastenv pip`` works on."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from pytest_fastenv.environment.held import Held, held
from pytest_fastenv.errors import InterpreterError, UsageError

_HINT = "activate one, or name it with --python: its directory, or its interpreter"


def chosen(options: argparse.Namespace, environ: Mapping[str, str]) -> Path:
    """Return the directory of the environment that is named, else of the active one, else of the one this runs in.

    :raises UsageError: there is none.
    """
    if options.python is not None:
        return _named(options.python)
    if active := environ.get("VIRTUAL_ENV"):
        if not os.path.isfile(Path(active) / "pyvenv.cfg"):
            why = f"VIRTUAL_ENV is {active}"
            raise UsageError("the active environment is no virtual environment", why=why, hint=_HINT)
        return Path(active)
    if sys.prefix == sys.base_prefix:
        raise UsageError("no environment is named, and none is active", hint=_HINT)
    return Path(sys.prefix)


def _named(text: str) -> Path:
    path = Path(os.path.abspath(os.path.expanduser(text)))  # no symbolic link is followed: the interpreter is one
    if not os.path.exists(path):
        raise UsageError(f"there is no environment and no interpreter at {text}", hint="fastenv create makes one")
    prefix = path if os.path.isdir(path) else path.parent.parent
    if not os.path.isfile(prefix / "pyvenv.cfg"):
        hint = "packages of other interpreters are their installer's: make an environment with fastenv create"
        raise UsageError(f"{text} is no virtual environment, and not in one", where=str(prefix), hint=hint)
    return prefix


def content(prefix: Path) -> list[Held]:
    """Return what an environment holds, its base interpreter's packages among it where it sees them.

    :raises InterpreterError: its interpreter does not start.
    """
    return held(_path(prefix))


def _path(prefix: Path) -> list[str]:
    python = prefix / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    code = "import json, sys; print(json.dumps(sys.path[1:]))"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
        return [str(place) for place in json.loads(done.stdout)]
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        why = (getattr(error, "stderr", "") or str(error)).strip()
        hint = "make the environment again"
        raise InterpreterError(f"{python} does not start", where=str(prefix), why=why, hint=hint) from error
