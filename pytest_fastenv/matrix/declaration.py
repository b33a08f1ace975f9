"""An environment by name, as a project's files declare it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pytest_fastenv.settings.layers import Layer, Origin


class Command(NamedTuple):
    """One command of an environment, before anything is substituted in it.

    :ivar words: its words; one text where `split` is set.
    :ivar split: it was written as one text, which is split into words after the substitution, as a shell would.
    :ivar succeeds: whether it has to end with exit code 0, with another one (``!`` before it), or with any (``-``).
    """

    words: tuple[str, ...]
    split: bool = False
    succeeds: Literal["must", "must not", "may"] = "must"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key of an environment stands. Written down it is the file and the line; the file is read for that."""

    key: str
    environment: str
    origin: Origin

    def __str__(self) -> str:
        return f"{self.origin.where or self.origin} ({self.key} of environment {self.environment})"


@dataclass(frozen=True, slots=True)
class NamedEnvironment:
    """What is declared for an environment: the defaults, what it inherits, and its place in a matrix are in it.

    :ivar name: unique among those that are declared.
    :ivar layer: what it sets, by `Settings` field; stronger than ``[tool.fastenv]``, weaker than ini values.
    :ivar tags: words for selections (``tag:NAME``).
    :ivar factors: the parts of its name; what the axes of a matrix brought comes last.
    :ivar lock: the lock file that stands in place of requirements and groups; absolute.
    :ivar run_by_default: its commands are run where no environment is named.
    :ivar set_env: variables for its commands and its tests, before anything is substituted in them.
    :ivar pass_env: names and patterns of the variables that reach its commands and its tests; ``None``: all do.
    :ivar change_dir: the directory that commands begin in, before anything is substituted; ``None``: the project's.
    :ivar allow_failure: its failure does not fail the run.
    :ivar allow_missing_python: it is skipped where its interpreter is missing.
    :ivar allowlist: names and patterns of programs outside of the environment that its commands may start.
    :ivar origin: where it is declared.
    :ivar origins: where its keys stand that are no settings, by key.
    :ivar family: the name of the table that declares it; another one than `name` where a matrix made it.
    """

    name: str
    layer: Layer
    origin: Origin
    family: str
    factors: tuple[str, ...]
    description: str = ""
    tags: frozenset[str] = frozenset()
    run_by_default: bool = True
    commands_pre: tuple[Command, ...] = ()
    commands: tuple[Command, ...] = ()
    commands_post: tuple[Command, ...] = ()
    set_env: Mapping[str, str] = field(default_factory=dict)
    pass_env: tuple[str, ...] | None = None
    change_dir: str | None = None
    allow_failure: bool = False
    allow_missing_python: bool = False
    allowlist: tuple[str, ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict)

    def place(self, key: str) -> Place:
        """Return where a key stands that is no setting, for messages."""
        return Place(key, self.name, self.origins.get(key, self.origin))
