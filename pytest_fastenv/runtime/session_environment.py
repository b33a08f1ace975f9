"""The environment that the tests themselves run in, for tests that want to know about it."""

from __future__ import annotations

import json
import os
import platform
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Mapping, NamedTuple

from .environment import Environment
from .environment_in_test import EnvironmentInTest
from .sealed import unseal

if TYPE_CHECKING:
    from .virtual_environment import MakeVenv


class PlannedDistribution(NamedTuple):
    """A distribution as it was decided on.

    :ivar name: normalized.
    :ivar requested: it was asked for itself, not only needed by another one.
    :ivar url: where its wheel or its source distribution comes from, without credentials; of a local project, its
        directory.
    :ivar sha256: of that file, where an index or the requirements tell it.
    :ivar built: it was built here, from a source distribution or a directory.
    :ivar required_by: the files and distributions that ask for it, and for which versions:
        ``("requirements.txt:1 <3", "black 24.1 >=8")``.
    """

    name: str
    version: str
    requested: bool
    url: str
    sha256: str | None
    built: bool
    required_by: tuple[str, ...]


class SessionEnvironment(EnvironmentInTest):
    """The environment of this process: a session's, or an xdist worker's own.

    :param lasting: gives what makes further environments that last as long as the session.
    """

    def __init__(self, environment: Environment, lasting: Callable[[], MakeVenv]) -> None:
        super().__init__(environment)
        self._lasting = lasting
        self._make_venv: MakeVenv | None = None

    @property
    def make_venv(self) -> MakeVenv:
        """Makes fresh environments as the fixture ``make_venv`` does, for fixtures of a wider scope than one test."""
        if self._make_venv is None:
            self._make_venv = self._lasting()
        return self._make_venv

    @property
    def plan(self) -> tuple[PlannedDistribution, ...] | None:
        """What was decided to be in it, by name; ``None`` where no plan is kept, or it is damaged."""
        try:
            with open(os.path.join(self.prefix, ".fastenv", "plan.json"), "rb") as file:
                plan = json.loads(unseal(file.read()))
        except (OSError, ValueError):
            return None
        return tuple(_planned(distribution) for distribution in plan["distributions"])


def session_environment(lasting: Callable[[], MakeVenv]) -> SessionEnvironment:
    """Return the environment that this process runs in.

    :param lasting: see `SessionEnvironment`.
    """
    return SessionEnvironment(own_environment(), lasting)


def own_environment() -> Environment:
    """Return the environment that this process runs in, as its manifest or else the interpreter describes it."""
    try:
        return Environment.standing(sys.prefix)
    except (OSError, ValueError, KeyError):  # made by other means, or its manifest is damaged
        return _running()


def _running() -> Environment:
    paths = {name: Path(path) for name, path in sysconfig.get_paths().items()}
    version = platform.python_version()
    return Environment(
        prefix=Path(sys.prefix),
        python=Path(sys.executable),
        scripts=paths["scripts"],
        purelib=paths["purelib"],
        platlib=paths["platlib"],
        fingerprint="",
        python_version=version,
        interpreter="{} {}".format(platform.python_implementation(), version),
        identity="",
    )


def _planned(distribution: Mapping[str, Any]) -> PlannedDistribution:
    """Read what `pytest_fastenv.environment.manifest.write_plan` wrote."""
    source = distribution["source"]
    artifact = source.get("artifact", {})
    # What one party says, another may say differently: only what leaves no choice is known.
    demands = artifact.get("hashes", {}).get("demands", ())
    known = dict(map(tuple, (pairs[0] for pairs in demands if len(pairs) == 1)))
    path = source.get("path")
    return PlannedDistribution(
        name=distribution["name"],
        version=distribution["version"],
        requested=distribution.get("requested", False),
        url=artifact.get("url") or Path(path).as_uri(),
        sha256=known.get("sha256"),
        built=source["class"] != "WheelSource",
        required_by=tuple(distribution.get("required_by", ())),
    )
