"""The newest releases that an interpreter could install, project by project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from pytest_fastenv.errors import RequestError
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.model.location import Location
from pytest_fastenv.model.request import Request, Wanted
from pytest_fastenv.model.target import Target
from pytest_fastenv.provisioning.engine import Engine, open_engine
from pytest_fastenv.provisioning.run import Run
from pytest_fastenv.provisioning.tools import fetch_text
from pytest_fastenv.requirements.lines import Lines, read_lines
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store


@dataclass(frozen=True, slots=True)
class Newest:
    """A release, and the kind of its file that would be installed."""

    version: str
    kind: Literal["wheel", "sdist"]


async def newest(
    names: Sequence[str], target: Target, lines: Lines, settings: Settings, store: Store, environ: Mapping[str, str]
) -> dict[str, Newest]:
    """Ask the indexes now; nothing is fetched beyond what tells of releases.

    :param names: normalized; projects without a release that could be installed are left out of the answer.
    :param lines: what is said about indexes and releases; no requirements.
    :raises NetworkError: an index does not answer.
    """
    # Strictly serial work fetches nothing ahead of its turn: here nothing is to be installed.
    serial = replace(settings, concurrent=1, concurrent_downloads=1, concurrent_builds=1, concurrent_installs=1)
    run = Run.of(replace(serial, upgrade=not settings.offline), store, environ)
    request = await in_thread(read_lines, lines, environ, partial(fetch_text, run))
    async with open_engine(run, target, request.for_builds()) as engine:
        found = {name: await _newest(name, engine, request) for name in names}
    return {name: one for name, one in found.items() if one is not None}


async def _newest(name: str, engine: Engine, request: Request) -> Newest | None:
    wanted = Wanted(name=name, location=Location("the environment"), text=name, no_deps=True)
    try:
        plan = (await engine.resolve(replace(request, wanted=(wanted,)))).plan
    except RequestError:
        return None
    (one,) = (distribution for distribution in plan.distributions if distribution.name == name)
    return Newest(one.version, "sdist" if one.source.needs_build else "wheel")
