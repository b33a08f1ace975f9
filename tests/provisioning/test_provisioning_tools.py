"""The tools of a run: wired, opened and closed in one place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.server import IndexServer
from kit.tools import NOWHERE, tools_of

from pytest_fastenv.errors import OfflineMissError
from pytest_fastenv.provisioning.run import Run
from pytest_fastenv.provisioning.tools import fetch_text
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store

Servers = Callable[..., IndexServer]


def test_they_are_what_settings_say(store: Store) -> None:
    async def scenario() -> None:
        settings = Settings(index_url="http://127.0.0.1:9/x/", offline=True, concurrent_installs=3, expansion_ratio=7)
        async with tools_of(store, settings, {"HOME": "/nonexistent"}) as tools:
            assert (tools.store, tools.recorder) == (store, store.recorder)
            assert tools.index.config.index_urls == ("http://127.0.0.1:9/x/",)
            assert (tools.offline, tools.processes.count, tools.limits.ratio) == (True, 3, 7)
            assert tools.environ == {"HOME": "/nonexistent"}

    asyncio.run(scenario())


def test_nothing_is_begun_before_it_is_needed(store: Store) -> None:
    async def scenario() -> None:
        async with tools_of(store) as tools:
            assert tools.processes.started == 0
        assert not store.root.exists()

    asyncio.run(scenario())


def test_they_end_with_the_block(store: Store) -> None:
    async def scenario() -> None:
        async with tools_of(store) as tools:
            assert await tools.processes.call("os:getpid") > 0
        with pytest.raises(RuntimeError, match="closed"):
            await tools.processes.call("os:getpid")

    asyncio.run(scenario())


def test_a_text_from_a_server(store: Store, artifacts: Path, index_server: Servers) -> None:
    (artifacts / "requirements.txt").write_text("six\n")
    server = index_server()
    url = f"{server.files_url}requirements.txt"
    assert fetch_text(Run.of(NOWHERE, store, {"HOME": "/nonexistent"}), url) == b"six\n"
    with pytest.raises(OfflineMissError):
        fetch_text(Run.of(Settings(offline=True), store, {"HOME": "/nonexistent"}), url)
    assert len(server.requests) == 1
