"""What the store remembers of a source, so that it need not be unpacked: records by a job's key.

::

    recipes-v1/ab/<key of the recipe>.json    what is known of a source before it is built

A record only saves work: one that is lost or damaged is made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_fastenv.installer.build.job import Job
from pytest_fastenv.installer.timings import Timings
from pytest_fastenv.model.metadata import CoreMetadata
from pytest_fastenv.store.buckets import RecordBucket
from pytest_fastenv.store.store import Store


@dataclass(frozen=True, slots=True)
class RecipeFacts:
    """What a source says of its build; ``None`` for what is not known.

    :ivar metadata: of the wheel to come.
    :ivar requires: its build requirements, as its ``pyproject.toml`` states them.
    :ivar further: those that its backend asks for on top.
    """

    metadata: CoreMetadata | None = None
    requires: tuple[str, ...] | None = None
    further: tuple[str, ...] | None = None


RECIPES = RecordBucket(
    name="recipes", version=1, about="build requirements and metadata of what has to be built", record=RecipeFacts
)


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
        return self._recipe(job).metadata

    def keep_metadata(self, job: Job, metadata: CoreMetadata | None) -> None:
        """Remember the metadata announced for the wheel; ``None`` forgets it."""
        self._keep(job, replace(self._recipe(job), metadata=metadata))

    def requires(self, job: Job) -> tuple[str, ...] | None:
        """Return the build requirements that the source states, or ``None`` when they are not known."""
        return self._recipe(job).requires

    def keep_requires(self, job: Job, requires: Sequence[str]) -> None:
        """Remember the build requirements that the source states."""
        self._keep(job, replace(self._recipe(job), requires=tuple(requires)))

    def further(self, job: Job) -> tuple[str, ...] | None:
        """Return the build requirements that the backend asks for on top, or ``None`` when it was not asked."""
        return self._recipe(job).further

    def keep_further(self, job: Job, further: Sequence[str]) -> None:
        """Remember what the backend asks for on top."""
        self._keep(job, replace(self._recipe(job), further=tuple(further)))

    def _recipe(self, job: Job) -> RecipeFacts:
        return self._store.read_record(RECIPES, job.key) or RecipeFacts()

    def _keep(self, job: Job, recipe: RecipeFacts) -> None:
        self._store.write_record(RECIPES, job.key, recipe)
