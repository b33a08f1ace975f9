"""What the store remembers of a source, so that it need not be unpacked: records by a job's key.

::

    recipes-v3/ab/<key of the recipe>.json    what is known of a source before it is built

A record only saves work: a lost or damaged record is made again. What is recorded of a user's own tree rests on what
a hook was seen to read (`pytest_fastenv.installer.build.seen`), and is used as long as that is as it was.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from pytest_fastenv.filesystem.observations import first_change, observe
from pytest_fastenv.installer.build.job import Job
from pytest_fastenv.installer.timings import Timings
from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.build import Build
from pytest_fastenv.model.metadata import CoreMetadata
from pytest_fastenv.model.observation import Observation
from pytest_fastenv.store.buckets import RecordBucket, Remaking
from pytest_fastenv.store.store import Store

#: What is recorded of a user's own tree and may stop to hold.
Part = Literal["metadata", "further", "build"]


@dataclass(frozen=True, slots=True)
class RecipeFacts:
    """What a source says of its build; ``None`` for what is not known.

    :ivar metadata: of the wheel to come.
    :ivar told_in: the key of the build whose environment told the metadata: with other versions of the build
        requirements it may be other metadata. ``None`` where the source states it.
    :ivar requires: its build requirements, as its ``pyproject.toml`` states them.
    :ivar further: build requirements that its backend asks for on top.
    :ivar build: the key of the last build of a user's own tree.
    :ivar sdist: the source distribution that it gave, where it is built through one.
    :ivar grounds: of a user's own tree, what each of these rests on, by the name of the field.
    """

    metadata: CoreMetadata | None = None
    told_in: str | None = None
    requires: tuple[str, ...] | None = None
    further: tuple[str, ...] | None = None
    build: str | None = None
    sdist: Artifact | None = None
    grounds: Mapping[str, tuple[Observation, ...]] = field(default_factory=dict)


RECIPES = RecordBucket(
    name="recipes",
    version=3,
    about="build requirements and metadata of what has to be built",
    remaking=Remaking.BUILT,
    record=RecipeFacts,
    projects=lambda facts: () if facts.metadata is None else (facts.metadata.name,),
)


class BuildRecords:
    """Reads and writes records; writing needs the key's lock."""

    def __init__(self, store: Store, environ: Mapping[str, str], *, anew: bool = False) -> None:
        self._store = store
        self._environ = environ
        self._anew = anew
        self._written: dict[str, RecipeFacts] = {}
        self._mine: set[tuple[Part, str]] = set()
        self._timings = Timings(store)

    def holds(self, part: Part, job: Job) -> bool:
        """Tell whether a part of what is recorded of a job may be used: what it rests on is as it was.

        Only of a user's own tree it may not.
        """
        if not job.is_own_tree:
            return True
        recipe = self._recipe(job)
        if (self._anew and (part, job.key) not in self._mine) or getattr(recipe, part) is None:
            return False
        return first_change(recipe.grounds.get(part, ()), self._environ) is None

    def observed(self, job: Job) -> list[Observation]:
        """Return what the records of a job rest on, also where that is not as it was any more."""
        return [seen for grounds in self._recipe(job).grounds.values() for seen in grounds]

    def built_observed(self, job: Job) -> tuple[Observation, ...]:
        """Return what the last build of a user's own tree rests on."""
        return self._recipe(job).grounds.get("build", ())

    def sdist(self, job: Job) -> Artifact | None:
        """Return the source distribution that the last build of a user's own tree gave."""
        return self._recipe(job).sdist

    def is_built(self, job: Job, build: Build) -> bool:
        """Tell whether the wheel of a build may be used: the last one of the tree was that build, and holds."""
        return not job.is_own_tree or (self.holds("build", job) and self._recipe(job).build == build.key)

    def keep_build(
        self, job: Job, build: Build, observed: Sequence[Observation], sdist: Artifact | None = None
    ) -> None:
        """Remember that a user's own tree was built, and what that rests on.

        What the build wrote into the tree was there, from then on, when its metadata was told.
        """
        if not job.is_own_tree:
            return
        written = {seen.subject for seen in observed if seen.kind in {"file", "presence"}}
        places = written | {os.path.dirname(path) for path in written}
        recipe = self._recipe(job)
        grounds = {
            part: tuple(observe(o.kind, o.subject) if o.subject in places and o.state else o for o in known)
            for part, known in recipe.grounds.items()
        }
        self._mine.add(("build", job.key))
        self._keep(job, replace(recipe, build=build.key, sdist=sdist, grounds={**grounds, "build": tuple(observed)}))

    def seconds(self, job: Job) -> float:
        """Return how long a build of the project took the last time; 0 when that is not known."""
        return self._timings.build(job.name) if job.name and not job.editable else 0.0

    def metadata(self, job: Job, build: Build | None = None) -> CoreMetadata | None:
        """Return the metadata that was announced for the wheel, or ``None``.

        :param build: what the job is with the build environment of now; without one only what the source states counts.
        """
        known = self._recipe(job)
        if known.told_in is not None and (build is None or known.told_in != build.key):
            return None
        return known.metadata if self.holds("metadata", job) else None

    def announced(self, job: Job) -> CoreMetadata | None:
        """Return the metadata that the resolver was told last, even if the source has changed since."""
        return self._recipe(job).metadata

    def keep_metadata(
        self,
        job: Job,
        metadata: CoreMetadata | None,
        observed: Sequence[Observation] = (),
        build: Build | None = None,
    ) -> None:
        """Remember the metadata announced for the wheel, and what it rests on; ``None`` forgets it.

        :param build: the build whose environment told it; ``None`` where the source states it.
        """
        told_in = build.key if build is not None else None
        self._keep(job, replace(self._recipe(job), metadata=metadata, told_in=told_in), "metadata", observed)

    def requires(self, job: Job) -> tuple[str, ...] | None:
        """Return the build requirements that the source states, or ``None`` when they are not known."""
        return self._recipe(job).requires

    def keep_requires(self, job: Job, requires: Sequence[str]) -> None:
        """Remember the build requirements that the source states."""
        self._keep(job, replace(self._recipe(job), requires=tuple(requires)))

    def further(self, job: Job) -> tuple[str, ...] | None:
        """Return the build requirements that the backend asks for on top, or ``None`` when it was not asked."""
        return self._recipe(job).further if self.holds("further", job) else None

    def keep_further(self, job: Job, further: Sequence[str], observed: Sequence[Observation] = ()) -> None:
        """Remember what the backend asks for on top, and what that rests on."""
        self._keep(job, replace(self._recipe(job), further=tuple(further)), "further", observed)

    def _recipe(self, job: Job) -> RecipeFacts:
        # Where the store cannot be written, what this process has found out stands all the same.
        return self._store.read_record(RECIPES, job.key) or self._written.get(job.key) or RecipeFacts()

    def _keep(
        self, job: Job, recipe: RecipeFacts, part: Part | None = None, observed: Sequence[Observation] = ()
    ) -> None:
        if part is not None and job.is_own_tree:
            self._mine.add((part, job.key))
            recipe = replace(recipe, grounds={**recipe.grounds, part: tuple(observed)})
        self._written[job.key] = recipe
        self._store.write_record(RECIPES, job.key, recipe)
