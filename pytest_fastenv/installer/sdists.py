"""Source distributions: each fetched at most once on this machine, kept as an archive, unpacked where it is built.

::

    sdists-v1/ab/<sha256>/<file name>    the archive, as downloaded
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_fastenv.archive.member_paths import shown
from pytest_fastenv.archive.tar_archive import ArchiveOrder
from pytest_fastenv.errors import HashError, SdistError
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.installer.fetch import FETCHES, Fetching, url_key
from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.digest import file_sha256
from pytest_fastenv.model.freshness import Freshness
from pytest_fastenv.store.buckets import EntryBucket, Remaking
from pytest_fastenv.store.diagnosis import diagnosed
from pytest_fastenv.tools import Tools
from pytest_fastenv.wheel.filenames import parse_filename

#: Before wheels, as builds take longest.
_SOURCES_FIRST = 1.0


@dataclass(frozen=True, slots=True)
class FetchedSdist:
    """A source distribution's archive in the store.

    :ivar path: ``<entry>/<file name>`` in bucket ``sdists-v1``; never to be changed.
    :ivar sha256: of the archive: its identity.
    :ivar name: the project's, as far as the artifact tells.
    :ivar version: likewise.
    :ivar source: where it was had from: ``network`` or ``cache``.
    :ivar filename: of the artifact; that of the path may be another one's with the same bytes.
    """

    path: Path
    sha256: str
    name: str = ""
    version: str = ""
    source: str = "cache"
    filename: str = ""

    @property
    def label(self) -> str:
        """What to call it."""
        return self.filename or self.path.name


class Sdists:
    """Gives archives of source distributions, and what is in them. For one event loop; any number of processes."""

    def __init__(self, tools: Tools, freshness: Freshness) -> None:
        self._store = tools.store
        self._pools = tools.pools
        self._processes = tools.processes
        self._recorder = tools.recorder
        self._limits = tools.limits
        self._fetching = Fetching(tools, freshness, SDISTS)

    async def fetch(self, artifact: Artifact) -> FetchedSdist:
        """Return the archive of an artifact; fetched if it is not in the store, hashes checked either way.

        :raises NetworkError: it could not be fetched.
        :raises IntegrityError: it is not what its hashes or its size announce.
        """
        name = artifact.filename
        if name in {"", ".", ".."} or not {"/", "\\", "\0"}.isdisjoint(name):
            raise SdistError(f"{shown(name)} does not do as the name of a file", where=artifact.url)
        sha256 = await self._fetching.digest(artifact)
        if sha256 is None:
            return await self._fetch_by_url(artifact)
        kept = await self._kept(artifact, sha256)
        if kept is not None:
            return kept
        async with self._pools.artifact(priority=_SOURCES_FIRST):
            return await self._publish(artifact, sha256, self._bringer(artifact, sha256))

    def has(self, artifact: Artifact) -> bool:
        """Tell whether the archive of an artifact whose digest is known is in the store."""
        return bool(artifact.hashes.sha256 and self._store.lookup(SDISTS, artifact.hashes.sha256))

    async def identify(self, artifact: Artifact) -> str:
        """Return the SHA-256 of an archive; it is fetched where only its bytes can tell.

        :raises FastenvError: as for `fetch`.
        """
        return await self._fetching.digest(artifact, look=True) or (await self.fetch(artifact)).sha256

    async def unpack(self, sdist: FetchedSdist, into: Path) -> Path:
        """Unpack an archive and return its one top directory; where it has none, the one it was unpacked into.

        :param into: a private directory, which is made if it is missing.
        :raises SdistError: the archive breaks a rule; then nothing of it was written.
        :raises BombError: it expands out of proportion.
        """
        os.makedirs(into, exist_ok=True)
        order = ArchiveOrder(str(sdist.path), str(into), sdist.label, self._limits)
        async with self._pools.install():
            subject, size_bytes = sdist.name or sdist.label, os.stat(sdist.path).st_size
            args = {"version": sdist.version, "source": sdist.source, "key": sdist.sha256}
            span = self._recorder.span("unpack", subject, **args, bytes=size_bytes)
            with span, diagnosed(f"{subject} cannot be unpacked", into):
                top = await self._processes.call(f"{ArchiveOrder.__module__}:unpack_sdist", order)
        return Path(top)

    async def _fetch_by_url(self, artifact: Artifact) -> FetchedSdist:
        """Fetch what only its bytes can name: under the lock of its URL first, then published under its digest."""
        async with self._pools.artifact(priority=_SOURCES_FIRST), self._store.temporary("sdist") as private:
            archive = private / artifact.filename
            async with self._store.lock(FETCHES, url_key(artifact.url), subject=artifact.filename):
                sha256 = await self._fetching.digest(artifact)  # another process may have found out meanwhile
                transferred = await self._fetching.fetch_if_changed(artifact, archive) if sha256 is None else None
            if transferred is not None:

                async def bring(staging: Path) -> None:
                    os.rename(archive, staging / archive.name)

                return await self._publish(artifact, transferred.digests["sha256"], bring)
        return await self.fetch(artifact)

    def _bringer(self, artifact: Artifact, sha256: str) -> Callable[[Path], Awaitable[None]]:
        async def bring(staging: Path) -> None:
            transferred = await self._fetching.fetch(artifact, staging / artifact.filename)
            if transferred.digests["sha256"] != sha256:
                why = f"expected sha256 {sha256}\ngot      sha256 {transferred.digests['sha256']}"
                raise HashError(f"{artifact.filename} changed while it was being read", where=artifact.url, why=why)

        return bring

    async def _publish(self, artifact: Artifact, sha256: str, bring: Callable[[Path], Awaitable[None]]) -> FetchedSdist:
        source = "cache"

        async def make(staging: Path) -> None:
            nonlocal source
            await bring(staging)
            source = "network"

        entry = await self._store.publish(SDISTS, sha256, make, subject=artifact.filename)
        path = _archive_in(entry) or entry
        return FetchedSdist(path, sha256, artifact.name, artifact.version, source, artifact.filename)

    async def _kept(self, artifact: Artifact, sha256: str) -> FetchedSdist | None:
        """Return the store's archive if its bytes are still the ones it is named for; else it is taken out."""
        entry = self._store.lookup(SDISTS, sha256)
        if entry is None:
            return None
        path = _archive_in(entry)
        self._store.note_use(SDISTS, sha256)
        if path is not None and not await in_thread(SDISTS.is_damaged, entry):
            return FetchedSdist(path, sha256, artifact.name, artifact.version, filename=artifact.filename)
        self._recorder.notice(
            "warning", f"the store's copy of {path.name if path else sha256} was damaged: made anew", of="run"
        )
        async with self._pools.artifact(priority=_SOURCES_FIRST):
            await self._store.withdraw(SDISTS, sha256, only_damaged=True)
        return None


def _archive_in(entry: Path) -> Path | None:
    return next((entry / name for name in sorted(os.listdir(entry)) if not name.startswith(".ready")), None)


def _check(entry: Path) -> str | None:
    path = _archive_in(entry)
    if path is None:
        return "the archive is gone"
    return None if file_sha256(path) == entry.name else f"{path.name} has other content"


def _project(entry: Path) -> Iterator[str]:
    path = _archive_in(entry)
    told = parse_filename(path.name) if path is not None else None
    if told is not None:
        yield told.name


SDISTS = EntryBucket(
    name="sdists",
    version=1,
    about="source distributions as downloaded, by SHA-256",
    remaking=Remaking.FETCHED,
    check=_check,
    projects=_project,
)
