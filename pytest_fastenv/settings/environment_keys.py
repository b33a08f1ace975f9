"""The keys of an environment by name that are no settings: one row each.

What reads ``[tool.fastenv.envs.NAME]``, the schema for editors, the documentation and hints are made from the rows.
They stand here, below the room that reads environments, because ``[tool.fastenv]`` may have them as defaults.

Standard library only: this module is on the warm path.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

EnvironmentKind = Literal["text", "flag", "path", "words", "tags", "commands", "variables", "names", "matrix"]
"""What a value is: one text, on or off, a path; a list of texts, a list of commands, a table of texts by variables'
names, one environment's name or a list of them, axes."""


class EnvironmentKey(NamedTuple):
    """One row: a key, what its value is, and what it says.

    :ivar is_default: it may stand in ``[tool.fastenv]``, too, for all environments.
    """

    key: str
    kind: EnvironmentKind
    help: str
    is_default: bool = True

    @property
    def field(self) -> str:
        """The name in `pytest_fastenv.matrix.declaration.NamedEnvironment`."""
        return self.key.replace("-", "_")


EXTENDS = EnvironmentKey("extends", "names", "Environments whose keys it takes over, the weakest first", False)
MATRIX = EnvironmentKey("matrix", "matrix", "Axes: one environment for each combination of their values", False)
ENVIRONMENT_KEYS = (
    EnvironmentKey("description", "text", "One line about it, for lists", False),
    EXTENDS,
    MATRIX,
    EnvironmentKey("tags", "tags", "Words to select it by: tag:NAME"),
    EnvironmentKey(
        "run-by-default", "flag", "false: fastenv run does not run it where none is named, as in tox's env_list", False
    ),
    EnvironmentKey("commands-pre", "commands", "What runs before the commands"),
    EnvironmentKey("commands", "commands", "What fastenv run runs in it"),
    EnvironmentKey("commands-post", "commands", "What runs after the commands, also where they failed"),
    EnvironmentKey("set-env", "variables", "Variables for its commands and its tests"),
    EnvironmentKey(
        "pass-env", "words", "Names and patterns of variables that reach its commands and its tests (default: all do)"
    ),
    EnvironmentKey("change-dir", "text", "The directory that its commands begin in (default: the project's)"),
    EnvironmentKey("allow-failure", "flag", "Its failure leaves the exit code of the run alone"),
    EnvironmentKey("allow-missing-python", "flag", "It is skipped where its interpreter is missing"),
    EnvironmentKey("allowlist", "words", "Names and patterns of programs outside of it that its commands may start"),
)
"""All rows."""

ENVIRONMENTS = "envs"
"""The table of the environments, below ``[tool.fastenv]``."""
REQUIREMENTS = "requirements"
"""What an environment's sources are called."""
ELSEWHERE = {
    "sources": REQUIREMENTS,
    "deps": REQUIREMENTS,
    "dependencies": REQUIREMENTS,
    "extra-dependencies": REQUIREMENTS,
    "dependency-groups": "groups",
    "features": "extras",
    "base-python": "python",
    "basepython": "python",
    "setenv": "set-env",
    "env-vars": "set-env",
    "passenv": "pass-env",
    "changedir": "change-dir",
    "ignore-outcome": "allow-failure",
    "skip-missing-interpreters": "allow-missing-python",
    "allowlist-externals": "allowlist",
    "pylock": "lock",
    "labels": "tags",
    "template": "extends",
    "base": "extends",
    "scripts": "commands",
    "package": "project",
    "skip-install": "project",
    "use-develop": "project",
    "usedevelop": "project",
}
"""What keys are called here that tox, nox or hatch call otherwise, for hints."""
DEFAULTS = frozenset({REQUIREMENTS, *(row.key for row in ENVIRONMENT_KEYS if row.is_default)})
"""The keys of ``[tool.fastenv]`` that are defaults for environments by name, and say nothing else."""
