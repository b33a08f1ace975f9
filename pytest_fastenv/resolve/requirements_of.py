"""What a release needs: dependency specifiers read once, markers evaluated once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urldefrag

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from pytest_fastenv.errors import MetadataError
from pytest_fastenv.model.metadata import CoreMetadata
from pytest_fastenv.model.target import Target

# A marker that is nothing but conditions joined by `and`, the last of them an extra: what build backends write for
# optional dependencies. Such a line matters only where that extra is asked for; most lines of most releases are
# of this kind, and not to parse them halves the time that reading metadata takes.
_ONLY_FOR_EXTRA = re.compile(r";(?P<others>.*[\s)]and\s+|\s*)extra\s*==\s*(['\"])(?P<extra>[A-Za-z0-9._-]+)\2\s*$")


@dataclass(frozen=True, slots=True)
class Dependency:
    """One requirement that applies to the target.

    :ivar name: normalized project name.
    :ivar extras: normalized extras, sorted.
    :ivar specifier: version specifiers as text, canonical order; empty for any version.
    :ivar url: direct URL as written, or ``None``.
    """

    name: str
    extras: tuple[str, ...]
    specifier: str
    url: str | None = None

    def __str__(self) -> str:
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        return f"{self.name}{extras}{f' @ {self.url}' if self.url else self.specifier}"


class DependencyReader:
    """Reads ``Requires-Dist`` for one target; every distinct text is parsed and evaluated once.

    Dependency specifiers: https://packaging.python.org/en/latest/specifications/dependency-specifiers/

    :param groups: dependency groups that are taken of lock files, for the markers there (PEP 751).
    :param extras: extras that are taken of them, likewise.
    """

    def __init__(
        self, target: Target, groups: frozenset[str] = frozenset(), extras: frozenset[str] = frozenset()
    ) -> None:
        self._environment: dict[str, str | frozenset[str]] = {
            **target.markers,
            "extra": "",
            "extras": extras,
            "dependency_groups": groups,
        }
        self._parsed: dict[str, tuple[Dependency, Marker | None]] = {}
        self._holds: dict[tuple[str, str], bool] = {}
        self._of: dict[tuple[tuple[str, ...], str], tuple[Dependency, ...]] = {}
        self._without_needs: frozenset[str] = frozenset()

    def leave_out_needs_of(self, projects: Iterable[str]) -> None:
        """Let some projects need nothing from now on (``--no-deps``).

        :param projects: normalized names.
        """
        self._without_needs = frozenset(projects)

    def holds(self, marker: str, extra: str = "") -> bool:
        """Tell whether a marker is true for the target, with an extra asked for or without.

        :raises MetadataError: the marker cannot be read or evaluated.
        """
        known = self._holds.get((marker, extra))
        if known is None:
            try:
                known = self._evaluate(Marker(marker), extra)
            except InvalidMarker as error:
                raise MetadataError(f"the marker {marker!r} cannot be read", why=str(error)) from error
            self._holds[marker, extra] = known
        return known

    def read(self, metadata: CoreMetadata, extra: str = "") -> tuple[Dependency, ...]:
        """Return what a release needs; with an extra, only what the extra adds to that.

        :raises MetadataError: a line cannot be read; the line is named.
        """
        if self._without_needs and canonicalize_name(metadata.name) in self._without_needs:
            return ()
        key = metadata.requires_dist, extra
        known = self._of.get(key)
        if known is None:
            known = self._of[key] = tuple(self._select(metadata, extra))
        return known

    def _select(self, metadata: CoreMetadata, extra: str) -> Iterable[Dependency]:
        for text in metadata.requires_dist:
            only = _ONLY_FOR_EXTRA.search(text)
            # `or` in front would make the extra one of several ways; those lines are read in full.
            if only and " or " not in only["others"] and canonicalize_name(only["extra"]) != extra:
                continue
            dependency, marker = self._parse(text, metadata)
            if marker is None:
                applies = not extra
            elif extra:
                applies = not self._applies(marker, "") and self._applies(marker, extra)
            else:
                applies = self._applies(marker, "")
            if applies:
                yield dependency

    def _applies(self, marker: Marker, extra: str) -> bool:
        key = str(marker), extra
        known = self._holds.get(key)
        if known is None:
            known = self._holds[key] = self._evaluate(marker, extra)
        return known

    def _evaluate(self, marker: Marker, extra: str) -> bool:
        try:
            return marker.evaluate({**self._environment, "extra": extra}, context="lock_file")
        except (UndefinedComparison, UndefinedEnvironmentName) as error:
            raise MetadataError(f"the marker {str(marker)!r} cannot be evaluated", why=str(error)) from error

    def _parse(self, text: str, metadata: CoreMetadata) -> tuple[Dependency, Marker | None]:
        known = self._parsed.get(text)
        if known is None:
            try:
                requirement = Requirement(text)
            except InvalidRequirement as error:
                raise MetadataError(
                    f"{metadata.name} {metadata.version} has a requirement that cannot be read: {text}", why=str(error)
                ) from error
            dependency = Dependency(
                canonicalize_name(requirement.name),
                tuple(sorted(canonicalize_name(extra) for extra in requirement.extras)),
                str(requirement.specifier),
                requirement.url,
            )
            known = self._parsed[text] = dependency, requirement.marker
        return known


class Specifiers:
    """Version specifiers by their text, each read once."""

    def __init__(self) -> None:
        self._sets: dict[str, SpecifierSet | None] = {}

    def read(self, text: str) -> SpecifierSet | None:
        """Return the set, or ``None`` when the text is none."""
        if text not in self._sets:
            try:
                self._sets[text] = SpecifierSet(text)
            except InvalidSpecifier:
                self._sets[text] = None
        return self._sets[text]


def url_hashes(url: str) -> Mapping[str, str]:
    """Return the digests in a URL's fragment (``#sha256=...``), as PEP 440's direct references have them."""
    fragment = urldefrag(url).fragment
    pairs = (part.partition("=") for part in fragment.split("&") if "=" in part)
    return {key: value for key, _, value in pairs}
