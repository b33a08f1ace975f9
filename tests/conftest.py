"""Fixtures for the tests of all rooms; what they are made of lies in ``tests/kit``."""

from __future__ import annotations

import compileall
import contextlib
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

_TESTS = str(Path(__file__).parent)
if _TESTS not in sys.path:
    sys.path.insert(0, _TESTS)

from kit.interpreters import EXPECTED, Found, find_interpreters  # noqa: E402
from kit.server import IndexServer  # noqa: E402

if TYPE_CHECKING:
    from pytest_fastenv.model.events import Recorder
    from pytest_fastenv.store.store import Store

pytest_plugins = ["pytester"]

_PACKAGE = Path(__file__).parents[1] / "pytest_fastenv"
_MISSING: pytest.StashKey[list[str]] = pytest.StashKey()


@pytest.fixture(autouse=True)
def _isolated_variables(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Keep the machine's settings out of the tests; those of the network keep pip's configuration."""
    for name in list(os.environ):
        if name.startswith("FASTENV_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("FASTENV_CACHE_DIR", str(tmp_path / "cache"))
    # A pytest that a test starts would else remove what earlier runs of this suite left: minutes of work.
    nested = tmp_path_factory.getbasetemp() / "nested"
    nested.mkdir(exist_ok=True)
    monkeypatch.setenv("PYTEST_DEBUG_TEMPROOT", str(nested))
    monkeypatch.setenv("FASTENV_CACHE_SYNC", "never")  # the same: a process after each
    monkeypatch.setenv("FASTENV_BYTECODE", "own")  # else each of thousands of sessions would leave a process behind
    if request.node.get_closest_marker("network"):
        return
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    configuration = tmp_path / "pip.conf"
    configuration.touch()  # pip leaves the user's file alone only if this one is there
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "xdg"))  # where the machine's file would lie


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    """An empty directory for wheels and source distributions."""
    directory = tmp_path / "artifacts"
    directory.mkdir()
    return directory


@pytest.fixture
def index_server(artifacts: Path) -> Iterator[Callable[..., IndexServer]]:
    """Start package indexes: ``index_server(**options)`` serves `artifacts`, or the directory given first."""
    with contextlib.ExitStack() as stack:

        def start(directory: Path | None = None, flavour: Any = "negotiate", **options: Any) -> IndexServer:
            return stack.enter_context(IndexServer(directory or artifacts, flavour, **options))

        yield start


@pytest.fixture
def recorder() -> Recorder:
    """A recorder of spans and notices."""
    from pytest_fastenv.model.events import Recorder

    return Recorder()


@pytest.fixture
def store(tmp_path: Path, recorder: Recorder) -> Store:
    """An empty store in the test's directory, the same place that ``FASTENV_CACHE_DIR`` names."""
    from pytest_fastenv.store.store import Store

    return Store(tmp_path / "cache", recorder=recorder)


@pytest.fixture(scope="session")
def interpreters(request: pytest.FixtureRequest) -> list[Found]:
    """CPythons of this machine that environments can be made for: one per minor version, oldest first.

    Which ones are missing is said at the end of the run; in CI fewer than three is an error.
    """
    found = find_interpreters()
    minors = {version[:2] for version, _ in found}
    request.config.stash[_MISSING] = [f"{major}.{minor}" for major, minor in EXPECTED if (major, minor) not in minors]
    if os.environ.get("CI") == "true" and len(found) < 3:
        pytest.fail(f"CI needs at least three CPythons, found {[str(path) for _, path in found]}")
    return found


@pytest.fixture
def unused_port() -> int:
    """A port on loopback that no server listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile the package once: tests start it in thousands of processes, some where no bytecode is to be written."""
    if not hasattr(session.config, "workerinput"):
        compileall.compile_dir(_PACKAGE, quiet=1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say loudly which interpreters the tests had to do without."""
    missing = config.stash.get(_MISSING, [])
    if missing:
        terminalreporter.section("interpreters missing", yellow=True)
        terminalreporter.line(f"not tested with CPython {', '.join(missing)}: not found on this machine", yellow=True)
