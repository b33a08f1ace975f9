"""An empty environment where tox wants it: a copy of a skeleton, with the pip that virtualenv would put in."""

from __future__ import annotations

import os
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.settings.values import Settings

if TYPE_CHECKING:
    from pytest_fastenv.model.request import Request
    from pytest_fastenv.model.target import Target
    from pytest_fastenv.provisioning.run import Run

#: What makes up a virtual environment; tox's own files beside it stay.
_PARTS = (
    *("bin", "Scripts", "lib", "lib64", "Lib", "include", "Include", "share"),
    *("pyvenv.cfg", ".fastenv", ".gitignore", "CACHEDIR.TAG"),
)
#: Neither the user's configuration of pip nor that of the machine has a say in what virtualenv brings itself.
_NO_CONFIGURATION = {"PIP_CONFIG_FILE": os.devnull}


def make_environment(prefix: Path, python: str, settings: Settings, *, since_ns: int) -> None:
    """Make an environment in a directory that may hold other things, in place of what an unfinished one left. Blocks.

    Where another process makes it meanwhile, that is waited for, and it is the one that is used.

    :param python: the base interpreter.
    :param since_ns: when it was found out that there is none (`time.time_ns`).
    :raises FastenvError: it cannot be made.
    """
    from pytest_fastenv.interpreter.discovery import find_target  # tox starts without the engine
    from pytest_fastenv.model.events import Recorder
    from pytest_fastenv.provisioning.question import store_of
    from pytest_fastenv.provisioning.run import Run
    from pytest_fastenv.schedule.event_loop import run_to_end

    none = Settings()
    own = replace(settings, index_url=none.index_url, extra_index_urls=(), find_links=(), indexes=none.indexes)
    store = store_of(settings, Recorder())
    target = find_target(python, store)
    run_to_end(_make(prefix, target, since_ns, Run.of(replace(own, offline=True), store, _NO_CONFIGURATION)))


async def _make(prefix: Path, target: Target, since_ns: int, run: Run) -> None:

    from pytest_fastenv.environment import manifest
    from pytest_fastenv.environment.staging import stage_in_store
    from pytest_fastenv.model.digest import text_sha256
    from pytest_fastenv.provisioning.engine import open_engine

    subject = f"the environment {prefix}"
    async with run.store.lock(manifest.ENVIRONMENTS, text_sha256(str(prefix)), subject=subject):
        plan = manifest.read_plan(prefix)
        if plan is not None and plan.target.python == target.python and _begun_ns(prefix) > since_ns:
            return
        await in_thread(_clear, prefix)
        staging = await stage_in_store(target, run.store, prefix, prefix)
        request = _seeds(target, prefix)
        async with open_engine(run, target, request.for_builds()) as engine:
            plan = (await engine.resolve(request)).plan
            await engine.install(plan, staging)
        manifest.write_plan(prefix, plan)


def _begun_ns(prefix: Path) -> int:
    try:
        return os.stat(prefix / "pyvenv.cfg").st_mtime_ns
    except OSError:
        return 0


def _seeds(target: Target, prefix: Path) -> Request:
    """Ask for pip, and for what else virtualenv has for that version of Python, from the wheels that it brings."""
    from virtualenv.seed.wheels.embed import BUNDLE_FOLDER, BUNDLE_SUPPORT

    from pytest_fastenv.requirements.lines import Lines, read_lines

    version = ".".join(target.version.split(".")[:2])
    wheels = BUNDLE_SUPPORT.get(version) or BUNDLE_SUPPORT[next(reversed(BUNDLE_SUPPORT))]
    names = {"pip", "setuptools"} if target.version_info < (3, 12) else {"pip"}  # as virtualenv has it
    pins = [f"{name}=={wheel.split('-')[1]}" for name, wheel in sorted(wheels.items()) if name in names]
    lines = ("--no-index", f"--find-links {shlex.quote(str(BUNDLE_FOLDER))}", *pins)
    return read_lines(Lines(lines, prefix, "virtualenv's wheels"), _NO_CONFIGURATION)


def _clear(prefix: Path) -> None:
    for part in _PARTS:
        path = prefix / part
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif os.path.lexists(path):
            path.unlink()
