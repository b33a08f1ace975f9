"""Change what an environment of ours holds: new distributions come in, other versions of theirs go out.

Only for an environment that its user asked to change (made inside a test); shared environments are never changed.
What happens to files is in `pytest_fastenv.provisioning.exchange`: all of it or nothing. Whoever changes an environment
undoes first what a killed process left half done there (`recover`).
"""

from __future__ import annotations

import csv
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from pytest_fastenv.environment import manifest
from pytest_fastenv.environment.fingerprint import distribution_identity
from pytest_fastenv.environment.staging import StagingDirectory
from pytest_fastenv.errors import PublishError
from pytest_fastenv.filesystem import bytecode
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.installer.link import INSTALLER
from pytest_fastenv.installer.overlaps import OverlapPolicy
from pytest_fastenv.model.plan import Distribution, Plan
from pytest_fastenv.model.protocols import Staging
from pytest_fastenv.model.target import Target
from pytest_fastenv.provisioning.exchange import Exchange
from pytest_fastenv.provisioning.standing_files import yield_to_what_stands
from pytest_fastenv.runtime.environment import installed_release
from pytest_fastenv.schedule.outcome import whatever_happens
from pytest_fastenv.wheel.names import normal_version, same_version

_NO_OVERLAPS = OverlapPolicy()


class Installs(Protocol):
    """What fills a directory: the engine."""

    async def install(self, plan: Plan, staging: Staging) -> object:
        """Link a plan's distributions into an environment."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A distribution that lies in an environment.

    :ivar dist_info: its directory below the prefix, forward slashes.
    :ivar installer: who put it there.
    """

    name: str
    version: str
    dist_info: str
    installer: str


@dataclass(frozen=True, slots=True)
class Amended:
    """What became of an environment.

    :ivar added: distributions that were not there before.
    :ivar replaced: distributions of which another version, or another content, was there.
    :ivar told: what is to be said of files that gave way.
    """

    added: tuple[Distribution, ...]
    replaced: tuple[Distribution, ...]
    told: tuple[str, ...] = ()


def installed(prefix: Path, target: Target) -> dict[str, Installed]:
    """Return the distributions that an environment holds, by normalized name, whichever program installed them."""
    found: dict[str, Installed] = {}
    for place in dict.fromkeys((target.schemes["purelib"], target.schemes["platlib"])):
        try:
            names = sorted(os.listdir(prefix / place))
        except (FileNotFoundError, NotADirectoryError):
            continue
        for directory in (f"{place}/{name}" for name in names):
            release = installed_release(f"{prefix}/{directory}")
            if release is not None:
                name, version = release[0], normal_version(release[1]) or release[1]
                found[name] = Installed(name, version, directory, _first_line(prefix / directory / "INSTALLER"))
    return found


async def amend(
    prefix: Path,
    plan: Plan,
    engine: Installs,
    overlaps: OverlapPolicy = _NO_OVERLAPS,
    *,
    held: AbstractSet[str] = frozenset(),
    anew: bool = False,
) -> Amended:
    """Make an environment hold a plan's distributions; what it holds besides stays.

    :param prefix: a whole environment that no other process uses meanwhile.
    :param overlaps: which files may give way to those that lie there already.
    :param held: projects of which a hash is demanded: what other means put there does not do for them.
    :param anew: also what is there just as planned is replaced.
    :raises FastenvError: the environment is as it was.
    """
    here = await in_thread(installed, prefix, plan.target)
    changing = differing(prefix, plan, here, held=held, anew=anew)
    going = [here[d.name] for d in changing if d.name in here]
    told: list[str] = []
    if changing:
        async with _exchange(prefix) as exchange:
            new = exchange.new
            staging = StagingDirectory(new, prefix, plan.target)
            await engine.install(replace(plan, distributions=tuple(changing)), staging)
            leaving = {one.name for one in going}

            def owners(directory: Path) -> dict[str, str]:
                some = [one for name, one in installed(directory, plan.target).items()
                        if directory == new or name not in leaving]  # fmt: skip
                return {path: one.name for one in some for path in _files(directory, one)}

            told += await in_thread(yield_to_what_stands, new, prefix, plan.target.schemes, overlaps, owners)
            # Before anything moves: an environment that names too much of the store does no harm.
            await whatever_happens(in_thread(manifest.add_uses, prefix, staging.used))
            await _run(exchange, prefix, going, plan.target)
    await in_thread(_keep_plan, prefix, plan)
    added, replaced = [d for d in changing if d.name not in here], [d for d in changing if d.name in here]
    return Amended(tuple(added), tuple(replaced), tuple(told))


