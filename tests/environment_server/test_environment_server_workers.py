"""Environments for xdist's workers, as the environment server gives them: from a real plan, held, and gone with it."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from kit.archives import make_wheel
from kit.server import IndexServer

from pytest_fastenv import provision
from pytest_fastenv.environment_server.context import Context
from pytest_fastenv.environment_server.workers import workers
from pytest_fastenv.errors import PublishError, StoreError
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.link import LinkMode
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store import lease
from pytest_fastenv.store.store import Store

pytestmark = pytest.mark.slow


class Session:
    """A session's environment, and an environment server's life without its process."""

    def __init__(self, context: Context, environment: Environment) -> None:
        self.context = context
        self.environment = environment

    async def make(self, *names: str) -> dict[str, Environment]:
        answer = await workers(self.context, {"session": str(self.environment.prefix), "names": list(names)})
        return {made.pop("name"): Environment.from_json(made) for made in answer["environments"]}


Part = Callable[[Session], Awaitable[None]]
Play = Callable[..., Environment]


@pytest.fixture
def play(
    tmp_path: Path, store: Store, recorder: Recorder, artifacts: Path, index_server: Callable[..., IndexServer]
) -> Play:
    """Run a coroutine function with a session; return its environment, which is made once."""
    for name, module in (("pytest", "pytest"), ("pytest-xdist", "xdist"), ("six", "six")):
        files = {f"{module}/__init__.py": "VALUE = 1\n", f"{module}/inner/data.txt": "data\n"}
        make_wheel(artifacts, name, files=files, entry_points={f"{module}-tool": f"{module}:main"})
    server = index_server()

    def run(part: Part, **changes: Any) -> Environment:
        settings = Settings(**{"cache_dir": store.root, "index_url": server.url, "project": "none", **changes})
        ready = provision(["pytest", "pytest-xdist", "six"], settings=settings, base=tmp_path, environ=os.environ)
        assert ready.lease_fd is not None
        os.close(ready.lease_fd)

        async def session() -> None:
            async with AsyncExitStack() as stack:
                context = Context(settings, store, recorder, tmp_path, dict(os.environ), stack)
                await part(Session(context, ready.environment))

        asyncio.run(session())
        return ready.environment

    return run


@pytest.mark.parametrize("link", LinkMode)
def test_each_worker_has_its_own(play: Play, link: LinkMode) -> None:
    async def part(session: Session) -> None:
        made = await session.make("gw0", "gw1", "gw2")
        directory = session.environment.prefix.parent / ".workers"
        for name, environment in made.items():
            assert environment.prefix.parent.parent == directory
            assert environment.prefix.name == name
            assert environment.installed() == session.environment.installed()
            done = environment.run(
                ["python", "-c", "import sys, six; print(sys.prefix)"], capture_output=True, text=True
            )
            assert (done.stdout.strip(), done.returncode) == (str(environment.prefix), 0), done.stderr
        package = made["gw0"].purelib / "xdist"
        assert package.is_symlink() == link.folds_directories
        package.unlink() if package.is_symlink() else shutil.rmtree(package)
        (made["gw0"].purelib / "new.py").write_text("")
        assert (made["gw1"].purelib / "xdist/__init__.py").exists()
        assert not (made["gw1"].purelib / "new.py").exists()

    session = play(part, link=LinkMode(link))
    assert os.listdir(session.prefix.parent / ".workers") == []


def test_a_replacement_is_as_good_as_new(play: Play) -> None:
    async def part(session: Session) -> None:
        first = (await session.make("gw0"))["gw0"]
        shutil.rmtree(first.purelib / "six")
        second = (await session.make("gw0"))["gw0"]
        assert second == first
        assert (second.purelib / "six/__init__.py").exists()
        third = (await session.make("gw1"))["gw1"]
        assert third.prefix.parent == second.prefix.parent

    play(part)


def test_the_session_is_held(play: Play) -> None:
    leases: list[Path] = []

    async def part(session: Session) -> None:
        await session.make("gw0")
        prefix = session.environment.prefix
        leases.append(prefix.parent / ".leases" / f"{prefix.name}.lock")
        assert lease.try_claim(leases[0]) is None

    play(part)
    claim = lease.try_claim(leases[0])
    assert claim is not None
    os.close(claim)


def test_a_session_that_is_gone(play: Play) -> None:
    async def part(session: Session) -> None:
        shutil.rmtree(session.environment.prefix)
        with pytest.raises(PublishError, match="the session's own is gone") as caught:
            await session.make("gw0")
        assert caught.value.exit_code == 3

    play(part)


def test_what_was_edited_in_place_reaches_no_copy(play: Play) -> None:
    async def part(session: Session) -> None:
        made = await session.make("gw0", "gw1")
        with (made["gw0"].purelib / "six/__init__.py").open("a") as file:
            file.write("# edited\n")
        with pytest.raises(StoreError, match="was changed in the session's environment"):
            await session.make("gw2")

    first = play(part, link=LinkMode.HARDLINK)

    async def later(session: Session) -> None:
        assert session.environment.prefix != first.prefix
        made = (await session.make("gw0"))["gw0"]
        assert (made.purelib / "six/__init__.py").read_text() == "VALUE = 1\n"

    play(later, link=LinkMode.HARDLINK)


def test_what_a_killed_server_leaves_is_swept(play: Play, store: Store) -> None:
    """The next server removes it, while it does its own work."""
    program = f"""
import asyncio, os, sys
from contextlib import AsyncExitStack
from pathlib import Path
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.environment_server.context import Context
from pytest_fastenv.environment_server.workers import workers
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store
recorder = Recorder()
root = Path({str(store.root)!r})
context = Context(Settings(cache_dir=root), Store(root, recorder=recorder), recorder, root, {{}}, AsyncExitStack())
asyncio.run(workers(context, {{"session": sys.argv[1], "names": ["gw0"]}}))
os.kill(os.getpid(), 9)
"""

    async def part(session: Session) -> None:
        prefix = session.environment.prefix
        done = subprocess.run([sys.executable, "-c", program, str(prefix)], capture_output=True, text=True)
        assert done.returncode == -9, done.stderr
        (left,) = (path for path in (prefix.parent / ".workers").iterdir() if path.is_dir())
        assert (left / "gw0/bin/python").exists()
        mine = (await session.make("gw0"))["gw0"]
        for thread in threading.enumerate():
            if thread.name == "store-sweep":
                thread.join()
        assert not left.exists()
        assert mine.python.exists()

    play(part)
