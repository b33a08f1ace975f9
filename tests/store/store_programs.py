"""Programs that the tests run in processes of their own: ``python store_programs.py NAME ROOT [ARGUMENT...]``.

They say on the standard output how far they are and go on when their standard input is closed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from store_buckets import ENTRIES

from pytest_fastenv.model.events import Recorder
from pytest_fastenv.store.store import Store

KEY = "0123456789abcdef"
CHANGES = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.chmod", "shutil.rmtree"}


def say(text: str) -> None:
    print(text, flush=True)


async def until_told() -> None:
    await asyncio.to_thread(sys.stdin.read)


async def contend(store: Store, sentinel: str, rounds: str) -> None:
    for _ in range(int(rounds)):
        async with store.lock(ENTRIES, KEY):
            os.close(os.open(sentinel, os.O_CREAT | os.O_EXCL))
            await asyncio.sleep(0)
            os.unlink(sentinel)


async def log_intervals(store: Store, log: str) -> None:
    """Take the lock again and again, and note when it is held, until this process is killed."""
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while True:
        async with store.lock(ENTRIES, KEY):
            os.write(fd, f"{os.getpid()} begin\n".encode())
            await asyncio.sleep(0.001)
            os.write(fd, f"{os.getpid()} end\n".encode())


async def hold(store: Store) -> None:
    async with store.lock(ENTRIES, KEY):
        say("held")
        await until_told()


async def hold_with_child(store: Store) -> None:
    """Hand the lock to a child that outlives us, until its own standard input ends."""
    async with store.lock(ENTRIES, KEY) as lock:
        wait = "import sys; sys.stdin.read()"
        with subprocess.Popen([sys.executable, "-I", "-S", "-c", wait], stdin=0, pass_fds=(lock.fileno(),)) as child:
            say(f"held {child.pid}")
            await asyncio.Event().wait()


async def publish(store: Store, log: str) -> None:
    """Make an entry of two files and note it in a log."""

    async def make(directory: Path) -> None:
        (directory / "one").write_text("1")
        await asyncio.sleep(0)
        (directory / "two").write_text("2")
        with open(log, "a") as file:
            file.write(f"{os.getpid()}\n")

    say(str(await store.publish(ENTRIES, KEY, make)))


async def publish_half(store: Store) -> None:
    async def make(directory: Path) -> None:
        (directory / "one").write_text("1")
        say("half")
        await until_told()

    await store.publish(ENTRIES, KEY, make)


async def supersede(store: Store, _log: str) -> None:
    """Make an entry of two files in place of another one."""

    async def make(directory: Path) -> None:
        (directory / "one").write_text("1")
        (directory / "two").write_text("2")

    async with store.lock(ENTRIES, KEY):
        await store.supersede(ENTRIES, KEY, make)


async def until_killed(store: Store, log: str, point: str, what: str) -> None:
    """Publish or supersede, and kill this process at the n-th call that changes the file system of the store."""
    left = int(point)

    def audit(event: str, args: tuple[Any, ...]) -> None:
        nonlocal left
        if event in CHANGES and str(store.root) in str(args[0]):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(audit)
    await PROGRAMS[what](store, log)


PROGRAMS: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
    function.__name__: function
    for function in (contend, log_intervals, hold, hold_with_child, publish, publish_half, supersede, until_killed)
}

if __name__ == "__main__":
    name, root, *arguments = sys.argv[1:]
    with suppress(KeyboardInterrupt):
        asyncio.run(PROGRAMS[name](Store(Path(root), recorder=Recorder()), *arguments))
