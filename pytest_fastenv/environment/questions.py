"""Which questions were answered by making something: what `fastenv envs` looks through.

::

    questions-v1/ab/<key of the request>.json

A request's answer (`pytest_fastenv.environment.request_cache`) has the same key, and does not tell what was asked. That
is here, and is written when an environment was made, never by a run that found one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_fastenv.environment.request_cache import REQUESTS
from pytest_fastenv.store.buckets import RecordBucket, Remaking
from pytest_fastenv.store.store import Store


@dataclass(frozen=True, slots=True)
class AnsweredQuestion:
    """A question that has an answer.

    :ivar key: of the request.
    :ivar name: of the environment that was meant; empty where it has none.
    :ivar root: where the project lies.
    :ivar settings: those that decide, as JSON.
    :ivar besides: those of them that a pytest session was given on its command line or in its ini file.
    :ivar requirements: what a pytest session needed besides; none where there was no session.
    :ivar requested: what its plugins asked for.
    :ivar runtime: digest of what was put into the environment for the session.
    :ivar asked_at: wall clock.
    :ivar made_at: wall clock when its environment was made, and not only found to be the right one again.
    :ivar made_because: why it was made anew then; empty for the first one.
    """

    key: str
    name: str
    root: Path
    settings: str
    besides: frozenset[str]
    requirements: tuple[str, ...]
    requested: tuple[str, ...]
    runtime: str
    asked_at: float
    made_at: float = 0.0
    made_because: str = ""

    @property
    def deciding(self) -> Mapping[str, Any]:
        """The settings that decided."""
        settings: Mapping[str, Any] = json.loads(self.settings)
        return settings


QUESTIONS = RecordBucket(
    name="questions",
    version=1,
    about="what was asked when an environment was made: what the list of environments by name looks through",
    remaking=Remaking.ASKED,
    record=AnsweredQuestion,
    beside=REQUESTS,
)


def answered(store: Store, root: Path) -> Iterator[AnsweredQuestion]:
    """Yield the questions about a project that have an answer, the newest first."""
    found = (store.read_record(QUESTIONS, kept.key) for kept in store.kept(QUESTIONS))
    known = [question for question in found if question is not None and question.root == root]
    yield from sorted(known, key=lambda question: -question.asked_at)
