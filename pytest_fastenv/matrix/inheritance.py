"""What the two files of a project declare, and what an environment takes over from others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pytest_fastenv.errors import UsageError
from pytest_fastenv.matrix.keys import INHERITED, ROWS, Values, checked, over
from pytest_fastenv.settings.environment_keys import DEFAULTS, ENVIRONMENTS, EXTENDS, MATRIX, REQUIREMENTS
from pytest_fastenv.settings.layers import Given, Origin, refused
from pytest_fastenv.settings.tables import FastenvTable, unknown_key

NAME = r"[A-Za-z0-9_][A-Za-z0-9_.+-]*"
"""What an environment may be called: its name stands in node ids and on command lines."""
ALL = "all"
_SOURCES = "sources"


class Declaration(NamedTuple):
    """One table below ``[tool.fastenv.envs]``.

    :ivar values: its own.
    """

    name: str
    origin: Origin
    values: Values

    @property
    def is_template(self) -> bool:
        """Whether it is there for `extends` alone, and no environment."""
        return self.name.startswith("_")


@dataclass(slots=True)
class Declarations:
    """All that is declared, in the order that it is.

    :ivar defaults: what ``[tool.fastenv]`` says that environments may say, too.
    """

    defaults: Values = field(default_factory=dict)
    environments: dict[str, Declaration] = field(default_factory=dict)

    @classmethod
    def of(cls, tables: Iterable[FastenvTable]) -> Declarations:
        """Read what tables declare; where two have a key of an environment, the later one counts.

        :raises UsageError: something cannot be taken as it stands there.
        """
        made = cls()
        for table in tables:
            for key, value in table.content.items():
                if key == ENVIRONMENTS:
                    made._read_environments(table, value)
                elif key in DEFAULTS or (
                    key in ROWS and value not in ([], "") and key not in {EXTENDS.key, MATRIX.key}
                ):
                    made.defaults[key] = _default(key, value, table.origin(key))
                elif key == _SOURCES and value:
                    made.defaults.setdefault(REQUIREMENTS, _default(REQUIREMENTS, value, table.origin(key)))
        return made

    def _read_environments(self, table: FastenvTable, environments: Any) -> None:
        origin = table.origin(ENVIRONMENTS)
        if not isinstance(environments, dict):
            raise refused(origin, environments, f"expected a table for each environment: [{_table(table)}.NAME]")
        for name, values in environments.items():
            place = table.origin(ENVIRONMENTS, name)
            _check_name(name, values, place, _table(table))
            known = self.environments.get(name, Declaration(name, place, {}))
            known.values.update(
                (key, _of_environment(key, value, table.origin(ENVIRONMENTS, name, key)))
                for key, value in values.items()
            )
            self.environments[name] = known

    def inherited(self, name: str, within: tuple[str, ...] = ()) -> Values:
        """Return what a table says together with those that it extends, the weakest first; without the defaults.

        :raises UsageError: tables extend each other in a circle, or one that is not there.
        """
        declaration = self.environments[name]
        found: Values = {}
        extends = declaration.values.get(EXTENDS.key, Given([], declaration.origin))
        for parent in [extends.value] if isinstance(extends.value, str) else extends.value:
            self._check_parent(parent, extends.origin, (*within, name))
            found = self.stand_over(found, self.inherited(parent, (*within, name)))
        return self.stand_over(found, declaration.values)

    def stand_over(self, below: Mapping[str, Given], values: Mapping[str, Given], *, adds: bool = False) -> Values:
        """Return values over others; what these do not have is as ``[tool.fastenv]`` has it.

        :param adds: lists are added to those below.
        """
        found = dict(below)
        for key, value in values.items():
            found[key] = over(key, found.get(key, self.defaults.get(key)), value, adds=adds)
        return found

    def _check_parent(self, parent: str, origin: Origin, within: tuple[str, ...]) -> None:
        if parent in within:
            circle = " → ".join([*within[within.index(parent) :], parent])
            raise UsageError(f"environments extend each other in a circle: {circle}", where=origin.where)
        if parent not in self.environments:
            what = f"{origin}: no environment is called {parent}"
            made = next((name for name in self.environments if parent.startswith(f"{name}-")), None)
            hint = (
                f"extend {made}: what its matrix makes cannot be extended" if made else near(parent, self.environments)
            )
            raise UsageError(what, where=origin.where, hint=hint)


def near(word: str, names: Iterable[str]) -> str:
    """Say which of some names may have been meant."""
    import difflib  # only for a message

    known = list(names)
    close = difflib.get_close_matches(word, known, 3)
    return f"did you mean {' or '.join(close)}?" if close else f"declared are {', '.join(known) or 'none'}"


def _table(table: FastenvTable) -> str:
    return ".".join((*table.keys, ENVIRONMENTS))


def _check_name(name: str, values: Any, origin: Origin, table: str) -> None:
    if name in ROWS and not isinstance(values, dict):
        what = f"[{table}] has an unknown key: {name}"
        raise UsageError(what, where=origin.where, hint=f"it belongs into the table of an environment: [{table}.NAME]")
    if not isinstance(values, dict):
        raise refused(origin, values, f"expected a table: [{table}.{name}]")
    if name == ALL or not re.fullmatch(NAME, name):
        why = (
            "expected a name of letters, digits and . _ + -"
            if name != ALL
            else "that is what all environments together are called"
        )
        hint = "several are made by a matrix" if "{" in name else None
        raise UsageError(f"an environment cannot be called {name!r}", where=origin.where, why=why, hint=hint)


def _default(key: str, value: Any, origin: Origin) -> Given:
    if isinstance(value, list) and INHERITED in value:
        raise refused(origin, INHERITED, "there is nothing below the defaults: it stands in tables of environments")
    return checked(key, value, origin)


def _of_environment(key: str, value: Any, origin: Origin) -> Given:
    if key not in ROWS:
        raise unknown_key(key, ROWS, origin)
    return checked(key, value, origin)
