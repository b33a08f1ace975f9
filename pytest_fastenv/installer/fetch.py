"""Brings an artifact's bytes into a file, and knows which artifacts it has seen before."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pytest_fastenv.errors import HashError, NotFoundError
from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.events import Span
from pytest_fastenv.model.freshness import Freshness
from pytest_fastenv.model.protocols import Transferred
from pytest_fastenv.schedule.outcome import Admission
from pytest_fastenv.store.buckets import Bucket
from pytest_fastenv.tools import Tools


class Fetching:
    """Fetches artifacts and remembers the digest of those whose digest was not known before."""

    def __init__(self, tools: Tools, freshness: Freshness) -> None:
        self._downloads = tools.index
        self._store = tools.store
        self._recorder = tools.recorder
        self._freshness = freshness

    async def fetch(self, artifact: Artifact, into: Path, admission: Admission | None = None) -> Transferred:
        """Write an artifact into a file, as a ``fetch`` span from its first byte to its last.

        :param admission: asked again once there is a permit, which may have been waited for for long.
        :raises IntegrityError: the bytes are not those that were announced.
        :raises NetworkError: they could not be had.
        """
        with ExitStack() as stack:
            spans: list[Span] = []
            received = 0

            def on_bytes(count: int) -> None:
                nonlocal received
                received += count
                if not count:
                    if admission is not None:
                        admission.check()
                    return
                if not spans:
                    subject, args = artifact.name or artifact.filename, {"version": artifact.version}
                    spans.append(stack.enter_context(self._recorder.span("fetch", subject, **args, source="network")))
                self._recorder.progress(spans[0], bytes=received)

            transferred = await self._downloads.download(artifact, into, on_bytes)
            if spans:
                spans[0].args.update(bytes=transferred.size_bytes, key=transferred.digests["sha256"])
        self._remember(artifact, transferred.digests)
        return transferred

    async def digest(self, artifact: Artifact) -> str | None:
        """Return the SHA-256 an artifact is known to have; ``None`` when only fetching it can tell.

        What hashes demand is checked here for local files, and for others compared with what was computed when the
        artifact was fetched; an answer satisfies all of them.

        :raises HashError: a local file is not what its hashes demand.
        :raises NotFoundError: a local file is not there.
        """
        if artifact.hashes.algorithms == ("sha256",):
            known = [digest for _, digest in artifact.hashes.values]
            for digest in known:
                if self._has(digest):
                    return digest
            if len(known) == 1:
                return known[0]
        if artifact.url.startswith("file:"):
            return await asyncio.to_thread(_digest_of_file, artifact)
        return self._remembered(artifact)

    def _has(self, digest: str) -> bool:
        return any(self._store.lookup(bucket, digest) for bucket in (Bucket.WHEELS, Bucket.SDISTS))

    def _remembered(self, artifact: Artifact) -> str | None:
        record = self._store.read_record(Bucket.URLS, url_key(artifact.url))
        digests = record.get("digests") if record else None
        if record is None or not isinstance(digests, dict) or not isinstance(digests.get("sha256"), str):
            return None
        if not artifact.hashes.accept(digests):
            return None
        if not artifact.hashes and not self._freshness.accepts(record.get("at")):
            return None
        return str(digests["sha256"])

    def _remember(self, artifact: Artifact, digests: Mapping[str, str]) -> None:
        if not artifact.url.startswith("file:") and artifact.hashes.algorithms != ("sha256",):
            record = {"url": artifact.url, "digests": dict(digests), "at": time.time()}
            self._store.write_record(Bucket.URLS, url_key(artifact.url), record)


def url_key(url: str) -> str:
    """Return the key of a URL's record."""
    return hashlib.sha256(url.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file; blocks."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_of_file(artifact: Artifact) -> str:
    path = Path(url2pathname(urlsplit(artifact.url).path))
    digests: dict[str, str] = {}
    try:
        for algorithm in {"sha256", *artifact.hashes.algorithms}:
            with open(path, "rb") as file:
                digests[algorithm] = hashlib.file_digest(file, algorithm).hexdigest()
    except OSError as error:
        raise NotFoundError(f"{path} cannot be read", where=str(path), why=error.strerror) from None
    if not artifact.hashes.accept(digests):
        wanted = "\n".join(f"expected {algorithm} {digest}" for algorithm, digest in artifact.hashes.values)
        got = "\n".join(f"got      {algorithm} {digests[algorithm]}" for algorithm in artifact.hashes.algorithms)
        raise HashError(f"{path} is not the file that was announced", where=str(path), why=f"{wanted}\n{got}")
    return digests["sha256"]
