"""What a user asked for, read but not yet resolved."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeVar

from pytest_fastenv.errors import RequirementsError
from pytest_fastenv.model.artifact import Hashes
from pytest_fastenv.model.codec import DISPLAY
from pytest_fastenv.model.location import Location
from pytest_fastenv.model.observation import Observation
from pytest_fastenv.model.reference import IndexReference, Reference

T = TypeVar("T")

Resolution = Literal["highest", "lowest", "lowest-direct"]
"""Which releases of a project are tried first: the newest; the oldest; the oldest of what the user asked for."""

ConfigSettings = tuple[tuple[str, str | tuple[str, ...]], ...]
"""Config settings (PEP 517) as sorted pairs, hashable."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a requirement; told where its marker is true, and not where it has no say."""

    what: str
    where: str | None = None
    why: str | None = None
    hint: str | None = None

    @classmethod
    def of(cls, error: RequirementsError) -> Fault:
        """Keep an error."""
        return cls(error.what, error.where, error.why, error.hint)

    @property
    def error(self) -> RequirementsError:
        """The error that was kept."""
        return RequirementsError(self.what, where=self.where, why=self.why, hint=self.hint)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One requirement or constraint.

    :ivar name: normalized project name; ``None`` when only the source can tell (``-e .``, a URL to an archive).
    :ivar specifier: version specifiers as text (PEP 440), empty for any version; with a direct reference: what its
        ``#egg=name==1.0`` says, to be held against the version that is found.
    :ivar extras: normalized extras, sorted.
    :ivar marker: environment marker as text (PEP 508), or ``None``.
    :ivar reference: where it is to come from.
    :ivar hashes: what ``--hash`` (or a URL's fragment) demands.
    :ivar config_settings: per-line config settings.
    :ivar no_deps: what the project needs is left out (``--no-deps``).
    :ivar fault: why its address cannot be used, where it has a marker that may exclude it.
    :ivar implied: the session needs it, no user wrote it: it is no lower bound, and needs none.
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
    no_deps: bool = False
    fault: Fault | None = None
    implied: bool = False


@dataclass(frozen=True, slots=True)
class Lock:
    """What a lock file says besides what it locks (PEP 751).

    :ivar name: as its user named it.
    :ivar requires_python: of all that it locks; empty for any.
    :ivar environments: markers of which one has to hold; empty where it says nothing of that.
    :ivar groups: the dependency groups of it that are taken.
    :ivar extras: the extras of it that are taken.
    :ivar projects: normalized names of all that it locks.
    """

    name: str
    requires_python: str = ""
    environments: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()


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
class ReleaseControl:
    """Whose pre-releases are welcome (``--pre``, ``--all-releases``, ``--only-final``): normalized names, ``:all:``."""

    all_releases: frozenset[str] = frozenset()
    only_final: frozenset[str] = frozenset()

    def pre_releases(self, name: str) -> bool | None:
        """Tell whether pre-releases of a project may be chosen; ``None`` leaves it to the requirements.

        A name given to one of the options beats ``:all:`` of the other.
        """
        if name in self.all_releases:
            return True
        if name in self.only_final:
            return False
        if ":all:" in self.all_releases:
            return True
        return False if ":all:" in self.only_final else None


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
    :ivar require_hashes: every distribution must carry a hash (``--require-hashes`` or any ``--hash``).
    :ivar require_pins: it must be pinned with ``==`` besides (``--require-hashes``); without that, the hash is the pin.
    :ivar prefer_binary: an older wheel is better than a newer source distribution.
    :ivar uploaded_prior_to: only files that an index got before this moment (ISO 8601) or so many days ago (``P3D``)
        count; empty for all files.
    :ivar ignore_requires_python: ``Requires-Python`` excludes nothing.
    :ivar build_constraints: versions that must hold in build environments.
    :ivar observed: everything read, nested files too, the metadata files of local projects, the sources of those that
        are built and not linked to, and the variables that ``${NAME}`` in requirements files was replaced by.
    :ivar resolution: which releases are tried first; builds' requirements are not concerned.
    :ivar locks: the lock files that were read.
    :ivar is_sealed: nothing may be chosen that they do not lock.
    :ivar requires_python: version specifiers the interpreter must satisfy, because a script's inline metadata says so
        (PEP 723); empty for any.
    :ivar pip_settings: which of pip's own settings had a say, for display.
    :ivar warnings: what the user should be told, such as settings of pip that have no say here.
    """

    wanted: tuple[Wanted, ...] = ()
    constraints: tuple[Wanted, ...] = ()
    index: IndexOptions = field(default_factory=IndexOptions)
    formats: FormatControl = field(default_factory=FormatControl)
    releases: ReleaseControl = field(default_factory=ReleaseControl)
    require_hashes: bool = False
    require_pins: bool = False
    prefer_binary: bool = False
    uploaded_prior_to: str = ""
    ignore_requires_python: bool = False
    build_constraints: tuple[Wanted, ...] = ()
    config_settings: ConfigSettings = ()
    observed: tuple[Observation, ...] = ()
    resolution: Resolution = "highest"
    locks: tuple[Lock, ...] = ()
    is_sealed: bool = False
    requires_python: str = ""
    pip_settings: tuple[str, ...] = field(default=(), metadata=DISPLAY)
    warnings: tuple[str, ...] = field(default=(), metadata=DISPLAY)

    def together_with(self, other: Request) -> Request:
        """Return what two requests ask for together; where only one value is possible the other one's counts."""
        return Request(
            wanted=(*self.wanted, *other.wanted),
            constraints=_each_once(self.constraints, other.constraints),
            index=IndexOptions(
                index_url=other.index.index_url or self.index.index_url,
                extra_index_urls=_each_once(self.index.extra_index_urls, other.index.extra_index_urls),
                find_links=_each_once(self.index.find_links, other.index.find_links),
                no_index=self.index.no_index or other.index.no_index,
                trusted_hosts=_each_once(self.index.trusted_hosts, other.index.trusted_hosts),
            ),
            formats=FormatControl(
                self.formats.no_binary | other.formats.no_binary, self.formats.only_binary | other.formats.only_binary
            ),
            releases=ReleaseControl(
                self.releases.all_releases | other.releases.all_releases,
                self.releases.only_final | other.releases.only_final,
            ),
            require_hashes=self.require_hashes or other.require_hashes,
            require_pins=self.require_pins or other.require_pins,
            prefer_binary=self.prefer_binary or other.prefer_binary,
            uploaded_prior_to=other.uploaded_prior_to or self.uploaded_prior_to,
            ignore_requires_python=self.ignore_requires_python or other.ignore_requires_python,
            build_constraints=_each_once(self.build_constraints, other.build_constraints),
            config_settings=_each_once(self.config_settings, other.config_settings),
            observed=_each_once(self.observed, other.observed),
            resolution=self.resolution if other.resolution == "highest" else other.resolution,
            locks=_each_once(self.locks, other.locks),
            is_sealed=self.is_sealed or other.is_sealed,
            requires_python=",".join(filter(None, dict.fromkeys((self.requires_python, other.requires_python)))),
            pip_settings=_each_once(self.pip_settings, other.pip_settings),
            warnings=_each_once(self.warnings, other.warnings),
        )

    def for_builds(self, wanted: tuple[Wanted, ...] = ()) -> Request:
        """Return a request for build requirements: the same rules about files, and constraints of their own.

        What holds for the environment's own projects alone (constraints, hashes, ``--no-deps``) does not, as for pip.
        """
        return Request(
            wanted=wanted,
            constraints=self.build_constraints,
            index=self.index,
            formats=self.formats,
            releases=self.releases,
            require_hashes=any(constraint.hashes for constraint in self.build_constraints),
            prefer_binary=self.prefer_binary,
            uploaded_prior_to=self.uploaded_prior_to,
            ignore_requires_python=self.ignore_requires_python,
            build_constraints=self.build_constraints,
        )


def _each_once(*some: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(item for items in some for item in items))


def config_settings(values: Mapping[str, str | list[str]]) -> ConfigSettings:
    """Freeze config settings: sorted by key, lists as tuples."""
    return tuple(sorted((k, v if isinstance(v, str) else tuple(v)) for k, v in values.items()))


def uploaded_before(text: str) -> datetime | None:
    """Read ``--uploaded-prior-to``: a moment in ISO 8601, or ``P3D``, as many days ago; ``None`` where it is empty.

    :raises ValueError: it is neither.
    """
    if not text:
        return None
    if days := re.fullmatch(r"P([0-9]{1,6})D", text):
        return datetime.now(UTC) - timedelta(days=int(days[1]))
    return moment_of(text)


def moment_of(text: str) -> datetime:
    """Read a moment in ISO 8601; local time where it names no offset.

    :raises ValueError: it is none.
    """
    return datetime.fromisoformat(text).astimezone()
