"""From wishes to one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from pytest_fastenv.environment_server.wishes import Wish, Wishes
from pytest_fastenv.errors import THE_REQUEST, RequestError, UsageError, place_of
from pytest_fastenv.model.location import Location
from pytest_fastenv.model.request import Request, Wanted
from pytest_fastenv.requirements.sources import read_sources
from pytest_fastenv.settings.values import Project

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
        request = replace(request, wanted=kept).together_with(new)
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
            if error.where == place_of("sources"):
                error.where = _ASKING
            raise
        wanted = tuple(_editable(one) if editable else one for one in part.wanted)
        request = request.together_with(replace(part, wanted=tuple(map(_asked_by_test, wanted))))
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
    if wanted.location.file != THE_REQUEST:
        return wanted
    return replace(wanted, location=Location(_ASKING, text=wanted.location.text))
