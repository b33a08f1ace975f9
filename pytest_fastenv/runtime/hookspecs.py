"""The hooks that plugins and ``conftest.py`` files may implement for their part in an environment.

A plugin that also works without pytest-fastenv marks its implementations
``@pytest.hookimpl(optionalhook=True)``: pytest refuses hooks that it does not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence

if TYPE_CHECKING:
    import pytest

    from .environment_in_test import EnvironmentInTest


def pytest_fastenv_requirements(config: pytest.Config) -> Sequence[str] | None:
    """Return further requirements of the session's environment, each as a line of a requirements file has it.

    Called outside, once, before the environment exists and whenever one is asked for, also where the last one is used
    again: so it should be quick. What all implementations return is resolved together with the sources; another
    answer means another environment. Relative paths are relative to the root directory.

    Called for the plugins that pytest loads outside: those named by ``-p`` and ``PYTEST_PLUGINS``, installed ones, and
    objects given to `pytest.main`. Of ``conftest.py`` files (in the root directory, and in those of the test paths and
    above them) those that define this hook are imported outside for this hook alone; what only the environment has,
    they import inside their functions.

    :param config: knows the ini file, the root directory and the command line; not everything is parsed yet.
    """


def pytest_fastenv_environment_ready(config: pytest.Config, environment: EnvironmentInTest) -> None:
    """Hear that the session runs in its environment.

    Called inside, once for the session, when it is configured: plugins and initial ``conftest.py`` files are there,
    nothing is collected yet. Of a session with pytest-xdist it is the controller where this is called.

    :param environment: the session's, with ``python``, ``prefix``, ``scripts``, ``run()`` and ``installed()`` as the
        fixture ``fastenv`` has them.
    """


def pytest_fastenv_worker_environment(node: Any, environment: EnvironmentInTest) -> None:
    """Hear which environment a worker of pytest-xdist is about to start in (``--fastenv-scope worker``).

    Called inside, by the controller, for each worker before it starts; for a crashed worker's replacement too. Every
    worker has an environment of its own by then: what is installed into one with ``environment.run()`` is in no other.

    :param node: the controller's side of the worker, as `pytest_configure_node` gets it.
    :param environment: the worker's, likewise.
    """
