"""What environments have in common, said once: defaults, matrix tables and templates, where it is exactly equal."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_fastenv.migration.translation import Translated
from pytest_fastenv.settings.environment_keys import DEFAULTS

_FACTOR = re.compile(r"(pypy|py)3([0-9]+)(t?)")
#: Keys that a template takes away for less are better said where they belong.
_LEAST_SHARED = 2


@dataclass(slots=True)
class Table:
    """A table of the result: an environment, a family of them, or a template."""

    name: str
    values: dict[str, Any]
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Folded:
    """All tables.

    :ivar defaults: of ``[tool.fastenv]``.
    """

    defaults: dict[str, Any]
    tables: tuple[Table, ...]


def fold(environments: Sequence[Translated]) -> Folded:
    """Say what environments have in common once."""
    defaults = _common(environments) if len(environments) > 1 else {}
    for one in environments:
        one.values = {key: value for key, value in one.values.items() if key not in defaults}
    tables = _families(environments)
    return Folded(defaults, tuple(_with_templates(tables)))


def _common(environments: Sequence[Translated]) -> dict[str, Any]:
    """Return what all have and may be said of all in `[tool.fastenv]` without saying anything else."""
    first, *others = environments
    return {
        key: value
        for key, value in first.values.items()
        if key in DEFAULTS and all(key in one.values and one.values[key] == value for one in others)
    }


def _families(environments: Iterable[Translated]) -> list[Table]:
    """Put environments into one matrix that differ in nothing but the Python that their names tell."""
    names = {one.name for one in environments}
    groups: dict[str, list[tuple[Translated, str]]] = {}
    for one in environments:
        factors = one.name.split("-")
        pythons = [factor for factor in factors if _FACTOR.fullmatch(factor)]
        if len(pythons) == 1 and "python" not in one.values:
            shape = "-".join("{python}" if factor in pythons else factor for factor in factors)
            groups.setdefault(f"{shape}\0{_digest(one)}", []).append((one, pythons[0]))
        else:
            groups[f"{one.name}\0"] = [(one, "")]
    tables = []
    for key, members in groups.items():
        shape = key.partition("\0")[0]
        first = members[0][0]
        if len(members) == 1:
            tables.append(Table(first.name, first.values, first.remarks))
            continue
        family = _family(shape, names)
        names.add(family)
        matrix = {"python": [_spec(factor) for _, factor in members], "name": shape}
        tables.append(Table(family, {**first.values, "matrix": matrix}, first.remarks))
    return tables


def _digest(one: Translated) -> str:
    return json.dumps([one.values, one.remarks], sort_keys=True)


def _family(shape: str, taken: set[str]) -> str:
    name = re.sub(r"-?\{python\}-?", "-", shape).strip("-") or "py"
    numbered = (f"{name}-{number}" for number in itertools.count(2))
    return next(one for one in itertools.chain([name], numbered) if one not in taken)


def _spec(factor: str) -> str:
    return re.sub(_FACTOR, lambda one: f"{'pypy' if one[1] == 'pypy' else ''}3.{one[2]}{one[3]}", factor)


def _with_templates(tables: Sequence[Table]) -> list[Table]:
    """Say what several tables have in common in a template that they extend, the most telling first."""
    templates: list[Table] = []
    open_tables = list(tables)
    while best := _best(open_tables):
        shared, members = best
        name = f"_common{len(templates) + 1 if templates else ''}"
        templates.append(Table(name, shared))
        for one in members:
            one.values = {"extends": name} | {key: value for key, value in one.values.items() if key not in shared}
        open_tables = [one for one in open_tables if one not in members]
    return [*templates, *tables]


def _best(tables: Sequence[Table]) -> tuple[dict[str, Any], list[Table]] | None:
    """Return what to take out, and of which tables; ``None`` where nothing is worth it."""
    found: tuple[int, dict[str, Any], list[Table]] | None = None
    for one, other in itertools.combinations(tables, 2):
        shared = {
            key: value for key, value in one.values.items()
            if key not in {"matrix", "description"} and key in other.values and other.values[key] == value
        }  # fmt: skip
        members = [each for each in tables if all(each.values.get(key) == shared[key] for key in shared)]
        saved = (len(members) - 1) * len(shared)
        if len(shared) >= _LEAST_SHARED and (found is None or saved > found[0]):
            found = (saved, shared, members)
    return None if found is None else found[1:]
