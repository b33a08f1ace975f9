"""Those who make something share the store; those who take entries out need it for a moment for themselves."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_fastenv.errors import LockTimeoutError
from pytest_fastenv.store.makers import making, nothing_is_made
from pytest_fastenv.store.store import Store

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="locks cannot be shared there")


def token(root: Path) -> bytes | None:
    with nothing_is_made(root) as found:
        return found


def test_makers_work_side_by_side_and_nothing_is_taken_out_meanwhile(tmp_path: Path) -> None:
    async def make() -> list[bytes | None]:
        seen = [token(tmp_path)]
        async with making(tmp_path, 1):
            async with making(tmp_path, 1):
                seen.append(token(tmp_path))
            seen.append(token(tmp_path))
        return [*seen, token(tmp_path)]

    before, two, one, after = asyncio.run(make())
    assert before is not None
    assert (two, one) == (None, None)
    assert after != before
    assert after == token(tmp_path)


def test_each_beginning_changes_the_token(tmp_path: Path) -> None:
    async def make() -> None:
        async with making(tmp_path, 1):
            pass

    seen = {token(tmp_path)}
    for _ in range(3):
        asyncio.run(make())
        seen.add(token(tmp_path))
    assert len(seen) == 4


def test_a_maker_waits_while_entries_are_taken_out(tmp_path: Path) -> None:
    async def make() -> str:
        begun = asyncio.Event()

        async def wait() -> None:
            begun.set()
            async with making(tmp_path, 10):
                order.append("made")

        order: list[str] = []
        with nothing_is_made(tmp_path):
            waiting = asyncio.create_task(wait())
            await begun.wait()
            for _ in range(10):
                await asyncio.sleep(0)
            order.append("taken out")
        await waiting
        return " ".join(order)

    assert asyncio.run(make()) == "taken out made"


def test_the_wait_is_bounded(tmp_path: Path) -> None:
    async def make() -> None:
        async with making(tmp_path, 0.02):
            pytest.fail("not while entries are taken out")

    with nothing_is_made(tmp_path), pytest.raises(LockTimeoutError, match="not free within"):
        asyncio.run(make())


def test_a_killed_maker_is_none(tmp_path: Path) -> None:
    code = f"""if True:
        import asyncio, os, signal
        from pathlib import Path
        from pytest_fastenv.store.makers import making
        async def make():
            async with making(Path({str(tmp_path)!r}), 1):
                print("up", flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
        asyncio.run(make())"""
    subprocess.run([sys.executable, "-c", code], check=False)
    assert token(tmp_path) is not None


def test_a_store_that_cannot_be_written_is_used_without(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    async def make(root: Path) -> str:
        async with making(root, 1):
            return "made"

    assert asyncio.run(make(tmp_path / "file")) == "made"
    assert token(tmp_path / "file") is None

    async def make_in_store() -> list[str]:
        async with store.making():
            return os.listdir(store.root)

    assert sorted(asyncio.run(make_in_store())) == ["CACHEDIR.TAG", "locks"]
