"""What lies at paths: projects, archives, and files that may have been meant where there is neither."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pytest_fastenv.requirements.documents import absolute

ARCHIVES = (".whl", ".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tar")
LOCK_NAME = re.compile(r"pylock(\.[^.]+)?\.toml")
"""What lock files are called (PEP 751)."""

_REQUIREMENTS = re.compile(r".*\.(txt|in)|pylock(\.[^.]+)?\.toml|pyproject\.toml", re.IGNORECASE)
_LIKELY = re.compile(r".*(require|constraint|deps|dev|test|pylock).*|pyproject\.toml", re.IGNORECASE)
#: How many files are named at most, how alike a name has to be for it, and how many names of a directory are looked at.
_MOST, _ALIKE, _LOOKED_AT = 3, 0.6, 500


def is_archive(name: str) -> bool:
    """Tell whether a file name is that of a wheel or of an archive that may be a source distribution."""
    return name.lower().endswith(ARCHIVES)


def is_project(directory: Path) -> bool:
    """Tell whether a directory has something that can be built."""
    return any(os.path.isfile(directory / name) for name in ("pyproject.toml", "setup.py"))


def find(text: str, directories: Sequence[Path]) -> Path | None:
    """Return the first thing of this path that exists, as an absolute path."""
    return next((absolute(place) for place in candidates(text, directories) if os.path.exists(place)), None)


def candidates(text: str, directories: Sequence[Path]) -> list[Path]:
    """Return what a path may mean; none for a relative one where there is no directory that it could start from."""
    path = os.path.expanduser(text)
    return [Path(path)] if os.path.isabs(path) else [directory / path for directory in directories]


def hint_for_missing(paths: Sequence[Path], written: str) -> str:
    """Say which files may have been meant: in the directory of a path, or one level below it.

    :param paths: where it was looked for.
    :param written: the path as its user wrote it; names are shown in the same way.
    """
    name = paths[0].name
    there = [path.parent for path in paths if os.path.isdir(path.parent)]
    if not there:
        return f"{paths[0].parent} is not there either"
    found_in = [(*_readable(directory), *_projects(directory)) for directory in there]
    names = list(dict.fromkeys(found for some in found_in for found in some))
    alike = {found: _likeness(found, name) for found in names}
    close = sorted((found for found in names if alike[found] >= _ALIKE), key=lambda found: -alike[found])
    if close:
        return f"did you mean {_joined(_shown(close[:_MOST], written), 'or')}?"
    is_likely = is_archive if is_archive(name) else _LIKELY.fullmatch
    ending = os.path.splitext(name)[1]
    likely = sorted(filter(is_likely, names), key=lambda found: not found.endswith(ending))[:_MOST]
    looked = f"looked for {' and '.join(map(str, paths))}"
    there_are = "there are" if len(likely) > 1 else "there is"
    return f"{looked}; {there_are} {_joined(_shown(likely, written), 'and')}" if likely else looked


def hint_for_directory(directory: Path, written: str) -> str:
    """Say what to name instead of a directory that has no project: a file in it, or a project below it."""
    found = sorted(_readable(directory), key=lambda name: (_LIKELY.fullmatch(name) is None, name))
    shown = [os.path.join(written, name) for name in [*found, *_projects(directory)][:_MOST]]
    if shown:
        return f"name what is meant in it: {_joined(shown, 'or')}"
    name = written.rstrip("/")
    if re.fullmatch(r"[\w.-]*\w", name):
        return f"for the project of that name at the index write {name}>=0"
    return "name a requirements file, a project's directory or an archive"


def _likeness(name: str, other: str) -> float:
    """Compare two names by what stands before their endings, which are alike for most."""
    return difflib.SequenceMatcher(None, os.path.splitext(name)[0], os.path.splitext(other)[0]).ratio()


def _readable(directory: Path) -> Iterable[str]:
    """Yield the names of files that can be a source, in a directory and in those of its directories with such names."""
    for name in _names(directory):
        path = directory / name
        if os.path.isdir(path):
            if _LIKELY.fullmatch(name):
                yield from (os.path.join(name, inner) for inner in _names(path) if _is_readable(path / inner))
        elif _is_readable(path):
            yield name


def _projects(directory: Path) -> list[str]:
    return [name for name in _names(directory) if is_project(directory / name)]


def _is_readable(path: Path) -> bool:
    return (bool(_REQUIREMENTS.fullmatch(path.name)) or is_archive(path.name)) and os.path.isfile(path)


def _names(directory: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(directory) if not name.startswith("."))[:_LOOKED_AT]
    except OSError:
        return []


def _shown(names: Iterable[str], written: str) -> list[str]:
    return [os.path.join(os.path.dirname(written), name) for name in names]


def _joined(names: Sequence[str], word: str) -> str:
    return f" {word} ".join(filter(None, (", ".join(names[:-1]), names[-1])))
