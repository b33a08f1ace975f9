"""Check what a build hook says it has made, before anything opens it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion

from pytest_fastenv.errors import BuildError, MismatchError
from pytest_fastenv.wheel.names import same_version


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
    found = sorted(os.listdir(directory))
    if not isinstance(answer, str) or not answer.endswith(ending):
        raise BuildError(f"{subject}: the build backend returned {answer!r}, not the name of a {what}", where=str(log))
    if os.path.basename(answer) != answer or "\\" in answer or answer in {os.curdir, os.pardir}:
        raise BuildError(
            f"{subject}: the build backend returned the path {answer!r}",
            where=str(log),
            why=f"a build hook returns the {what}'s base name (PEP 517)",
        )
    path = directory / answer
    if not path.is_file() or path.is_symlink():
        raise BuildError(f"{subject}: the build backend claimed {answer}, found {found}", where=str(log))
    return path


def find_dist_info(answer: Any, directory: Path, subject: str, log: Path) -> Path:
    """Return the directory that ``prepare_metadata_for_build_wheel`` made: PEP 517 has it return its base name.

    :raises BuildError: the answer is no base name of a dist-info directory that is there.
    """
    plain = isinstance(answer, str) and os.path.basename(answer) == answer and answer.endswith(".dist-info")
    if not plain or not (directory / answer).is_dir():
        raise BuildError(
            f"{subject}: the build backend claimed the metadata directory {answer!r}, found {os.listdir(directory)}",
            where=str(log),
            why="the hook returns the base name of the .dist-info directory it has made (PEP 517)",
        )
    return directory / str(answer)


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
