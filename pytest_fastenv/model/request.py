"""What a user asked for, read but not yet resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_fastenv.model.artifact import Hashes
from pytest_fastenv.model.codec import DISPLAY
from pytest_fastenv.model.location import Location
from pytest_fastenv.model.observation import Observation
from pytest_fastenv.model.reference import IndexReference, Reference

ConfigSettings = tuple[tuple[str, str | tuple[str, ...]], ...]
"""Config settings (PEP 517) as sorted pairs, hashable."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One requirement or constraint.

    :ivar name: normalized project name; ``None`` when only the source can tell (``-e .``, a URL to an archive).
    :ivar specifier: version specifiers as text (PEP 440), empty for any version.
    :ivar extras: normalized extras, sorted.
    :ivar marker: environment marker as text (PEP 508), or ``None``.
    :ivar reference: where it is to come from.
    :ivar hashes: what ``--hash`` (or a URL's fragment) demands.
    :ivar config_settings: per-line config settings.
    :ivar location: the line that asks for it.
    :ivar text: the requirement as written, for display.
    """

    name: str | None
    location: Location = field(metadata=DISPLAY)
    text: str = field(metadata=DISPLAY)
    specifier: str = ""
    extras: tuple[str, ...] = ()
    marker: str | None = None
    reference: Reference = IndexReference()
    hashes: Hashes = Hashes()
    config_settings: ConfigSettings = ()


@dataclass(frozen=True, slots=True)
class FormatControl:
    """Which artifact kinds may be used (``--no-binary``, ``--only-binary``): normalized names or ``:all:``."""

    no_binary: frozenset[str] = frozenset()
    only_binary: frozenset[str] = frozenset()

    def allows_wheel(self, name: str) -> bool:
        """A name given to ``--no-binary`` beats ``:all:`` of ``--only-binary``, and the other way round."""
        if name in self.no_binary:
            return False
        return name in self.only_binary or ":all:" not in self.no_binary

    def allows_sdist(self, name: str) -> bool:
        """See `allows_wheel`."""
        if name in self.only_binary:
            return False
        return name in self.no_binary or ":all:" not in self.only_binary


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """Index options as the request's files give them; ``None`` and empty leave the configuration's values."""

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    trusted_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """Everything that was asked for, from all sources together.

    :ivar wanted: requirements in the order written.
    :ivar constraints: versions that must hold if a project is used at all.
    :ivar require_hashes: every distribution must be pinned and carry a hash (``--require-hashes`` or any ``--hash``).
    :ivar pre: pre-releases are welcome everywhere (``--pre``).
    :ivar prefer_binary: an older wheel is better than a newer source distribution.
    :ivar observed: everything read, nested files too, the metadata files of local projects, the sources of those that
        are built and not linked to, and the variables that ``${NAME}`` in requirements files was replaced by.
    :ivar requires_python: version specifiers the interpreter must satisfy, because a script's inline metadata says so
        (PEP 723); empty for any.
    """

    wanted: tuple[Wanted, ...] = ()
    constraints: tuple[Wanted, ...] = ()
    index: IndexOptions = field(default_factory=IndexOptions)
    formats: FormatControl = field(default_factory=FormatControl)
    require_hashes: bool = False
    pre: bool = False
    prefer_binary: bool = False
    config_settings: ConfigSettings = ()
    observed: tuple[Observation, ...] = ()
    requires_python: str = ""


def config_settings(values: Mapping[str, str | list[str]]) -> ConfigSettings:
    """Freeze config settings: sorted by key, lists as tuples."""
    return tuple(sorted((k, v if isinstance(v, str) else tuple(v)) for k, v in values.items()))
