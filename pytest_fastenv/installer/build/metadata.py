"""Core metadata of a source without building it, where the specifications let it be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from pytest_fastenv.errors import MetadataError
from pytest_fastenv.model.metadata import CoreMetadata
from pytest_fastenv.model.regular_files import read_regular
from pytest_fastenv.wheel.core_metadata import LARGEST_METADATA, parse_core_metadata
from pytest_fastenv.wheel.names import same_version

#: Fields that decide what is installed; where a backend may change one of them, it has to be asked.
_DECISIVE = frozenset({"version", "requires-dist", "requires-python", "provides-extra"})
_DECISIVE_IN_PROJECT = frozenset({"version", "dependencies", "optional-dependencies", "requires-python"})


def from_pkg_info(tree: Path) -> CoreMetadata | None:
    """Return the metadata of an unpacked sdist's PKG-INFO, or ``None`` where a build may give other values (PEP 643).

    What cannot be read is no error here: the backend has the last word.
    """
    path = tree / "PKG-INFO"
    try:
        metadata = parse_core_metadata(path.read_bytes(), source=str(path))
    except (OSError, MetadataError):
        return None
    try:
        version = tuple(int(part) for part in metadata.metadata_version.split("."))
    except ValueError:
        return None
    return metadata if version >= (2, 2) and _DECISIVE.isdisjoint(metadata.dynamic) else None


def from_project_table(project: Mapping[str, Any] | None) -> CoreMetadata | None:
    """Return the metadata of a ``project`` table (PEP 621), or ``None`` where the backend has to be asked.

    A backend must not change what the table states; a field that is neither stated nor listed as dynamic is empty.
    """
    if project is None:
        return None
    try:
        if not _DECISIVE_IN_PROJECT.isdisjoint(project.get("dynamic", ())):
            return None
        requires = [str(Requirement(text)) for text in project.get("dependencies", ())]
        extras = {canonicalize_name(name): texts for name, texts in project.get("optional-dependencies", {}).items()}
        requires += [_under_extra(text, extra) for extra, texts in extras.items() for text in texts]
        requires_python = project.get("requires-python")
        return CoreMetadata(
            name=project["name"],
            version=str(Version(project["version"])),
            requires_dist=tuple(requires),
            requires_python=None if requires_python is None else str(SpecifierSet(requires_python)),
            provides_extra=tuple(extras),
        )
    except (KeyError, TypeError, AttributeError, InvalidRequirement, InvalidVersion, InvalidSpecifier):
        return None  # the backend will say what is wrong with it


def _under_extra(text: str, extra: str) -> str:
    requirement = Requirement(text)
    condition = f'extra == "{extra}"'
    marker = f"({requirement.marker}) and {condition}" if requirement.marker else condition
    requirement.marker = None
    separator = " ; " if requirement.url else "; "
    return f"{requirement}{separator}{marker}"


def read_dist_info(directory: Path) -> CoreMetadata:
    """Return the metadata of a ``.dist-info`` directory.

    :raises MetadataError: it is missing or cannot be read.
    """
    path = directory / "METADATA"
    try:
        content = read_regular(path, LARGEST_METADATA)
    except OSError as error:
        what = "has no METADATA" if isinstance(error, FileNotFoundError) else "has a METADATA that cannot be read"
        raise MetadataError(f"a dist-info directory {what}", where=str(path), why=error.strerror) from None
    return parse_core_metadata(content, source=str(path))


def differences(announced: CoreMetadata, built: CoreMetadata) -> list[str]:
    """Say in what a wheel's metadata differs from what was announced for it, where that decides something."""
    found = []
    if canonicalize_name(announced.name) != canonicalize_name(built.name):
        found.append(f"name: {announced.name} was announced, the wheel has {built.name}")
    if not same_version(announced.version, built.version):
        found.append(f"version: {announced.version} was announced, the wheel has {built.version}")
    if _specifiers(announced.requires_python) != _specifiers(built.requires_python):
        pythons = (announced.requires_python or "any", built.requires_python or "any")
        found.append("requires-python: {} was announced, the wheel has {}".format(*pythons))
    before, after = _comparable(announced), _comparable(built)
    found += [f"requires-dist: {text} was announced, the wheel has it not" for text in sorted(before - after)]
    found += [f"requires-dist: {text} was not announced, the wheel has it" for text in sorted(after - before)]
    return found


def _specifiers(text: str | None) -> SpecifierSet | str:
    try:
        return SpecifierSet(text or "")
    except InvalidSpecifier:
        return text or ""


def _comparable(metadata: CoreMetadata) -> set[str]:
    """Spell requirements alike; unreadable requirements stay as they are."""
    spelled = set()
    for text in metadata.requires_dist:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            spelled.add(text)
            continue
        requirement.name = canonicalize_name(requirement.name)
        spelled.add(str(requirement).replace("'", '"').replace("(", "").replace(")", ""))
    return spelled
