"""An empty environment where tox wants it: a copy of a skeleton, with the pip that virtualenv would put in."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_fastenv.settings.values import Settings

if TYPE_CHECKING:
    from pytest_fastenv.store.store import Store

#: What makes up a virtual environment; tox's own files beside it stay.
_PARTS = ("bin", "Scripts", "lib", "lib64", "Lib", "include", "Include", "share", "pyvenv.cfg", ".fastenv")


def lay_out_environment(prefix: Path, python: str, store: Store, settings: Settings) -> None:
    """Make an environment in a directory that may hold other things, in place of what an unfinished one left.

    :param python: the base interpreter.
    :raises FastenvError: it cannot be made.
    """
    from pytest_fastenv.environment.skeleton import lay_out  # tox starts without the engine
    from pytest_fastenv.interpreter.discovery import find_target
    from pytest_fastenv.schedule.event_loop import run_to_end

    for part in _PARTS:
        path = prefix / part
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif os.path.lexists(path):
            path.unlink()
    run_to_end(lay_out(find_target(python, store), store, prefix, prefix))
    _seed(prefix, settings)


def _seed(prefix: Path, settings: Settings) -> None:
    """Install pip, and what else virtualenv has for that version of Python, from the wheels that virtualenv brings."""
    from virtualenv.seed.wheels.embed import BUNDLE_FOLDER, BUNDLE_SUPPORT

    from pytest_fastenv.provisioning.changes import Wishes, install
    from pytest_fastenv.requirements.lines import Lines

    version = _version(prefix)
    wheels = BUNDLE_SUPPORT.get(version) or BUNDLE_SUPPORT[next(reversed(BUNDLE_SUPPORT))]
    pins = [f"{name}=={wheel.split('-')[1]}" for name, wheel in wheels.items() if name in _seeds(version)]
    lines = Lines(("--no-index", f"--find-links {_quoted(str(BUNDLE_FOLDER))}", *pins), prefix, "virtualenv's wheels")
    own = Settings()
    offline = replace(settings, index_url=own.index_url, extra_index_urls=(), find_links=(), indexes=(), offline=True)
    install(prefix, Wishes(lines), settings=offline, environ={"PIP_CONFIG_FILE": os.devnull})


def _seeds(version: str) -> frozenset[str]:
    minor = int(version.partition(".")[2])
    return frozenset({"pip"} if minor >= 12 else {"pip", "setuptools"})  # as virtualenv has it since 3.12


def _quoted(path: str) -> str:
    import shlex

    return shlex.quote(path)


def _version(prefix: Path) -> str:
    for line in (prefix / "pyvenv.cfg").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition("=")
        if key.strip() in {"version_info", "version"}:
            return ".".join(value.strip().split(".")[:2])
    return ""
