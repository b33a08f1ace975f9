"""An environment to make copies of, with everything that an installed one has; files lie in a place like the store."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kit.environment_bench import parts, running_target

from pytest_fastenv.environment.places import Generations
from pytest_fastenv.environment.staging import StagedEnvironment
from pytest_fastenv.environment.supply import provide
from pytest_fastenv.environment_copies.worker_environments import WorkerEnvironments
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.target import Target
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.runtime.summary import Summary
from pytest_fastenv.schedule.process_pool import ProcessPool
from pytest_fastenv.store.store import Store
from pytest_fastenv.wheel.shebang import shebang

MODULES = {
    "pytest/__init__.py": "",
    "xdist/__init__.py": "",
    "six.py": "__version__ = '1.17'\n",
    "big/__init__.py": "",
    "big/deep/deeper/data.txt": "data",
    "big/deep/module.py": "VALUE = 1\n",
    "big/only.pyc": "not looked into",
}
CODE = b"\nimport six, sys\nprint(six.__version__, sys.prefix, *sys.argv[1:])\n"


def line(path: str, content: bytes) -> str:
    """A line of RECORD."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(content)}"


def fill_with(link: str, stored: Path) -> Callable[[StagedEnvironment], Any]:
    """Return what fills a staged environment, with files linked to a directory by a method."""

    def bring(name: str, content: bytes, target: Path, mode: int = 0o644) -> None:
        source = stored / name
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_bytes(content)
        source.chmod(mode)
        os.utime(source, (1_600_000_000, 1_600_000_000))
        target.parent.mkdir(parents=True, exist_ok=True)
        if link == "symlink":
            target.symlink_to(source)
        elif link == "hardlink":
            os.link(source, target)
        else:
            shutil.copyfile(source, target)
            shutil.copymode(source, target)

    async def fill(staged: StagedEnvironment) -> Summary:
        schemes = staged.target.schemes
        place, scripts = staged.prefix / schemes["purelib"], staged.prefix / schemes["scripts"]
        for name, text in MODULES.items():
            bring(name, text.encode(), place / name)
        bring("tool", b"#!/bin/sh\necho tool\n", scripts / "tool", 0o755)
        bring("share.txt", b"shared data", staged.prefix / "share" / "six" / "share.txt")
        python = str(staged.final / schemes["scripts"] / "python")
        lines = [line("six.py", MODULES["six.py"].encode())]
        for name, content in {"six": shebang(python) + CODE, "six-b": shebang(python, b"-BE") + CODE}.items():
            (scripts / name).write_bytes(content)
            (scripts / name).chmod(0o755)
            lines.append(line(f"{os.path.relpath(scripts, place)}/{name}", content))
        info = place / "six-1.17.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Name: six\nVersion: 1.17\n")
        (info / "INSTALLER").write_text("pytest-fastenv\n")
        (info / "RECORD").write_text("\n".join([*lines, "six-1.17.dist-info/RECORD,,", ""]))
        return Summary(distributions=1)

    return fill


def make_original(
    store: Store,
    tmp_path: Path,
    link: str = "hardlink",
    fill: Callable[[StagedEnvironment], Any] | None = None,
    target: Target | None = None,
) -> Environment:
    """Make an environment; its lease is given back."""
    place = Generations(store, tmp_path / "environments")
    wanted = parts(settings={"link": link})
    filled = fill or fill_with(link, tmp_path / "stored")
    ready = asyncio.run(provide(place, target or running_target(store), wanted, filled))
    assert ready.lease_fd is not None
    os.close(ready.lease_fd)
    return ready.environment


def copies(
    original: Environment,
    names: Sequence[str] = ("gw0", "gw1"),
    *,
    count: int = 2,
    then: Callable[[dict[str, Environment]], None] | None = None,
    directory: Path | None = None,
) -> dict[str, Environment]:
    """Make copies and keep them; `then` is called while their maker is still there, and they are removed after it."""

    async def make() -> dict[str, Environment]:
        async with ProcessPool(count) as workers:
            maker = WorkerEnvironments(directory or original.prefix.parent, workers, Recorder(), dict(os.environ))
            made = await maker.make(original.prefix, names)
            if then is not None:
                then(made)
                await maker.aclose()
            return made

    return asyncio.run(make())
