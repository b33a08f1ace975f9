"""What an environment was filled with, kept so that the same one can be made again elsewhere, or anew.

::

    installations-v1/ab/<key>.json

Two requests that differ only in where their environment is to lie have one key. What is kept holds on the same grounds
as a request's answer (`pytest_fastenv.environment.request_cache`): what was looked at is as it was, and the resolution
is younger than the maximum age. Then nothing needs to be read, asked or resolved.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pytest_fastenv.environment.request_cache import change_since
from pytest_fastenv.installer.relink import Kept
from pytest_fastenv.installer.wheel_bucket import WHEELS
from pytest_fastenv.model.observation import Observation
from pytest_fastenv.model.target import Target
from pytest_fastenv.provisioning.question import Question
from pytest_fastenv.settings.options import Decides
from pytest_fastenv.settings.values import deciding
from pytest_fastenv.store.buckets import InStore, RecordBucket, Remaking
from pytest_fastenv.store.store import Store


@dataclass(frozen=True, slots=True)
class Installation:
    """What an environment was filled with, and what that rests on.

    :ivar observed: everything that was looked at for the request.
    :ivar fingerprint: of the environment.
    :ivar parts: what the fingerprint was made of.
    :ivar identity: of the interpreter.
    :ivar resolved_at: wall clock when the resolution began.
    :ivar pip_settings: which of pip's own settings had a say.
    :ivar answer_warnings: what was told about the answer.
    :ivar warnings: what was told about the environment.
    :ivar plan: the sealed text of the environment's ``plan.json``.
    :ivar links: its distributions.
    :ivar has_trees: users' own trees are among them.
    :ivar takes_runtime: the session's runtime was put in, as no distribution brought it.
    """

    observed: tuple[Observation, ...]
    fingerprint: str
    parts: Mapping[str, Any]
    identity: str
    resolved_at: float
    pip_settings: tuple[str, ...]
    answer_warnings: tuple[str, ...]
    warnings: tuple[str, ...]
    plan: str
    links: tuple[Kept, ...]
    has_trees: bool
    takes_runtime: bool


def _wheels(kept: Installation) -> Iterable[InStore]:
    return (InStore(WHEELS.directory, one.wheel) for one in kept.links)


def _projects(kept: Installation) -> Iterable[str]:
    return (one.name for one in kept.links)


INSTALLATIONS = RecordBucket(
    name="installations",
    version=1,
    about="what an environment was filled with, for making the same one again",
    remaking=Remaking.ASKED,
    record=Installation,
    refers_to=_wheels,
    projects=_projects,
)


def installation_key(asked: Question) -> str:
    """Return the digest of everything that decides what an environment is filled with and is known before reading."""
    decides = deciding(asked.settings, Decides.CONTENT, Decides.RESOLUTION)
    return replace(asked.request_key, settings=decides, directory=None).digest


def is_kept(asked: Question, store: Store) -> bool:
    """Tell whether anything is known of what fills the environment that is asked for; one look at the file system."""
    return not asked.settings.upgrade and store.has_record(INSTALLATIONS, installation_key(asked))


def find_installation(asked: Question, store: Store, target: Target) -> Installation | None:
    """Return what fills the environment that is asked for, if that is known and still stands. Writes nothing."""
    settings = asked.settings
    if settings.upgrade:
        return None
    known = store.read_record(INSTALLATIONS, installation_key(asked))
    if known is None or known.identity != target.identity or (known.has_trees and settings.recreate):
        return None
    max_age_s = float("inf") if settings.offline else settings.max_age_s
    age_s = time.time() - known.resolved_at
    return known if change_since(known.observed, age_s, max_age_s, asked.environ) is None else None
