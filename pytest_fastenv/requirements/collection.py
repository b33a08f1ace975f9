"""What the sources of a request add up to, while they are being read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from packaging.utils import canonicalize_name

from pytest_fastenv.model.observation import Observation
from pytest_fastenv.model.request import FormatControl, IndexOptions, Lock, ReleaseControl, Request, Wanted
from pytest_fastenv.requirements.documents import Documents


@dataclass(slots=True)
class Collection:
    """Gathers requirements and options in the order they are read; `finish` freezes them.

    :ivar require_hashes: hashes and pins are required of all requirements (``--require-hashes``).
    :ivar hashes_imply: hashes are required as well where one requirement has one (without ``--no-require-hashes``).
    :ivar hashed: one has.
    """

    documents: Documents = field(default_factory=Documents)
    wanted: list[Wanted] = field(default_factory=list)
    constraints: list[Wanted] = field(default_factory=list)
    index_url: str | None = None
    extra_index_urls: list[str] = field(default_factory=list)
    find_links: list[str] = field(default_factory=list)
    trusted_hosts: list[str] = field(default_factory=list)
    no_index: bool = False
    no_binary: set[str] = field(default_factory=set)
    only_binary: set[str] = field(default_factory=set)
    all_releases: set[str] = field(default_factory=set)
    only_final: set[str] = field(default_factory=set)
    require_hashes: bool = False
    hashes_imply: bool = True
    hashed: bool = False
    prefer_binary: bool = False
    uploaded_prior_to: str = ""
    ignore_requires_python: bool = False
    build_constraints: list[Wanted] = field(default_factory=list)
    requires_python: list[str] = field(default_factory=list)
    locks: list[Lock] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def requires_hashes(self) -> bool:
        """Whether every requirement must have a hash."""
        return self.require_hashes or (self.hashed and self.hashes_imply)

    def finish(self, variables: Iterable[Observation] = ()) -> Request:
        """Return the request.

        :param variables: environment variables that were looked at.
        """
        return Request(
            wanted=tuple(self.wanted),
            constraints=tuple(self.constraints),
            index=IndexOptions(
                index_url=self.index_url,
                extra_index_urls=tuple(dict.fromkeys(self.extra_index_urls)),
                find_links=tuple(dict.fromkeys(self.find_links)),
                no_index=self.no_index,
                trusted_hosts=tuple(dict.fromkeys(self.trusted_hosts)),
            ),
            formats=FormatControl(frozenset(self.no_binary), frozenset(self.only_binary)),
            releases=ReleaseControl(frozenset(self.all_releases), frozenset(self.only_final)),
            require_hashes=self.requires_hashes,
            require_pins=self.require_hashes,
            prefer_binary=self.prefer_binary,
            uploaded_prior_to=self.uploaded_prior_to,
            ignore_requires_python=self.ignore_requires_python,
            build_constraints=tuple(self.build_constraints),
            observed=(*self.documents.observed, *variables),
            locks=tuple(self.locks),
            requires_python=",".join(dict.fromkeys(self.requires_python)),
            warnings=tuple(self.warnings),
        )

    def apply(self, rule: str, value: str = "") -> None:
        """Apply an option about which files and releases may be chosen; what is said later wins.

        :param rule: the option's long name without dashes.
        :param value: for options about projects: comma-separated names, ``:all:`` or ``:none:``.
        :raises ValueError: there is no such rule.
        """
        match rule:
            case "no-binary":
                _move(value, self.no_binary, self.only_binary)
            case "only-binary":
                _move(value, self.only_binary, self.no_binary)
            case "pre":
                _move(":all:", self.all_releases, self.only_final)
            case "all-releases":
                _move(value, self.all_releases, self.only_final)
            case "only-final":
                _move(value, self.only_final, self.all_releases)
            case "prefer-binary":
                self.prefer_binary = True
            case "require-hashes":
                self.require_hashes = True
            case "no-require-hashes":
                self.hashes_imply = False
            case "ignore-requires-python":
                self.ignore_requires_python = True
            case _:
                raise ValueError(rule)


def _move(value: str, target: set[str], other: set[str]) -> None:
    """Put projects into one of two sets that exclude each other: what is said later wins.

    :param value: comma-separated names; ``:all:`` stands for all, ``:none:`` empties the set.
    """
    for item in filter(None, (part.strip() for part in value.split(","))):
        if item == ":all:":
            other.clear()
            target.clear()
            target.add(item)
        elif item == ":none:":
            target.clear()
        else:
            name = canonicalize_name(item)
            other.discard(name)
            target.add(name)
