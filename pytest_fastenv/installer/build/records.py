"""What the store remembers of a source, so that it need not be unpacked: records by a job's key.

::

    metadata-v1/<key>.json    metadata (of the wheel to come), requires, further (per kind of build)

A record only saves work: one that is lost or cannot be read is made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_fastenv.installer.build.job import Job
from pytest_fastenv.installer.build.metadata import from_record, to_record
from pytest_fastenv.installer.timings import Timings
from pytest_fastenv.model.metadata import CoreMetadata
from pytest_fastenv.store.buckets import Bucket
from pytest_fastenv.store.store import Store


class BuildRecords:
    """Reads and writes records; writing needs the key's lock."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._timings = Timings(store)

    def seconds(self, job: Job) -> float:
        """Return how long a build of the project took the last time; 0 when that is not known."""
        return self._timings.build(job.name) if job.name and not job.editable else 0.0

    def metadata(self, job: Job) -> CoreMetadata | None:
        """Return the metadata that was announced for the wheel, or ``None``."""
        return from_record(self._recipe(job).get("metadata"))

    def keep_metadata(self, job: Job, metadata: CoreMetadata | None) -> None:
        """Remember the metadata announced for the wheel; ``None`` forgets it."""
        self._keep(job, metadata=to_record(metadata) if metadata else None)

    def requires(self, job: Job) -> tuple[str, ...] | None:
        """Return the build requirements that the source states, or ``None`` when they are not known."""
        return _texts(self._recipe(job).get("requires"))

    def keep_requires(self, job: Job, requires: Sequence[str]) -> None:
        """Remember the build requirements that the source states."""
        self._keep(job, requires=list(requires))

    def further(self, job: Job) -> tuple[str, ...] | None:
        """Return the build requirements that the backend asks for on top, or ``None`` when it was not asked."""
        return _texts(self._recipe(job).get("further"))

    def keep_further(self, job: Job, further: Sequence[str]) -> None:
        """Remember what the backend asks for on top."""
        self._keep(job, further=list(further))

    def _recipe(self, job: Job) -> dict[str, Any]:
        return self._store.read_record(Bucket.METADATA, job.key) or {}

    def _keep(self, job: Job, **values: Any) -> None:
        self._store.write_record(Bucket.METADATA, job.key, {**self._recipe(job), **values})


def _texts(value: Any) -> tuple[str, ...] | None:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    return None
