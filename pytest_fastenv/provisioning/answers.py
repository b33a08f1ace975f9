"""What is done with an environment once it is there: it is told of, and what it answers is remembered."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_fastenv.environment.places import Generations, Missing, Ready
from pytest_fastenv.environment.request_cache import RequestCache
from pytest_fastenv.errors import OPTION_MARKS, printable
from pytest_fastenv.model.observation import Observation
from pytest_fastenv.provisioning.question import Question
from pytest_fastenv.provisioning.standing import remember_question
from pytest_fastenv.store.store import Store

_LONGEST_WARNING = 600
_MOST_WARNINGS = 50


@dataclass(frozen=True, slots=True)
class Grounds:
    """What an answer rests on.

    :ivar observed: everything that was looked at for it.
    :ivar resolved_at: wall clock when the resolution began.
    :ivar pip_settings: which of pip's own settings had a say.
    :ivar warnings: what is told about the answer in every run.
    """

    observed: tuple[Observation, ...]
    resolved_at: float
    pip_settings: tuple[str, ...]
    warnings: tuple[str, ...]


def answered(
    asked: Question, store: Store, ready: Ready, grounds: Grounds, missing: Missing, *, downloaded: bool = False
) -> Ready:
    """Remember the answer to a question, and return it with what is told of it.

    :param missing: why the environment that the question led to before could not be used.
    :param downloaded: the interpreter was.
    """
    summary = asked.summary(ready, age_s=time.time() - grounds.resolved_at, pip_settings=grounds.pip_settings)
    # What made us look again, and what is different for it: "requirements.txt changed: -six 1.17.0".
    reason = ": ".join(dict.fromkeys(filter(None, (missing.reason, summary.reason)))) or None
    told = replace(summary, downloaded=downloaded, reason=reason)
    superseded = RequestCache(store).remember(
        asked.key,
        grounds.observed,
        ready.environment,
        resolved_at=grounds.resolved_at,
        pip_settings=grounds.pip_settings,
        warnings=grounds.warnings,
    )
    place = asked.place(store)
    if isinstance(place, Generations):
        place.remove(prefix for prefix in superseded if prefix.parent == place.path)
    remember_question(store, asked, told)
    passing = in_lines(store.recorder.warnings("run"))
    return replace(ready, summary=replace(told, warnings=(*passing, *grounds.warnings, *told.warnings)))


def in_lines(warnings: Iterable[str]) -> tuple[str, ...]:
    """Return each warning once, as one line that cannot steer a terminal, and bounded: it passes through a variable."""
    lines = (printable(" ".join(text.split()), but=OPTION_MARKS)[:_LONGEST_WARNING] for text in warnings)
    return tuple(dict.fromkeys(lines))[:_MOST_WARNINGS]


def write_runtime(site_packages: Path, files: Mapping[str, bytes]) -> None:
    """Put a session's own files into an environment."""
    for name, content in files.items():
        path = site_packages / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
