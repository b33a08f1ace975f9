"""A project's release: its metadata, as each kind of source has it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Content = str | bytes


def stem(name: str, version: str) -> str:
    """Return ``name-version`` as file names of artifacts have it (PEP 625, binary distribution format)."""
    return f"{re.sub(r'[-_.]+', '_', name).lower()}-{version.replace('-', '_')}"


def package_name(name: str) -> str:
    """Return the importable name of a project's default package."""
    return re.sub(r"[-_.]+", "_", name).lower()


def default_files(name: str, version: str) -> dict[str, Content]:
    """Return what a project holds when nothing else is said: a package that knows its version."""
    return {f"{package_name(name)}/__init__.py": f"__version__ = {version!r}\n"}


@dataclass(frozen=True)
class Release:
    """A project's metadata, as each kind of source has it.

    :ivar files: instead of the default package; paths from the wheel's root.
    :ivar extras: requirements by extra; a marker of theirs is joined with the extra's.
    :ivar entry_points: console scripts by name.
    :ivar tag: what follows the version in a wheel's name; may begin with a build tag.
    :ivar metadata: further header lines of METADATA and PKG-INFO.
    """

    name: str
    version: str = "1.0"
    files: Mapping[str, Content] | None = None
    requires: Iterable[str] = ()
    extras: Mapping[str, Sequence[str]] | None = None
    requires_python: str | None = None
    entry_points: Mapping[str, str] | None = None
    tag: str = "py3-none-any"
    metadata: str = ""

    @property
    def stem(self) -> str:
        """The beginning of the names of its artifacts."""
        return stem(self.name, self.version)

    def content(self) -> dict[str, Content]:
        """Return its files by path."""
        return dict(default_files(self.name, self.version) if self.files is None else self.files)

    def core_metadata(self, metadata_version: str = "2.2") -> str:
        """Return the text of METADATA or PKG-INFO."""
        lines = [f"Metadata-Version: {metadata_version}", f"Name: {self.name}", f"Version: {self.version}"]
        lines += [f"Requires-Python: {self.requires_python}"] if self.requires_python else []
        lines += [f"Requires-Dist: {requirement}" for requirement in self.requires]
        for extra, requirements in (self.extras or {}).items():
            lines.append(f"Provides-Extra: {extra}")
            for requirement in requirements:
                bare, _, marker = requirement.partition(";")
                condition = f"({marker.strip()}) and extra == '{extra}'" if marker else f"extra == '{extra}'"
                lines.append(f"Requires-Dist: {bare.strip()} ; {condition}")
        lines += self.metadata.strip("\n").splitlines() if self.metadata else []
        return "\n".join(lines) + "\n\n"

    def scripts_text(self) -> str:
        """Return the text of entry_points.txt; empty where there are none."""
        if not self.entry_points:
            return ""
        lines = [f"{name} = {target}\n" for name, target in self.entry_points.items()]
        return "".join(["[console_scripts]\n", *lines])


def core_metadata(name: str, version: str) -> str:
    """Return the text of METADATA of a project without requirements."""
    return Release(name, version).core_metadata()
