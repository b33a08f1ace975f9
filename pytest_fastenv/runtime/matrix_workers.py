"""One session over several environments with the workers of pytest-xdist spread over them (``-n``).

There are never more workers than were asked for. An environment gets its first worker as soon as it is there and there
is room; further room goes to the environment with most tests left. A worker is in one environment as long as it lives:
where there is no room for an environment that has come late, a worker of another one that has several gets no further
tests.
"""

from __future__ import annotations

import contextlib
import copy
import queue
import shlex
import sys
import threading
from collections import Counter
from typing import Any, Generator, Sequence

import pytest

from ..errors import UsageError
from . import session, worker_start
from .matrix_outcomes import Outcomes, nothing_to_do
from .matrix_scheduling import MatrixScheduling
from .named_environments import NamedEnvironments, NamedState
from .workers import end_session, refuse_gateways, remote_module, spellings

#: So many tests have to be left for a worker more, which collects all of them first.
_WORTH_A_WORKER = 8
_NEWS = "fastenv_news"


class MatrixWorkers:
    """The controller's plugin.

    :param handed: what was handed to it.
    """

    def __init__(
        self, config: pytest.Config, handed: session.Handed, environments: NamedEnvironments, outcomes: Outcomes
    ) -> None:
        self._config = config
        self._handed = handed
        self._environments = environments
        self._outcomes = outcomes
        self._left_out = nothing_to_do(config, environments.names)
        self._names: dict[int, str] = {}  # of environments, by the identity of xdist's specs
        self._specs: list[Any] = []  # held, so that an identity stays one's own
        self._spare: list[Any] = []
        self._begun: set[str] = set()
        self._alive: set[Any] = set()  # workers
        self._most = 0
        self._starting: set[Any] = set()  # those that have not collected yet
        self._deferred: list[Any] = []
        self._session: pytest.Session | None = None
        self._scheduling: MatrixScheduling | None = None
        refuse_gateways(config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Note the session, whose number of tests is told."""
        self._session = session

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_xdist_setupnodes(self, specs: list[Any]) -> None:
        """Spread the workers over the environments that are there; the others get theirs when they are."""
        self._most = len(specs)
        for state in self._environments.poll():
            self._outcomes.known(state)
        for known in filter(None, map(self._environments.state, self._environments.names)):
            self._outcomes.known(known)
        for name, why in self._left_out.items():
            self._outcomes.left_out(name, why)
        ready = self._ready()
        while not ready:  # the home environment is one in which there is nothing to do
            waited = next(iter(name for name in self._environments.pending if name not in self._left_out), None)
            if waited is None:
                end_session(UsageError("none of the environments can be had"))
            self._outcomes.known(self._environments.wait(waited))
            ready = self._ready()
        count = len(specs) if not self._environments.pending else max(1, len(specs) // len(self._environments.names))
        plan = [ready[number % len(ready)] for number in range(min(len(specs), max(count, len(ready))))]
        self._spare = specs[len(plan) :]
        del specs[len(plan) :]
        for spec, state in zip(specs, plan):  # noqa: B905 - Python 3.8
            self._assign(spec, state)
        self._begun = {state.name for state in plan}
        self._planned = {name: [state.name for state in plan].count(name) for name in self._begun}

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker where its environment is."""
        name = self._name(node)
        state = self._environments.state(name)
        environment = None if state is None else state.environment
        assert state is not None  # noqa: S101
        assert environment is not None  # noqa: S101
        prefix = str(environment.prefix)
        handed = self._handed._replace(prefix=prefix, name=name, summary=None, lease_fd=None, matrix=None)
        node.workerinput[worker_start.KEY] = {
            "prefix": prefix,
            "prefixes": spellings(sys.prefix, self._handed.prefix),
            "base": spellings(sys.base_prefix),
            "scripts": str(environment.scripts),
            "passes": state.passes,
            "variables": {"VIRTUAL_ENV": prefix, **state.set_env, session.VARIABLE: session.encode(handed)},
        }
        self._defer_the_end(node)
        self._alive.add(node)
        self._starting.add(node)

    @pytest.hookimpl(optionalhook=True, hookwrapper=True)
    def pytest_xdist_getremotemodule(self) -> Generator[None, Any, None]:
        """Put our program before the one that is sent to a worker, xdist's own or a plugin's."""
        outcome = yield
        outcome.force_result(remote_module(outcome.get_result()))

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """Schedule each environment's tests by itself, as it was asked for (``--dist``, or a plugin's scheduler)."""
        others = config.pluginmanager.subset_hook_caller("pytest_xdist_make_scheduler", [self])
        self._scheduling = MatrixScheduling(
            lambda: others(config=config, log=log), self._name, self._is_over, on_schedule=self._fill
        )
        for name, workers in self._planned.items():
            self._scheduling.expect(name, workers)
        for name in self._begun:
            self._outcomes.begins(name)
        self._listen()
        return self._scheduling

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:
        """Note how many tests an environment has."""
        self._starting.discard(node)
        name = self._name(node)
        self._outcomes.collected(name, len(ids))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self) -> None:
        """Let progress be that of all environments."""
        self._tell_progress()

    def _tell_progress(self) -> None:
        """Say how many tests all environments have: pytest-xdist says how many the last worker found."""
        if self._session is not None:
            self._session.testscollected = self._outcomes.expected()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_report_from_serializable(self) -> Generator[None, Any, None]:
        """Tell the same collection error of two environments apart: pytest-xdist shows each text once."""
        outcome = yield
        report = outcome.get_result()
        name = getattr(report, "fastenv_environment", "")
        if name and isinstance(report.longrepr, str):
            report.longrepr += "\nIn the environment {}.".format(name)

    @pytest.hookimpl(optionalhook=True, trylast=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Use the room of a worker that has ended; one that crashed is replaced by pytest-xdist, in the same place."""
        self._alive.discard(node)
        self._starting.discard(node)
        self._tell_progress()
        if error:
            return
        node.gateway.exit()  # its process would stay until the session is over
        name = self._name(node)
        if not any(self._name(other) == name for other in self._scheduling_nodes() if other is not node):
            self._outcomes.over(name)
        self._fill()

    def _scheduling_nodes(self) -> list[Any]:
        return [] if self._scheduling is None else self._scheduling.nodes

    def _ready(self) -> list[NamedState]:
        states = [self._environments.state(name) for name in self._environments.names if name not in self._left_out]
        return [state for state in states if state is not None and state.environment is not None]

    def _is_over(self) -> bool:
        """Say whether no environment is on its way, none waits for a worker, and no worker is starting."""
        return not (self._environments.pending or self._waiting() or self._starting)

    def _fill(self) -> None:
        """Start workers where there is room for them and work."""
        distribution = self._distribution()
        if distribution.shuttingdown or self._scheduling is None:
            return
        while len(self._alive) < self._most:
            state = self._next()
            if state is None:
                break
            self._start(state)
        self._make_room()
        if not self._environments.pending or self._starting:
            for end in self._deferred:
                end()
            self._deferred.clear()

    def _make_room(self) -> None:
        """Let a worker end for each environment that is there and has none, where another one has several."""
        wanted = len(self._waiting()) - sum(node.shutting_down for node in self._alive)
        for _ in range(wanted):
            staying = [node for node in self._scheduling_nodes() if self._may_leave(node)]
            counts = Counter(map(self._name, staying))
            several = [node for node in staying if counts[self._name(node)] > 1]
            if not several:
                return
            most = max(several, key=lambda node: counts[self._name(node)])
            youngest = [node for node in several if self._name(node) == self._name(most)][-1]
            youngest.shutdown()

    def _may_leave(self, node: Any) -> bool:
        assert self._scheduling is not None  # noqa: S101
        return not (node.shutting_down or node in self._starting) and self._scheduling.goes_on_without(node)

    def _waiting(self) -> list[NamedState]:
        """Return the environments that are there and have had no worker."""
        return [state for state in self._ready() if state.name not in self._begun]

    def _next(self) -> NamedState | None:
        """Return the environment that the next worker is for."""
        ready = self._ready()
        for state in self._waiting():
            return state
        assert self._scheduling is not None  # noqa: S101
        if self._config.getoption("dist") == "each" or not ready:
            return None
        fullest = max(ready, key=lambda state: self._left(state.name))
        return fullest if self._left(fullest.name) > _WORTH_A_WORKER else None

    def _left(self, name: str) -> int:
        assert self._scheduling is not None  # noqa: S101
        return self._scheduling.waiting(name)

    def _start(self, state: NamedState) -> None:
        """Start one more worker, as pytest-xdist starts one in place of another that crashed."""
        distribution = self._distribution()
        if state.name not in self._begun:
            self._begun.add(state.name)
            self._outcomes.begins(state.name)
        manager = distribution.nodemanager
        if self._spare:
            spec = self._spare.pop(0)
        else:
            spec = copy.copy(self._specs[0])
            spec.id = None
            manager.group.allocate_id(spec)
        self._assign(spec, state)
        node = manager.setup_node(spec, distribution.queue.put)
        distribution._active_nodes.add(node)  # noqa: SLF001 - as xdist's own replacement of a worker

    def _assign(self, spec: Any, state: NamedState) -> None:
        assert state.environment is not None  # noqa: S101
        spec.python = shlex.quote(str(state.environment.python))  # execnet takes it for words of a shell
        self._names[id(spec)] = state.name
        self._specs.append(spec)

    def _name(self, node: Any) -> str:
        return self._names[id(node.gateway.spec)]

    def _distribution(self) -> Any:
        """Return pytest-xdist's session."""
        return self._config.pluginmanager.getplugin("dsession")

    def _defer_the_end(self, node: Any) -> None:
        """Let the last worker live while environments are on their way: a session without workers is over."""
        end = node.shutdown

        def shutdown() -> None:
            others = len(self._alive) - len(self._deferred) > 1 or self._starting
            if not self._environments.pending or others or self._distribution().shuttingdown:
                end()
            elif end not in self._deferred:
                self._deferred.append(end)

        node.shutdown = shutdown

    def _listen(self) -> None:
        """Let pytest-xdist's loop know when an environment is there."""
        distribution = self._distribution()
        setattr(distribution, "worker_" + _NEWS, self._hear)
        if self._environments.pending:
            threading.Thread(target=self._wait, args=(distribution.queue,), name="environments", daemon=True).start()

    def _wait(self, events: queue.Queue[Any]) -> None:
        with contextlib.suppress(OSError, ValueError):  # the session is over
            while self._environments.pending:
                if self._environments.wait_for_news(1.0):
                    told = threading.Event()
                    events.put((_NEWS, {"told": told}))
                    told.wait()

    def _hear(self, told: threading.Event) -> None:
        for state in self._environments.poll():
            self._outcomes.known(state)
        told.set()
        self._fill()
        if not (self._alive or self._environments.pending):
            end_session(UsageError("none of the environments can be had"))
