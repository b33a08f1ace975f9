"""Why there is no solution, as sentences a person can act on: who wants what, and which requirement to loosen.

The solver's failure is a proof: a tree whose leaves are the user's requirements, releases' dependencies, and sets
of releases that are empty. Its derivation steps mean nothing to a reader; its leaves do, told in the order in which
one requirement leads to the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from nab_resolver.types import Incompatibility, IncompatibilityCause

from pytest_fastenv.errors import ConflictingRequirementsError, FastenvError, NoSolutionError, UnknownProjectError
from pytest_fastenv.index.urls import shown
from pytest_fastenv.model.request import Wanted
from pytest_fastenv.resolve.facts import Facts
from pytest_fastenv.resolve.lowest import Order
from pytest_fastenv.resolve.other_indexes import Choosing, with_other_indexes
from pytest_fastenv.resolve.provider import Key, Provider
from pytest_fastenv.resolve.refusals import (
    common_fault,
    inventory,
    newest_usable,
    objections,
    opposed,
    usable,
    versions_phrase,
)
from pytest_fastenv.resolve.version_set import VersionSet

_MOST_LINES = 16
_FEW = 3


@dataclass(frozen=True, slots=True)
class Demand:
    """A requirement: its parent needs a project, in some releases.

    :ivar by: the user's requirement, or the project (or extra) of which releases need it.
    :ivar by_bits: those releases.
    :ivar bits: the releases that would do.
    """

    key: Key
    bits: int
    by: Wanted | Key
    by_bits: int = 0


class Explanation:
    """One failure, read from the solver's proof. Lives in the solver's thread, as long as the facts do."""

    def __init__(self, proof: Incompatibility[Key, int], provider: Provider, facts: Facts) -> None:
        self._provider = provider
        self._facts = facts
        self.demands = _demands(proof)
        #: The user's requirements that take part, in the order written.
        self.roots = list(dict.fromkeys(demand.by for demand in self.demands if isinstance(demand.by, Wanted)))

    def joint(self) -> Iterable[tuple[str, int]]:
        """Return each project's name and the releases that satisfy all that is demanded of it together."""
        together: dict[str, int] = {}
        for demand in self.demands:
            together[demand.key.name] = together.get(demand.key.name, -1) & demand.bits
        return together.items()

    def error(self, ways_out: Sequence[str]) -> FastenvError:
        """Return the diagnosis.

        :param ways_out: changes to single requirements of the user of which each was found to give a solution.
        """
        hint = "; or ".join(ways_out) or None
        for demand in self.demands:
            found = self._unsatisfiable(demand, hint)
            if found is not None:
                return self._with_other_indexes(found, demand.key.name)
        return self._exclusion(hint)

    def _exclusion(self, hint: str | None) -> FastenvError:
        lines = self._story()
        name, contested = self._contested()
        if contested:
            lines.append(contested)
        wishes = [f"{_wish(root)} ({root.location})" for root in self.roots]
        what = f"{' and '.join(wishes)} exclude each other" if len(wishes) == 2 else "requirements exclude each other"
        if len(wishes) == 1:
            what = f"{wishes[0]} cannot be satisfied"
        error = ConflictingRequirementsError(
            what,
            where=", ".join(dict.fromkeys(str(root.location) for root in self.roots)) or None,
            why="\n".join(lines),
            hint=hint or self._last_resort(),
        )
        return self._with_other_indexes(error, name)

    def _with_other_indexes(self, error: FastenvError, name: str) -> FastenvError:
        """Add what indexes have that were not asked, where the answer of one may be what is missing."""
        others = self._facts.elsewhere_now(name) if name and isinstance(error, NoSolutionError) else ()
        if not others:
            used = self._facts.releases_now(name).index_url if name and type(error) is NoSolutionError else None
            why = "\n".join(filter(None, (error.why, used and f"{name} was looked for at {shown(used)}")))
            return NoSolutionError(error.what, where=error.where, why=why, hint=error.hint) if used else error
        choosing = Choosing(self._facts.directs.choice, self._facts.specifiers, Order())
        demands = [demand for demand in self.demands if demand.key.name == name]
        by_user = [demand.by.specifier for demand in demands if isinstance(demand.by, Wanted)]
        by_others = [self._specifiers(demand) for demand in demands if not isinstance(demand.by, Wanted)]
        fitting = {
            other.location: [
                version
                for version in choosing.fitting(other.project, by_user)
                if all(any(choosing.is_in(version, text) for text in texts) for texts in by_others if texts)
            ]
            for other in others
            if other.project is not None
        }
        return with_other_indexes(error, name, self._facts.releases_now(name).index_url, others, fitting)

    def _specifiers(self, demand: Demand) -> list[str]:
        """Return the specifiers with which releases demand a project."""
        demanding = [n for n in range(demand.by_bits.bit_length()) if demand.by_bits >> n & 1]
        needs = [need for n in demanding for need in self._provider.needs.get((demand.by, n), ())]  # type: ignore[arg-type]
        return [need.dependency.specifier for need in needs if need.key == demand.key]

    def _last_resort(self) -> str:
        wishes = ", ".join(_wish(root) for root in self.roots)
        if len(self.roots) == 1:
            return f"leave out {wishes}, or choose another release of it"
        return f"no version limit of one line alone is to blame; leave out one of: {wishes}"

    # --- a single demand that nothing satisfies ----------------------------------------------------------------

    def _unsatisfiable(self, demand: Demand, hint: str | None) -> FastenvError | None:
        releases = self._facts.releases_now(demand.key.name)
        bits = demand.bits & releases.everything
        if usable(releases, self._provider.eligibility, bits):
            return None
        if isinstance(demand.by, Key) and usable(
            self._facts.releases_now(demand.by.name), self._provider.eligibility, ~demand.by_bits
        ):
            return None  # other releases of the demanding project are part of the story
        name, who = demand.key.name, self._who(demand)
        where = str(demand.by.location) if isinstance(demand.by, Wanted) else None
        story = [] if isinstance(demand.by, Wanted) else self._story()
        if releases.unknown is not None:
            return UnknownProjectError(
                f"{releases.unknown.what}, which {who} asks for",
                where=where,
                why="\n".join([*story, *filter(None, (releases.unknown.where, releases.unknown.why))]) or None,
                hint=releases.unknown.hint or "check the spelling, and the index that is configured",
            )
        excluded = opposed(demand.by, releases, self._facts)
        if excluded is not None:
            return excluded
        fault = common_fault(releases, bits) if bits else None
        if fault is not None:
            why = "\n".join(
                filter(None, (fault.why, f"{who} asks for {self._text(demand)}, and no other release fits"))
            )
            return type(fault)(fault.what, where=fault.where or where, why=why, hint=fault.hint)
        newest = newest_usable(releases, self._provider.eligibility)
        lines = [*story, *objections(releases, self._provider.eligibility, bits), inventory(releases)]
        if not hint and newest is not None and isinstance(demand.by, Wanted):
            hint = f"loosen {_wish(demand.by)}: the newest release that can be used is {newest}"
        return NoSolutionError(
            f"no release of {name} fits {self._text(demand)}, which {who} asks for",
            where=where,
            why="\n".join(lines),
            hint=hint
            or self._constraints_hint(name)
            or f"see what {name} offers for {self._facts.policy.target.short}, or choose another interpreter",
        )

    def _constraints_hint(self, name: str) -> str | None:
        limits = [f"{one.text} ({one.location})" for one in self._facts.policy.constraints.get(name, ())]
        return f"loosen the constraint {' or '.join(limits)}" if limits else None

    # --- demands that exclude each other -----------------------------------------------------------------------

    def _story(self) -> list[str]:
        """Return one line per demand, each chain from the user's requirement to its end."""
        by_parent: dict[Key, list[Demand]] = {}
        for demand in self.demands:
            if isinstance(demand.by, Key):
                by_parent.setdefault(demand.by, []).append(demand)
        lines: list[str] = []
        told: set[Key] = set()
        pending: list[Demand] = [demand for demand in reversed(self.demands) if isinstance(demand.by, Wanted)]
        while pending:
            demand = pending.pop()
            # The way from an extra to its project is no news.
            if not (isinstance(demand.by, Key) and demand.by.name == demand.key.name):
                lines.append(self._sentence(demand, by_parent))
            if demand.key not in told:
                told.add(demand.key)
                pending.extend(reversed(by_parent.get(demand.key, ())))
        lines = list(dict.fromkeys(lines))
        if len(lines) > _MOST_LINES:
            middle = len(lines) - _MOST_LINES + 1
            half = _MOST_LINES // 2
            lines[half : half + middle] = [f"... and {middle} more requirements between these"]
        return lines

    def _sentence(self, demand: Demand, by_parent: Mapping[Key, Sequence[Demand]]) -> str:
        """Return one line about a demand; where releases ask for ever other versions, one line for all of them."""
        alike = (
            [one for one in by_parent.get(demand.by, ()) if one.key == demand.key] if isinstance(demand.by, Key) else []
        )
        if len(alike) <= _FEW:
            return f"{self._who(demand)} {_verb(demand)} {self._text(demand)}"
        newest = max(alike, key=lambda one: one.by_bits)
        bits = 0
        for one in alike:
            bits |= one.by_bits
        together = replace(demand, by_bits=bits)
        return f"{self._who(together)} need {demand.key} in versions of their own ({self._text(newest)} in the newest)"

    def _contested(self) -> tuple[str, str]:
        """Return the project on which the demands clash, the last one they lead to, and a sentence about it."""
        counts: dict[str, list[Demand]] = {}
        for demand in self.demands:
            counts.setdefault(demand.key.name, []).append(demand)
        for name, everybody in reversed(counts.items()):
            releases = self._facts.releases_now(name)
            # Requirements that accept any version have no part in it.
            demands = [demand for demand in everybody if demand.bits != -1]
            # Releases of one project ask for one version or another: each of them would do for that project.
            parties: dict[Wanted | str, int] = {}
            for demand in demands:
                party = demand.by if isinstance(demand.by, Wanted) else demand.by.name
                parties[party] = parties.get(party, 0) | demand.bits
            joint = -1
            for bits in parties.values():
                joint &= bits
            if usable(releases, self._provider.eligibility, joint):
                continue
            texts = sorted({self._text(demand) for demand in demands})
            more = objections(releases, self._provider.eligibility, joint & releases.everything)
            tail = f" ({'; '.join(more)})" if more else ""
            if len(texts) == 1:
                return name, f"no release of {name} fits {texts[0]}{tail}; {inventory(releases)}"
            if len(texts) == 2:
                return name, f"no release of {name} is both {texts[0]} and {texts[1]}{tail}"
            return name, f"no release of {name} suits all of these{tail}; {inventory(releases)}"
        return "", ""

    # --- words -------------------------------------------------------------------------------------------------

    def _who(self, demand: Demand) -> str:
        if isinstance(demand.by, Wanted):
            return str(demand.by.location)
        releases = self._facts.releases_now(demand.by.name)
        phrase = versions_phrase(releases, demand.by_bits & releases.everything)
        return f"{demand.by} ({phrase})" if "release" in phrase else f"{demand.by} {phrase}"

    def _text(self, demand: Demand) -> str:
        if isinstance(demand.by, Wanted):
            return _wish(demand.by)
        texts: dict[str, None] = {}
        for number in reversed(range(demand.by_bits.bit_length())):
            if demand.by_bits >> number & 1:
                for need in self._provider.needs.get((demand.by, number), ()):
                    if need.key == demand.key and need.bits & ~demand.bits == 0:
                        texts[str(need.dependency)] = None
        if not texts:
            return str(demand.key)
        first, *others = texts
        return f"{first} (in other words in other releases)" if others else first


