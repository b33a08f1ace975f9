"""The installer: one graph in which every distribution moves on as soon as it can.

There is no barrier between stages. Each distribution is fetched or built, unpacked and linked in a task of its own;
all that holds it back is the permit of the resource it needs next. Source distributions begin first, because builds
take longest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from pytest_fastenv.errors import StoreError, option
from pytest_fastenv.installer.distributions import Distributions
from pytest_fastenv.installer.link import Linked, LinkOrder
from pytest_fastenv.installer.linking import Linking, Told, bytecode_entry
from pytest_fastenv.installer.overlaps import OverlapPolicy
from pytest_fastenv.installer.relink import Kept
from pytest_fastenv.installer.timings import Timings
from pytest_fastenv.installer.unpacked_wheel import UnpackedWheel
from pytest_fastenv.installer.wheel_bucket import WHEELS
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.link import LinkMode
from pytest_fastenv.model.plan import Distribution, Plan
from pytest_fastenv.model.protocols import Staging
from pytest_fastenv.model.target import Target
from pytest_fastenv.runtime.summary import Summary
from pytest_fastenv.schedule.outcome import Admission, run_all
from pytest_fastenv.tools import Tools
from pytest_fastenv.wheel.direct_url import direct_url_text

_NO_OVERLAPS = OverlapPolicy()


@dataclass(frozen=True, slots=True)
class Filled:
    """What became of an installation.

    :ivar summary: what was done; what only a whole run knows is left open.
    :ivar kept: what the environment was filled with, for `pytest_fastenv.installer.relink`.
    """

    summary: Summary
    kept: tuple[Kept, ...]


class Installer:
    """Executes plans. For one event loop; several installations may go on at once."""

    def __init__(
        self,
        tools: Tools,
        distributions: Distributions,
        link: LinkMode = LinkMode.AUTO,
        timings: Timings | None = None,
        overlaps: OverlapPolicy = _NO_OVERLAPS,
        *,
        shares_bytecode: bool = True,
    ) -> None:
        self._store = tools.store
        self._shares_bytecode = shares_bytecode
        self._overlaps = overlaps
        self._timings = timings
        self._distributions = distributions
        self._pools = tools.pools
        self._processes = tools.processes
        self._recorder = tools.recorder
        self._link = link

    async def install(
        self, plan: Plan, staging: Staging, *, leads: Admission | None = None, for_builds: bool = False
    ) -> Filled:
        """Fill an environment with the distributions of a plan.

        After the first failure nothing new is begun; what is under way is finished, and what was fetched, built and
        unpacked stays in the store for the next run. What was staged is then of no use.

        :param leads: what closes as well with the first failure.
        :param for_builds: it is a build environment: what strict mode refuses in others may be in it.
        :raises FastenvError: the failure, where there is just one.
        :raises FailureGroup: all failures that are independent of each other.
        """
        admission = Admission()
        if leads is not None:
            admission.lead(leads)
        overlaps = replace(self._overlaps, strict=False) if for_builds else self._overlaps
        linking = Linking(staging, self._link, overlaps, self._pools, self._processes, self._recorder)
        installation = _Installation(
            self._distributions,
            admission,
            linking,
            self._recorder,
            for_builds=for_builds,
            bytecode=partial(self._bytecode, staging.target),
        )
        wheels = await installation.run(in_order_of_beginning(plan.distributions, self._timings))
        for wheel in wheels:
            staging.uses(WHEELS.directory, wheel.sha256)
        summary = Summary(
            distributions=len(wheels),
            cached=sum(wheel.provenance == "cache" for wheel in wheels),
            fetched=sum(wheel.provenance == "network" for wheel in wheels),
            built=sum(wheel.provenance == "built" for wheel in wheels),
            fetched_bytes=sum(wheel.fetched_bytes for wheel in wheels),
            warnings=tuple(
                dict.fromkeys([*(text for wheel in wheels for text in wheel.facts.accepted), *linking.warnings])
            ),
        )
        return Filled(summary, tuple(installation.kept))

    async def obtain(self, plan: Plan) -> None:
        """Bring what a plan needs into the store, and link nothing; fails as `install` does."""
        order = in_order_of_beginning(plan.distributions, self._timings)
        admission = Admission()
        await run_all([self._distributions.obtain(distribution, admission) for distribution in order], admission)

    def _bytecode(self, target: Target, wheel: UnpackedWheel) -> str:
        return bytecode_entry(self._store, wheel.sha256, target) if self._shares_bytecode else ""


class _Installation:
    """One installation on its way."""

    def __init__(
        self,
        distributions: Distributions,
        admission: Admission,
        linking: Linking,
        recorder: Recorder,
        *,
        for_builds: bool,
        bytecode: Callable[[UnpackedWheel], str],
    ) -> None:
        self._bytecode = bytecode
        self._distributions = distributions
        self._for_builds = for_builds
        self._admission = admission
        self._linking = linking
        self._recorder = recorder
        self.kept: list[Kept] = []

    async def run(self, distributions: Sequence[Distribution]) -> list[UnpackedWheel]:
        wheels = await run_all([self._install(d) for d in distributions], self._admission)
        await self._linking.settled()
        return wheels

    async def _install(self, distribution: Distribution) -> UnpackedWheel:
        wheel = await self._distributions.obtain(distribution, self._admission)
        if not self._for_builds:
            self._distributions.accept(wheel, is_own=distribution.source.own_tree is not None)
        linked = await self._link(distribution, wheel)
        if linked.changed:
            wheel = await self._repair(distribution, wheel, linked.changed)
            linked = await self._link(distribution, wheel)
            if linked.changed:
                raise StoreError(
                    f"the store's copy of {distribution} changes while it is being used",
                    where=str(wheel.entry),
                    why=f"{linked.changed[0]} is not what was unpacked a moment ago",
                    hint=f"see what else writes there, or set {option('cache_dir')} to another directory",
                )
        return wheel

    async def _repair(self, distribution: Distribution, wheel: UnpackedWheel, changed: Sequence[str]) -> UnpackedWheel:
        """Replace an entry whose files are not what they were: edited through a link, or lost with the power."""
        more = f" and {len(changed) - 1} more file{'s' if len(changed) > 2 else ''}" if len(changed) > 1 else ""
        self._recorder.notice(
            "warning", f"the store's copy of {distribution} was changed ({changed[0]}{more}): made anew", of="run"
        )
        return await self._distributions.replace(distribution, wheel, self._admission)

    async def _link(self, distribution: Distribution, wheel: UnpackedWheel) -> Linked:
        self._admission.check()
        order = _order(distribution, wheel, self._bytecode(wheel))
        told = Told(distribution.version, wheel.provenance, wheel.sha256)
        linked = await self._linking.link(order, wheel.facts.files, told)
        if not linked.changed:
            self.kept.append(Kept.of(order, told, wheel.facts.files))
        return linked


def in_order_of_beginning(distributions: Sequence[Distribution], timings: Timings | None = None) -> list[Distribution]:
    """Return distributions in the order in which work on them should begin.

    Sources first, because builds take longest; those with the longest way first. Then wheels, alternating between
    those with the longest way and those with the shortest, which give the workers something to unpack while the
    others are on their way.

    :param timings: what is known from earlier runs; where nothing is, sizes decide.
    """
    sources = _longest_first([d for d in distributions if d.source.needs_build], timings)
    wheels = _longest_first([d for d in distributions if not d.source.needs_build], timings)
    half = (len(wheels) + 1) // 2
    alternating = [d for pair in zip(wheels[:half], reversed(wheels), strict=False) for d in pair]
    return [*sources, *dict.fromkeys(alternating)]


def _longest_first(distributions: list[Distribution], timings: Timings | None) -> list[Distribution]:
    """Sort by the seconds that work took the last time; what was never done is taken to be as fast as the rest."""
    known = {d.name: timings.seconds(d.name) for d in distributions} if timings is not None else {}
    timed = [d for d in distributions if known.get(d.name)]
    seconds, size_bytes = sum(known[d.name] for d in timed), sum(map(_size, timed))
    pace = seconds / size_bytes if size_bytes else 1.0  # seconds per byte; without timings any number does
    return sorted(distributions, key=lambda d: known.get(d.name) or _size(d) * pace, reverse=True)


def _size(distribution: Distribution) -> int:
    return distribution.source.size_bytes


def _order(distribution: Distribution, wheel: UnpackedWheel, bytecode: str) -> LinkOrder:
    direct_url = ""
    if distribution.direct_url is not None:
        sha256 = None if distribution.source.needs_build else wheel.sha256
        direct_url = direct_url_text(distribution.direct_url, sha256)
    facts = wheel.facts
    return LinkOrder(
        str(wheel.entry),
        distribution.name,
        facts.dist_info,
        facts.data,
        facts.root_is_purelib,
        distribution.requested,
        direct_url,
        fresh=wheel.fresh,
        bytecode=bytecode,
    )
