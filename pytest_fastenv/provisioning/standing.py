"""How an environment by name stands: whether it was ever made, and whether it may still be used. By looking alone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pytest_fastenv.environment.places import Missing
from pytest_fastenv.environment.questions import QUESTIONS, AnsweredQuestion
from pytest_fastenv.environment.request_cache import REQUESTS, RequestCache, deciding_settings
from pytest_fastenv.model.target import Target
from pytest_fastenv.provisioning.question import Question
from pytest_fastenv.requirements.redaction import masked
from pytest_fastenv.runtime.summary import Summary
from pytest_fastenv.settings.environment_keys import REQUIREMENTS
from pytest_fastenv.settings.options import OPTIONS, Option
from pytest_fastenv.store.store import Store

State = Literal["ready", "outdated", "never made"]


@dataclass(frozen=True, slots=True)
class Standing:
    """How an environment stands.

    :ivar why: why it would be made anew; empty for other states.
    :ivar age_s: how long ago its versions were chosen.
    :ivar prefix: where it lies, or lay.
    :ivar question: what was asked when it was made.
    """

    state: State
    why: str = ""
    age_s: float | None = None
    prefix: Path | None = None
    question: AnsweredQuestion | None = None


def remember_question(store: Store, asked: Question, summary: Summary) -> None:
    """Keep what was asked, now that it has an answer.

    :param summary: of the answer.
    """
    before = store.read_record(QUESTIONS, asked.key) if summary.reused else None
    now = time.time()
    question = AnsweredQuestion(
        key=asked.key,
        name=asked.name,
        root=asked.root,
        settings=_kept(asked),
        besides=asked.besides,
        requirements=asked.needs.requirements,
        requested=tuple(map(masked, asked.needs.requested)),
        runtime=asked.needs.runtime_digest,
        asked_at=now,
        made_at=before.made_at if before is not None else 0.0 if summary.reused else now,
        made_because=before.made_because if before is not None else "" if summary.reused else summary.reason or "",
    )
    store.write_record(QUESTIONS, question.key, question)


def standing(asked: Question, known: Iterable[AnsweredQuestion], store: Store, target: Target | None) -> Standing:
    """Return how an environment stands that somebody would ask for now; of several that answer, the best.

    Writes nothing. What a pytest session in this environment was given on its own command line or in its ini file is
    taken as it was.

    :param asked: without what a pytest session needs.
    :param known: what was asked before, the newest first; see `pytest_fastenv.environment.questions.answered`.
    :param target: the interpreter that is meant; ``None`` where it is not on this machine.
    """
    outdated: Standing | None = None
    for question in known:
        changed = _changed(asked, question)
        if changed and question.name != asked.name:
            continue
        found = _outdated(changed, question, store) if changed else _answer(asked, question, store, target)
        found = replace(found, question=question)
        if found.state == "ready":
            return found
        outdated = outdated or found
    return outdated or Standing("never made")


def _outdated(why: str, question: AnsweredQuestion, store: Store) -> Standing:
    answer = store.read_record(REQUESTS, question.key)
    return Standing("outdated", why, prefix=answer.prefix if answer is not None else None)


def _changed(asked: Question, question: AnsweredQuestion) -> str:
    """Say how what would be asked now differs from what was asked; empty where it does not."""
    then, now = question.deciding, json.loads(_kept(asked))
    # What a session over others was given, its sources among them, says nothing of this one.
    given = question.besides if question.name == asked.name else ()
    besides = {field: then[field] for field in given if field in then and field in now}
    now |= besides
    again = replace(
        asked.request_key,
        settings={**deciding_settings(asked.settings), **besides},  # with logins, as the key has them
        requirements=question.requirements,
        requested=question.requested,
        runtime=question.runtime,
    )
    if again.digest == question.key:
        return ""
    changes = [
        f"{_key(option)} {_shown(then.get(option.field))} → {_shown(now[option.field])}"
        for option in OPTIONS
        if option.field in now and now[option.field] != then.get(option.field)
    ]
    return ", ".join(changes) or "asked from another directory, with other variables of pip, or by another version"


def _key(option: Option) -> str:
    return option.key or REQUIREMENTS


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    return "none" if value is None or isinstance(value, Mapping) else str(value)


def _answer(asked: Question, question: AnsweredQuestion, store: Store, target: Target | None) -> Standing:
    """Look at the answer to a question that would be asked again."""
    settings = asked.settings
    if target is None:
        return _outdated(f"there is no Python {asked.settings.python} on this machine", question, store)
    answer = RequestCache(store).lookup(
        question.key,
        max_age_s=float("inf") if settings.offline else settings.max_age_s,
        now=time.time(),
        target=target,
        environ=asked.environ,
    )
    if isinstance(answer, Missing):
        return Standing("outdated", answer.reason or "nothing is remembered of it", prefix=answer.previous)
    found = asked.place(store).find(answer.fingerprint)
    if isinstance(found, Missing):
        return Standing("outdated", found.reason or "it is gone", max(answer.age_s, 0.0), answer.prefix)
    return Standing("ready", "", max(answer.age_s, 0.0), found.environment.prefix)


def _kept(asked: Question) -> str:
    """Return the settings that decide as they are kept: without the passwords and tokens of their URLs."""
    return masked(json.dumps(deciding_settings(asked.settings)))
