"""What is asked: settings, sources, and all else that decides about the answer.

Standard library only: this module is on the warm path.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pytest_fastenv.environment.places import Generations, Place, Ready
from pytest_fastenv.environment.request_cache import REQUESTS, RequestKey, deciding_settings
from pytest_fastenv.model.digest import bytes_sha256, key_of
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.runtime.summary import Summary
from pytest_fastenv.settings.pip_files import files_that_count
from pytest_fastenv.settings.values import Settings, check_directory, current_directory, store_place
from pytest_fastenv.store.store import Store


def store_of(settings: Settings, recorder: Recorder) -> Store:
    """Return the store that settings name, or a private one where others may write that; nothing is touched."""
    root, instead = store_place(settings)
    if instead:
        recorder.notice("warning", instead, of="run")
    return Store(root, recorder=recorder, lock_timeout_s=settings.lock_timeout_s, shared=settings.shared_store)


def upkeep_words(settings: Settings) -> tuple[str, ...]:
    """Return the words that start the process which looks after the store; none where that is not due."""
    store = store_of(settings, Recorder())
    flush = ("flush",) if settings.cache_sync == "after" and store.wants_flush else ()
    is_due = flush or store.wants_upkeep
    return (sys.executable, "-P", "-m", "pytest_fastenv.upkeep", str(store.root), *flush) if is_due else ()


@dataclass(frozen=True, slots=True)
class SessionNeeds:
    """What a pytest session needs inside, on top of what its user asked for.

    :ivar requirements: requirements such as ``pytest==9.2.0``. Each is asked for by name only; its version is taken
        where what the user asked for leaves the choice.
    :ivar requested: what the session's plugins ask for, as lines of a requirements file; as binding as the sources.
    :ivar requested_by: who they are, for messages.
    :ivar runtime: files of the plugin's runtime, by path below site-packages; left out where the plan brings
        pytest-fastenv itself.
    """

    requirements: tuple[str, ...] = ()
    runtime: Mapping[str, bytes] = field(default_factory=dict)
    requested: tuple[str, ...] = ()
    requested_by: str = ""

    @property
    def runtime_digest(self) -> str:
        """A digest of the runtime's files."""
        return key_of({name: bytes_sha256(content) for name, content in self.runtime.items()})


@dataclass(frozen=True, slots=True)
class Question:
    """A request with everything that decides about its answer.

    :ivar root: where the project lies that `Settings.project` is about.
    :ivar begun_ns: `time.monotonic_ns` when it was put.
    :ivar name: of the environment that is meant, where it has one; decides nothing.
    :ivar besides: the settings that neither the project's tables nor variables say, but a session was given; tells only
        what may have been another value for another session.
    """

    settings: Settings
    base: Path
    root: Path
    needs: SessionNeeds
    directory: Path | None
    environ: Mapping[str, str]
    begun_ns: int
    name: str = ""
    besides: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        settings: Settings,
        base: Path | None,
        root: Path | None,
        needs: SessionNeeds | None,
        directory: Path | None,
        environ: Mapping[str, str],
        name: str = "",
    ) -> Question:
        """Make paths absolute and note the time.

        :raises UsageError: no environment can lie where one is wanted.
        """
        place = Path(os.path.abspath(base or current_directory()))
        if directory is not None:
            directory = Path(os.path.abspath(place / directory))
        for chosen in filter(None, (directory, settings.dir)):
            check_directory(place / chosen)
        project = place if root is None else Path(os.path.abspath(root))
        return cls(settings, place, project, needs or SessionNeeds(), directory, environ, time.monotonic_ns(), name)

    @property
    def key(self) -> str:
        """The digest under which the answer is kept."""
        return self.request_key.digest

    @property
    def request_key(self) -> RequestKey:
        """What the answer is kept under, part by part."""
        return RequestKey(
            base=self.base,
            settings=deciding_settings(self.settings),
            root=self.root,
            directory=self.directory,
            requirements=self.needs.requirements,
            requested=self.needs.requested,
            runtime=self.needs.runtime_digest,
            pip=tuple(sorted((name, value) for name, value in self.environ.items() if name.startswith("PIP_"))),
            pip_files=files_that_count(self.environ, sys.prefix),
        )

    def store(self, recorder: Recorder) -> Store:
        """Return the store; nothing is touched."""
        return store_of(self.settings, recorder)

    def place(self, store: Store) -> Place:
        """Return where its environment lies."""
        if self.directory is None:
            return Generations(store, self.settings.dir)
        from pytest_fastenv.environment.single_directory import ChosenDirectory  # most runs choose none

        return ChosenDirectory(store, self.directory)

    def summary(self, ready: Ready, *, age_s: float, pip_settings: tuple[str, ...]) -> Summary:
        """Return the summary of its answer, given now.

        :param age_s: how long ago versions were chosen.
        :param pip_settings: which of pip's own settings had a say.
        """
        environment = ready.environment
        return replace(
            ready.summary,
            seconds=(time.monotonic_ns() - self.begun_ns) / 1e9,
            python=environment.interpreter,
            path=str(environment.prefix),
            age_s=max(age_s, 0.0),
            pip_settings=pip_settings,
        )

    def is_new(self, store: Store) -> bool:
        """Tell whether nothing was ever remembered for it, so that an environment has to be made."""
        return self.settings.recreate or not store.has_record(REQUESTS, self.key)
