"""The fixtures ``fastenv``, ``venv`` and ``make_venv``, and the marker ``fastenv``.

Registered in every session with the plugin, so what they need is imported when a test uses them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .session_environment import SessionEnvironment
    from .virtual_environment import MakeVenv, VirtualEnvironment

NAME = "fastenv-fixtures"
MARKER = (
    "fastenv(requirements=(), python=None, project=None, system_site_packages=False): what the venv fixture holds "
    "(see pytest-fastenv); for a list of pythons the test runs once with each"
)
_KNOWN = ("requirements", "python", "project", "system_site_packages")


@pytest.fixture(scope="session")
def fastenv(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> SessionEnvironment:
    """The environment that the tests run in: python, prefix, scripts, run(), installed(), plan, make_venv()."""
    from .session_environment import session_environment

    def lasting() -> MakeVenv:
        from .virtual_environment import MakeVenv

        return MakeVenv(pytestconfig, tmp_path_factory.mktemp("venvs"))

    return session_environment(lasting)


@pytest.fixture
def make_venv(request: pytest.FixtureRequest, tmp_path: Path) -> MakeVenv:
    """Make fresh environments; takes requirements, and by name python, project, path, system_site_packages."""
    from .virtual_environment import MakeVenv

    return MakeVenv(request.config, tmp_path)


@pytest.fixture
def venv(request: pytest.FixtureRequest, make_venv: MakeVenv) -> VirtualEnvironment:
    """A fresh environment, empty unless the marker ``fastenv`` says what it holds: install(), run(), python."""
    __tracebackhide__ = True
    options = _options(request.node)
    if hasattr(request, "param"):
        options["python"] = request.param
    return make_venv(**options)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once with each interpreter that its marker lists."""
    if "venv" not in metafunc.fixturenames:
        return
    pythons = _options(metafunc.definition).get("python")
    if isinstance(pythons, (list, tuple)):
        metafunc.parametrize("venv", pythons, indirect=True, ids=[str(spec) for spec in pythons])


def _options(node: pytest.Item) -> dict[str, Any]:
    """Return what the markers of a test say; of several the nearest counts, for each argument by itself.

    :raises pytest.Collector.CollectError: a marker has an argument that is not known; pytest shows the text alone.
    """
    found: dict[str, Any] = {}
    for marker in node.iter_markers("fastenv"):
        wrong = [repr(value) for value in marker.args] + [name for name in marker.kwargs if name not in _KNOWN]
        if wrong:
            text = "{}: the marker fastenv does not take {}; it takes {}, each by name"
            raise pytest.Collector.CollectError(text.format(node.nodeid, ", ".join(wrong), ", ".join(_KNOWN)))
        found = {**marker.kwargs, **found}
    return found
