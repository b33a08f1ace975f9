"""The line that a key stands in."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_fastenv.settings.toml_lines import line_of

DOCUMENT = '''\
# [tool.fastenv]
title = """
[tool.fastenv]
python = "3.11" \\""" """
other = ['] # no', "a]b",
  { x = 1 }, [2,
  3]]

[tool.fastenv.envs.a]  # python
"set-env".X = 'y'
'set-env' . "Y Z" = { b = "}", c = [1,
  2], d.e = 1979-05-27T07:32:00Z }
when = 3 # , ]

[[tool.fastenv.envs.a.matrix]]
python = ["3.12"]
[[tool.fastenv.envs.a.matrix]]
python = [ # x
  "3.13", "3.14",
]
[tool.fastenv.envs.a.matrix.django]
5 = "x"
[tool.fastenv]
python = """3.12"""""
'''


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("title", 2),
        ("other", 5),
        ("other 2 x", 6),
        ("other 3 1", 7),
        ("tool fastenv", 23),
        ("tool fastenv python", 24),
        ("tool fastenv envs", 9),
        ("tool fastenv envs a", 9),
        ("tool fastenv envs a set-env", 10),
        ("tool fastenv envs a set-env X", 10),
        ("tool fastenv envs a set-env Y_Z", 11),
        ("tool fastenv envs a set-env Y_Z c 1", 12),
        ("tool fastenv envs a set-env Y_Z d e", 12),
        ("tool fastenv envs a when", 13),
        ("tool fastenv envs a matrix", 15),
        ("tool fastenv envs a matrix 0 python", 16),
        ("tool fastenv envs a matrix 1", 17),
        ("tool fastenv envs a matrix 1 python 1", 19),
        ("tool fastenv envs a matrix 1 django 5", 22),
        ("tool fastenv envs b", 0),
    ],
)
def test_lines(keys: str, line: int) -> None:
    tomllib.loads(DOCUMENT)
    path = tuple(key.replace("_", " ") for key in keys.split())
    assert line_of(DOCUMENT, path) == line
    assert line_of(DOCUMENT.replace("\n", "\r\n"), path) == line


def test_what_is_no_toml_has_no_lines() -> None:
    for text in ("[", "a", "= 1", "a = [", "a = {", 'a = "', "[a\nb = 1"):
        assert line_of(text, ("x",)) == 0


def test_every_value_of_documents_made_at_random_is_found() -> None:
    """Each value is written as the number of its line."""
    chance = random.Random(7)
    for _ in range(150):
        text = "".join(f"{line}\n" for line in _lines(chance))
        found = list(_leaves(tomllib.loads(text), ()))
        assert found, text
        for keys, value in found:
            assert line_of(text, keys) == int(value), (keys, text)


def _leaves(value: Any, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(inner, (*keys, str(key)))
    else:
        yield keys, value


def _lines(chance: random.Random) -> list[str]:
    lines: list[str] = []
    for number in range(chance.randrange(1, 4)):
        header = chance.choice(["[t{0}]", "[[s.'x y']]", '["q{0}".a]  # [no]', "[[many]]"]).format(number)
        lines += [header, *[""] * chance.randrange(2)]
        for key in range(chance.randrange(1, 4)):
            _pair(lines, f"k{key}", chance)
    return lines


def _pair(lines: list[str], key: str, chance: random.Random) -> None:
    here = len(lines) + 1
    match chance.randrange(6):
        case 0:
            lines.append(f"{key} = {here} # {key} = 5")
        case 1:
            lines.append(f"'{key}' . \"b.c\" = '{here}'")
        case 2:
            lines += [f"{key} = [", f"  {here + 1}, '{here + 1}', # ]", f"  {{ x = {here + 2} }},", "]"]
        case 3:
            lines += [f'{key} = {{ a = {here}, b.c = "{here}", d = [[{here}]] }}']
        case 4:
            lines += ['# """', f"{key} = [", f"# {here}", f'"""{here + 3}""" ]']
        case 5:
            lines += [f'{key} = """\\', "  \\", f'   {here}"""']
