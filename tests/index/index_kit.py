"""What the tests of the index room share."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kit.tools import tools_of

from pytest_fastenv.index.config import Network
from pytest_fastenv.index.credentials import Credentials
from pytest_fastenv.index.download import Pace
from pytest_fastenv.index.http import HttpClient
from pytest_fastenv.index.package_index import PackageIndex
from pytest_fastenv.index.retry import Clock
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store


@dataclass
class Pauses:
    """A clock whose pauses take no time and are noted."""

    made: list[float] = field(default_factory=list)
    now: float = 1_700_000_000.0

    async def _sleep(self, seconds: float) -> None:
        self.made.append(seconds)

    @property
    def clock(self) -> Clock:
        return Clock(sleep=self._sleep, now=lambda: self.now, jitter=lambda: 0.0)


@asynccontextmanager
async def client(pauses: Pauses | None = None, **options: Any) -> AsyncIterator[HttpClient]:
    """An HTTP client that pauses in no time; options of `Network` and of `HttpClient` may be mixed."""
    own = {name: options.pop(name) for name in ("pace", "rust") if name in options}
    credentials = options.pop("credentials", None) or Credentials({"HOME": "/nonexistent"}, keyring=False)
    network = Network(**{"timeout_s": 5.0, **options})
    async with HttpClient(network, credentials, clock=(pauses or Pauses()).clock, **own) as http:
        yield http


@asynccontextmanager
async def package_index(
    store: Store,
    recorder: Recorder,
    *indexes: str,
    pauses: Pauses | None = None,
    home: Path | None = None,
    **options: Any,
) -> AsyncIterator[PackageIndex]:
    """A package index over the given index URLs; options are settings."""
    main, *extra = indexes or (None,)
    settings = Settings(index_url=main, extra_index_urls=tuple(extra), http_timeout_s=5.0, **options)
    environ = {"HOME": str(home or "/nonexistent"), "PIP_CONFIG_FILE": os.devnull, "PIP_KEYRING_PROVIDER": "disabled"}
    if not indexes:
        environ["PIP_NO_INDEX"] = "1"
    store = Store(store.root, recorder=recorder)
    async with tools_of(store, settings, environ, (pauses or Pauses()).clock) as tools:
        yield tools.index


QUICK = Pace(window_s=0.1, least_bytes_per_s=1000)

__all__ = ["QUICK", "Pauses", "client", "package_index", "replace"]
