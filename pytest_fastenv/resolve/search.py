"""The search itself: the solver in a thread of its own, begun again where a rule changed, and its failure explained."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from nab_resolver.errors import ResolutionError, ResolutionTerminatedError
from nab_resolver.resolver import Resolver, ResolverObserver, Solution

from pytest_fastenv.errors import FastenvError, NoSolutionError
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.request import Wanted
from pytest_fastenv.resolve.explain import Explanation
from pytest_fastenv.resolve.facts import Facts, TooCostlyError
from pytest_fastenv.resolve.lowest import Order
from pytest_fastenv.resolve.provider import Key, Provider, RestartError
from pytest_fastenv.resolve.requirements_of import DependencyReader
from pytest_fastenv.resolve.version_set import VersionSet

T = TypeVar("T")

# How many of the user's requirements are tried without their limit when there is no solution, and how hard.
_LOOSENED = 6
_LOOSENED_ROUNDS = 3000
_LOOSENED_QUESTIONS = 40
# How hard solutions with pre-releases are tried.
_TRIED_ROUNDS = 20_000


@dataclass(frozen=True, slots=True)
class Search:
    """What a search is given. `run` may be called in any thread but the event loop's.

    :ivar wanted: the user's requirements that apply, each with its project's name.
    :ivar order: which release of each project is tried first.
    """

    facts: Facts
    reader: DependencyReader
    recorder: Recorder
    wanted: Sequence[tuple[Wanted, str]]
    order: Order

    def run(self, observer: ResolverObserver[Key, int] | None) -> tuple[Solution[Key, int], Provider]:
        """Find a release for everything needed, the newest ones (or the oldest) as far as requirements let them.

        Deterministic: the same facts give the same answer, in whichever order the network delivered them.

        :raises NoSolutionError: with the explanation.
        """
        provider = Provider(self.facts, self.reader, self.recorder, self.order)
        found: tuple[Solution[Key, int], Provider] | None = None
        while True:
            try:
                solution = self._solve(provider, self.wanted, observer)
                strays = provider.strays(solution.pins, self.wanted) - provider.eligibility.withheld
                if not strays:
                    return solution, provider
                # Begin again without them; should that have no solution, this one stands.
                found = found or (solution, provider)
                withheld = provider.eligibility.withheld | strays
                provider = Provider(self.facts, self.reader, self.recorder, self.order, withheld)
            except RestartError:
                continue
            except ResolutionTerminatedError as error:
                raise NoSolutionError(
                    "the search for a set of releases that fit each other was given up",
                    why=str(error),
                    hint="pin some of the requirements to narrow it",
                ) from error
            except ResolutionError as error:
                if found is not None:
                    return found
                if error.incompatibility is None:
                    raise
                explanation = Explanation(error.incompatibility, provider, self.facts)
                if self._nothing_else_fits(explanation, provider):
                    continue
                found = self._with_pre_releases(explanation, provider)
                if found is not None:
                    return found
                raise explanation.error(self._ways_out(explanation.roots)) from None

    def _nothing_else_fits(self, explanation: Explanation, provider: Provider) -> bool:
        joint = [(self.facts.releases_now(name), bits) for name, bits in explanation.joint()]
        return provider.eligibility.nothing_else_fits(joint)

    def _with_pre_releases(
        self, explanation: Explanation, failed: Provider
    ) -> tuple[Solution[Key, int], Provider] | None:
        """Return a solution with pre-releases of one project that has part in a failure, else of all such projects.

        One is better than several, as with several each takes its newest one, needed or not.
        """
        releases = [self.facts.releases_now(name) for name, _ in explanation.joint()]
        names = [one.name for one in releases if failed.eligibility.keeps_out(one)]
        for let_in in dict.fromkeys((*(frozenset({name}) for name in names), frozenset(names))):
            if not let_in:
                return None
            withheld = failed.eligibility.withheld
            provider = Provider(self.facts, self.reader, self.recorder, self.order, withheld, let_in)
            solution = self._tried(provider)
            if solution is not None:
                self._tell_pre_releases(solution, let_in)
                return solution, provider
        return None

    def _tried(self, provider: Provider) -> Solution[Key, int] | None:
        while True:
            try:
                return self._solve(provider, self.wanted, rounds=_TRIED_ROUNDS)
            except RestartError:
                continue
            except ResolutionError as error:
                if error.incompatibility is None:
                    return None
                if not self._nothing_else_fits(Explanation(error.incompatibility, provider, self.facts), provider):
                    return None

    def _tell_pre_releases(self, solution: Solution[Key, int], let_in: frozenset[str]) -> None:
        for key, number in solution.pins.items():
            releases = self.facts.releases_now(key.name)
            if key.name in let_in and not key.extra and releases.pre_releases >> number & 1:
                release = f"{key.name} {releases.versions[number]}"
                self.recorder.notice("warning", f"{release} is a pre-release: no final one fits all that is asked for")

    def _solve(
        self,
        provider: Provider,
        wanted: Sequence[tuple[Wanted, str]],
        observer: ResolverObserver[Key, int] | None = None,
        rounds: int = 200_000,
    ) -> Solution[Key, int]:
        provider.begin()
        solver: Resolver[Key, int] = Resolver(provider, observer, rounds, VersionSet, format_range=_no_text)
        return solver.solve(provider.roots(wanted))

    def _ways_out(self, suspects: Sequence[Wanted]) -> list[str]:
        """Return what would help, each tried: the limit of one requirement taken away, everything else as it is."""
        found = []
        for suspect in suspects[:_LOOSENED]:
            if not suspect.specifier or suspect.reference.is_direct:
                continue
            loosened = [(replace(w, specifier="") if w is suspect else w, name) for w, name in self.wanted]
            provider = Provider(self.facts, self.reader, Recorder(), Order())  # without a limit the oldest is of no use
            version = None
            self.facts.allow(_LOOSENED_QUESTIONS)
            try:
                while version is None:
                    try:
                        solution = self._solve(provider, loosened, rounds=_LOOSENED_ROUNDS)
                    except RestartError:
                        continue
                    key = next(Key(name) for w, name in self.wanted if w is suspect)
                    version = self.facts.releases_now(key.name).versions[solution.pins[key]]
            except (ResolutionError, FastenvError, TooCostlyError):
                continue  # no way out, or none that can be found with what can be reached
            finally:
                self.facts.allow(None)
            found.append(f"loosen {suspect.text} ({suspect.location}): {key.name} {version} suits everything else")
        return found


def _no_text(_range: object) -> str:
    """Render nothing: the solver's own report is not shown, and rendering sets of numbers would take long."""
    return ""


async def in_thread(function: Callable[[], T], stop: Callable[[], None]) -> T:
    """Run a function in a thread of its own and wait for it without blocking the event loop.

    Not on the loop's default executor: a search waits for answers of the loop, and must not fill up what the loop
    itself may be waiting for.

    :param stop: called when the caller is cancelled; has to make the function end soon, for its end is waited for.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(result)  # type: ignore[arg-type]
        else:
            done.set_exception(error)

    def work() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - every error is passed to the caller
            loop.call_soon_threadsafe(settle, None, error)
        else:
            loop.call_soon_threadsafe(settle, result, None)

    thread = threading.Thread(target=work, name="resolve", daemon=True)
    thread.start()
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        stop()
        await asyncio.wait([done])
        if not done.cancelled():
            done.exception()
        raise
    finally:
        thread.join()  # settling was its last act: it ends in this moment
