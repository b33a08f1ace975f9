"""How tests of several environments are given to workers: each environment has a scheduler of pytest-xdist for itself.

So collections may differ between environments, and have to agree within one.
"""

from __future__ import annotations

from typing import Any, Callable, Iterator, Sequence

#: So many tests a worker keeps: it knows the next one before it begins with one.
_KEPT = 2


class MatrixScheduling:
    """A scheduler of pytest-xdist (`xdist.scheduler.Scheduling`) that is made of one for each environment.

    :param make: makes the one of an environment.
    :param name_of: says which environment a worker is in.
    :param is_over: says whether no further environment and no further worker is to come.
    :param on_schedule: is called when tests of an environment were given to workers that have collected them.
    """

    def __init__(
        self,
        make: Callable[[], Any],
        name_of: Callable[[Any], str],
        is_over: Callable[[], bool],
        on_schedule: Callable[[], None],
    ) -> None:
        self._make = make
        self._name_of = name_of
        self._is_over = is_over
        self._on_schedule = on_schedule
        self._parts: dict[str, Any] = {}
        self._last: Any = None
        self._has_begun = False

    def expect(self, name: str, workers: int) -> None:
        """Let an environment's tests begin when so many workers have collected them."""
        self._part(name).numnodes = workers

    def waiting(self, name: str) -> int:
        """Return how many tests of an environment a further worker could have."""
        part = self._parts.get(name)
        if part is None:
            return 0
        if (given := _stealable(part)) is not None:
            return sum(max(0, len(tests) - _KEPT) for tests in given.values()) + len(part.pending)
        # A list of tests; or scopes with tests in them.
        waiting = getattr(part, "workqueue", None)
        return sum(map(len, waiting.values())) if waiting is not None else len(getattr(part, "pending", ()))

    def goes_on_without(self, node: Any) -> bool:
        """Say whether a worker that gets no further tests leaves those to others that it would have got."""
        part = self._of(node)
        return _stealable(part) is None and self.waiting(self._name_of(node)) > 0

    @property
    def nodes(self) -> list[Any]:
        """All workers."""
        return [node for part in self._parts.values() for node in part.nodes]

    @property
    def collection_is_completed(self) -> bool:
        """Whether the environment whose worker collected last can begin."""
        return bool(self._last is not None and self._last.collection_is_completed)

    @property
    def tests_finished(self) -> bool:
        """Whether all tests of all environments were given to workers, and nearly all of them are over."""
        return self._is_over() and all(part.tests_finished for part in self._parts.values() if part.nodes)

    @property
    def has_pending(self) -> bool:
        """Whether tests are under way, or were: pytest-xdist announces the first ones alone."""
        self._has_begun = self._has_begun or any(part.has_pending for part in self._parts.values())
        return self._has_begun

    def add_node(self, node: Any) -> None:
        """Take a worker that is ready."""
        self._of(node).add_node(node)

    def add_node_collection(self, node: Any, collection: Sequence[str]) -> None:
        """Take what a worker collected."""
        self._last = self._of(node)
        self._last.add_node_collection(node, collection)

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """Note that a test is over."""
        self._of(node).mark_test_complete(node, item_index, duration)

    def mark_test_pending(self, item: str) -> None:
        """Note that a test has to be run again."""
        part = next(part for part in self._parts.values() if item in (part.collection or ()))
        part.mark_test_pending(item)

    def remove_pending_tests_from_node(self, node: Any, indices: Sequence[int]) -> None:
        """Note that a worker gave tests back."""
        self._of(node).remove_pending_tests_from_node(node, indices)

    def remove_node(self, node: Any) -> Any:
        """Let go of a worker; return the test that it ran when it died, if any."""
        return self._of(node).remove_node(node)

    def schedule(self) -> None:
        """Give tests to the workers of all environments that can begin."""
        for part in self._parts.values():
            if part.nodes and part.collection_is_completed:
                part.schedule()
                for node in _idle(part):
                    node.shutdown()
        self._on_schedule()

    def _of(self, node: Any) -> Any:
        return self._part(self._name_of(node))

    def _part(self, name: str) -> Any:
        if name not in self._parts:
            self._parts[name] = self._make()
            self._parts[name].numnodes = 1
        return self._parts[name]


def _stealable(part: Any) -> dict[Any, list[int]] | None:
    """Return the tests by worker where workers have all of them and give them back (``worksteal``)."""
    return part.node2pending if hasattr(part, "steal_requested_from_node") else None


def _idle(part: Any) -> Iterator[Any]:
    """Yield the workers of an environment that has no tests: nothing else would end them."""
    collections = getattr(part, "node2collection", None) or getattr(part, "registered_collections", {})
    if collections and not any(collections.values()):
        yield from part.nodes
