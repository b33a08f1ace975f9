"""From wishes to one request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from pytest_fastenv.environment_server.wishes import Wish, Wishes
from pytest_fastenv.errors import RequestError, UsageError
from pytest_fastenv.model.location import Location
from pytest_fastenv.model.request import FormatControl, IndexOptions, Request, Wanted
from pytest_fastenv.requirements.sources import COMMAND_LINE, read_sources
from pytest_fastenv.settings.values import Project

T = TypeVar("T")

#: Not the test's name: a plan is kept for other tests, and names where each requirement came from.
_ASKING = "this test"


def read_wishes(wishes: Wishes, environ: Mapping[str, str], fetch: Callable[[str], bytes]) -> Request:
    """Read all wishes into one request. Blocks.

    A project that is asked for again is wanted as the last wish says: the earlier ones for it are dropped.

    :param fetch: reads a requirements file from a server; blocks.
    :raises RequestError: something cannot be read.
    """
    reading = partial(_read, wishes=wishes, environ=environ, fetch=fetch)
    request = reading((), project=wishes.project)
    for group in wishes.groups:
        new = reading(group)
        again = set(filter(None, (_subject(wanted) for wanted in new.wanted)))
        kept = tuple(wanted for wanted in request.wanted if _subject(wanted) not in again)
        request = _together(replace(request, wanted=kept), new)
    return request


def _read(
    group: Sequence[Wish],
    *,
    wishes: Wishes,
    environ: Mapping[str, str],
    fetch: Callable[[str], bytes],
    project: Project = "none",
) -> Request:
    request = Request()
    # Editable ones by themselves: a requirement does not tell afterwards which wish it came from.
    parts = [([wish.source for wish in group if not wish.editable], False)]
    parts += [([wish.source], True) for wish in group if wish.editable]
    for sources, editable in parts:
        try:
            part = read_sources(
                sources,
                base=wishes.base,
                root=wishes.root,
                environ=environ,
                project="none" if editable else project,
                fetch=fetch,
            )
        except RequestError as error:
            if error.where == COMMAND_LINE:
                error.where = _ASKING
            raise
        wanted = tuple(_editable(one) if editable else one for one in part.wanted)
        request = _together(request, replace(part, wanted=tuple(map(_asked_by_test, wanted))))
    return request


def _subject(wanted: Wanted) -> object:
    """Return the project that a requirement asks for, or its directory where the project is not known yet."""
    return wanted.name or wanted.reference.directory


def _editable(wanted: Wanted) -> Wanted:
    reference = wanted.reference.with_editable(True)
    if reference is None:
        raise UsageError(
            f"{wanted.text} cannot be editable",
            where=_ASKING,
            why="only a local project's directory or a repository can",
            hint="give the directory, or leave editable out",
        )
    return replace(wanted, reference=reference)


def _asked_by_test(wanted: Wanted) -> Wanted:
    if wanted.location.file != COMMAND_LINE:
        return wanted
    return replace(wanted, location=Location(_ASKING, text=wanted.location.text))


def _together(one: Request, other: Request) -> Request:
    """Return what two requests ask for together; where only one value is possible `other` counts."""
    return Request(
        wanted=(*one.wanted, *other.wanted),
        constraints=(*one.constraints, *other.constraints),
        index=IndexOptions(
            index_url=other.index.index_url or one.index.index_url,
            extra_index_urls=_each_once(one.index.extra_index_urls, other.index.extra_index_urls),
            find_links=_each_once(one.index.find_links, other.index.find_links),
            no_index=one.index.no_index or other.index.no_index,
            trusted_hosts=_each_once(one.index.trusted_hosts, other.index.trusted_hosts),
        ),
        formats=FormatControl(
            one.formats.no_binary | other.formats.no_binary, one.formats.only_binary | other.formats.only_binary
        ),
        require_hashes=one.require_hashes or other.require_hashes,
        pre=one.pre or other.pre,
        prefer_binary=one.prefer_binary or other.prefer_binary,
        config_settings=_each_once(one.config_settings, other.config_settings),
        observed=_each_once(one.observed, other.observed),
        requires_python=",".join(filter(None, (one.requires_python, other.requires_python))),
    )


def _each_once(*some: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(item for items in some for item in items))
