"""A request remembers its answer: what was looked at for it, and the environment that came of it.

::

    requests-v4/ab/<key of the request>.json

As long as all of that is as it was seen (`pytest_fastenv.filesystem.observations`), the answer is younger than the
maximum age, and interpreter and environment are still there, neither resolver nor index is asked, nor anything imported
for them. Standard library only: this is the warm path.

An answer's age is told by the wall clock, because it must hold across restarts; nothing else in the store depends on
that clock. An answer from the future (the clock was set back) counts as expired, beyond a minute that two machines
sharing a store may differ by: asking the index once too often costs a second, trusting a wrong clock could keep an
answer for years. With an infinite maximum age the clock is not looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_fastenv.environment import manifest
from pytest_fastenv.environment.manifest import ENVIRONMENTS
from pytest_fastenv.environment.places import Missing
from pytest_fastenv.filesystem.observations import first_change
from pytest_fastenv.model.digest import key_of
from pytest_fastenv.model.observation import Observation
from pytest_fastenv.model.target import Target
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.settings.options import Decides
from pytest_fastenv.settings.values import Settings, deciding
from pytest_fastenv.store.buckets import InStore, RecordBucket, Remaking
from pytest_fastenv.store.sealed import load
from pytest_fastenv.store.store import Store
from pytest_fastenv.version import __version__

CLOCK_TOLERANCE_S = 60.0
#: How many environments of one request stay besides the present one: branches that are switched between.
_KEPT_BEFORE = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request led to.

    :ivar observed: everything that was looked at for it.
    :ivar prefix: the environment's directory.
    :ivar name: the environment's name, where it lies in the store.
    :ivar identity: of the interpreter.
    :ivar interpreter: the interpreter for people.
    :ivar resolved_at: wall clock when the resolution began.
    :ivar pip_settings: which of pip's own settings had a say.
    :ivar warnings: what was told about it, besides what is told about the environment.
    :ivar before: the environments that it led to before and may lead to again, the latest first.
    """

    observed: tuple[Observation, ...]
    fingerprint: str
    prefix: Path
    name: str
    identity: str
    interpreter: str
    resolved_at: float
    pip_settings: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    before: tuple[Path, ...] = ()


def _environment_of(answer: Answer) -> Iterator[InStore]:
    if answer.name:
        yield InStore(ENVIRONMENTS.directory, answer.name)
    else:  # it lies elsewhere, where nothing else tells of it
        yield from ENVIRONMENTS.refers_to(answer.prefix)


REQUESTS = RecordBucket(
    name="requests",
    version=4,
    about="which environment a request led to: what a second run looks at",
    remaking=Remaking.ASKED,
    record=Answer,
    refers_to=_environment_of,
)


