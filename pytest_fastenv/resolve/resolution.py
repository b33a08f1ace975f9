"""From a request to a plan."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Iterable, Mapping, Sequence

from nab_resolver.resolver import Solution

from pytest_fastenv.errors import RequirementsError
from pytest_fastenv.model.plan import Distribution, Plan
from pytest_fastenv.model.protocols import PinObserver, SourceMetadata
from pytest_fastenv.model.request import ConfigSettings, Request, Wanted, uploaded_before
from pytest_fastenv.model.target import Target
from pytest_fastenv.resolve.candidates import ArtifactChoice, Candidate, Policy, Refusal
from pytest_fastenv.resolve.direct import Directs
from pytest_fastenv.resolve.facts import Facts
from pytest_fastenv.resolve.forecast import Ahead
from pytest_fastenv.resolve.hashed import Demands, check_hashes
from pytest_fastenv.resolve.lowest import Asked, Order, asked_directly, check_bounds
from pytest_fastenv.resolve.other_indexes import Choosing, differences
from pytest_fastenv.resolve.pins import PinReport
from pytest_fastenv.resolve.provider import Key, Provider
from pytest_fastenv.resolve.requirements_of import DependencyReader, Specifiers
from pytest_fastenv.resolve.search import Search, in_thread
from pytest_fastenv.resolve.untested import untested_bounds
from pytest_fastenv.schedule.interrupted_work import InterruptedWork
from pytest_fastenv.tools import Tools

Named = Sequence[tuple[Wanted, str]]
"""Requirements that apply to the target, each with the name of its project."""


async def resolve(
    request: Request,
    target: Target,
    tools: Tools,
    sources: SourceMetadata,
    *,
    observer: PinObserver | None = None,
    preferences: Mapping[str, str] | None = None,
) -> Plan:
    """Find out exactly which artifacts satisfy a request.

    The newest releases that fit each other, or the oldest where the request says so; the same answers of the index give
    the same plan. Pages and metadata are read ahead, all at once; the search runs in a thread of its own, so the event
    loop stays free. Cancelling it ends both before the cancellation passes on.

    :param tools: the index tells which projects there are; its permits limit what goes on at once, and in a serial run
        the search stops while something is fetched or built.
    :param sources: gives metadata of what has to be built.
    :param observer: hears of pins while the search goes on, and of likely ones before it, on the event loop.
    :param preferences: versions by normalized name, to be kept where nothing speaks against them.
    :raises NoSolutionError: with who wants what, and what to loosen.
    :raises RequirementsError: hashes are required and missing, or a requirement that applies has an unusable address.
    :raises FastenvError: what reading the index, building or cloning came to.
    """
    reader, specifiers = _reader(target, request), Specifiers()
    applying = [wanted for wanted in request.wanted if _applies(wanted, reader)]
    for wanted in (*applying, *(one for one in request.constraints if _applies(one, reader))):
        if wanted.fault is not None:
            raise wanted.fault.error
    reader.leave_out_needs_of(wanted.name for wanted in applying if wanted.no_deps and wanted.name is not None)
    policy = _policy(request, applying, target, reader, preferences or {})
    directs = Directs(tools, sources, policy, ArtifactChoice(policy, specifiers))
    subject = f"{len(applying)} requirements"
    async with InterruptedWork("resolve", subject, tools.recorder, tools.pools, target=target.short) as work:
        facts = Facts(directs, specifiers, work)
        try:
            order = Order.of(request.resolution, applying)
            ahead = Ahead(facts, reader, specifiers, order, observer)
            facts.reserve(wanted.name for wanted in applying if wanted.name is not None and wanted.reference.is_direct)
            for wanted in applying:
                if wanted.name is not None and not wanted.reference.is_direct:
                    ahead.want(wanted.name, wanted.extras, wanted.specifier, asked_for=True)
            async with work.aside():
                named, asked = await _named(applying, facts, ahead, reader, order)
            reader.leave_out_needs_of(name for wanted, name in named if wanted.no_deps)
            report = PinReport(observer, facts, frozenset(name for _, name in named)) if observer else None
            search = Search(facts, reader, tools.recorder, named, order)
            solution, provider = await in_thread(lambda: search.run(report), facts.stop)
            plan = _plan(target, solution, provider, facts, named)
            told = untested_bounds(asked, solution.pins, provider, facts) if order.direct else []
            choosing = Choosing(directs.choice, specifiers, order)
            demanded = _demanded(solution, provider, facts, named)
            async with work.aside():
                told += await differences(_unlocked(plan, request), demanded, choosing, tools)
        finally:
            await facts.close()
        work.span.args["distributions"] = len(plan.distributions)
    if request.require_hashes:
        constraints = [(c, c.name) for c in request.constraints if c.name and _applies(c, reader)]
        check_hashes(plan.distributions, [*named, *constraints], pins=request.require_pins)
    for warning in (*plan.warnings, *told):
        tools.recorder.notice("warning", warning)
    return plan


def _reader(target: Target, request: Request) -> DependencyReader:
    groups = frozenset(group for lock in request.locks for group in lock.groups)
    return DependencyReader(target, groups, frozenset(extra for lock in request.locks for extra in lock.extras))


def _applies(wanted: Wanted, reader: DependencyReader) -> bool:
    return wanted.marker is None or reader.holds(wanted.marker)


def _policy(
    request: Request,
    applying: Sequence[Wanted],
    target: Target,
    reader: DependencyReader,
    preferences: Mapping[str, str],
) -> Policy:
    settings: dict[str, ConfigSettings] = {}
    constraints: dict[str, list[Wanted]] = {}
    for constraint in request.constraints:
        if not _applies(constraint, reader):
            continue
        if constraint.name is None:
            raise RequirementsError(
                f"the constraint {constraint.text} names no project",
                where=str(constraint.location),
                hint="write it as name @ URL",
            )
        constraints.setdefault(constraint.name, []).append(constraint)
    named = [*applying, *(one for some in constraints.values() for one in some)]
    for wanted in named:
        if wanted.name is not None and wanted.config_settings:
            settings.setdefault(wanted.name, wanted.config_settings)
    return Policy(
        target,
        request.formats,
        request.releases,
        request.prefer_binary,
        uploaded_before(request.uploaded_prior_to),
        request.ignore_requires_python,
        Demands.of(named, required=request.require_hashes),
        constraints,
        settings,
        request.config_settings,
        preferences,
        ", ".join(lock.name for lock in request.locks) if request.is_sealed else "",
    )


async def _named(
    applying: Sequence[Wanted], facts: Facts, ahead: Ahead, reader: DependencyReader, order: Order
) -> tuple[Named, list[Asked]]:
    """Look at everything that is named directly, all at once, and return all requirements with names.

    :return: and what the user is responsible for, on projects of an index.
    """
    direct = [wanted for wanted in applying if wanted.reference.is_direct]
    candidates = dict(zip(direct, await asyncio.gather(*(facts.examine(wanted) for wanted in direct)), strict=True))
    facts.name_directly(dict.fromkeys(candidates.values()))
    asked = asked_directly(applying, candidates, reader)
    check_bounds(order.resolution, asked, facts.policy.constraints)
    order.ask_for(asked)
    for wanted, candidate in candidates.items():
        if candidate.metadata is not None and not wanted.no_deps:
            for extra in ("", *wanted.extras):
                ahead.dependencies(reader.read(candidate.metadata, extra))
    named = [
        (wanted, candidates[wanted].name if wanted.reference.is_direct else wanted.name or "") for wanted in applying
    ]
    return named, asked


def _plan(target: Target, solution: Solution[Key, int], provider: Provider, facts: Facts, named: Named) -> Plan:
    wishes: dict[str, list[str]] = {}
    for wanted, name in named:
        wishes.setdefault(name, []).append(_phrase(str(wanted.location), wanted.specifier))
    for key, number in solution.pins.items():
        for need in provider.needs[key, number]:
            if need.key.name != key.name and not need.key.extra:
                text = f"@ {need.dependency.url}" if need.dependency.url else need.dependency.specifier
                wishes.setdefault(need.key.name, []).append(_phrase(str(key), text))
    extras: dict[str, list[str]] = {}
    for key in solution.pins:
        if key.extra:
            extras.setdefault(key.name, []).append(key.extra)
    requested = {name for _, name in named}
    distributions: list[Distribution] = []
    warnings: list[str] = []
    for key, number in sorted(solution.pins.items()):
        if key.extra:
            continue
        releases = facts.releases_now(key.name)
        candidate = releases.candidate(number)
        if isinstance(candidate, Refusal):  # pragma: no cover - a pinned release was a candidate
            raise TypeError(candidate)
        distributions.append(
            Distribution(
                candidate.name,
                candidate.text,
                candidate.source,
                requested=key.name in requested,
                extras=tuple(sorted(extras.get(key.name, ()))),
                direct_url=candidate.direct,
                required_by=tuple(dict.fromkeys(wishes.get(key.name, ()))),
            )
        )
        why = releases.yanked(number)
        if why is not None:
            warnings.append(f"{candidate} was yanked by its maintainers{f': {why}' if why else ''}")
        warnings += _unknown_extras(candidate, extras.get(key.name, ()), facts)
    return Plan(target, tuple(distributions), tuple(warnings))


def _unlocked(plan: Plan, request: Request) -> list[Distribution]:
    """Return what was chosen among an index's releases: of the rest there is no choice."""
    locked = {name for lock in request.locks for name in lock.projects}
    return [distribution for distribution in plan.distributions if distribution.name not in locked]


def _demanded(solution: Solution[Key, int], provider: Provider, facts: Facts, named: Named) -> dict[str, set[str]]:
    """Return the version specifiers that hold for each project of a solution."""
    demanded = {name: {one.specifier for one in some} for name, some in facts.policy.constraints.items()}
    for wanted, name in named:
        demanded.setdefault(name, set()).add(wanted.specifier)
    for pin in solution.pins.items():
        for need in provider.needs[pin]:
            demanded.setdefault(need.key.name, set()).add(need.dependency.specifier)
    return demanded


def _unknown_extras(candidate: Candidate, extras: Iterable[str], facts: Facts) -> list[str]:
    metadata = facts.known_metadata(candidate)
    if candidate.name in facts.locked:
        return []  # what an extra needs is locked beside it
    provided = metadata.provides_extra if metadata else ()
    warnings = []
    for extra in extras:
        if extra in provided:
            continue
        close = difflib.get_close_matches(extra, provided, 3)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        warnings.append(f"{candidate} has no extra named {extra}{hint}")
    return warnings


def _phrase(who: str, specifier: str) -> str:
    return f"{who} {specifier}" if specifier else who
