"""A request remembers its answer: the files it read and the environment that came of it.

As long as the files have the same content, the answer is younger than the maximum age, and interpreter and environment
are still there, neither resolver nor index is asked, nor anything imported for them. Standard library only: this is the
warm path.

An answer's age is told by the wall clock, because it must hold across restarts; nothing else in the store depends on
that clock. An answer from the future (the clock was set back) counts as expired, beyond a minute that two machines
sharing a store may differ by: asking the index once too often costs a second, trusting a wrong clock could keep an
answer for years. With an infinite maximum age the clock is not looked at.
"""

from __future__ import annotations

import hashlib
import math
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_fastenv.environment import manifest
from pytest_fastenv.environment.places import Missing
from pytest_fastenv.filesystem.source_digest import source_digest
from pytest_fastenv.model.digest import key_of
from pytest_fastenv.model.target import Target
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.settings.options import Decides
from pytest_fastenv.settings.values import Settings, deciding
from pytest_fastenv.store.buckets import Bucket
from pytest_fastenv.store.store import Store
from pytest_fastenv.version import __version__

if TYPE_CHECKING:
    from pytest_fastenv.model.request import ReadFile, ReadVariable

CLOCK_TOLERANCE_S = 60.0


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

        :param key: from `request_key`.
        :param max_age_s: seconds; 0 for none, infinite for any.
        :param now: the wall clock (`time.time`).
        :param target: the interpreter that the request means now.
        :param environ: environment variables, for those that the request's files refer to.
        """
        record = self._store.read_record(Bucket.ANSWERS, key)
        if record is None:
            return Missing()
        try:
            answer = _answer(record, now)
            reason = _reason(record, answer, max_age_s, target) or _variable_change(record, environ)
        except (KeyError, TypeError, ValueError):
            return Missing("the remembered answer cannot be read")
        return answer if reason is None else Missing(reason, answer.prefix)

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
        record = {
            "files": [_file_record(file) for file in files],
            "variables": {variable.name: variable.sha256 for variable in variables},
            "fingerprint": environment.fingerprint,
            "prefix": str(environment.prefix),
            "interpreter": {"identity": environment.identity, "name": environment.interpreter},
            "resolved_at": resolved_at,
        }
        self._store.write_record(Bucket.ANSWERS, key, record)


def request_key(base: Path, settings: Settings, **extras: Any) -> str:
    """Return the digest under which a request's answer is kept.

    The interpreter counts by the words that asked for it; which one they mean is compared when the answer is used.

    :param base: the directory that relative sources are relative to.
    :param extras: whatever else decides (requirements added for the session, index configuration, variables that
        were expanded), by name, as JSON can hold it.
    """
    decided = deciding(settings, Decides.CONTENT, Decides.RESOLUTION, Decides.PLACE)
    return key_of(__version__, base, decided, extras)


def _answer(record: Mapping[str, Any], now: float) -> CachedEnvironment:
    """Read a record.

    :raises KeyError: (or `TypeError`, `ValueError`) it is not one of ours.
    """
    if not isinstance(record["fingerprint"], str):
        msg = "not the record of an answer"
        raise TypeError(msg)
    return CachedEnvironment(
        fingerprint=record["fingerprint"],
        prefix=Path(record["prefix"]),
        age_s=now - float(record["resolved_at"]),
    )


def _reason(record: Mapping[str, Any], answer: CachedEnvironment, max_age_s: float, target: Target) -> str | None:
    """Say why an answer may not be used; ``None`` when it may."""
    interpreter = record["interpreter"]
    if interpreter["identity"] != target.identity:
        if interpreter["name"] == target.short:
            return f"interpreter replaced: {target.python}"
        return f"interpreter changed: {interpreter['name']} → {target.short}"
    for path, size, mtime_ns, sha256 in record["files"]:
        change = _file_change(path, size, mtime_ns, sha256)
        if change is not None:
            return change
    if not manifest.is_whole(answer.prefix):
        return f"its environment is gone: {answer.prefix}"
    return _too_old(answer.age_s, max_age_s)


def _variable_change(record: Mapping[str, Any], environ: Mapping[str, str]) -> str | None:
    if not record["variables"]:
        return None
    from pytest_fastenv.model.request import read_variable  # a module of many classes, mostly not needed here

    for name, sha256 in record["variables"].items():
        if read_variable(name, environ).sha256 != sha256:
            return f"the variable {name} changed"
    return None


def _too_old(age_s: float, max_age_s: float) -> str | None:
    if math.isinf(max_age_s):
        return None
    if age_s < -CLOCK_TOLERANCE_S:
        return "resolved in the future: the clock was set back"
    return f"resolved {_duration(age_s)} ago" if age_s >= max_age_s else None


def _file_record(file: ReadFile) -> list[Any]:
    """Return path, size, mtime and digest. The digest is that of what was read; the file may have changed since."""
    if not file.sha256:
        return [str(file.path), None, None, ""]
    try:
        status = os.stat(file.path)
        if _sha256(file.path) == file.sha256 and not stat.S_ISDIR(status.st_mode):
            return [str(file.path), status.st_size, status.st_mtime_ns, file.sha256]
    except OSError:
        pass
    return [str(file.path), None, None, file.sha256]  # nothing matches these: its content is compared


def _file_change(path: str, size: int | None, mtime_ns: int | None, sha256: str) -> str | None:
    """Say how a file differs from what was read; same size and mtime pass without reading it."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return f"{path} is gone" if sha256 else None
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    if not sha256:
        return f"{path} is new"
    if (status.st_size, status.st_mtime_ns) == (size, mtime_ns):
        return None
    try:
        return None if _sha256(path) == sha256 else f"{path} changed"
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"


def _sha256(path: str | Path) -> str:
    if os.path.isdir(path):
        return source_digest(path)
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} seconds"
