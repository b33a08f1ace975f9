"""``[tool.fastenv]`` of ``pyproject.toml``, and ``fastenv.toml``: the layers that stand in a project's own files.

Standard library only: this module is on the warm path. `plugin.hooks` looks whether there may be a table before it
imports this.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, assert_never

from pytest_fastenv.errors import UsageError
from pytest_fastenv.model.regular_files import read_regular
from pytest_fastenv.settings.environment_keys import DEFAULTS, ELSEWHERE, ENVIRONMENTS
from pytest_fastenv.settings.layers import Given, Layer, Origin, at_file, refused
from pytest_fastenv.settings.options import OPTIONS, Option, of_door

PYPROJECT = "pyproject.toml"
FASTENV_TOML = "fastenv.toml"
_TABLE = "[tool.fastenv]"


class FastenvTable(NamedTuple):
    """What one of the two files says, as TOML has it.

    :ivar file: absolute.
    :ivar keys: the keys that lead to it; none in ``fastenv.toml``.
    """

    file: Path
    keys: tuple[str, ...]
    content: Mapping[str, Any]

    def origin(self, *keys: str) -> Origin:
        """Return where a value stands in it.

        :param keys: those that lead from this table to the value.
        """
        table = ".".join((*self.keys, *keys[:-1]))
        return Origin(keys[-1], str(self.file), f"[{table}]" if table else "", (*self.keys, *keys))


def tables(directory: Path) -> Layer:
    """Return what the two files of a directory say; where both have a key, ``fastenv.toml`` counts.

    In ``fastenv.toml`` the keys stand at the top level. Values have TOML's own types; paths are relative to the
    directory.

    :raises UsageError: a file cannot be read, has a key that is not known, or a value of another type.
    """
    layer: dict[str, Given] = {}
    for table in fastenv_tables(directory):
        layer.update(layer_of(table))
    return layer


def fastenv_tables(directory: Path) -> tuple[FastenvTable, ...]:
    """Return what the two files of a directory have for us, the weaker one first.

    :raises UsageError: a file cannot be read.
    """
    return tuple(filter(None, (_of_pyproject(directory), _of_fastenv_toml(directory))))


def _of_pyproject(directory: Path) -> FastenvTable | None:
    path = directory / PYPROJECT
    content = _content(path)
    if content is None or b"fastenv" not in content:  # most have no table for us: they need not be parsed
        return None
    tool = _parsed(path, content).get("tool", {})
    table = tool.get("fastenv", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise UsageError(f"tool.fastenv of {PYPROJECT} is not a table", where=str(path))
    return FastenvTable(Path(os.path.abspath(path)), ("tool", "fastenv"), table)


def _of_fastenv_toml(directory: Path) -> FastenvTable | None:
    path = directory / FASTENV_TOML
    content = _content(path)
    return None if content is None else FastenvTable(Path(os.path.abspath(path)), (), _parsed(path, content))


def _content(path: Path) -> bytes | None:
    """Return a file's content; ``None`` where there is no such file.

    :raises UsageError: there is one and it cannot be read.
    """
    try:
        return read_regular(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(f"{path.name} cannot be read", where=str(path), why=error.strerror) from error


@lru_cache(maxsize=4)  # settings and environments by name are read from the same files
def _parsed(path: Path, content: bytes) -> Mapping[str, Any]:
    import tomllib  # only where there is a table: it takes longer than the rest

    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path.name} cannot be read", where=str(path), why=str(error)) from None


def layer_of(table: FastenvTable) -> Layer:
    """Return the settings that one table says; see `tables`."""
    known = {option.table_key: option for option in of_door("table")}
    layer = {}
    for key, value in table.content.items():
        option = known.get(key)
        if option is not None:
            given = setting(option, value, table.origin(key))
            if given is not None:
                layer[option.field] = given
        elif key != ENVIRONMENTS and key not in DEFAULTS:
            raise unknown_key(key, {*known, *DEFAULTS, ENVIRONMENTS}, table.origin(key))
    return layer


def setting(option: Option, value: Any, origin: Origin) -> Given | None:
    """Return a setting as a file says it; ``None`` where that is nothing.

    :raises UsageError: the value is of another type.
    """
    types, expected = _types(option)
    if type(value) not in types:
        raise refused(origin, value, expected)
    return None if value in ([], "") else Given(at_file(option, value, Path(origin.file).parent), origin)


def _types(option: Option) -> tuple[tuple[type, ...], str]:  # noqa: PLR0911 - one for each kind
    """Return the types of TOML that a value may have, as pytest's own tables do, and what a message calls them."""
    match option.kind:
        case "flag":
            return (bool,), "expected true or false"
        case "number":
            return (int,), "expected a positive integer"
        case "seconds" | "age":
            return (str, int, float), 'expected a duration such as "90m", or a number of seconds'
        case "lines" | "reports" | "constraints" | "words" | "names" | "variables" | "overlaps":
            return (list,), "expected a list of texts"
        case "indexes":
            return (dict,), "expected a table for each index, by its name: [tool.fastenv.indexes.NAME]"
        case "choice":
            return (str,), f"expected one of {', '.join(option.choices)}"
        case "text" | "path" | "size":
            return (str,), "expected text"
        case _:
            assert_never(option.kind)


def unknown_key(key: str, known: Iterable[str], origin: Origin) -> UsageError:
    """Return the error for a key that is not known, with those that may have been meant.

    :param origin: where it stands.
    """
    import difflib  # only for the message

    file = os.path.basename(origin.file)
    place = f"{origin.table} of {file}" if origin.table else file
    names = sorted(known)
    written = key.replace("_", "-").lower()
    meant = written if written in names else ELSEWHERE.get(written, "")
    close = [meant] if meant in names else difflib.get_close_matches(written, names, 3)
    variable = next((option.variable for option in OPTIONS if option.table_key == key.replace("_", "-")), "")
    if variable and key.replace("_", "-") not in names:
        hint = f"that is set by the variable {variable}"
    elif key == "tool":
        hint = f"in {FASTENV_TOML} the keys stand at the top level, without {_TABLE}"
    elif close:
        hint = f"did you mean {' or '.join(close)}?"
    else:
        hint = "known are " + ", ".join(names)
    return UsageError(f"{place} has an unknown key: {key}", where=origin.where, hint=hint)
