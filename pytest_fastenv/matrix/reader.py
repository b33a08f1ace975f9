"""Environments as a project's files write them down, one by one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_fastenv.errors import UsageError
from pytest_fastenv.matrix.declaration import Command, NamedEnvironment
from pytest_fastenv.settings.environment_keys import ENVIRONMENT_KEYS, ENVIRONMENTS, REQUIREMENTS
from pytest_fastenv.settings.layers import Given
from pytest_fastenv.settings.options import OPTIONS, of_door
from pytest_fastenv.settings.tables import FastenvTable, fastenv_tables, setting

_SOURCES = OPTIONS[0]


def declared(directory: Path) -> Mapping[str, NamedEnvironment]:
    """Return the environments that ``pyproject.toml`` and ``fastenv.toml`` of a directory declare, in their order.

    :raises UsageError: a file cannot be read, or has something that cannot be taken as it stands there.
    """
    found: dict[str, NamedEnvironment] = {}
    for table in fastenv_tables(directory):
        for name, keys in table.content.get(ENVIRONMENTS, {}).items():
            found[name] = _environment(table, name, keys)
    return found


def _environment(table: FastenvTable, name: str, keys: Mapping[str, Any]) -> NamedEnvironment:
    settings = {option.table_key: option for option in of_door("table") if option is not _SOURCES}
    settings[REQUIREMENTS] = _SOURCES
    rows = {row.key: row for row in ENVIRONMENT_KEYS}
    layer: dict[str, Given] = {}
    fields: dict[str, Any] = {}
    for key, value in keys.items():
        origin = table.origin(ENVIRONMENTS, name, key)
        if key in settings:
            given = setting(settings[key], value, origin)
            if given is not None:
                layer[settings[key].field] = given
        elif key in rows:
            fields[rows[key].field] = _value(rows[key].kind, value, table.file.parent)
        else:
            raise UsageError(f"{origin.table} has an unknown key: {key}", where=str(table.file))
    fields["tags"] = frozenset(fields.get("tags", ()))
    return NamedEnvironment(name, layer, table.origin(ENVIRONMENTS, name), name, tuple(name.split("-")), **fields)


def _value(kind: str, value: Any, directory: Path) -> Any:
    if kind == "commands":
        return tuple(Command((one,), split=True) if isinstance(one, str) else Command(tuple(one)) for one in value)
    if kind == "words":
        return tuple(value)
    return directory / value if kind == "path" else value
