"""Node ids that carry the name of an environment: ``tests/test_a.py::test_x[py312-django5]``.

An item has it from its collection on, before pytest's own plugins see the item. So reports, the cache of failed tests,
durations, JUnit files and pytest-xdist's scheduling have it without knowing of environments.
"""

from __future__ import annotations

from typing import Any, Container, Generator, Mapping, Sequence

import pytest

_NAMED = pytest.StashKey[bool]()


def register(config: pytest.Config, name: str, only: Mapping[str, Sequence[str]]) -> None:
    """Let all items of a session carry an environment's name.

    To be called while pytest configures itself.

    :param only: node ids that were asked for in certain environments alone, with the names of those.
    """
    config.pluginmanager.register(_NodeNames(name, only), "fastenv-node-names")


def with_name(nodeid: str, name: str) -> str:
    """Return a node id with the environment that its test runs in."""
    return "{}[{}]".format(nodeid, name)


def name_of(nodeid: str, names: Container[str]) -> str:
    """Return the environment that a node id carries; empty where it carries none.

    :param names: those that there are.
    """
    if not nodeid.endswith("]"):
        return ""
    name = nodeid[nodeid.rfind("[") + 1 : -1]
    return name if name in names else ""


class _NodeNames:
    def __init__(self, name: str, only: Mapping[str, Sequence[str]]) -> None:
        self._name = name
        self._elsewhere = [nodeid for nodeid, names in only.items() if name not in names]

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out what was asked for in other environments alone."""
        if not self._elsewhere:
            return
        left_out = [item for item in items if self._is_elsewhere(item.nodeid[: -len(self._name) - 2])]
        if left_out:
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if item not in left_out]

    def _is_elsewhere(self, nodeid: str) -> bool:
        return any(nodeid == one or nodeid.startswith((one + "[", one + "::")) for one in self._elsewhere)

    # The innermost wrapper: those of pytest's cache, which compare node ids, are around it.
    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_make_collect_report(self) -> Generator[None, Any, None]:
        outcome = yield
        report = outcome.get_result()
        report.fastenv_environment = self._name
        for node in report.result or ():
            # An item that was asked for by its node id is in the reports of its module and of the session.
            if isinstance(node, pytest.Item) and not node.stash.get(_NAMED, False):
                node.stash[_NAMED] = True
                _rename(node, with_name(node.nodeid, self._name))

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_makereport(self) -> Generator[None, Any, None]:
        """Let the heading of a failure name the environment, too."""
        outcome = yield
        report = outcome.get_result()
        path, line, domain = report.location
        if domain and not domain.endswith("[{}]".format(self._name)):
            report.location = (path, line, with_name(domain, self._name))


def _rename(item: pytest.Item, nodeid: str) -> None:
    """Give an item another node id; what it is called in the code, and selected by, stays."""
    attribute = "_id" if hasattr(item, "_id") else "_nodeid"  # the first since pytest 9.2, and no longer a text
    known = getattr(item, attribute)
    setattr(item, attribute, nodeid if isinstance(known, str) else type(known).parse(nodeid))
