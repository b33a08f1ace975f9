"""What the handlers of an environment server share."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_fastenv.model.events import Recorder
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store


@dataclass(frozen=True, slots=True)
class Context:
    """What handlers share for the life of an environment server.

    :ivar base: what relative paths are relative to, absolute.
    :ivar environ: environment variables of the session's start.
    :ivar stack: closed when the environment server ends.
    :ivar kept: what handlers keep from one question to the next, each under a name of its own.
    """

    settings: Settings
    store: Store
    recorder: Recorder
    base: Path
    environ: Mapping[str, str]
    stack: AsyncExitStack
    kept: dict[str, Any] = field(default_factory=dict)
