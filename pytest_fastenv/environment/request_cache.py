"""A request remembers its answer: the files it read and the environment that came of it.

::

    requests-v1/ab/<key of the request>.json

As long as the files have the same content, the answer is younger than the maximum age, and interpreter and environment
are still there, neither resolver nor index is asked, nor anything imported for them. Standard library only: this is the
warm path.

An answer's age is told by the wall clock, because it must hold across restarts; nothing else in the store depends on
that clock. An answer from the future (the clock was set back) counts as expired, beyond a minute that two machines
sharing a store may differ by: asking the index once too often costs a second, trusting a wrong clock could keep an
answer for years. With an infinite maximum age the clock is not looked at.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_fastenv.environment import manifest
from pytest_fastenv.environment.manifest import ENVIRONMENTS
from pytest_fastenv.environment.places import Missing
from pytest_fastenv.filesystem.source_digest import source_digest
from pytest_fastenv.model.digest import file_sha256, key_of
from pytest_fastenv.model.target import Target
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.settings.options import Decides
from pytest_fastenv.settings.values import Settings, deciding
from pytest_fastenv.store.buckets import InStore, RecordBucket
from pytest_fastenv.store.store import Store
from pytest_fastenv.version import __version__

if TYPE_CHECKING:
    from pytest_fastenv.model.request import ReadFile, ReadVariable

CLOCK_TOLERANCE_S = 60.0


class FileState(NamedTuple):
    """A file that was read for a request; see `pytest_fastenv.model.request.ReadFile`.

    :ivar size_bytes: ``None`` with `mtime_ns` where its content has to be compared in any case.
    """

    path: str
    size_bytes: int | None
    mtime_ns: int | None
    sha256: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request led to.

    :ivar variables: digests of the values of variables that were looked at.
    :ivar prefix: the environment's directory.
    :ivar name: the environment's name, where it lies in the store.
    :ivar identity: of the interpreter.
    :ivar interpreter: the interpreter for people.
    :ivar resolved_at: wall clock when the resolution began.
    """

    files: tuple[FileState, ...]
    variables: Mapping[str, str]
    fingerprint: str
    prefix: Path
    name: str
    identity: str
    interpreter: str
    resolved_at: float


def _environment_of(answer: Answer) -> Iterator[InStore]:
    if answer.name:
        yield InStore(ENVIRONMENTS.directory, answer.name)


REQUESTS = RecordBucket(
    name="requests",
    version=1,
    about="which environment a request led to: what a second run looks at",
    record=Answer,
    refers_to=_environment_of,
)


@dataclass(frozen=True, slots=True)
class CachedEnvironment:
    """What a request led to last time.

    :ivar fingerprint: of the environment.
    :ivar prefix: its directory, the last time.
    :ivar age_s: seconds since the resolution.
    """

    fingerprint: str
    prefix: Path
    age_s: float


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
        :param environ: environment variables, for those that the request's files refer to.
        """
        known = self._store.read_record(REQUESTS, key)
        if known is None:
            return Missing()
        age_s = now - known.resolved_at
        reason = _reason(known, age_s, max_age_s, target) or _variable_change(known.variables, environ)
        if reason is not None:
            return Missing(reason, known.prefix)
        return CachedEnvironment(known.fingerprint, known.prefix, age_s)

    def remember(
        self,
        key: str,
        files: Iterable[ReadFile],
        environment: Environment,
        *,
        variables: Iterable[ReadVariable] = (),
        resolved_at: float,
    ) -> None:
        """Keep an answer; one that was there for the same key is replaced.

        :param files: everything that was read for the request; a file with an empty digest was not there and must not
            be there next time.
        :param variables: environment variables that were looked at for the request.
        :param resolved_at: wall clock when the resolution began.
        """
        prefix = environment.prefix
        answer = Answer(
            files=tuple(_file_state(file) for file in files),
            variables={variable.name: variable.sha256 for variable in variables},
            fingerprint=environment.fingerprint,
            prefix=prefix,
            name=prefix.name if prefix.parent == self._store.root / ENVIRONMENTS.directory else "",
            identity=environment.identity,
            interpreter=environment.interpreter,
            resolved_at=resolved_at,
        )
        self._store.write_record(REQUESTS, key, answer)


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Which requests are the same one: everything that decides its answer and is known before anything is read.

    The interpreter counts by the words that asked for it; which one they mean is compared when the answer is used.

    :ivar base: the directory that relative sources are relative to.
    :ivar settings: those that decide (`pytest_fastenv.settings.values.deciding`), the sources among them.
    :ivar root: where the project lies.
    :ivar directory: where the environment is to lie, where its user says so.
    :ivar requirements: what the session needs on top.
    :ivar requested: what its plugins ask for.
    :ivar runtime: digest of what is put into the environment for the session.
    :ivar pip: variables of pip that configure indexes.
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
    program: str = __version__

    @property
    def digest(self) -> str:
        """The digest under which the answer is kept."""
        return key_of(self)


def deciding_settings(settings: Settings) -> Mapping[str, Any]:
    """Return the settings that decide a request's answer."""
    return deciding(settings, Decides.CONTENT, Decides.RESOLUTION, Decides.PLACE)


def _reason(known: Answer, age_s: float, max_age_s: float, target: Target) -> str | None:
    """Say why an answer may not be used; ``None`` when it may."""
    if known.identity != target.identity:
        if known.interpreter == target.short:
            return f"interpreter replaced: {target.python}"
        return f"interpreter changed: {known.interpreter} → {target.short}"
    for file in known.files:
        change = _file_change(file)
        if change is not None:
            return change
    if not manifest.is_whole(known.prefix):
        return f"its environment is gone: {known.prefix}"
    return _too_old(age_s, max_age_s)


def _variable_change(variables: Mapping[str, str], environ: Mapping[str, str]) -> str | None:
    if not variables:
        return None
    from pytest_fastenv.model.request import read_variable  # a module of many classes, mostly not needed here

    for name, sha256 in variables.items():
        if read_variable(name, environ).sha256 != sha256:
            return f"the variable {name} changed"
    return None


def _too_old(age_s: float, max_age_s: float) -> str | None:
    if math.isinf(max_age_s):
        return None
    if age_s < -CLOCK_TOLERANCE_S:
        return "resolved in the future: the clock was set back"
    return f"resolved {_duration(age_s)} ago" if age_s >= max_age_s else None


def _file_state(file: ReadFile) -> FileState:
    """Return a file's state. The digest is that of what was read; the file may have changed since."""
    path = str(file.path)
    if not file.sha256:
        return FileState(path, None, None, "")
    try:
        status = os.stat(path)
        if _sha256(path) == file.sha256 and not stat.S_ISDIR(status.st_mode):
            return FileState(path, status.st_size, status.st_mtime_ns, file.sha256)
    except OSError:
        pass
    return FileState(path, None, None, file.sha256)  # nothing matches these: its content is compared


def _file_change(known: FileState) -> str | None:
    """Say how a file differs from what was read; same size and mtime pass without reading it."""
    path = known.path
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return f"{path} is gone" if known.sha256 else None
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    if not known.sha256:
        return f"{path} is new"
    if (status.st_size, status.st_mtime_ns) == (known.size_bytes, known.mtime_ns):
        return None
    try:
        return None if _sha256(path) == known.sha256 else f"{path} changed"
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"


def _sha256(path: str) -> str:
    return source_digest(path) if os.path.isdir(path) else file_sha256(path)


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} seconds"
