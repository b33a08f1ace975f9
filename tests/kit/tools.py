"""The tools of a run, opened as the product opens them, for what is tested by itself."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from pytest_fastenv.index.retry import Clock
from pytest_fastenv.provisioning.run import Run
from pytest_fastenv.provisioning.tools import open_tools
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store
from pytest_fastenv.tools import Tools

#: An index that does not exist.
NOWHERE = Settings(index_url="http://127.0.0.1:9/simple/")


@asynccontextmanager
async def tools_of(
    store: Store,
    settings: Settings = NOWHERE,
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    **others: Any,
) -> AsyncIterator[Tools]:
    """Give the tools of a run with some settings.

    :param others: tools to be put in place of those that the settings come to.
    """
    run = Run.of(settings, store, os.environ if environ is None else environ)
    async with open_tools(run, clock=clock) as tools:
        yield replace(tools, **others)
