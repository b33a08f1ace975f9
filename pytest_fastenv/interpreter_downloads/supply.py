"""Offer an interpreter that the machine does not have, or say why it cannot be had.

Imported only when an interpreter is missing, or the catalogue is asked for.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from dataclasses import replace
from typing import NamedTuple

from pytest_fastenv.errors import InterpreterError, InterpreterNotFoundError, option
from pytest_fastenv.interpreter.probe import too_old
from pytest_fastenv.interpreter.record import stamp
from pytest_fastenv.interpreter_downloads.catalogue import offers
from pytest_fastenv.interpreter_downloads.mirror import Fetch, Mirror, local_path
from pytest_fastenv.interpreter_downloads.offer import Offer
from pytest_fastenv.interpreter_downloads.selection import Selection
from pytest_fastenv.interpreter_downloads.shortage import Shortage
from pytest_fastenv.model.target import Target
from pytest_fastenv.store.buckets import Bucket
from pytest_fastenv.store.store import Store


class DownloadPolicy(NamedTuple):
    """Whether interpreters may be downloaded, and from where.

    :ivar mirror: as it was given; ``None`` for where the tables say.
    """

    mirror: str | None = None
    permitted: bool = True
    offline: bool = False


class Catalogue(NamedTuple):
    """What can be downloaded, and from where.

    :ivar mirror: once consulted.
    :ivar offers: best first.
    """

    mirror: Mirror
    offers: list[Offer]


async def offered(
    spec: str,
    host: Target,
    store: Store,
    policy: DownloadPolicy,
    fetch: Fetch,
    *,
    missing: InterpreterNotFoundError | None = None,
) -> Offer:
    """Return the interpreter to download for a request; nothing of it is downloaded yet.

    :param spec: as for `pytest_fastenv.interpreter.discovery.find_target`. A path is never provided by a download.
    :param host: an interpreter of this machine, as probed.
    :param store: remembers digests of archives that lie in a directory without ``SHA256SUMS``.
    :param fetch: reads a mirror's ``SHA256SUMS``; not called for the tables, a directory or a ``file:`` URL.
    :param missing: what the search of the machine raised: its findings become part of the diagnosis here.
    :raises InterpreterNotFoundError: nothing fits, or downloads are not allowed.
    :raises InterpreterError: only a version that is too old would fit, or the catalogue cannot be read.
    :raises UsageError: ``FASTENV_PYTHON_MIRROR`` is not a mirror.
    """
    shortage = Shortage(spec, missing)
    try:
        wanted = Selection.parse(spec)
    except InterpreterNotFoundError as unreadable:
        raise (missing or unreadable) from None
    if wanted is None:
        raise shortage.of_a_path()
    old = wanted.too_old()
    if old is not None:
        raise too_old(f"asked for as {spec!r}", old)
    if not policy.permitted:
        raise await asyncio.to_thread(shortage.forbidden)  # asks the interpreters of the machine
    mirror = Mirror.parse(policy.mirror)
    if policy.offline and not mirror.is_local:
        raise await asyncio.to_thread(shortage.offline, mirror)
    catalogue = await _catalogue(host, mirror, fetch)
    chosen = wanted.pick(catalogue.offers)
    if chosen is None:
        raise await asyncio.to_thread(shortage.nothing_fits, wanted, host, *catalogue)
    return await _with_digest(chosen, store)


async def available(host: Target, policy: DownloadPolicy, fetch: Fetch) -> Catalogue:
    """Return everything that could be downloaded for this machine; nothing where that is not allowed.

    Digests of archives in a directory without ``SHA256SUMS`` are left open.

    :raises InterpreterError: the catalogue cannot be read.
    :raises UsageError: ``FASTENV_PYTHON_MIRROR`` is not a mirror.
    """
    mirror = Mirror.parse(policy.mirror)
    if not policy.permitted or (policy.offline and not mirror.is_local):
        return Catalogue(mirror, [])
    return await _catalogue(host, mirror, fetch)


async def _catalogue(host: Target, mirror: Mirror, fetch: Fetch) -> Catalogue:
    consulted = await mirror.consulted(fetch)
    return Catalogue(consulted, await asyncio.to_thread(offers, host, consulted))


async def _with_digest(offer: Offer, store: Store) -> Offer:
    """Return an offer with its digest; where no list has it, it is computed, once."""
    if offer.sha256:
        return offer
    path = str(local_path(offer.url))
    before = stamp(path)
    key = hashlib.sha256(json.dumps(["archive", before]).encode()).hexdigest()
    record = store.read_record(Bucket.INTERPRETERS, key)
    known = record.get("sha256") if record is not None else None
    if isinstance(known, str) and re.fullmatch("[0-9a-f]{64}", known):
        return replace(offer, sha256=known)
    try:
        digest = await asyncio.to_thread(_sha256, path)
    except OSError as error:
        raise InterpreterError(
            f"{path} cannot be read", why=str(error), hint=f"{option('python_mirror')} names it"
        ) from None
    if before == stamp(path):
        store.write_record(Bucket.INTERPRETERS, key, {"sha256": digest})
    return replace(offer, sha256=digest)


def _sha256(path: str) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
