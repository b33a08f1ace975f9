"""The schema for editors accepts what the reader accepts, and refuses what it refuses."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_fastenv.errors import UsageError
from pytest_fastenv.matrix.keys import ROWS
from pytest_fastenv.matrix.reader import environments_of
from pytest_fastenv.matrix.schema import FILE, schema
from pytest_fastenv.settings.layers import load
from pytest_fastenv.settings.options import of_door
from pytest_fastenv.settings.tables import FastenvTable, layer_of

VALUES: list[Any] = [
    True, 1, 0, -3, 2.5, 400000000, "", " ", "x", "a b", "a,b", "wheel", "3.12", "90m", "0", "0s", "soon", "forever",
    "copy", "lowest", "own", "x.html", "{inherited}", "- x", "-x", "! x", "!x", "worker",
    [], [""], ["x"], ["a b"], ["a-"], ["{inherited}", "x"], ["x.json"], [".html"], [1], ["x", 1], ["-", "x"], ["../x"],
    ["a/./b"], ["a\\b"], ["V_*"], ["copy"], ["wheel", "sdist"], [">=3"], [["x", "-y"]], [[]], [["-"]], [["!", "x"]],
    [["- x"]], ["- x"], ["-x"], [[1]], [["x", 1]], [["", "x"]],
    {}, {"x": "y"}, {"A": 1}, {"A=": "b"}, {"x": ["y"]}, {"x": [1]}, {"x": {}}, {"a b": "x"}, {"copy": {}},
    {"x": {"link": "copy", "extras": ["y"]}}, {"x": {"extends": "y"}}, {"x": {"nothing": 1}}, {"x": {"strict": 1}},
    {"x": {"url": "u", "only": ["p-*"]}}, {"x": {"url": "u"}}, {"x": {"url": "u", "only": []}},
    {"x": {"url": "", "only": ["p"]}}, {"x": {"url": "u", "only": ["-"]}},
    {"python": ["3.11", "3.12"]}, [{"python": ["3.11"]}, {"python": ["3.12"]}], {"python": []}, {"python": "3.12"},
    {"python": ["3.12"], "exclude": []}, {"python": ["3.12"], "exclude": 1}, {"python": ["3.12"], "exclude": [{}]},
    {"python": ["3.11", "3.12"], "exclude": {"python": "3.12"}}, {"exclude": []}, {"name": "x"}, [{}],
    {"python": ["3.12"], "name": "x"}, {"python": ["3.12"], "name": 1}, {"a b": ["3.12"]}, {"lib": {"1": "x"}},
    {"lib": {"1": []}}, {"lib": {"1": {"python": "3.12"}}}, {"lib": {}}, {"strict": ["x"]}, {"set-env": ["x"]},
]  # fmt: skip

VALIDATOR = jsonschema.Draft7Validator(schema())


def is_read(document: dict[str, Any]) -> str:
    """Return what the reader says of a document; nothing where it is taken."""
    table = FastenvTable(Path("/nowhere/fastenv.toml"), (), document)
    try:
        load(layer_of(table))
        for environment in environments_of([table]).values():
            load(layer_of(table), environment.layer)
    except UsageError as error:
        return error.diagnosis()
    return ""


def assert_same(document: dict[str, Any]) -> None:
    refused = is_read(document)
    error = next(VALIDATOR.iter_errors(document), None)
    assert bool(refused) is (error is not None), (document, refused, error)


def test_what_is_shipped_is_made_of_the_tables() -> None:
    again = 'python -c "from pytest_fastenv.matrix.schema import write; write()"'
    assert json.loads(FILE.read_text(encoding="utf-8")) == schema(), f"write it again: {again}"
    jsonschema.Draft7Validator.check_schema(schema())


def keys() -> list[str]:
    return list(
        dict.fromkeys([*ROWS, *(option.table_key for option in of_door("table")), "envs", "nothing", "set_env"])
    )


def is_text(value: Any) -> bool:
    texts = value if isinstance(value, list) else [value]
    return bool(texts) and all(isinstance(text, str) and text.strip() for text in texts)


@pytest.mark.slow
@pytest.mark.parametrize("key", keys())
def test_each_value_of_each_key(key: str) -> None:
    for value in VALUES:
        if value != {"x": {"extends": "y"}}:
            assert_same({key: value})
        if not (key == "extends" and is_text(value)):  # a schema does not know whether it is there
            assert_same({"envs": {"a": {"description": "{matrix:x:x}", key: value}}})
        if key != "exclude":
            assert_same({"envs": {"a": {"matrix": {"lib": {"1": {key: value}}}}}})


@pytest.mark.slow
@pytest.mark.parametrize("axis", [*ROWS, "lib", "nothing else"])
def test_each_value_of_each_axis(axis: str) -> None:
    for value in VALUES:
        # Where nothing depends on an axis only the reader knows it.
        assert_same({"envs": {"a": {"matrix": {axis: value}, "description": f"{{matrix:{axis}:}}"}}})


@pytest.mark.parametrize("name", ["a", "_a", "all", "a b", "-a", "a[1]", "a.b+c", "", "ä"])
def test_names(name: str) -> None:
    assert_same({"envs": {name: {}}})


@pytest.mark.slow
def test_documents_made_at_random() -> None:
    """Most values alone are wrong; what is put together here is mostly right."""
    chance = random.Random(11)
    good = {key: [value for value in VALUES if not is_read({"envs": {"a": {key: value}}})] for key in ROWS}
    for _ in range(300):
        environments = {}
        for name in chance.sample(["a", "b", "_c", "py313"], 2):
            some = chance.sample([key for key in ROWS if key not in {"extends", "matrix", "python"}], 5)
            environments[name] = {key: chance.choice(good[key] if chance.random() < 0.95 else VALUES) for key in some}
        assert_same({"link": "copy", "envs": environments})
