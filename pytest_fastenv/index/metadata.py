"""Core metadata of wheels at an index, without the wheel wherever that is possible.

In this order: the metadata file beside the wheel (PEP 658, PEP 714), the METADATA member by range requests, the whole
wheel. What was learned of a wheel with a SHA-256 is kept in the store and never asked for again::

    metadata-v2/ab/<sha256 of the wheel>.json
"""

from __future__ import annotations

import os
from pathlib import Path

from pytest_fastenv.errors import FastenvError, MetadataError, NotFoundError
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.index.download import LOST
from pytest_fastenv.index.expected import Downloaded, Expected, check
from pytest_fastenv.index.http import HttpClient
from pytest_fastenv.index.ranges import Range, fetch_range
from pytest_fastenv.index.urls import WebOrigin, local_path, shown, web_origin
from pytest_fastenv.index.wheel_metadata import MissingBytes, Pieces, read_metadata
from pytest_fastenv.model.artifact import Artifact, Hashes
from pytest_fastenv.model.digest import file_digests, hasher
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.metadata import CoreMetadata
from pytest_fastenv.schedule.pools import Pools
from pytest_fastenv.schedule.single_flight import SingleFlight
from pytest_fastenv.store.buckets import RecordBucket, Remaking
from pytest_fastenv.store.store import Store
from pytest_fastenv.wheel.core_metadata import parse_core_metadata
from pytest_fastenv.wheel.filenames import normalized
from pytest_fastenv.wheel.names import same_version

_TAIL = 32 << 10
_MOST_RANGES = 6
METADATA = RecordBucket(
    name="metadata",
    version=2,
    about="core metadata of wheels, by their SHA-256",
    remaking=Remaking.ASKED,
    record=CoreMetadata,
    projects=lambda metadata: (metadata.name,),
)


class MetadataReader:
    """Reads core metadata of wheels; each wheel once in this process.

    Metadata files that a page does not announce are not tried: where servers have them at all they have them for some
    wheels only, and a failed guess costs as much as the range request that always works.
    """

    def __init__(self, http: HttpClient, store: Store, pools: Pools, recorder: Recorder) -> None:
        self._recorder = recorder
        self._http = http
        self._store = store
        self._pools = pools
        self._flights: SingleFlight[str, CoreMetadata] = SingleFlight()
        self._rangeless: set[WebOrigin] = set()

    async def read(self, artifact: Artifact) -> CoreMetadata:
        """Return the metadata of a wheel.

        :raises MetadataError: it is missing, unreadable or names another project or version; both are named.
        :raises HashError: a metadata file or wheel has another digest than was announced.
        :raises NetworkError: it could not be had.
        """
        # By address, not by digest: an error names the file that was asked for, not one with the same bytes.
        return await self._flights.do(artifact.url, lambda: self._read(artifact))

    async def _read(self, artifact: Artifact) -> CoreMetadata:
        key = artifact.hashes.sha256
        kept = self._store.read_record(METADATA, key) if key else None
        if kept is not None:
            return kept
        if artifact.url.startswith("file:"):
            metadata = await in_thread(_local, artifact)
        else:
            metadata = await self._remote(artifact)
        if key:
            self._store.write_record(METADATA, key, metadata)
        return metadata

    async def _remote(self, artifact: Artifact) -> CoreMetadata:
        if artifact.metadata is not None:
            return await self._beside(artifact, artifact.metadata)
        found = await self._by_ranges(artifact)
        return found if found is not None else await self._whole(artifact)

    async def _beside(self, artifact: Artifact, hashes: Hashes) -> CoreMetadata:
        url = _metadata_url(artifact.url)
        async with self._pools.alone():
            answer = await self._http.get(url)
        check(_digested(answer.content, hashes), Expected(hashes), url)
        return checked(parse_core_metadata(answer.content, source=shown(url)), artifact)

    async def _by_ranges(self, artifact: Artifact) -> CoreMetadata | None:
        place = web_origin(artifact.url)
        if place in self._rangeless:
            return None
        async with self._pools.download():
            tail = await fetch_range(self._http, artifact.url, -_TAIL, None)
        if tail is None:
            self._rangeless.add(place)
        elif artifact.size_bytes in {None, tail.size_bytes}:
            return await self._by_pieces(artifact, tail)
        return None

    async def _by_pieces(self, artifact: Artifact, tail: Range) -> CoreMetadata | None:
        pieces = Pieces(tail.size_bytes)
        pieces.put(tail.begin, tail.content)
        for _ in range(_MOST_RANGES):
            try:
                content = read_metadata(pieces, name=artifact.name, source=shown(artifact.url))
                return checked(parse_core_metadata(content, source=shown(artifact.url)), artifact)
            except MissingBytes as missing:
                async with self._pools.download():
                    part = await fetch_range(self._http, artifact.url, missing.begin, missing.end)
                if part is None or part.size_bytes != tail.size_bytes:
                    return None
                pieces.put(part.begin, part.content)
            except FastenvError:
                return None  # parts that do not fit together prove nothing: the whole, checked wheel decides
        return None

    async def _whole(self, artifact: Artifact) -> CoreMetadata:
        async with self._store.temporary("metadata") as directory:
            path = directory / "wheel.whl"
            async with self._pools.download():
                with self._recorder.span("fetch", artifact.name, version=artifact.version, source="network") as span:
                    got = await self._http.download(
                        artifact.url, path, hashes=artifact.hashes, size_bytes=artifact.size_bytes
                    )
                    span.args.update(bytes=got.size_bytes, key=got.digests["sha256"], purpose="metadata")
            return await in_thread(_of_file, path, artifact)


def checked(metadata: CoreMetadata, artifact: Artifact) -> CoreMetadata:
    """Return the metadata if it is of the artifact's project and version.

    :raises MetadataError: it is of another one.
    """
    if normalized(metadata.name) == artifact.name and same_version(metadata.version, artifact.version):
        return metadata
    raise MetadataError(
        f"{artifact.filename} has metadata of {metadata.name} {metadata.version}",
        where=shown(artifact.url),
        why=f"its file name says {artifact.name} {artifact.version}",
    )


def _metadata_url(url: str) -> str:
    path, mark, query = url.partition("?")
    return f"{path}.metadata{mark}{query}"


def _digested(content: bytes, hashes: Hashes) -> Downloaded:
    digests = {}
    for algorithm in hashes.algorithms:
        whole = hasher(algorithm)
        whole.update(content)
        digests[algorithm] = whole.hexdigest()
    return Downloaded(digests, len(content))


def _local(artifact: Artifact) -> CoreMetadata:
    path = local_path(artifact.url)
    if artifact.hashes:
        try:
            digests, size_bytes = file_digests(path, artifact.hashes.algorithms), path.stat().st_size
        except OSError as error:
            raise _unreadable(path, error) from error
        check(Downloaded(digests, size_bytes), Expected(artifact.hashes, artifact.size_bytes), artifact.url)
    return _of_file(path, artifact)


def _of_file(path: Path, artifact: Artifact) -> CoreMetadata:
    source = shown(artifact.url)
    if not os.path.isfile(path):
        raise NotFoundError(f"{path} is not there", hint=LOST)
    try:
        with open(path, "rb") as file:
            content = read_metadata(file, name=artifact.name, source=source)
    except OSError as error:
        raise _unreadable(path, error) from error
    return checked(parse_core_metadata(content, source=source), artifact)


def _unreadable(path: Path, error: OSError) -> NotFoundError:
    return NotFoundError(f"{path} cannot be read", why=error.strerror or str(error), hint=LOST)
