"""Matrix tables: from axes to combinations, each with a name and what it sets."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from pytest_fastenv.errors import UsageError
from pytest_fastenv.matrix.inheritance import NAME, near
from pytest_fastenv.matrix.keys import ROWS, Values, checked, is_axis, is_list
from pytest_fastenv.settings.environment_keys import EXTENDS, MATRIX, REQUIREMENTS
from pytest_fastenv.settings.layers import Given, Origin, refused
from pytest_fastenv.settings.tables import unknown_key

EXCLUDE, NAME_KEY = "exclude", "name"
AXIS = r"[A-Za-z_][A-Za-z0-9_-]*"
"""What an axis may be called that is not called like a key."""
WORD = r"[A-Za-z0-9_.+-]+"
"""What a value of an axis may be called: it becomes a part of a name."""
_PYTHON = re.compile(r"(?P<implementation>[a-z]*?)(?:python)?-?(?P<version>[0-9]+(?:\.[0-9]+)*)(?P<kind>t?)")
_EXPECTED = 'expected a list of texts (["3.12", "3.13"]), or a table of values by their names'


class Point(NamedTuple):
    """One value of an axis.

    :ivar word: what it is called where the axis is: ``3.12``.
    :ivar factor: its part of an environment's name: ``py312``.
    :ivar sets: what it says besides.
    :ivar is_word: it says nothing but its word.
    """

    axis: str
    word: str
    factor: str
    sets: Values
    is_word: bool
    origin: Origin

    def is_meant(self, pattern: str) -> bool:
        """Tell whether a word of an exclusion, or a pattern, means this value."""
        return fnmatchcase(self.word, pattern) or fnmatchcase(self.factor, pattern)


@dataclass(frozen=True, slots=True)
class Combination:
    """One environment of a matrix.

    :ivar points: one of each axis.
    """

    name: str
    points: tuple[Point, ...]
    origin: Origin


def combinations(family: str, matrix: Given) -> Iterator[Combination]:
    """Yield the environments that matrix tables make, in the order of their axes; the last one changes fastest.

    :param family: the name of the environment that has the matrix.
    :raises UsageError: a table cannot be taken as it stands there.
    """
    tables = [matrix.value] if isinstance(matrix.value, dict) else matrix.value
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise refused(matrix.origin, matrix.value, "expected a table of axes, or several of them")
    for position, table in enumerate(tables):
        origin = matrix.origin
        if tables is matrix.value:
            origin = _item(origin, position)
        yield from _of_table(family, table, origin)


def _of_table(family: str, table: Mapping[str, Any], origin: Origin) -> Iterator[Combination]:
    axes = [_axis(key, value, _below(origin, key)) for key, value in table.items() if key not in {EXCLUDE, NAME_KEY}]
    if not axes:
        raise UsageError(f"{origin}: the table has no axis", where=origin.where, hint='write python = ["3.12", "3.13"]')
    excluded = _exclusions(table.get(EXCLUDE, []), axes, _below(origin, EXCLUDE))
    template = table.get(NAME_KEY, "-".join(["{name}", *(f"{{{axis[0].axis}}}" for axis in axes)]))
    if not isinstance(template, str):
        raise refused(_below(origin, NAME_KEY), template, 'expected a text such as "{python}-{django}"')
    kept = [points for points in itertools.product(*axes) if not any(_is_excluded(points, one) for one in excluded)]
    if not kept:
        raise UsageError(f"{origin}: every combination is excluded", where=origin.where)
    for points in kept:
        yield Combination(_named(template, family, points, _below(origin, NAME_KEY)), points, origin)


def _axis(axis: str, value: Any, origin: Origin) -> list[Point]:
    row = ROWS.get(axis)
    if not re.fullmatch(AXIS, axis) or (row is not None and not is_axis(row)):
        why = "its values are no texts" if row is not None else "expected a word of letters, digits, _ and -"
        raise UsageError(f"{origin}: {axis!r} cannot be an axis", where=origin.where, why=why)
    if isinstance(value, list) and value and all(isinstance(word, str) for word in value):
        points = [_point(axis, word, None, _item(origin, n)) for n, word in enumerate(value)]
    elif isinstance(value, dict) and value:
        points = [_point(axis, word, sets, _below(origin, word)) for word, sets in value.items()]
    else:
        raise refused(origin, value, _EXPECTED)
    for earlier, later in itertools.combinations(points, 2):
        if earlier.factor == later.factor:
            what = f"{origin}: {earlier.word} and {later.word} are both called {later.factor}"
            raise UsageError(what, where=later.origin.where, hint=f'name them: {axis} = {{ NAME = "{later.word}" }}')
    return points


def _point(axis: str, word: str, given: Any, origin: Origin) -> Point:
    """Read a value of an axis.

    :param given: what the table of the axis says of it; ``None`` where it is an item of a list.
    """
    if not re.fullmatch(WORD, word):
        why = "expected letters, digits and . _ + -"
        hint = f'name it: {axis} = {{ NAME = "{word}" }}'
        raise UsageError(f"{origin}: {word!r} cannot be part of a name", where=origin.where, why=why, hint=hint)
    key = axis if axis in ROWS else REQUIREMENTS
    sets: Values = {}
    if isinstance(given, dict):
        for inner, value in given.items():
            if inner not in ROWS or inner in {EXTENDS.key, MATRIX.key}:
                raise unknown_key(inner, ROWS.keys() - {EXTENDS.key, MATRIX.key}, _below(origin, inner))
            sets[inner] = checked(inner, value, _below(origin, inner))
    elif given is not None:
        sets[key] = checked(key, _as_list(key, given), origin)
    if axis in ROWS and axis not in sets:
        sets[axis] = checked(axis, _as_list(axis, word), origin)
    return Point(axis, word, _factor(axis, word), sets, given is None and axis not in ROWS, origin)


def _as_list(key: str, value: Any) -> Any:
    return [value] if is_list(ROWS[key]) and isinstance(value, str) else value


def _factor(axis: str, word: str) -> str:
    """Return a value's part of a name, as users of tox write it: ``py312``, ``django42``; a word as it is."""
    if axis == "python" and (match := _PYTHON.fullmatch(word)):
        return f"{match['implementation'] or 'py'}{match['version'].replace('.', '')}{match['kind']}"
    text = word.replace(".", "")
    return f"{axis}{text}" if text[:1].isdigit() else text


