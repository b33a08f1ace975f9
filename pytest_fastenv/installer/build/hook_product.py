"""Check what a build hook says it has made, before anything opens it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion

from pytest_fastenv.errors import BuildError, MismatchError
from pytest_fastenv.model.file_kinds import kind_of
from pytest_fastenv.wheel.names import same_version

#: Letters of an answer, and names in a directory, that a message shows.
_SHOWN = 200
_SHOWN_NAMES = 10
_MOST_REQUIREMENTS = 10_000
_LONGEST_REQUIREMENTS = 1_000_000


def find_wheel(answer: Any, directory: Path, subject: str, log: Path) -> Path:
    """Return the wheel that a hook made: PEP 517 has it return the file's base name.

    :param answer: what the hook returned.
    :param directory: where it was told to put the wheel.
    :raises BuildError: the answer is no base name of a wheel that is there.
    """
    return _find(answer, directory, subject, log, ".whl", "wheel")


def find_sdist(answer: Any, directory: Path, subject: str, log: Path) -> Path:
    """Return the source distribution that ``build_sdist`` made; see `find_wheel`."""
    return _find(answer, directory, subject, log, ".tar.gz", "source distribution")


def _find(answer: Any, directory: Path, subject: str, log: Path, ending: str, what: str) -> Path:
    if not isinstance(answer, str) or not answer.endswith(ending):
        told = f"the build backend returned {quoted(answer)}, not the name of a {what}"
        raise BuildError(f"{subject}: {told}", where=str(log))
    if os.path.basename(answer) != answer or "\\" in answer or answer in {os.curdir, os.pardir}:
        raise BuildError(
            f"{subject}: the build backend returned the path {quoted(answer)}",
            where=str(log),
            why=f"a build hook returns the {what}'s base name (PEP 517)",
        )
    path = directory / answer
    kind = _kind(path)
    if kind != "a file":
        raise _claimed(subject, what, answer, kind, directory, log)
    return path


def find_dist_info(answer: Any, directory: Path, subject: str, log: Path) -> Path:
    """Return the directory that ``prepare_metadata_for_build_wheel`` made: PEP 517 has it return its base name.

    :raises BuildError: the answer is no base name of a dist-info directory that is there.
    """
    if not isinstance(answer, str) or os.path.basename(answer) != answer or not answer.endswith(".dist-info"):
        raise BuildError(
            f"{subject}: the build backend returned {quoted(answer)}, not the name of a metadata directory",
            where=str(log),
            why="the hook returns the base name of the .dist-info directory it has made (PEP 517)",
        )
    kind = _kind(directory / answer)
    if kind != "a directory":
        raise _claimed(subject, "metadata directory", answer, kind, directory, log)
    return directory / answer


def read_requirements(answer: Any, hook: str, subject: str, log: Path) -> list[str]:
    """Return the requirements that a ``get_requires_for_build_...`` hook asks for.

    :raises BuildError: the answer is no list of texts, or longer than any that is meant.
    """
    if not isinstance(answer, list) or not all(isinstance(text, str) for text in answer):
        raise BuildError(f"{subject}: {hook} returned {quoted(answer)}, not a list of requirements", where=str(log))
    if len(answer) > _MOST_REQUIREMENTS or sum(map(len, answer)) > _LONGEST_REQUIREMENTS:
        raise BuildError(
            f"{subject}: {hook} returned {len(answer):,} requirements of {sum(map(len, answer)):,} letters",
            where=str(log),
            why=f"at most {_MOST_REQUIREMENTS:,} of {_LONGEST_REQUIREMENTS:,} letters together are accepted",
        )
    return answer


def quoted(answer: Any) -> str:
    """Return what a backend answered as a message may show it: its beginning, and how long it is."""
    text = repr(answer)
    if len(text) <= _SHOWN:
        return text
    return f"{text[:_SHOWN]}... ({len(text):,} letters)"


def _kind(path: Path) -> str:
    """Say what lies at a path, which nothing opens or follows."""
    try:
        return kind_of(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return ""


def _claimed(subject: str, what: str, answer: str, kind: str, directory: Path, log: Path) -> BuildError:
    names = sorted(os.listdir(directory))
    found = f"{kind} of that name" if kind else ", ".join(names[:_SHOWN_NAMES]) or "nothing"
    more = f" and {len(names) - _SHOWN_NAMES:,} more" if not kind and len(names) > _SHOWN_NAMES else ""
    claimed = answer if len(answer) <= _SHOWN else quoted(answer)
    return BuildError(
        f"{subject}: the build backend claimed the {what} {claimed}, found {found}{more}",
        where=str(log),
        why=f"the {what} itself has to lie in the directory that the hook was given" if kind else None,
    )


def check_identity(path: Path, subject: str, name: str | None, version: str | None, log: Path) -> None:
    """Compare a wheel's file name with the distribution that was to be built; ``None`` accepts any.

    :raises BuildError: the file name is not a wheel's.
    :raises MismatchError: it is another project's, or another version's.
    """
    try:
        its_name, its_version, _, _ = parse_wheel_filename(path.name)
    except (InvalidWheelFilename, InvalidVersion) as error:
        raise BuildError(
            f"{subject}: the build made {path.name}, which is no wheel's name", where=str(log), why=str(error)
        ) from None
    wrong_name = name is not None and canonicalize_name(name) != its_name
    if wrong_name or (version and not same_version(version, str(its_version))):
        raise MismatchError(
            f"{subject}: the build made {path.name}",
            where=str(log),
            why=f"{name} {version or ''} was to be built".replace("  ", " "),
            hint="the source is mislabelled: pin another release, or report it to the project",
        )
