"""``fastenv migrate``: what a tox configuration says, as ``[tool.fastenv]``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from pytest_fastenv.errors import UsageError, printable
from pytest_fastenv.settings.layers import Loaded
from pytest_fastenv.settings.values import current_directory

_KNOWN = ("tox.ini", "tox.toml", "pyproject.toml", "setup.cfg")


def add_arguments(migrate: argparse.ArgumentParser) -> None:
    """Say what ``fastenv migrate`` takes."""
    migrate.description = "Print the [tool.fastenv] that says what a tox configuration says."
    migrate.add_argument(
        "file", nargs="?", metavar="FILE", help=f"{', '.join(_KNOWN)} (default: the first that is here)"
    )
    migrate.add_argument(
        "-e",
        action="append",
        default=[],
        dest="further",
        metavar="NAME",
        help="an environment that tox makes of factors and does not list; again, or with commas, for more",
    )
    migrate.add_argument("--own-file", action="store_true", help="print it for fastenv.toml, without [tool.fastenv]")
    migrate.set_defaults(run=_run, door="migrate")


def _run(options: argparse.Namespace, loaded: Loaded) -> int:
    del loaded
    from pytest_fastenv.migration.from_tox import migrated  # help needs none of this

    further = [name.strip() for names in options.further for name in names.split(",") if name.strip()]
    text = migrated(_file(options.file), further=further, own_file=options.own_file, on_warning=_warn)
    print(text, end="")
    return 0


def _warn(text: str) -> None:
    sys.stderr.write(f"WARNING: tox: {printable(text)}\n")


def _file(given: str | None) -> Path:
    here = current_directory()
    if given is not None:
        path = here / given
        if os.path.isdir(path):
            return _first(path)
        if not os.path.isfile(path):
            raise UsageError(f"no such file: {given}", where=str(path), hint=f"known are {', '.join(_KNOWN)}")
        return path
    return _first(here)


def _first(directory: Path) -> Path:
    found = next((directory / name for name in _KNOWN if _says_something(directory / name)), None)
    if found is None:
        what = "there is no tox configuration here"
        raise UsageError(what, where=str(directory), hint=f"name the file: {', '.join(_KNOWN)}")
    return found


def _says_something(path: Path) -> bool:
    """Tell whether a file has something for tox: the last two are there for others, too."""
    if not os.path.isfile(path):
        return False
    return path.name.startswith("tox.") or "tox" in path.read_text(encoding="utf-8", errors="replace")