def _exclusions(value: Any, axes: list[list[Point]], origin: Origin) -> list[dict[str, list[str]]]:
    entries = [value] if isinstance(value, dict) else value
    if not isinstance(entries, list):
        raise refused(origin, value, "expected a list of tables, each with values by their axes")
    known = {axis[0].axis: axis for axis in axes}
    found = []
    for number, entry in enumerate(entries):
        place = _item(origin, number) if entries is value else origin
        if not isinstance(entry, dict) or not entry:
            raise refused(place, entry, 'expected a table such as { python = "3.12", django = "5" }')
        words = {axis: [word] if isinstance(word, str) else word for axis, word in entry.items()}
        for axis, meant in words.items():
            here = _below(place, axis)
            if axis not in known:
                raise UsageError(f"{place}: no axis is called {axis}", where=here.where, hint=near(axis, known))
            if not isinstance(meant, list) or not meant or not all(isinstance(word, str) for word in meant):
                raise refused(here, entry[axis], "expected a value of the axis, or a list of them")
            for word in meant:
                if not any(point.is_meant(word) for point in known[axis]):
                    hint = near(word, [point.word for point in known[axis]])
                    raise UsageError(f"{place}: {axis} has no value {word}", where=here.where, hint=hint)
        found.append(words)
    return found


def _is_excluded(points: tuple[Point, ...], excludes: Mapping[str, list[str]]) -> bool:
    by_axis = {point.axis: point for point in points}
    return all(any(by_axis[axis].is_meant(word) for word in words) for axis, words in excludes.items())


def _named(template: str, family: str, points: tuple[Point, ...], origin: Origin) -> str:
    factors = {"name": family, **{point.axis: point.factor for point in points}}

    def factor(match: re.Match[str]) -> str:
        if match[1] not in factors:
            what = f"{origin}: no axis is called {match[1]}"
            raise UsageError(what, where=origin.where, hint=near(match[1], factors))
        return factors[match[1]]

    name = re.sub(r"\{([^{}]*)\}", factor, template)
    if not re.fullmatch(NAME, name) or name.startswith("_"):
        raise refused(origin, template, f"expected names of letters, digits and . _ + -, not {name!r}")
    return name


def _below(origin: Origin, key: str) -> Origin:
    return origin._replace(name=f"{origin.name}.{key}", keys=(*origin.keys, key))


def _item(origin: Origin, position: int) -> Origin:
    return origin._replace(keys=(*origin.keys, str(position)))
