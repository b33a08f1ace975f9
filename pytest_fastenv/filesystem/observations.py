"""Look at what an answer rests on, and look again before the answer is used.

Looking again costs a call or two of the operating system for each file and each directory. Content is read again only
where a file's size or times are not what they were. What cannot be seen: content that changed while size, modification
time and change time stayed the same, which takes a file system without change times, or a clock that was set back.

Standard library only: this module is on the warm path. What only trees need is imported when there is one.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Mapping

from pytest_fastenv.model.digest import key_of, text_sha256
from pytest_fastenv.model.observation import Kind, Observation
from pytest_fastenv.model.regular_files import open_regular

#: How a change of some kinds is told.
_CHANGES: Mapping[Kind, str] = {
    "variable": "the variable {} changed",
    "history": "{} has another commit, tag or set of changed files",
}
#: Names in a listed directory that no build reads, but tools and builds write.
#: By which the top of a project is known, where test runs leave their reports.
_PROJECT_FILES = frozenset({"pyproject.toml", "setup.py", "setup.cfg"})
_PASSING_SUFFIXES = (".pyc", ".egg-info", ".dist-info")


def observe(kind: Kind, subject: str | os.PathLike[str], environ: Mapping[str, str] | None = None) -> Observation:
    """Look at something now.

    :param environ: the environment variables, for those; default: `os.environ`.
    :raises OSError: it is there, and cannot be read.
    """
    name = os.fspath(subject)
    if kind == "file":
        return observe_file(name)[0]
    # Before looking: what comes between makes the next look a closer one.
    stamps = _directory_stamps(name) if kind == "names" else ()
    return Observation(kind, name, _STATES[kind](name, os.environ if environ is None else environ), stamps)


def observe_file(path: str | os.PathLike[str], *, keep: bool = False) -> tuple[Observation, bytes]:
    """Read a file, and return the observation with its content where that is to be kept, else with nothing.

    :raises OSError: it is there, and cannot be read.
    """
    name = os.fspath(path)
    try:
        with open_regular(name, or_own_pipe=True) as file:
            stamps = _stamps(os.fstat(file.fileno()))
            content = file.read() if keep else b""
            state = hashlib.sha256(content) if keep else hashlib.file_digest(file, "sha256")
    except (FileNotFoundError, NotADirectoryError):
        return Observation("file", name, ""), b""
    except ValueError:  # a NUL in the name, which no file has
        return Observation("file", name, ""), b""
    return Observation("file", name, state.hexdigest(), stamps), content


def change(observation: Observation, environ: Mapping[str, str]) -> str | None:
    """Say in one line how something differs from what was seen; ``None`` when it does not. Writes nothing."""
    kind, subject, state, stamps = observation
    try:
        if kind == "file":
            return _file_change(subject, state, stamps)
        if kind == "names" and stamps and stamps == _directory_stamps(subject):
            return None
        now = _STATES[kind](subject, environ)
    except OSError as error:
        return f"{subject} cannot be read: {error.strerror}"
    return None if now == state else _told(kind, subject, state, now)


def _told(kind: Kind, subject: str, state: str, now: str) -> str:
    if kind == "build variables":
        return f"variables that builds read changed{_which(state, now)}"
    if kind in _CHANGES:
        return _CHANGES[kind].format(subject)
    return f"{subject} changed" if state and now else f"{subject} is {'gone' if state else 'new'}"


def first_change(observations: Iterable[Observation], environ: Mapping[str, str]) -> str | None:
    """Return the first change of several observations, or ``None``."""
    for observation in observations:
        found = change(observation, environ)
        if found is not None:
            return found
    return None


def _stamps(status: os.stat_result) -> tuple[int, ...]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _directory_stamps(path: str) -> tuple[int, ...]:
    try:
        return (os.stat(path).st_mtime_ns,)
    except OSError:
        return ()


def _file_change(path: str, state: str, stamps: tuple[int, ...]) -> str | None:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return f"{path} is gone" if state else None
    if not state:
        return f"{path} is new"
    if _stamps(status) == stamps:
        return None
    is_same = not stat.S_ISDIR(status.st_mode) and observe_file(path)[0].state == state
    return None if is_same else f"{path} changed"


def _names(path: str, _: Mapping[str, str]) -> str:
    # Only where a directory's own time changed.
    from pytest_fastenv.filesystem.source_digest import NOT_SOURCES, is_output

    try:
        with os.scandir(path) as entries:
            names = [(entry.name, entry.is_dir()) for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return ""
    sources = [item for item in names if _is_source(item[0]) and item[0] not in NOT_SOURCES]
    if any(name in _PROJECT_FILES for name, _ in names):
        sources = [item for item in sources if not is_output(item[0])]
    return key_of(sorted(sources))


def _is_source(name: str) -> bool:
    return not name.startswith(".") and not name.endswith(_PASSING_SUFFIXES)


def _listing(path: str, _: Mapping[str, str]) -> str:
    rows = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                status = entry.stat() if entry.is_file() else None
                rows.append((entry.name, status and status.st_size, status and status.st_mtime_ns))
    except (FileNotFoundError, NotADirectoryError):
        return ""
    return key_of(sorted(rows, key=str))


def _tree(path: str, _: Mapping[str, str]) -> str:
    from pytest_fastenv.filesystem.source_digest import source_digest  # only for projects that are built

    return source_digest(path) if os.path.isdir(path) else ""


def _sources(path: str, _: Mapping[str, str]) -> str:
    from pytest_fastenv.filesystem.source_digest import PRODUCTS, source_digest  # as above

    return source_digest(path, PRODUCTS) if os.path.isdir(path) else ""


def _native_sources(path: str, _: Mapping[str, str]) -> str:
    from pytest_fastenv.filesystem.source_digest import PRODUCTS, source_digest  # as above

    return source_digest(path, (*PRODUCTS, ".py", ".pyi")) if os.path.isdir(path) else ""


def _presence(path: str, _: Mapping[str, str]) -> str:
    return "there" if os.path.exists(path) else ""


def _history(path: str, _: Mapping[str, str]) -> str:
    from pytest_fastenv.filesystem.history import history_digest  # only where a build asked version control

    return history_digest(path)


def _variable(name: str, environ: Mapping[str, str]) -> str:
    """Not set and set to nothing are the same. The value may be a secret: only its digest is kept."""
    value = environ.get(name, "")
    return text_sha256(value) if value else ""


def _build_variables(patterns: str, environ: Mapping[str, str]) -> str:
    from pytest_fastenv.model.build_variables import digests, result_variables  # only where something is built

    return json.dumps(digests(result_variables(environ, patterns.split())), sort_keys=True)


def _which(state: str, now: str) -> str:
    from pytest_fastenv.model.build_variables import names_of_changed  # as above

    try:
        before = json.loads(state)
    except ValueError:
        before = None
    # An older version kept one digest for all of them.
    return f": {names_of_changed(before, json.loads(now))}" if isinstance(before, dict) else ""


_STATES: Mapping[str, Callable[[str, Mapping[str, str]], str]] = {
    "names": _names,
    "listing": _listing,
    "presence": _presence,
    "tree": _tree,
    "sources": _sources,
    "native sources": _native_sources,
    "history": _history,
    "variable": _variable,
    "build variables": _build_variables,
}
