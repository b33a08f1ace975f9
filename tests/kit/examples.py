"""A value of any type that the codec knows, made by the types of its fields; another number gives another value."""

from __future__ import annotations

import enum
import os
import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from pytest_fastenv.model.codec import members


def example(kind: Any, number: int = 0) -> Any:
    """Return a value, of which no field is at its default as far as its type leaves the choice."""
    origin = get_origin(kind) or kind
    if origin in {Union, types.UnionType}:
        options = [option for option in get_args(kind) if option is not types.NoneType]
        return example(options[number % len(options)], number)
    if origin is Literal:
        return get_args(kind)[-1 - number % len(get_args(kind))]  # the first one is the default, where one is
    if origin in {tuple, list, frozenset, Sequence}:
        return _items(kind, origin, number)
    if origin in {Any, object}:
        return f"anything {number}"
    if issubclass(origin, Mapping):
        return {f"name {number}": example((get_args(kind) or (str, Any))[1], number)}
    return _single(origin, number)


def _items(kind: Any, origin: Any, number: int) -> Any:
    inner = get_args(kind) or (Any, ...)
    if origin is tuple and Ellipsis not in inner:
        return tuple(example(one, number) for one in inner)
    return (tuple if origin is Sequence else origin)([example(inner[0], number)])


def _single(kind: Any, number: int) -> Any:
    if hasattr(kind, "__dataclass_fields__") or hasattr(kind, "_fields"):
        return kind(**{member.name: example(member.kind, number) for member in members(kind)})
    if issubclass(kind, enum.Enum):
        return list(kind)[number % len(kind)]
    if issubclass(kind, bool):
        return number % 2 == 0
    if issubclass(kind, os.PathLike):
        return kind(f"/place/{number}")  # type: ignore[call-arg]
    return {str: f"text {number}", int: 7 + number, float: 1.5 + number}[kind]
