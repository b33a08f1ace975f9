"""Clean virtual environments for pytest runs, provisioned by a pipelined installer.

The names here are the whole public interface in Python; ``docs/reference/python.md`` says what each promises.
`provision` is the engine without pytest, beside what it takes, returns and raises. The fixtures give a
`SessionEnvironment`, a `VirtualEnvironment` and `MakeVenv`. Everything that goes wrong on purpose is a `FastenvError`.

Names are imported on first use, so that pytest runs that do not ask for an environment pay nothing for this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_fastenv.version import __version__

if TYPE_CHECKING:
    from pytest_fastenv.environment.places import Ready
    from pytest_fastenv.errors import (
        ArchiveError,
        AuthError,
        BombError,
        BuildError,
        BuildTimeoutError,
        ConflictError,
        ConflictingRequirementsError,
        CycleError,
        DefectError,
        EnvironmentServerError,
        FailureGroup,
        FastenvError,
        HashError,
        IndexAnswerError,
        InsecureRedirectError,
        IntegrityError,
        InterpreterError,
        InterpreterNotFoundError,
        LimitError,
        LockTimeoutError,
        MetadataError,
        MismatchError,
        NetworkError,
        NoSolutionError,
        NotFoundError,
        OfflineMissError,
        ProvideError,
        PublishError,
        RateLimitedError,
        RecordError,
        RequestError,
        RequirementsError,
        SchemeError,
        ScriptError,
        SdistError,
        ShortageError,
        SizeMismatchError,
        StalledError,
        StoreError,
        TooManyRedirectsError,
        UnknownProjectError,
        UnsupportedWheelError,
        UnusableInterpreterError,
        UsageError,
        WheelError,
    )
    from pytest_fastenv.model.events import Notice, Recorder, Span
    from pytest_fastenv.model.link import LinkMode
    from pytest_fastenv.provisioning.question import SessionNeeds
    from pytest_fastenv.provisioning.story import provision
    from pytest_fastenv.runtime.environment import Environment
    from pytest_fastenv.runtime.environment_in_test import CommandError, InstalledDistribution
    from pytest_fastenv.runtime.session_environment import PlannedDistribution, SessionEnvironment
    from pytest_fastenv.runtime.summary import Summary
    from pytest_fastenv.runtime.virtual_environment import MakeVenv, VirtualEnvironment
    from pytest_fastenv.settings.layers import settings_from_variables
    from pytest_fastenv.settings.values import NamedIndex, Settings

__all__ = [
    "ArchiveError",
    "AuthError",
    "BombError",
    "BuildError",
    "BuildTimeoutError",
    "CommandError",
    "ConflictError",
    "ConflictingRequirementsError",
    "CycleError",
    "DefectError",
    "Environment",
    "EnvironmentServerError",
    "FailureGroup",
    "FastenvError",
    "HashError",
    "IndexAnswerError",
    "InsecureRedirectError",
    "InstalledDistribution",
    "IntegrityError",
    "InterpreterError",
    "InterpreterNotFoundError",
    "LimitError",
    "LinkMode",
    "LockTimeoutError",
    "MakeVenv",
    "MetadataError",
    "MismatchError",
    "NamedIndex",
    "NetworkError",
    "NoSolutionError",
    "NotFoundError",
    "Notice",
    "OfflineMissError",
    "PlannedDistribution",
    "ProvideError",
    "PublishError",
    "RateLimitedError",
    "Ready",
    "RecordError",
    "Recorder",
    "RequestError",
    "RequirementsError",
    "SchemeError",
    "ScriptError",
    "SdistError",
    "SessionEnvironment",
    "SessionNeeds",
    "Settings",
    "ShortageError",
    "SizeMismatchError",
    "Span",
    "StalledError",
    "StoreError",
    "Summary",
    "TooManyRedirectsError",
    "UnknownProjectError",
    "UnsupportedWheelError",
    "UnusableInterpreterError",
    "UsageError",
    "VirtualEnvironment",
    "WheelError",
    "__version__",
    "provision",
    "settings_from_variables",
]

#: The modules of names that are no errors of `pytest_fastenv.errors`.
_HOMES = {
    "CommandError": "pytest_fastenv.runtime.environment_in_test",
    "Environment": "pytest_fastenv.runtime.environment",
    "InstalledDistribution": "pytest_fastenv.runtime.environment_in_test",
    "LinkMode": "pytest_fastenv.model.link",
    "MakeVenv": "pytest_fastenv.runtime.virtual_environment",
    "NamedIndex": "pytest_fastenv.settings.values",
    "Notice": "pytest_fastenv.model.events",
    "PlannedDistribution": "pytest_fastenv.runtime.session_environment",
    "Ready": "pytest_fastenv.environment.places",
    "Recorder": "pytest_fastenv.model.events",
    "SessionEnvironment": "pytest_fastenv.runtime.session_environment",
    "SessionNeeds": "pytest_fastenv.provisioning.question",
    "Settings": "pytest_fastenv.settings.values",
    "Span": "pytest_fastenv.model.events",
    "Summary": "pytest_fastenv.runtime.summary",
    "VirtualEnvironment": "pytest_fastenv.runtime.virtual_environment",
    "provision": "pytest_fastenv.provisioning.story",
    "settings_from_variables": "pytest_fastenv.settings.layers",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES.get(name, "pytest_fastenv.errors")), name)


def __dir__() -> list[str]:
    """Return the public names (PEP 562)."""
    return sorted(__all__)
