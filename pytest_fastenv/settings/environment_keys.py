"""The keys of an environment by name that are no settings: one row each.

What reads ``[tool.fastenv.envs.NAME]``, the schema for editors, the documentation and hints are made from the rows.
They stand here, below the room that reads environments, because ``[tool.fastenv]`` may have them as defaults.

Standard library only: this module is on the warm path.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

EnvironmentKind = Literal["text", "flag", "path", "words", "commands", "variables", "names", "matrix"]
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


ENVIRONMENT_KEYS = (
    EnvironmentKey("description", "text", "One line about it, for lists", is_default=False),
    EnvironmentKey(
        "extends", "names", "Environments whose keys it takes over, the first one's first", is_default=False
    ),
    EnvironmentKey("matrix", "matrix", "Axes: one environment for each combination of their values", is_default=False),
    EnvironmentKey("tags", "words", "Words to select it by: tag:NAME"),
    EnvironmentKey("lock", "path", "A lock file (PEP 751) in place of requirements and groups"),
    EnvironmentKey("commands-pre", "commands", "What runs before the commands"),
    EnvironmentKey("commands", "commands", "What fastenv run does in it"),
    EnvironmentKey("commands-post", "commands", "What runs after the commands, also where they failed"),
    EnvironmentKey("set-env", "variables", "Variables for its commands and its tests"),
    EnvironmentKey("pass-env", "words", "Variables that reach its commands and its tests (default: all)"),
    EnvironmentKey("change-dir", "text", "The directory that commands begin in"),
    EnvironmentKey("allow-failure", "flag", "Whether its failure leaves the run's exit code alone"),
    EnvironmentKey("allow-missing-python", "flag", "Whether it is skipped where its interpreter is missing"),
    EnvironmentKey("allowlist", "words", "Programs outside of the environment that its commands may start"),
)
"""All rows."""

ENVIRONMENTS = "envs"
"""The table of the environments, below ``[tool.fastenv]``."""
REQUIREMENTS = "requirements"
"""What an environment's `sources` are called."""
NOT_SETTINGS = frozenset({ENVIRONMENTS, REQUIREMENTS, *(row.key for row in ENVIRONMENT_KEYS if row.is_default)})
"""The keys of ``[tool.fastenv]`` that say something about environments by name alone."""
