"""Values as JSON and back, by the types of their fields: one codec for everything that is kept or sent.

A dataclass or a named tuple becomes an object with a member for each field that is not at its default; tuples, lists
and frozen sets become lists; an enumeration becomes its value, a path its text. Where a field may hold one of several
classes, the object says which one. `decode` accepts nothing that `encode` does not write: a value of another type, an
unknown member or a missing one is an error that names its place.

Standard library only: records are read on the warm path.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path, PurePath
from typing import Any, Literal, NamedTuple, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")

_CLASS = "class"
_SHOWN = 60
_SCALARS = (str, int, float, bool)


class CodecError(ValueError):
    """JSON that is not the value it was taken for; the text names the place in it."""


class _Member(NamedTuple):
    name: str
    kind: Any
    default: Any
    make_default: Any

    @property
    def is_required(self) -> bool:
        return self.default is MISSING and self.make_default is MISSING

    def is_default(self, value: Any) -> bool:
        if self.make_default is not MISSING:
            return bool(value == self.make_default())
        return self.default is not MISSING and type(value) is type(self.default) and bool(value == self.default)


def encode(value: Any, kind: Any = None, *, defaults: bool = False) -> Any:
    """Return a value as JSON can hold it; `decode` with the same kind gives an equal value back.

    :param kind: the type that `decode` will be given; default: the value's own class.
    :param defaults: write fields at their default, too. Keys are made so: a new field is in them at once.
    :raises TypeError: the value has a part that JSON cannot hold.
    """
    return _encode(value, type(value) if kind is None else kind, defaults)


def decode(kind: type[T], value: Any) -> T:
    """Return the value that `encode` was given.

    :param kind: its type, as a class or as an annotation such as ``tuple[Plan, ...]``.
    :raises CodecError: the JSON is not what `encode` writes for that type.
    """
    return cast("T", _decode(value, kind, ""))


def _encode(value: Any, kind: Any, defaults: bool) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if value is None or isinstance(value, _SCALARS):
        return value
    if _is_record(type(value)):
        return _encode_record(value, kind, defaults)
    if isinstance(value, PurePath):
        return str(value)
    return _encode_collection(value, kind, defaults)


def _encode_record(value: Any, kind: Any, defaults: bool) -> dict[str, Any]:
    own: Any = type(value)
    members = [(member, getattr(value, member.name)) for member in _members(own)]
    written = {
        member.name: _encode(found, member.kind, defaults)
        for member, found in members
        if defaults or not member.is_default(found)
    }
    is_told = type(value) is kind or sum(map(_is_record, _options(kind))) == 1
    return written if is_told else {_CLASS: type(value).__name__, **written}


def _encode_collection(value: Any, kind: Any, defaults: bool) -> Any:
    # Of several types that a field may have, the one that this is.
    kind = next((option for option in _options(kind) if get_origin(option) is type(value)), kind)
    inner = [item for item in get_args(kind) if item is not Ellipsis] or [Any]
    if isinstance(value, (frozenset, set)):
        return sorted((_encode(item, inner[0], defaults) for item in value), key=repr)
    if isinstance(value, (tuple, list)):
        each_its_own = get_origin(kind) is tuple and Ellipsis not in get_args(kind)
        kinds = inner if each_its_own else [inner[0]] * len(value)
        return [_encode(item, each, defaults) for item, each in zip(value, kinds, strict=True)]
    if isinstance(value, Mapping):
        return {str(key): _encode(item, inner[-1], defaults) for key, item in value.items()}
    msg = f"JSON cannot hold {type(value).__name__}"
    raise TypeError(msg)


def _decode(value: Any, kind: Any, place: str) -> Any:
    options = _options(kind)
    if len(options) > 1:
        return _decode_one_of(value, options, place)
    origin = get_origin(kind) or kind
    if kind is Any:
        return value
    if _is_record(origin):
        return _decode_record(value, origin, place)
    if origin is Literal:
        return _decode_choice(value, get_args(kind), place)
    if origin in {tuple, list, frozenset, Sequence}:
        return _decode_sequence(value, kind, origin, place)
    return _decode_plain(value, kind, origin, place)


def _decode_plain(value: Any, kind: Any, origin: Any, place: str) -> Any:
    if issubclass(origin, enum.Enum):
        _decode_choice(value, [member.value for member in origin], place)
        return origin(value)
    if issubclass(origin, Mapping):
        _checked(value, isinstance(value, dict), place, "an object")
        inner = (get_args(kind) or (str, Any))[1]
        return {key: _decode(item, inner, f"{place}.{key}") for key, item in value.items()}
    if issubclass(origin, PurePath):
        return Path(_checked(value, isinstance(value, str), place, "text"))
    if origin is float:
        return _checked(value, type(value) in {int, float}, place, "a number")
    return _checked(value, type(value) is origin, place, origin.__name__)


def _decode_choice(value: Any, choices: Sequence[Any], place: str) -> Any:
    known = any(value == choice and type(value) is type(choice) for choice in choices)
    return _checked(value, known, place, f"one of {', '.join(map(repr, choices))}")


def _decode_one_of(value: Any, options: Sequence[Any], place: str) -> Any:
    if value is None and types.NoneType in options:
        return None
    records = [option for option in options if _is_record(option)]
    if isinstance(value, dict) and len(records) > 1:
        named = {option.__name__: option for option in records}
        found = named.get(value.get(_CLASS, ""))
        if found is None:
            raise _wrong(place, f"one of {', '.join(named)}", value)
        return _decode_record({name: item for name, item in value.items() if name != _CLASS}, found, place)
    for option in options:
        if option is not types.NoneType:
            try:
                return _decode(value, option, place)
            except CodecError:
                continue
    raise _wrong(place, "a value of another type", value)


def _decode_record(value: Any, kind: type, place: str) -> Any:
    _checked(value, isinstance(value, dict), place, f"the object of a {kind.__name__}")
    members = {member.name: member for member in _members(kind)}
    for name in value:
        if name not in members:
            msg = f"{place or kind.__name__}: {kind.__name__} has no {name}"
            raise CodecError(msg)
    for name, member in members.items():
        if member.is_required and name not in value:
            msg = f"{place or kind.__name__}: {name} is missing"
            raise CodecError(msg)
    return kind(**{name: _decode(item, members[name].kind, f"{place}.{name}") for name, item in value.items()})


def _decode_sequence(value: Any, kind: Any, origin: Any, place: str) -> Any:
    _checked(value, isinstance(value, list), place, "a list")
    inner = get_args(kind) or (Any,)
    if origin is tuple and Ellipsis not in inner and get_args(kind):
        _checked(value, len(value) == len(inner), place, f"a list of {len(inner)}")
        kinds: Sequence[Any] = inner
    else:
        kinds = [inner[0]] * len(value)
    found = [_decode(item, each, f"{place}[{n}]") for n, (item, each) in enumerate(zip(value, kinds, strict=True))]
    return tuple(found) if origin is Sequence else origin(found)


def _options(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) in {Union, types.UnionType}:
        return get_args(kind)
    return (kind,)


def _is_record(kind: Any) -> bool:
    return isinstance(kind, type) and (is_dataclass(kind) or (issubclass(kind, tuple) and hasattr(kind, "_fields")))


@cache
def _members(kind: Any) -> tuple[_Member, ...]:
    hints = get_type_hints(kind)
    if is_dataclass(kind):
        return tuple(_Member(f.name, hints[f.name], f.default, f.default_factory) for f in fields(kind) if f.init)
    defaults: Mapping[str, Any] = kind._field_defaults  # public, for all its underscore
    names: Sequence[str] = kind._fields
    return tuple(_Member(name, hints[name], defaults.get(name, MISSING), MISSING) for name in names)


def _checked(value: Any, is_right: bool, place: str, expected: str) -> Any:
    if not is_right:
        raise _wrong(place, expected, value)
    return value


def _wrong(place: str, expected: str, value: Any) -> CodecError:
    shown = repr(value)
    return CodecError(
        f"{place or 'value'}: expected {expected}, found {shown if len(shown) <= 60 else shown[:57] + '...'}"
    )