async def remove(prefix: Path, names: AbstractSet[str], target: Target) -> tuple[Installed, ...]:
    """Take distributions out of an environment, whichever program put them there.

    What goes is what their RECORD lists, edited or not, and the bytecode of that; other files stay where they are.

    :param names: normalized; those that are not there are passed over.
    :return: what was taken out.
    :raises PublishError: a distribution's files are not known; the environment is as it was.
    """
    here = await in_thread(installed, prefix, target)
    going = [one for name, one in here.items() if name in names]
    if going:
        async with _exchange(prefix) as exchange:
            await _run(exchange, prefix, going, target)
        await in_thread(_keep_plan, prefix, Plan(target, ()))
    return tuple(going)


def differing(
    prefix: Path,
    plan: Plan,
    here: Mapping[str, Installed],
    *,
    held: AbstractSet[str] = frozenset(),
    anew: bool = False,
) -> list[Distribution]:
    """Return which distributions of a plan an environment does not hold just as they are planned; see `amend`.

    :param here: what it holds (`installed`).
    """
    known = _planned(prefix)
    return [d for d in plan.distributions if anew or not _is_there(d, here.get(d.name), known.get(d.name), held)]


def files_of(prefix: Path, one: Installed) -> list[str]:
    """Return the absolute paths of what belongs to a distribution and is there, its bytecode, too.

    :raises PublishError: it has no RECORD, so its files are unknown.
    """
    return _files(prefix, one)


@asynccontextmanager
async def _exchange(prefix: Path) -> AsyncIterator[Exchange]:
    """Make an exchange for a block; nothing is left of it after."""
    exchange = await in_thread(Exchange, prefix)
    try:
        yield exchange
    finally:
        await whatever_happens(in_thread(exchange.close))


async def _run(exchange: Exchange, prefix: Path, going: Sequence[Installed], target: Target) -> None:
    """Take some distributions out and bring in what is new; once begun that is finished, or undone."""

    def who_brought(path: str) -> str:
        owners = [one for one in installed(prefix, target).values() if path in set(_files(prefix, one))]
        return f"{owners[0].name} {owners[0].version} has brought it" if owners else "no distribution has brought it"

    def run() -> None:
        exchange.run([path for one in going for path in _files(prefix, one)], who_brought)

    await whatever_happens(in_thread(run))  # also where this task is cancelled


def _keep_plan(prefix: Path, plan: Plan) -> None:
    """Keep the plan, and what an earlier plan brought that is there still."""
    here, new = installed(prefix, plan.target), {one.name for one in plan.distributions}
    stays = [
        one
        for one in _planned(prefix).values()
        if one.name not in new and one.name in here and same_version(here[one.name].version, one.version)
    ]
    manifest.write_plan(prefix, replace(plan, distributions=(*stays, *plan.distributions)))


def _planned(prefix: Path) -> Mapping[str, Distribution]:
    plan = manifest.read_plan(prefix)
    return {} if plan is None else {distribution.name: distribution for distribution in plan.distributions}


def _is_there(
    distribution: Distribution, here: Installed | None, known: Distribution | None, held: AbstractSet[str]
) -> bool:
    """Tell whether an environment holds a distribution just as it is planned."""
    if here is None or not same_version(here.version, distribution.version):
        return False
    if here.installer != INSTALLER:  # put there by other means: of an index's release one is as good as another
        return distribution.direct_url is None and distribution.name not in held
    return known is not None and _identity(known) == _identity(distribution)


def _identity(distribution: Distribution) -> str:
    return distribution_identity(replace(distribution, requested=False))


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").partition("\n")[0].strip()
    except OSError:
        return ""


def _files(prefix: Path, one: Installed) -> list[str]:
    """Return what belongs to a distribution and is there: the files of its RECORD, and their bytecode.

    :raises PublishError: it has no RECORD, so its files are unknown.
    """
    record = prefix / one.dist_info / "RECORD"
    try:
        with open(record, encoding="utf-8", newline="") as file:
            listed = [row[0] for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PublishError(
            f"{one.name} {one.version} cannot be replaced: its RECORD, which lists its files, cannot be read",
            where=str(record),
            why=str(error),
            hint=f"it was put there by {one.installer or 'something else'}; remove it with the same means",
        ) from error
    site_packages = os.path.dirname(prefix / one.dist_info)
    paths = dict.fromkeys(os.path.normpath(os.path.join(site_packages, path)) for path in listed)
    below = os.path.join(prefix, "")
    ours = [path for path in paths if path.startswith(below) and os.path.lexists(path) and not _is_directory(path)]
    return [*ours, *(found for found in _bytecode(ours) if found not in paths)]


def _is_directory(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _bytecode(paths: Sequence[str]) -> Iterator[str]:
    """Yield the bytecode files of modules; one list of each ``__pycache__`` is read."""
    stems: dict[str, set[str]] = {}
    for path in paths:
        if path.endswith(".py"):
            directory, name = os.path.split(path)
            stems.setdefault(os.path.join(directory, bytecode.CACHE), set()).add(name[:-3])
    for cache, names in stems.items():
        with suppress(OSError):  # mostly there is none
            yield from (f"{cache}/{name}" for name in os.listdir(cache) if name.partition(".")[0] in names)
