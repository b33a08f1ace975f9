"""Values come back as they were; nothing else is accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

from pytest_fastenv.model.codec import CodecError, decode, encode
from pytest_fastenv.model.digest import key_of


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Pair(NamedTuple):
    left: int
    right: str = "r"


@dataclass(frozen=True)
class Leaf:
    name: str
    size: int = 0


@dataclass(frozen=True)
class Branch:
    name: str
    leaves: tuple[Leaf, ...] = ()


@dataclass(frozen=True)
class Tree:
    top: Leaf | Branch
    place: Path
    colour: Colour = Colour.RED
    kind: Literal["a", "b"] = "a"
    names: frozenset[str] = frozenset()
    settings: tuple[tuple[str, str | tuple[str, ...]], ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    pair: Pair | None = None
    further: tuple[Leaf, ...] | None = None
    seconds: float = 1.5
    flag: bool = False


FULL = Tree(
    Branch("b", (Leaf("x"), Leaf("y", 3))), Path("/p/q"), Colour.BLUE, "b", frozenset({"n", "m"}),
    (("k", "v"), ("l", ("1", "2"))), {"libc": "glibc 2.36"}, Pair(1), (Leaf("z"),), 2, True,
)  # fmt: skip


@pytest.mark.parametrize("value", [Tree(Leaf("x"), Path("p")), FULL])
def test_what_was_encoded_comes_back(value: Tree) -> None:
    assert decode(Tree, encode(value)) == value


def test_defaults_are_left_out_and_classes_told_only_where_there_are_several() -> None:
    assert encode(Tree(Leaf("x"), Path("p"))) == {"top": {"class": "Leaf", "name": "x"}, "place": "p"}
    assert encode((Leaf("x"),), tuple[Leaf, ...]) == [{"name": "x"}]
    assert decode(tuple[Leaf, ...], [{"name": "x"}]) == (Leaf("x"),)  # type: ignore[comparison-overlap]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"top": {"name": "x"}}, ".top"),
        ({"top": {"class": "Tree", "name": "x"}}, ".top"),
        ({"place": 1}, ".place"),
        ({"colour": "green"}, ".colour"),
        ({"colour": ["red"]}, ".colour"),
        ({"kind": "c"}, ".kind"),
        ({"kind": ["a"]}, ".kind: expected one of 'a', 'b', found \\['a'\\]"),
        ({"names": "m"}, ".names"),
        ({"names": [1]}, r".names\[0\]"),
        ({"settings": [["k"]]}, r".settings\[0\]"),
        ({"settings": ["kv"]}, r".settings\[0\]: expected a list of 2, found 'kv'"),
        ({"settings": [{"k": "v", "l": "w"}]}, r".settings\[0\]: expected a list of 2"),
        ({"facts": []}, ".facts"),
        ({"pair": {"left": True}}, ".pair"),
        ({"seconds": True}, ".seconds"),
        ({"flag": 1}, ".flag"),
        ({"more": 1}, "has no more"),
        ({"top": {"class": "Branch", "name": "b", "leaves": [{"size": 1}]}}, r"leaves\[0\].*name is missing"),
    ],
)
def test_nothing_else_is_accepted(change: dict[str, Any], place: str) -> None:
    good = encode(Tree(Leaf("x"), Path("p")))
    assert decode(Tree, good)
    with pytest.raises(CodecError, match=place):
        decode(Tree, {**good, **change})


def test_a_number_without_a_fraction_is_one_too() -> None:
    good = encode(Tree(Leaf("x"), Path("p")))
    assert decode(Tree, {**good, "seconds": 2}).seconds == 2
    with pytest.raises(CodecError, match=r"\.seconds: expected a number, found '2'"):
        decode(Tree, {**good, "seconds": "2"})


@pytest.mark.parametrize(
    ("kind", "told", "meant"),
    [
        (Sequence[str], ["a"], ("a",)),
        (Sequence[Leaf], [{"name": "x"}], (Leaf("x"),)),
        (list[str], ["a"], ["a"]),
        (tuple[int, ...], [], ()),
        (frozenset[str], ["a", "b"], frozenset("ab")),
    ],
)
def test_collections_are_of_their_own_class(kind: Any, told: list[Any], meant: Any) -> None:
    found = decode(kind, told)
    assert found == meant
    assert type(found) is type(meant)


def test_a_long_value_is_cut_where_it_is_shown() -> None:
    with pytest.raises(CodecError, match=r"found 'x{56}\.\.\.$"):
        decode(int, "x" * 100)
    with pytest.raises(CodecError, match=r"found 'x{58}'$"):
        decode(int, "x" * 58)


@pytest.mark.parametrize("value", [None, [], "text", 1])
def test_a_value_of_another_shape(value: Any) -> None:
    with pytest.raises(CodecError, match="value: expected the object of a Leaf"):
        decode(Leaf, value)


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="JSON cannot hold object"):
        encode(Leaf(object()))  # type: ignore[arg-type]


def test_every_field_is_in_a_key() -> None:
    @dataclass(frozen=True)
    class Older:
        name: str

    @dataclass(frozen=True)
    class Newer:
        name: str
        more: str = ""

    Newer.__name__ = Older.__name__
    assert key_of(Older("x")) == key_of(Older("x"))
    assert len({key_of(Older("x")), key_of(Older("y")), key_of(Newer("x")), key_of(Newer("x", "y"))}) == 4


def test_equal_sets_have_one_key_and_equal_fields_of_other_classes_another() -> None:
    assert key_of(frozenset("abc")) == key_of(frozenset("cba"))
    assert key_of(Leaf("x")) != key_of(Branch("x"))
    assert key_of("a", "b") != key_of("ab") != key_of(("a", "b"))
