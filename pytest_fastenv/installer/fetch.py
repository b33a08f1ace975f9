"""Brings an artifact's bytes into a file, and knows which artifacts it has seen before.

::

    urls-v3/ab/<digest of the URL>.json    which digests were found there, and when
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pytest_fastenv.errors import NotFoundError
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.index.download import UnchangedError
from pytest_fastenv.index.expected import check_hashes
from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.digest import file_digests, key_of
from pytest_fastenv.model.events import Span
from pytest_fastenv.model.file_urls import path_of
from pytest_fastenv.model.freshness import Freshness
from pytest_fastenv.model.protocols import Transferred
from pytest_fastenv.schedule.outcome import Admission
from pytest_fastenv.store.buckets import EntryBucket, LockSpace, RecordBucket, Remaking
from pytest_fastenv.tools import Tools
from pytest_fastenv.wheel.filenames import parse_filename


@dataclass(frozen=True, slots=True)
class FoundAtUrl:
    """What was found at a URL whose artifact has no SHA-256 of its own.

    :ivar digests: hexadecimal, by algorithm.
    :ivar at: seconds since the epoch.
    :ivar validators: headers to ask with whether it is still there.
    """

    url: str
    digests: Mapping[str, str]
    at: float
    validators: Mapping[str, str]


def _project_at(found: FoundAtUrl) -> Iterator[str]:
    told = parse_filename(unquote(urlsplit(found.url).path.rpartition("/")[2]))
    if told is not None:
        yield told.name


URLS = RecordBucket(
    name="urls",
    version=3,
    about="what was found at URLs of artifacts without hashes",
    remaking=Remaking.ASKED,
    record=FoundAtUrl,
    projects=_project_at,
)
FETCHES = LockSpace(name="fetches", about="transfers from a URL whose digest is not known yet")


class Fetching:
    """Fetches artifacts and remembers digests that were not known before.

    :param kept_in: where what is fetched is kept, by its SHA-256.
    """

    def __init__(self, tools: Tools, freshness: Freshness, kept_in: EntryBucket) -> None:
        self._downloads = tools.index
        self._store = tools.store
        self._recorder = tools.recorder
        self._freshness = freshness
        self._kept_in = kept_in
        self._asked: dict[str, Mapping[str, str]] = {}

    async def fetch_if_changed(
        self, artifact: Artifact, into: Path, admission: Admission | None = None
    ) -> Transferred | None:
        """Fetch what only its bytes can name, unless the server says that it is what the store has already.

        :return: ``None`` when it is: `digest` knows it then.
        :raises IntegrityError, NetworkError: as for `fetch`.
        """
        found = self._store.read_record(URLS, url_key(artifact.url))
        if found is None or not found.validators or not artifact.hashes.accept(found.digests):
            return await self.fetch(artifact, into, admission)
        if not self._store.lookup(self._kept_in, found.digests.get("sha256", "-")):
            return await self.fetch(artifact, into, admission)
        try:
            return await self.fetch(artifact, into, admission, unless=found.validators)
        except UnchangedError:
            self._remember(artifact, found.digests, found.validators)
            return None

    async def fetch(
        self,
        artifact: Artifact,
        into: Path,
        admission: Admission | None = None,
        *,
        unless: Mapping[str, str] | None = None,
    ) -> Transferred:
        """Write an artifact into a file, as a ``fetch`` span from its first byte to its last.

        :param admission: asked again once there is a permit, which may have been waited for for long.
        :param unless: validators of a file that need not be sent again.
        :raises UnchangedError: it is that file.
        :raises IntegrityError: the bytes have another digest or size than announced.
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

            transferred = await self._downloads.download(artifact, into, on_bytes, unless=unless)
            if spans:
                spans[0].args.update(bytes=transferred.size_bytes, key=transferred.digests["sha256"])
        self._remember(artifact, transferred.digests, transferred.validators)
        return transferred

    async def digest(self, artifact: Artifact, *, look: bool = False) -> str | None:
        """Return the SHA-256 an artifact is known to have; ``None`` when only fetching it can tell.

        What hashes demand is checked here for local files, and for others compared with what was computed when the
        artifact was fetched; an answer satisfies all of them.

        :param look: into a local file, also where its SHA-256 is known.
        :raises HashError: a local file is not what its hashes demand.
        :raises NotFoundError: a local file is not there.
        """
        if artifact.hashes.sha256 and not (look and artifact.url.startswith("file:")):
            return artifact.hashes.sha256
        if artifact.url.startswith("file:"):
            return await in_thread(_digest_of_file, artifact)
        return self._remembered(artifact)

    def _remembered(self, artifact: Artifact) -> str | None:
        asked = self._asked.get(artifact.url)
        if asked is not None and artifact.hashes.accept(asked):
            return asked["sha256"]
        found = self._store.read_record(URLS, url_key(artifact.url))
        if found is None or not artifact.hashes.accept(found.digests):
            return None
        if not artifact.hashes and not self._freshness.accepts(found.at):
            return None
        return found.digests.get("sha256")

    def _remember(self, artifact: Artifact, digests: Mapping[str, str], validators: Mapping[str, str]) -> None:
        if not artifact.url.startswith("file:") and not artifact.hashes.sha256:
            self._asked[artifact.url] = digests
            found = FoundAtUrl(artifact.url, dict(digests), time.time(), dict(validators))
            self._store.write_record(URLS, url_key(artifact.url), found)


def url_key(url: str) -> str:
    """Return the key of a URL's record, and of its lock."""
    return key_of(url)


def _digest_of_file(artifact: Artifact) -> str:
    path = Path(path_of(urlsplit(artifact.url).path))
    try:
        digests = file_digests(path, ["sha256", *artifact.hashes.algorithms])
    except OSError as error:
        raise NotFoundError(f"{path} cannot be read", where=str(path), why=error.strerror) from None
    check_hashes(digests, artifact.hashes, str(path))
    return digests["sha256"]
