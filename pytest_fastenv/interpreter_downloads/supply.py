"""Offer an interpreter that the machine does not have, or say why it cannot be had.

::

    archives-v1/ab/<key of path, size and time>.json    the SHA-256 of an interpreter's archive in a mirror's directory

Imported only when an interpreter is missing, or the catalogue is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from pytest_fastenv.errors import InterpreterError, InterpreterNotFoundError, option
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.interpreter.discovery import wrong_request
from pytest_fastenv.interpreter.probe import too_old
from pytest_fastenv.interpreter.record import stamp
from pytest_fastenv.interpreter_downloads.catalogue import offers
from pytest_fastenv.interpreter_downloads.mirror import Fetch, Mirror, local_path
from pytest_fastenv.interpreter_downloads.offer import Offer
from pytest_fastenv.interpreter_downloads.policy import DownloadPolicy
from pytest_fastenv.interpreter_downloads.selection import Selection
from pytest_fastenv.interpreter_downloads.shortage import Shortage
from pytest_fastenv.model.digest import file_sha256, key_of
from pytest_fastenv.model.target import Target
from pytest_fastenv.store.buckets import RecordBucket, Remaking
from pytest_fastenv.store.store import Store


@dataclass(frozen=True, slots=True)
class ArchiveDigest:
    """What an archive of an interpreter was found to be."""

    sha256: str


ARCHIVES = RecordBucket(
    name="archives",
    version=1,
    about="digests of interpreters' archives in a mirror's directory",
    remaking=Remaking.ASKED,
    record=ArchiveDigest,
)


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
    :raises InterpreterNotFoundError: nothing fits, or only what is too old, or downloads are not allowed.
    :raises InterpreterError: the catalogue cannot be read.
    :raises UsageError: ``FASTENV_PYTHON_MIRROR`` is not a mirror.
    """
    shortage = Shortage(spec, missing)
    try:
        wanted = Selection.parse(spec)
    except InterpreterNotFoundError as unreadable:
        raise (missing or unreadable) from None
    if wanted is None:
        raise shortage.of_a_path()
    if (why := wanted.never_released()) is not None:
        hint = f"name another version, such as {option('python', '>=3.9')}"
        raise InterpreterNotFoundError(f"there is no Python {spec.strip()}", why=why, hint=hint)
    old = wanted.too_old()
    if old is not None:
        raise wrong_request(too_old(f"asked for as {spec!r}", old))
    if not policy.permitted:
        raise await in_thread(shortage.forbidden)  # asks the interpreters of the machine
    mirror = Mirror.parse(policy.mirror)
    if policy.offline and not mirror.is_local:
        raise await in_thread(shortage.offline, mirror)
    catalogue = await _catalogue(host, mirror, fetch)
    chosen = wanted.pick(catalogue.offers)
    if chosen is None:
        raise await in_thread(shortage.nothing_fits, wanted, host, *catalogue)
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
    return Catalogue(consulted, await in_thread(offers, host, consulted))


async def _with_digest(offer: Offer, store: Store) -> Offer:
    """Return an offer with its digest; where no list has it, it is computed, once."""
    if offer.sha256:
        return offer
    path = str(local_path(offer.url))
    before = stamp(path)
    key = key_of(before)
    known = store.read_record(ARCHIVES, key)
    if known is not None:
        return replace(offer, sha256=known.sha256)
    try:
        digest = await in_thread(file_sha256, path)
    except OSError as error:
        raise InterpreterError(
            f"{path} cannot be read", why=str(error), hint=f"{option('python_mirror')} names it"
        ) from None
    if before == stamp(path):
        store.write_record(ARCHIVES, key, ArchiveDigest(digest))
    return replace(offer, sha256=digest)
