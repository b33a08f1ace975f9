"""Environments by name, from what a project's files declare."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_fastenv.errors import UsageError
from pytest_fastenv.matrix.axes import Combination, Point, combinations
from pytest_fastenv.matrix.declaration import Command, NamedEnvironment
from pytest_fastenv.matrix.inheritance import Declaration, Declarations, near
from pytest_fastenv.matrix.keys import ROWS, Values, checked
from pytest_fastenv.settings.environment_keys import DEFAULTS, EXTENDS, MATRIX, EnvironmentKey
from pytest_fastenv.settings.layers import Given, Origin, at_file
from pytest_fastenv.settings.options import Option
from pytest_fastenv.settings.tables import FastenvTable, fastenv_tables

_PYTHON = "python"
#: What says which environments there are, and nothing about them.
_DECLARING = frozenset({EXTENDS.key, MATRIX.key})
_MATRIX_WORD = re.compile(r"\{matrix:([^{}:]+)(?::([^{}]*))?\}")
#: ``py312``, ``pypy311``, ``py3.12``, ``3.12``, ``py313t``: parts of a name that say which Python is meant.
_NAMES_PYTHON = re.compile(
    r"(?:(?P<implementation>py|python|cpython|pypy)3\.?|3\.)(?P<minor>[6-9]|[1-9][0-9])(?P<kind>t?)"
)


def declared(directory: Path) -> Mapping[str, NamedEnvironment]:
    """Return the environments that ``pyproject.toml`` and ``fastenv.toml`` of a directory declare, in their order.

    :raises UsageError: a file cannot be read, or has something that cannot be taken as it stands there.
    """
    return environments_of(fastenv_tables(directory))


def environments_of(tables: Iterable[FastenvTable]) -> Mapping[str, NamedEnvironment]:
    """Return the environments that tables declare, the weaker table first; see `declared`."""
    return _Reader(Declarations.of(tables)).environments()


class _Reader:
    def __init__(self, declarations: Declarations) -> None:
        self._declarations = declarations
        defaults = declarations.defaults
        self._defaults: Values = {key: defaults[key] for key in DEFAULTS if key in defaults}

    def environments(self) -> dict[str, NamedEnvironment]:
        found: dict[str, NamedEnvironment] = {}
        plain: list[Declaration] = []
        for declaration in self._declarations.environments.values():
            values = self._declarations.inherited(declaration.name)
            if declaration.is_template:
                _check_matrix(declaration)
            elif MATRIX.key not in values or values[MATRIX.key].value == []:
                plain.append(declaration)
            else:
                self._add_family(declaration, values, found)
        refined = set(found)
        for declaration in plain:
            if declaration.name not in refined:
                values = self._declarations.inherited(declaration.name)
                found[declaration.name] = self._environment(declaration.name, declaration, values)
        return self._in_order(found)

    def _in_order(self, found: dict[str, NamedEnvironment]) -> dict[str, NamedEnvironment]:
        families = list(self._declarations.environments)
        return dict(sorted(found.items(), key=lambda item: families.index(item[1].family)))

    def _add_family(self, declaration: Declaration, values: Values, found: dict[str, NamedEnvironment]) -> None:
        """Add the environments of a matrix to those that were found."""
        used: set[str] = set()
        some = list(combinations(declaration.name, values[MATRIX.key]))
        for combination in some:
            if combination.name in found:
                what = f"two environments are called {combination.name}"
                hint = 'a matrix table says how its environments are called: name = "{name}-{python}"'
                raise UsageError(what, where=combination.origin.where, hint=hint)
            _check_no_other_python(declaration, values, combination)
            combined = dict(values)
            for point in combination.points:
                combined = self._declarations.stand_over(combined, point.sets, adds=True)
            refinement = self._declarations.environments.get(combination.name)
            if refinement is not None:
                _check_refinement(refinement, declaration)
                combined = self._declarations.stand_over(combined, refinement.values)
            found[combination.name] = self._environment(
                combination.name, declaration, combined, combination.points, used
            )
        for point in [point for combination in some for point in combination.points]:
            if point.is_word and point.axis not in used:
                what = f"{point.origin}: nothing depends on the axis {point.axis}"
                table = f'{point.axis} = {{ "{point.word}" = "REQUIREMENT" }}'
                hint = f"write {{matrix:{point.axis}}} where its values belong, or {table}"
                raise UsageError(what, where=point.origin.where, hint=hint)

    def _environment(
        self,
        name: str,
        declaration: Declaration,
        values: Values,
        points: Sequence[Point] = (),
        used: set[str] | None = None,
    ) -> NamedEnvironment:
        axes = {point.axis: point.word for point in points}
        own = {key: given for key, given in {**self._defaults, **values}.items() if key not in _DECLARING}
        own = {key: _substituted(key, given, axes, set() if used is None else used) for key, given in own.items()}
        tables = (declaration, self._declarations.environments.get(name, declaration))
        has_own = any(_PYTHON in values for values in (*(one.values for one in tables), *(one.sets for one in points)))
        _name_python(name, declaration.origin, own, has_own=has_own)
        fields = {
            row.field: _field(row, own[key])
            for key, row in ROWS.items()
            if isinstance(row, EnvironmentKey) and key in own
        }
        return NamedEnvironment(
            name=name,
            layer={
                row.field: Given(at_file(row, own[key].value, _directory(own[key].origin)), own[key].origin)
                for key, row in ROWS.items()
                if isinstance(row, Option) and key in own
            },
            origin=declaration.origin,
            family=declaration.name,
            factors=tuple(name.split("-")),
            origins={key: given.origin for key, given in own.items() if isinstance(ROWS.get(key), EnvironmentKey)},
            **fields,
        )


def _name_python(name: str, origin: Origin, values: Values, *, has_own: bool) -> None:
    """Take the interpreter from a name that has a version in it, as tox does.

    :param has_own: the environment says itself which one is meant, and not what it extends or the defaults.
    """
    named = [match for part in name.split("-") if (match := _NAMES_PYTHON.fullmatch(part))]
    if len(named) != 1:
        return
    meant = f"3.{named[0]['minor']}"
    spec = f"{'pypy' if named[0]['implementation'] == 'pypy' else ''}{meant}{named[0]['kind']}"
    if not has_own:
        values[_PYTHON] = Given(spec, origin._replace(name=_PYTHON))
        return
    given = values[_PYTHON]
    version = re.fullmatch(r"[a-z]*(3\.[0-9]+)(\.[0-9]+)*t?", given.value)
    if version is not None and version[1] != meant:
        what = f"{given.origin}: {given.value} is not the Python that {name} has in its name"
        hint = f"leave it out where {spec} is meant, or rename the environment"
        raise UsageError(what, where=given.origin.where, hint=hint)


def _check_matrix(template: Declaration) -> None:
    """Read a matrix that is there to be inherited, for what is wrong with it."""
    if MATRIX.key in template.values:
        list(combinations(template.name.lstrip("_"), template.values[MATRIX.key]))


def _check_no_other_python(declaration: Declaration, values: Values, combination: Combination) -> None:
    """Refuse an interpreter in a table whose matrix chooses it."""
    own = declaration.values.get(_PYTHON)
    if own is not None and any(_PYTHON in point.sets for point in combination.points):
        hint = "leave the one or the other out"
        if MATRIX.key not in declaration.values:
            hint = f"the matrix comes from {values[MATRIX.key].origin.table}: write matrix = [] to leave it out"
        what = f"{own.origin}: the matrix says which Python is meant"
        raise UsageError(what, where=own.origin.where, hint=hint)


def _check_refinement(refinement: Declaration, family: Declaration) -> None:
    for row in (EXTENDS, MATRIX):
        if row.key in refinement.values:
            origin = refinement.values[row.key].origin
            what = f"{origin}: {refinement.name} is made by the matrix of {family.name}"
            why = f"a table of that name changes keys of the environment, and has no {row.key} of its own"
            raise UsageError(what, where=origin.where, why=why, hint="leave it out, or take another name")


def _substituted(key: str, given: Given, axes: Mapping[str, str], used: set[str]) -> Given:
    """Put the words of axes in place of ``{matrix:AXIS}``."""

    def word(match: re.Match[str]) -> str:
        axis, otherwise = match[1], match[2]
        used.add(axis)
        if axis not in axes and otherwise is None:
            what = f"{given.origin}: {match[0]}: no axis is called {axis}"
            hint = near(axis, axes) if axes else f"without a matrix there is a default: {{matrix:{axis}:DEFAULT}}"
            raise UsageError(what, where=given.origin.where, hint=hint)
        return axes.get(axis, otherwise)

    value = _in_texts(given.value, lambda text: _MATRIX_WORD.sub(word, text))
    return given if value == given.value else checked(key, value, given.origin)


def _in_texts(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_in_texts(item, change) for item in value]
    return {key: _in_texts(item, change) for key, item in value.items()} if isinstance(value, dict) else value


def _field(row: EnvironmentKey, given: Given) -> Any:
    """Return the value of a field of `NamedEnvironment`."""
    match row.kind:
        case "commands":
            return tuple(map(_command, given.value))
        case "tags":
            return frozenset(given.value)
        case "words":
            return tuple(given.value)
        case "path":
            return _directory(given.origin) / os.path.expanduser(given.value)
        case _:
            return given.value


def _command(value: str | list[str]) -> Command:
    words = [value.strip()] if isinstance(value, str) else list(value)
    first, *rest = words[0].split(None, 1) if isinstance(value, str) else words
    succeeds = {"-": "may", "!": "must not"}.get(first, "must")
    if succeeds != "must":
        words = rest
    return Command(tuple(words), isinstance(value, str), succeeds)  # type: ignore[arg-type]


def _directory(origin: Origin) -> Path:
    return Path(origin.file).parent