@dataclass(frozen=True, slots=True)
class CachedEnvironment:
    """What a request led to last time.

    :ivar fingerprint: of the environment.
    :ivar prefix: its directory, the last time.
    :ivar age_s: seconds since the resolution.
    :ivar pip_settings: which of pip's own settings had a say.
    :ivar warnings: what was told about the answer.
    """

    fingerprint: str
    prefix: Path
    age_s: float
    pip_settings: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class RequestCache:
    """The answers in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def lookup(
        self, key: str, *, max_age_s: float, now: float, target: Target, environ: Mapping[str, str]
    ) -> CachedEnvironment | Missing:
        """Return what a request led to, if that may still be used. Writes nothing.

        The environment's files are not looked at: that is for `Place.find`.

        :param key: of a `RequestKey`.
        :param max_age_s: seconds; 0 for none, infinite for any.
        :param now: the wall clock (`time.time`).
        :param target: the interpreter that the request means now.
        :param environ: environment variables now, compared with the values that were looked at.
        """
        known = self._store.read_record(REQUESTS, key)
        if known is None:
            return Missing()
        age_s = now - known.resolved_at
        reason = _reason(known, age_s, max_age_s, target, environ)
        if reason is not None:
            return Missing(reason, known.prefix)
        return CachedEnvironment(known.fingerprint, known.prefix, age_s, known.pip_settings, known.warnings)

    def remember(
        self,
        key: str,
        observed: Iterable[Observation],
        environment: Environment,
        *,
        resolved_at: float,
        pip_settings: tuple[str, ...] = (),
        warnings: tuple[str, ...] = (),
    ) -> list[Path]:
        """Keep an answer; it replaces an earlier answer to the same key.

        :param observed: everything that was looked at for the request.
        :param resolved_at: wall clock when the resolution began.
        :param pip_settings: which of pip's own settings had a say.
        :param warnings: what is told about the answer in every run.
        :return: the environments that nothing leads to any more: those that it led to longest ago.
        """
        prefix = environment.prefix
        known = self._store.read_record(REQUESTS, key)
        earlier = dict.fromkeys((known.prefix, *known.before) if known is not None else ())
        before = [place for place in earlier if place != prefix]
        answer = Answer(
            observed=tuple(dict.fromkeys(observed)),
            fingerprint=environment.fingerprint,
            prefix=prefix,
            name=prefix.name if prefix.parent == self._store.root / ENVIRONMENTS.directory else "",
            identity=environment.identity,
            interpreter=environment.interpreter,
            resolved_at=resolved_at,
            pip_settings=pip_settings,
            warnings=warnings,
            before=tuple(before[:_KEPT_BEFORE]),
        )
        self._store.write_record(REQUESTS, key, answer)
        return self._led_to_by_none(before[_KEPT_BEFORE:])

    def _led_to_by_none(self, environments: Iterable[Path]) -> list[Path]:
        """Return those of some environments that no request leads to, now or possibly again."""
        found = list(environments)
        if found:
            answers = (load(kept.path, Answer) for kept in self._store.kept(REQUESTS))
            asked_for = {place for one in answers if one is not None for place in (one.prefix, *one.before)}
            found = [place for place in found if place not in asked_for]
        return found


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Which requests are the same one: everything that decides its answer and is known before anything is read.

    The interpreter counts by the words that asked for it; which one they mean is compared when the answer is used.

    :ivar base: the directory that relative sources are relative to.
    :ivar settings: the settings that decide (`pytest_fastenv.settings.values.deciding`), the sources among them.
    :ivar root: where the project lies.
    :ivar directory: where the environment is to lie, where its user says so.
    :ivar requirements: what the session needs on top.
    :ivar requested: what its plugins ask for.
    :ivar runtime: digest of what is put into the environment for the session.
    :ivar pip: pip's variables: any of them may have a say.
    :ivar pip_files: pip's configuration files that there are: variables, and where this package is installed, say where
        they lie. What is in them is observed.
    :ivar program: the version of this package.
    """

    base: Path
    settings: Mapping[str, Any]
    root: Path
    directory: Path | None = None
    requirements: tuple[str, ...] = ()
    requested: tuple[str, ...] = ()
    runtime: str = ""
    pip: tuple[tuple[str, str], ...] = ()
    pip_files: tuple[str, ...] = ()
    program: str = __version__

    @property
    def digest(self) -> str:
        """The digest under which the answer is kept."""
        return key_of(self)


def deciding_settings(settings: Settings) -> Mapping[str, Any]:
    """Return the settings that decide a request's answer."""
    return deciding(settings, Decides.CONTENT, Decides.RESOLUTION, Decides.PLACE)


def _reason(known: Answer, age_s: float, max_age_s: float, target: Target, environ: Mapping[str, str]) -> str | None:
    """Say why an answer may not be used; ``None`` when it may."""
    if known.identity != target.identity:
        described = manifest.read(known.prefix)
        gone = manifest.missing_interpreter(known.prefix, described) if described is not None else None
        if gone is not None:
            return f"{gone}, {target.short} is here ({target.python})"
        if known.interpreter == target.short:
            return f"interpreter replaced: {target.python}"
        return f"interpreter changed: {known.interpreter} → {target.short}"
    change = first_change(known.observed, environ)
    if change is None and not manifest.is_whole(known.prefix):
        return f"its environment is gone: {known.prefix}"
    return change or _too_old(age_s, max_age_s)


def change_since(
    observed: Iterable[Observation], age_s: float, max_age_s: float, environ: Mapping[str, str]
) -> str | None:
    """Say why what was found out some seconds ago does not hold any more; ``None`` where it does.

    :param observed: everything that was looked at for it.
    """
    return first_change(observed, environ) or _too_old(age_s, max_age_s)


def _too_old(age_s: float, max_age_s: float) -> str | None:
    if math.isinf(max_age_s):
        return None
    if age_s < -CLOCK_TOLERANCE_S:
        return "resolved in the future: the clock was set back"
    return f"resolved {_duration(age_s)} ago" if age_s >= max_age_s else None


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} seconds"
