"""Core metadata, as far as choosing and checking distributions needs it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CoreMetadata:
    """The fields of a METADATA or PKG-INFO file that decide something.

    :ivar name: as written, not normalized.
    :ivar version: canonical version as text.
    :ivar requires_dist: dependency specifiers as text (PEP 508).
    :ivar requires_python: version specifiers as text, or ``None``.
    :ivar provides_extra: normalized extras (PEP 685).
    :ivar metadata_version: such as ``2.4``.
    :ivar dynamic: lower-case field names listed in ``Dynamic`` (PEP 643).
    """

    name: str
    version: str
    requires_dist: tuple[str, ...] = ()
    requires_python: str | None = None
    provides_extra: tuple[str, ...] = ()
    metadata_version: str = "2.1"
    dynamic: tuple[str, ...] = ()
