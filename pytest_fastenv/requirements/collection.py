"""What the sources of a request add up to, while they are being read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from packaging.utils import canonicalize_name

from pytest_fastenv.model.observation import Observation
from pytest_fastenv.model.request import FormatControl, IndexOptions, Request, Wanted
from pytest_fastenv.requirements.documents import Documents


@dataclass(slots=True)
class Collection:
    """Gathers requirements and options in the order they are read; `finish` freezes them."""

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
    require_hashes: bool = False
    pre: bool = False
    prefer_binary: bool = False
    requires_python: list[str] = field(default_factory=list)

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
            require_hashes=self.require_hashes,
            pre=self.pre,
            prefer_binary=self.prefer_binary,
            observed=(*self.documents.observed, *variables),
            requires_python=",".join(dict.fromkeys(self.requires_python)),
        )

    def limit_formats(self, value: str, *, binary: bool) -> None:
        """Apply ``--no-binary`` or ``--only-binary``: names and ``:all:`` are taken from the other one, later ones win.

        :param value: comma-separated names; ``:all:`` stands for all, ``:none:`` empties the list.
        :param binary: whether only binaries (true) or no binaries are to be used for them.
        """
        target, other = (self.only_binary, self.no_binary) if binary else (self.no_binary, self.only_binary)
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