def _demands(proof: Incompatibility[Key, int]) -> list[Demand]:
    """Read the leaves of a proof; what differs only in the releases that demand it is one demand."""
    found: dict[tuple[Key, int, Wanted | Key], int] = {}
    for node in proof.walk():
        bits = [term.constraint.bits for term in node.terms if isinstance(term.constraint, VersionSet)]
        if node.cause is IncompatibilityCause.ROOT:
            found.setdefault((node.terms[1].package, bits[1], node.origin), 0)
        elif node.cause is IncompatibilityCause.DEPENDENCY and len(node.terms) == 2:
            parent, needed = node.terms
            if not needed.is_positive():
                key = needed.package, bits[1], parent.package
                found[key] = found.get(key, 0) | bits[0]
    demands = [Demand(key, bits, by, by_bits) for (key, bits, by), by_bits in found.items()]
    order: Mapping[bool, int] = {True: 0, False: 1}
    return sorted(demands, key=lambda d: (order[isinstance(d.by, Wanted)], *_line(d.by)))


def _line(by: Wanted | Key) -> tuple[str, int]:
    return (by.location.file, by.location.line) if isinstance(by, Wanted) else ("", 0)


def _wish(wanted: Wanted) -> str:
    return wanted.text


def _verb(demand: Demand) -> str:
    if isinstance(demand.by, Wanted):
        return "wants"
    return "needs" if demand.by_bits.bit_count() == 1 else "need"
