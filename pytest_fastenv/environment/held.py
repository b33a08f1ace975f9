"""The distributions that an interpreter's environment holds, as their metadata describes them, whoever put them there.

What is read follows https://packaging.python.org/en/latest/specifications/recording-installed-packages/; older
``.egg-info`` directories are read, too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

#: Where the metadata is, by how the directory's name ends.
_FILES = {".dist-info": "METADATA", ".egg-info": "PKG-INFO"}


@dataclass(frozen=True, slots=True)
class Held:
    """One distribution.

    :ivar name: as its metadata writes it.
    :ivar key: the normalized name.
    :ivar location: the directory that is on the interpreter's path.
    :ivar info: the directory with its metadata.
    """

    name: str
    key: str
    version: str
    location: str
    info: Path
    metadata: Message

    def text(self, file: str) -> str | None:
        """Return a file of its metadata's directory; ``None`` where there is none."""
        try:
            return (self.info / file).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None

    @property
    def direct_url(self) -> Mapping[str, Any] | None:
        """How it was asked for, where that was not by name (PEP 610)."""
        text = self.text("direct_url.json")
        try:
            return cast("Mapping[str, Any]", json.loads(text)) if text else None
        except ValueError:
            return None

    @property
    def editable_location(self) -> str | None:
        """The directory of its sources, where they are used in their place."""
        direct = self.direct_url
        if direct is None or not direct.get("dir_info", {}).get("editable"):
            return None
        return url2pathname(urlsplit(direct["url"]).path)

    @property
    def installer(self) -> str:
        """The program that installed it; empty where it says nothing."""
        return (self.text("INSTALLER") or "").strip()

    @property
    def wheel(self) -> Message | None:
        """What its wheel said of itself."""
        text = self.text("WHEEL")
        return None if text is None else Parser().parsestr(text)

    def needs(self, markers: Mapping[str, str]) -> list[Requirement]:
        """Return what it needs in an environment, its extras aside; what cannot be read is left out.

        :param markers: the environment's (PEP 508).
        """
        return [one for one in self._requirements() if one.marker is None or one.marker.evaluate(_context(markers))]

    def _requirements(self) -> Iterator[Requirement]:
        for text in self.metadata.get_all("Requires-Dist", []):
            try:
                yield Requirement(text)
            except InvalidRequirement:
                continue


def held(path: Sequence[str]) -> list[Held]:
    """Return what lies on an interpreter's path, in the order of normalized names; of one name the first counts.

    :param path: its ``sys.path``.
    """
    found: dict[str, Held] = {}
    for place in path:
        for info, metadata in _metadata(Path(place)):
            name, version = metadata["Name"], metadata["Version"]
            if name and version:
                key = str(canonicalize_name(name))
                found.setdefault(key, Held(name, key, version, place, info, metadata))
    return [found[key] for key in sorted(found)]


def _metadata(place: Path) -> Iterator[tuple[Path, Message]]:
    try:
        names = sorted(os.listdir(place))
    except OSError:
        return  # an archive, or nothing
    for name in names:
        for suffix, file in _FILES.items():
            if name.endswith(suffix):
                try:
                    text = (place / name / file).read_text(encoding="utf-8", errors="replace")
                except OSError:
                    continue
                yield place / name, Parser().parsestr(text)


def is_below(location: str, prefix: Path) -> bool:
    """Tell whether a place on the path is the environment's own, not its base interpreter's."""
    return os.path.realpath(location).startswith(os.path.join(os.path.realpath(prefix), ""))


def _context(markers: Mapping[str, str]) -> dict[str, str]:
    return {**markers, "extra": ""}
