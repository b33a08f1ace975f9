from __future__ import annotations

import random

import pytest

from pytest_fastenv.errors import RequirementsError
from pytest_fastenv.requirements.logical_lines import LogicalLine, logical_lines


def lines(text: str, **environ: str) -> list[LogicalLine]:
    return list(logical_lines(text, "r.txt", environ))


def texts(text: str, **environ: str) -> list[str]:
    return [line.excerpt.text for line in lines(text, **environ)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb\r\nc\rd", ["a", "b", "c", "d"]),
        ("\n  \n# only\n\t# only\n", []),
        ("a # why", ["a"]),
        ("a#b", ["a#b"]),
        ("https://h.invalid/x.zip#egg=y # why", ["https://h.invalid/x.zip#egg=y"]),
        ("a==1 \\\n  --hash=x \\\n  --hash=y", ["a==1   --hash=x   --hash=y"]),
        ("a \\\n# comment\nb", ["a", "b"]),
        ("a \\\n# comment \\\nb", ["a", "b"]),
        ("# C:\\path\\\na", ["a"]),
        ("a==1\\\n.5", ["a==1.5"]),
        ("a\\", ["a"]),
        ("  \\\n  a", ["a"]),
    ],
)
def test_lines_are_joined_and_comments_cut(text: str, expected: list[str]) -> None:
    assert texts(text) == expected


def test_variables_are_replaced_and_unset_ones_stay() -> None:
    assert texts("${A}/${B}/${a}/$A/${EMPTY}", A="1", a="2", EMPTY="") == ["1/${B}/${a}/$A/${EMPTY}"]


def test_value_of_a_variable_is_not_searched_for_variables() -> None:
    assert texts("${A}", A="${B}", B="no") == ["${B}"]


def test_each_character_knows_its_physical_place() -> None:
    (line,) = lines("\n  abc \\\n def", A="x")
    assert line.excerpt.text == "abc  def"
    assert str(line.locate(0)) == "r.txt:2:3"
    assert str(line.locate(5)) == "r.txt:3:2"
    assert line.locate(5).text == " def"


def test_all_of_a_value_stands_where_its_reference_begins() -> None:
    (line,) = lines("a ${LONG} b", LONG="0123456789")
    assert [line.locate(offset).column for offset in (0, 2, 11, 12, 13)] == [1, 3, 3, 10, 11]
    assert line.as_written(2, 12) == "${LONG}"


def test_places_hold_for_any_text() -> None:
    generator = random.Random(723)
    compared = 0
    for _ in range(300):
        text = "".join(generator.choice(["a", "b", " ", "\\\n", "\n", " #", "${V}", "\t"]) for _ in range(25))
        try:
            found = lines(text, V="WXYZ")
        except RequirementsError:
            continue
        physical = text.splitlines()
        for line in found:
            for offset, character in enumerate(line.excerpt.text):
                place = line.locate(offset)
                expected = "$" if character in "WXYZ" else character
                assert physical[place.line - 1][place.column - 1] == expected, (text, offset)
                compared += 1
    assert compared > 300


def test_comment_that_swallows_the_next_line_is_an_error() -> None:
    with pytest.raises(RequirementsError) as caught:
        lines("a\nb  # see C:\\dir\\\nc\n")
    assert caught.value.where == "r.txt:2:4"
    assert caught.value.why == "b  # see C:\\dir\\\n   ^"


def test_shown_line_has_no_credentials_and_one_column_per_character() -> None:
    (line,) = lines("-i\thttps://me:secret@h.invalid/")
    assert line.locate(0).text == "-i https://me:******@h.invalid/"
