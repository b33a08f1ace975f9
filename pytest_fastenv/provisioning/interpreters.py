"""Interpreters without a plan: what the machine has, what can be downloaded, and downloading several at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Self, TypeVar

from pytest_fastenv.archive.limits import Limits
from pytest_fastenv.errors import FastenvError, InterpreterError, InterpreterNotFoundError
from pytest_fastenv.index.config import IndexConfig
from pytest_fastenv.index.http import HttpClient
from pytest_fastenv.index.package_index import PackageIndex
from pytest_fastenv.interpreter.discovery import find, find_target
from pytest_fastenv.interpreter_downloads.installation import InstallTools, install
from pytest_fastenv.interpreter_downloads.mirror import Fetch
from pytest_fastenv.interpreter_downloads.offer import Offer
from pytest_fastenv.interpreter_downloads.supply import available, offered
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.request import IndexOptions
from pytest_fastenv.model.target import Target
from pytest_fastenv.schedule.outcome import run_all
from pytest_fastenv.schedule.pools import Pools
from pytest_fastenv.schedule.process_pool import ProcessPool
from pytest_fastenv.settings.values import Settings, store_root
from pytest_fastenv.store.buckets import Bucket
from pytest_fastenv.store.store import Store

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


async def install_all(
    specs: Sequence[str], settings: Settings, environ: Mapping[str, str], recorder: Recorder
) -> list[Installed | FastenvError]:
    """Make sure that interpreters are on this machine; those that are not are downloaded side by side.

    Two requests that mean the same interpreter download it once. What fails does not hold up the others, and is
    returned in its place.

    :param specs: as for `pytest_fastenv.interpreter.discovery.find_target`.
    :param environ: environment variables: where pip's configuration, with proxies and certificates, is looked for.
    :return: for each request, in order, what came of it.
    :raises UsageError: a setting is not accepted, whatever is asked for.
    :raises StoreError: the store cannot be used at all.
    """
    store = Store(store_root(settings), recorder=recorder, lock_timeout_s=settings.lock_timeout_s)
    here: list[Installed | FastenvError] = await asyncio.to_thread(lambda: [_find(spec, store) for spec in specs])
    missing = {
        spec: error for spec, error in zip(specs, here, strict=True) if isinstance(error, InterpreterNotFoundError)
    }
    if not missing:
        return here
    async with Downloads(store, settings, environ, recorder) as downloads:
        jobs = (_outcome(downloads.bring(spec, error)) for spec, error in missing.items())
        brought = dict(zip(missing, await run_all(jobs), strict=True))
    return [brought.get(spec, found) for spec, found in zip(specs, here, strict=True)]


async def downloadable(settings: Settings, environ: Mapping[str, str], recorder: Recorder) -> list[Offer]:
    """Return what can be downloaded for this machine and is not in the store, best first.

    Makes one request at most, where a mirror on a server is set; nothing is listed where downloading is not permitted.

    :raises UsageError: ``FASTENV_PYTHON_MIRROR`` is not a mirror.
    :raises InterpreterError: the catalogue cannot be read.
    :raises NetworkError: the mirror does not answer.
    """
    store = Store(store_root(settings), recorder=recorder, lock_timeout_s=settings.lock_timeout_s)
    async with Downloads(store, settings, environ, recorder) as downloads:
        return await downloads.offers()


class Downloads:
    """Brings interpreters into the store; an asynchronous context manager, for one event loop."""

    def __init__(self, store: Store, settings: Settings, environ: Mapping[str, str], recorder: Recorder) -> None:
        self._store = store
        self._settings = settings
        self._recorder = recorder
        self._stack = AsyncExitStack()
        pools = Pools(
            downloads=settings.concurrent_downloads,
            builds=settings.concurrent_builds,
            installs=settings.concurrent_installs,
            serial=settings.serial,
        )
        config = IndexConfig.load(settings, IndexOptions(), environ)
        self._http = HttpClient(config.network, config.credentials)
        self._workers = ProcessPool(settings.concurrent_installs)
        index = PackageIndex(config, self._http, store, pools, recorder)
        self._tools = InstallTools(index, pools, self._workers, Limits.of(settings))
        self._texts: dict[str, asyncio.Task[bytes]] = {}
        self._under_way: dict[str, asyncio.Task[Target]] = {}

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._http)
        await self._stack.enter_async_context(self._workers)
        self._stack.push_async_callback(self._end)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def bring(self, spec: str, missing: InterpreterNotFoundError) -> Installed:
        """Download what fits a request best.

        :param missing: what the search of the machine raised.
        :raises FastenvError: there is nothing that fits, or it could not be had.
        """
        host = await asyncio.to_thread(find_target, None, self._store)
        offer = await offered(spec, host, self._store, self._settings, self._fetch(), missing=missing)
        task = self._under_way.get(offer.sha256)
        if task is None:
            job = install(offer, self._store, self._tools, self._recorder)
            task = self._under_way[offer.sha256] = asyncio.create_task(job)
        return Installed(spec, await asyncio.shield(task), None)

    async def offers(self) -> list[Offer]:
        """Return what can be downloaded and is not in the store; see `downloadable`."""
        host = await asyncio.to_thread(find_target, None, self._store)
        catalogue = await available(host, self._settings, self._fetch())
        return [offer for offer in catalogue.offers if not self._has(offer)]

    def _has(self, offer: Offer) -> bool:
        return bool(offer.sha256) and self._store.lookup(Bucket.PYTHONS, offer.sha256) is not None

    def _fetch(self) -> Fetch:
        async def get(url: str) -> bytes:
            return (await self._http.get(url)).content

        async def fetch(url: str) -> bytes:
            """Read a mirror's list of checksums once, however many requests are served from it."""
            task = self._texts.get(url)
            if task is None:
                task = self._texts[url] = asyncio.create_task(get(url))
            return await asyncio.shield(task)

        return fetch

    async def _end(self) -> None:
        tasks: list[asyncio.Task[object]] = [*self._texts.values(), *self._under_way.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


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
