"""Clean virtual environments for pytest runs, provisioned by a pipelined installer.

The engine without pytest: `provision`. What the fixtures give, for annotations: `SessionEnvironment`,
`VirtualEnvironment`, `MakeVenv`. Public names are imported on first use, so that pytest runs that do not ask
for an environment pay nothing for this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_fastenv.version import __version__

if TYPE_CHECKING:
    from pytest_fastenv.errors import FastenvError
    from pytest_fastenv.model.plan import Plan
    from pytest_fastenv.provisioning.story import provision
    from pytest_fastenv.runtime.environment import Environment
    from pytest_fastenv.runtime.environment_in_test import CommandError
    from pytest_fastenv.runtime.environment_server import ProviderError
    from pytest_fastenv.runtime.session_environment import SessionEnvironment
    from pytest_fastenv.runtime.virtual_environment import MakeVenv, VirtualEnvironment
    from pytest_fastenv.settings.values import Settings

__all__ = [
    "CommandError",
    "Environment",
    "FastenvError",
    "MakeVenv",
    "Plan",
    "ProviderError",
    "SessionEnvironment",
    "Settings",
    "VirtualEnvironment",
    "__version__",
    "provision",
]

_HOMES = {
    "CommandError": "pytest_fastenv.runtime.environment_in_test",
    "Environment": "pytest_fastenv.runtime.environment",
    "FastenvError": "pytest_fastenv.errors",
    "MakeVenv": "pytest_fastenv.runtime.virtual_environment",
    "Plan": "pytest_fastenv.model.plan",
    "ProviderError": "pytest_fastenv.runtime.environment_server",
    "SessionEnvironment": "pytest_fastenv.runtime.session_environment",
    "Settings": "pytest_fastenv.settings.values",
    "VirtualEnvironment": "pytest_fastenv.runtime.virtual_environment",
    "provision": "pytest_fastenv.provisioning.story",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
