"""Sets of artifacts: which files, with which content.

A set is a text file with a line ``filename sha256`` for each artifact. A wheel is asked for as it is; of a source
distribution it is asked that it be built (``--no-binary``). A line ``all of FILE without PROJECT...`` stands for
another set's artifacts, so that two sets cannot drift apart. ``build-requirements.txt`` is no set of its own: the index
has it so that source distributions can be built.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from benchmarks.errors import BenchmarkError

SETS = Path(__file__).parent / "sets"
_SUPPORT = "build-requirements"
_DERIVED = re.compile(r"all of (?P<file>[\w.-]+\.txt) without (?P<projects>.+)")


@dataclass(frozen=True, slots=True)
class Pin:
    """One artifact.

    :ivar project: normalized name.
    :ivar version: canonical.
    :ivar sha256: of the whole file, in hexadecimal.
    """

    filename: str
    sha256: str
    project: str
    version: str

    @property
    def is_wheel(self) -> bool:
        """Tell a wheel from a source distribution."""
        return self.filename.endswith(".whl")


@dataclass(frozen=True, slots=True)
class ArtifactSet:
    """Artifacts that are installed together."""

    name: str
    pins: tuple[Pin, ...]

    @property
    def distributions(self) -> dict[str, str]:
        """What an environment that holds the set has: version by normalized name."""
        return {pin.project: pin.version for pin in self.pins}

    def requirements(self) -> str:
        """Return the set as a requirements file that all tools read alike."""
        builds = [f"--no-binary {pin.project}\n" for pin in self.pins if not pin.is_wheel]
        return "".join([*builds, *(f"{pin.project}=={pin.version}\n" for pin in self.pins)])


def read_sets(directory: Path = SETS) -> tuple[list[ArtifactSet], list[Pin]]:
    """Return the sets of a directory by name, and every pin once, with those that only builds need.

    :raises BenchmarkError: there is none, or a line cannot be read.
    """
    found = [ArtifactSet(path.stem, tuple(_pins(path))) for path in sorted(directory.glob("*.txt"))]
    pins = {pin.filename: pin for one in found for pin in one.pins}
    sets = [one for one in found if one.name != _SUPPORT]
    if not sets:
        raise BenchmarkError(f"{directory} has no sets")
    return sets, list(pins.values())


def _pins(path: Path) -> Iterator[Pin]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if derived := _DERIVED.fullmatch(line.strip()):
            yield from _pins_without(path.with_name(derived["file"]), derived["projects"].split(), f"{path}:{number}")
            continue
        filename, _, sha256 = line.strip().partition(" ")
        if not re.fullmatch("[0-9a-f]{64}", sha256):
            raise BenchmarkError(f"{path}:{number}: expected a file name and a SHA-256")
        try:
            parse = parse_wheel_filename if filename.endswith(".whl") else parse_sdist_filename
            project, version = parse(filename)[:2]
        except (InvalidWheelFilename, InvalidSdistFilename) as error:
            raise BenchmarkError(f"{path}:{number}: {error}") from None
        yield Pin(filename, sha256, project, str(version))


def _pins_without(path: Path, projects: list[str], place: str) -> list[Pin]:
    """Return another set's artifacts without those of some projects, which it has to have.

    :param place: of the line that says so.
    """
    if not path.is_file():
        raise BenchmarkError(f"{place}: {path.name} does not lie beside it")
    pins = list(_pins(path))
    left_out = {canonicalize_name(project) for project in projects}
    unknown = left_out - {pin.project for pin in pins}
    if unknown:
        raise BenchmarkError(f"{place}: {path.name} has no {', '.join(sorted(unknown))}")
    return [pin for pin in pins if pin.project not in left_out]
