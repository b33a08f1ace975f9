"""Interpreters without a plan: what the machine has, what can be downloaded, and downloading several at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from pytest_fastenv.errors import FastenvError, InterpreterError, InterpreterNotFoundError
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.interpreter.discovery import find, find_target
from pytest_fastenv.interpreter.installed import PYTHONS
from pytest_fastenv.interpreter_downloads.installation import install
from pytest_fastenv.interpreter_downloads.offer import Offer
from pytest_fastenv.interpreter_downloads.policy import DownloadPolicy
from pytest_fastenv.interpreter_downloads.supply import available, offered
from pytest_fastenv.model.target import Target
from pytest_fastenv.provisioning.run import Run
from pytest_fastenv.provisioning.tools import open_tools
from pytest_fastenv.schedule.outcome import run_all
from pytest_fastenv.store.store import Store
from pytest_fastenv.tools import Tools

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Installed:
    """What came of one request.

    :ivar spec: as it was asked for.
    :ivar where: what it was found by (see `pytest_fastenv.interpreter.search.Found`), if it was there already;
        ``None`` when it was downloaded now.
    """

    spec: str
    target: Target
    where: str | None


async def install_all(specs: Sequence[str], run: Run) -> list[Installed | FastenvError]:
    """Make sure that interpreters are on this machine; missing ones are downloaded side by side.

    Two requests that mean the same interpreter download it once. What fails does not hold up the others, and is
    returned in its place.

    :param specs: as for `pytest_fastenv.interpreter.discovery.find_target`.
    :return: for each request, in order, what came of it.
    :raises UsageError: a setting is not accepted, so no request can be served.
    :raises StoreError: the store cannot be used at all.
    """
    here: list[Installed | FastenvError] = await in_thread(lambda: [_find(spec, run.store) for spec in specs])
    missing = {
        spec: error for spec, error in zip(specs, here, strict=True) if isinstance(error, InterpreterNotFoundError)
    }
    if not missing:
        return here
    async with _open_downloads(run) as downloads:
        jobs = (_outcome(downloads.bring(spec, error)) for spec, error in missing.items())
        brought = dict(zip(missing, await run_all(jobs), strict=True))
    return [brought.get(spec, found) for spec, found in zip(specs, here, strict=True)]


async def downloadable(run: Run) -> list[Offer]:
    """Return what can be downloaded for this machine and is not in the store, best first.

    Makes one request at most, where a mirror on a server is set; nothing is listed where downloading is not permitted.

    :raises UsageError: ``FASTENV_PYTHON_MIRROR`` is not a mirror.
    :raises InterpreterError: the catalogue cannot be read.
    :raises NetworkError: the mirror does not answer.
    """
    async with _open_downloads(run) as downloads:
        return await downloads.offers()


class Downloads:
    """Brings interpreters into the store. For one event loop; call `aclose` at the end."""

    def __init__(self, tools: Tools, policy: DownloadPolicy) -> None:
        self._tools = tools
        self._policy = policy
        self._texts: dict[str, asyncio.Task[bytes]] = {}
        self._under_way: dict[str, asyncio.Task[Target]] = {}

    async def bring(self, spec: str, missing: InterpreterNotFoundError) -> Installed:
        """Download what fits a request best.

        :param missing: what the search of the machine raised.
        :raises FastenvError: there is nothing that fits, or it could not be had.
        """
        host = await in_thread(find_target, None, self._tools.store)
        offer = await offered(spec, host, self._tools.store, self._policy, self._fetch, missing=missing)
        task = self._under_way.get(offer.sha256)
        if task is None:
            task = self._under_way[offer.sha256] = asyncio.create_task(install(offer, self._tools))
        return Installed(spec, await asyncio.shield(task), None)

    async def offers(self) -> list[Offer]:
        """Return what can be downloaded and is not in the store; see `downloadable`."""
        host = await in_thread(find_target, None, self._tools.store)
        catalogue = await available(host, self._policy, self._fetch)
        return [offer for offer in catalogue.offers if not self._has(offer)]

    def _has(self, offer: Offer) -> bool:
        return bool(offer.sha256) and self._tools.store.lookup(PYTHONS, offer.sha256) is not None

    async def _fetch(self, url: str) -> bytes:
        """Read a mirror's list of checksums once, however many requests are served from it."""
        task = self._texts.get(url)
        if task is None:
            task = self._texts[url] = asyncio.create_task(self._tools.text(url))
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """Give up what is under way. Idempotent."""
        tasks: list[asyncio.Task[object]] = [*self._texts.values(), *self._under_way.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _open_downloads(run: Run) -> AsyncIterator[Downloads]:
    async with open_tools(run) as tools:
        downloads = Downloads(tools, run.policies.downloads)
        try:
            yield downloads
        finally:
            await downloads.aclose()


def _find(spec: str, store: Store) -> Installed | FastenvError:
    try:
        where, target = find(spec, store)
    except (InterpreterError, InterpreterNotFoundError) as error:
        return error
    return Installed(spec, target, where)


async def _outcome(job: Awaitable[T]) -> T | FastenvError:
    """Return a failure instead of raising it: the other jobs go on."""
    try:
        return await job
    except FastenvError as error:
        return error
