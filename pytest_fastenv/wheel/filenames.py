"""What an artifact's file name says.

Wheels: https://packaging.python.org/en/latest/specifications/binary-distribution-format/#file-name-convention.
Source distributions: PEP 625, and the older forms that are still at indexes.
"""

from __future__ import annotations

import functools
import re
from typing import Literal, NamedTuple

from packaging.version import InvalidVersion, Version

_SDIST_ENDINGS = (".tar.gz", ".zip", ".tgz", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tar")
_SEPARATORS = re.compile(r"[-_.]+")


class FileName(NamedTuple):
    """A plausible artifact: normalized project name and canonical version."""

    name: str
    version: str


def normalized(name: str) -> str:
    """Return a project name in normalized form (PEP 503)."""
    return _SEPARATORS.sub("-", name).lower()


@functools.lru_cache(maxsize=65536)
def canonical_version(text: str) -> str | None:
    """Return a version in canonical text form (PEP 440), or ``None`` when it is none."""
    try:
        version = Version(text)
    except InvalidVersion:
        return None
    return str(version)


@functools.lru_cache(maxsize=65536)
def parsed_version(text: str) -> Version:
    """Return the value of a version that is known to be one; the same object each time."""
    return Version(text)


def sdist_stem(filename: str) -> str | None:
    """Return a source distribution's file name without its ending; ``None`` for anything else."""
    for ending in _SDIST_ENDINGS:
        if filename.endswith(ending):
            return filename[: -len(ending)]
    return None


def parse_filename(filename: str) -> FileName | None:
    """Read an artifact's file name without knowing the project; ``None`` when it is not plausible.

    Old source distributions may have hyphens in the project's name: the last part that reads as a version counts.
    """
    if filename.endswith(".whl"):
        parts = filename[:-4].split("-")
        version = canonical_version(parts[1]) if len(parts) in {5, 6} else None
        return FileName(normalized(parts[0]), version) if version else None
    stem = sdist_stem(filename)
    if stem is None:
        return None
    cut = stem.rfind("-")
    while cut > 0:
        version = canonical_version(stem[cut + 1 :])
        if version:
            return FileName(normalized(stem[:cut]), version)
        cut = stem.rfind("-", 0, cut)
    return None


Verdict = Literal["foreign", "implausible"]


class ProjectFiles:
    """Reads the file names on one project's page; quick because names and versions repeat."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._ours: dict[str, bool] = {}

    def version(self, filename: str) -> tuple[str | None, Verdict | None]:
        """Return the canonical version, or ``None`` and why the file does not count.

        ``foreign`` is an artifact of another project, ``implausible`` is anything that is no wheel or source
        distribution with a version (installers, eggs, versions older than PEP 440).
        """
        if filename.endswith(".whl"):
            name, _, rest = filename.partition("-")
            version, _, tags = rest[:-4].partition("-")
            if tags.count("-") not in {2, 3}:
                return None, "implausible"
            canonical = canonical_version(version)
            if canonical is None:
                return None, "implausible"
            return (canonical, None) if self._is_ours(name) else (None, "foreign")
        stem = sdist_stem(filename)
        if stem is None:
            return None, "implausible"
        return self._sdist(stem)

    def _sdist(self, stem: str) -> tuple[str | None, Verdict | None]:
        cut = len(self._name)
        if stem[cut : cut + 1] != "-" or not self._is_ours(stem[:cut]):
            # Runs of separators make the name longer than its normalized form.
            cut = next((i for i, c in enumerate(stem) if c == "-" and self._is_ours(stem[:i])), 0)
        if not cut:
            return None, "foreign" if parse_filename(f"{stem}.tar.gz") else "implausible"
        canonical = canonical_version(stem[cut + 1 :])
        return canonical, None if canonical else "implausible"

    def _is_ours(self, name: str) -> bool:
        known = self._ours.get(name)
        if known is None:
            known = self._ours[name] = normalized(name) == self._name
        return known
