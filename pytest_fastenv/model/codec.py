"""Values as JSON and back, by the types of their fields: one codec for everything that is kept or sent.

A dataclass or a named tuple becomes an object with a member for each field that is not at its default; tuples, lists
and frozen sets become lists; an enumeration becomes its value, a path its text. Where a field may hold one of several
classes, the object says which one. `decode` accepts nothing that `encode` does not write: a value of another type, an
unknown member or a missing one is an error that names its place.

What a type means is found out once, when it is first met; a plan with 150 distributions is read in two milliseconds.
Standard library only, and little of that: records are read on the warm path, and in processes that unpack and link.
"""

from __future__ import annotations

import enum
import os
import types
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Literal, NamedTuple, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")

DISPLAY = types.MappingProxyType({"display": True})
"""Metadata of a field that is only shown to people: it is kept and comes back, and no key covers it."""

_ABSENT = object()
_CLASS = "class"
_SHOWN = 60
_PLAIN = frozenset({str, int, float, bool, types.NoneType})
_Decoder = Callable[[Any], Any]


class CodecError(ValueError):
    """JSON that is not the value it was taken for; the text names the place in it."""

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self._place = ""

    def __str__(self) -> str:
        return f"{self._place or 'value'}: {self.args[0]}"

    def within(self, place: str) -> CodecError:
        """Return the error, its place seen from one level further out."""
        self._place = place + self._place
        return self


class _Member(NamedTuple):
    name: str
    kind: Any
    default: Any
    make_default: Any
    is_shown_only: bool

    @property
    def is_required(self) -> bool:
        return self.default is _ABSENT and self.make_default is _ABSENT

    def is_default(self, value: Any) -> bool:
        if value is self.default:
            return True
        if self.make_default is not _ABSENT:
            return bool(value == self.make_default())
        return self.default is not _ABSENT and type(value) is type(self.default) and bool(value == self.default)


def encode(value: Any, kind: Any = None) -> Any:
    """Return a value as JSON can hold it; `decode` with the same kind gives an equal value back.

    :param kind: the type that `decode` will be given; default: the value's own class.
    :raises TypeError: the value has a part that JSON cannot hold.
    """
    return _encode(value, type(value) if kind is None else kind, for_key=False)


def encode_for_key(value: Any) -> Any:
    """Return what decides of a value, as JSON can hold it: each field, also at its default, but for `DISPLAY`.

    :raises TypeError: the value has a part that JSON cannot hold.
    """
    return _encode(value, object, for_key=True)


def decode(kind: type[T], value: Any) -> T:
    """Return the value that `encode` was given.

    :param kind: its type, as a class or as an annotation such as ``tuple[Plan, ...]``.
    :raises CodecError: the JSON is not what `encode` writes for that type.
    """
    return cast("T", _decoder(cast("Any", kind))(value))


def _encode(value: Any, kind: Any, *, for_key: bool) -> Any:
    own: Any = type(value)
    if own in _PLAIN:
        return value
    if isinstance(value, enum.Enum):
        return value.value
    if _is_record(own):
        return _encode_record(value, kind, for_key=for_key)
    if isinstance(value, (str, int, float, os.PathLike)):
        return os.fspath(value) if isinstance(value, os.PathLike) else value
    return _encode_collection(value, kind, for_key=for_key)


def _encode_record(value: Any, kind: Any, *, for_key: bool) -> dict[str, Any]:
    own: Any = type(value)
    written: dict[str, Any] = {} if _is_told(own, kind) else {_CLASS: own.__name__}
    for member in members(own):
        found = getattr(value, member.name)
        if not member.is_shown_only if for_key else not member.is_default(found):
            written[member.name] = found if type(found) in _PLAIN else _encode(found, member.kind, for_key=for_key)
    return written


def _encode_collection(value: Any, kind: Any, *, for_key: bool) -> Any:
    own: Any = type(value)
    if isinstance(value, Mapping):
        inner = _item_kinds(Mapping, kind)[-1]
        return {str(key): _encode(item, inner, for_key=for_key) for key, item in value.items()}
    if isinstance(value, (tuple, list, frozenset, set)):
        return _encode_items(value, _item_kinds(own, kind), for_key=for_key)
    msg = f"JSON cannot hold {own.__name__}"
    raise TypeError(msg)


def _encode_items(value: Any, kinds: tuple[Any, ...], *, for_key: bool) -> list[Any]:
    if isinstance(value, (tuple, list)) and _PLAIN.issuperset(map(type, value)):
        return list(value)
    if isinstance(value, (frozenset, set)):
        return sorted((_encode(item, kinds[0], for_key=for_key) for item in value), key=repr)
    if len(kinds) == 1:
        return [_encode(item, kinds[0], for_key=for_key) for item in value]
    return [_encode(item, each, for_key=for_key) for item, each in zip(value, kinds, strict=True)]


@cache
def _is_told(own: Any, kind: Any) -> bool:
    """Tell whether a type says already of which class a value is."""
    return own is kind or sum(map(_is_record, _options(kind))) == 1


@cache
def _item_kinds(own: Any, kind: Any) -> tuple[Any, ...]:
    """Return the types of a collection's items: one for all, or one for each."""
    # Of several types that a field may have, the one that this is.
    found = next((option for option in _options(kind) if get_origin(option) in {own, Sequence, Mapping}), kind)
    inner = get_args(found)
    return tuple(item for item in inner if item is not Ellipsis) or (Any,)


@cache
def _decoder(kind: Any) -> _Decoder:
    options = _options(kind)
    if len(options) > 1:
        return _one_of(options)
    if kind is Any or kind is object:
        return lambda value: value
    origin = get_origin(kind) or kind
    if origin is Literal:
        return _choice({choice: choice for choice in get_args(kind)})
    if origin in {tuple, list, frozenset, Sequence}:
        return _each(kind) if origin is tuple and len(_item_kinds(tuple, kind)) > 1 else _items(kind, origin)
    return _record(origin) if _is_record(origin) else _single(kind, origin)


def _single(kind: Any, origin: Any) -> _Decoder:
    if issubclass(origin, enum.Enum):
        return _choice({member.value: member for member in origin})
    if issubclass(origin, Mapping):
        return _mapping(_item_kinds(Mapping, kind)[-1])
    if issubclass(origin, os.PathLike):
        text = _plain(str, "text")
        return lambda value: origin(text(value))
    return _plain(origin, "a number" if origin is float else origin.__name__)


def _plain(kind: Any, expected: str) -> _Decoder:
    kinds = frozenset({int, float}) if kind is float else frozenset({kind})

    def decode_plain(value: Any) -> Any:
        if type(value) not in kinds:
            raise _wrong(expected, value)
        return value

    return decode_plain


def _choice(choices: Mapping[Any, Any]) -> _Decoder:
    known = {(type(choice), choice): meant for choice, meant in choices.items()}

    def decode_choice(value: Any) -> Any:
        if isinstance(value, (str, int, float)) and (type(value), value) in known:
            return known[type(value), value]
        raise _wrong(f"one of {', '.join(map(repr, choices))}", value)

    return decode_choice


def _mapping(inner: Any) -> _Decoder:
    decode_item = _decoder(inner)
    plain = frozenset({inner}) if inner in _PLAIN else None

    def decode_mapping(value: Any) -> Any:
        if type(value) is not dict:
            raise _wrong("an object", value)
        if plain is not None and plain.issuperset(map(type, value.values())):
            return value
        found = {}
        for name, item in value.items():
            try:
                found[name] = decode_item(item)
            except CodecError as error:
                raise error.within(f".{name}") from None
        return found

    return decode_mapping


def _items(kind: Any, origin: Any) -> _Decoder:
    """Decode a list of items of one type."""
    inner = _item_kinds(origin, kind)[0]
    decode_item = _decoder(inner)
    make: Any = tuple if origin is Sequence else origin
    plain = frozenset({inner}) if inner in _PLAIN else None

    def decode_items(value: Any) -> Any:
        if type(value) is not list:
            raise _wrong("a list", value)
        if plain is not None and plain.issuperset(map(type, value)):
            return make(value)
        return make(_decode_each(value, [decode_item] * len(value)))

    return decode_items


def _each(kind: Any) -> _Decoder:
    """Decode a tuple of a certain length."""
    decoders = [_decoder(inner) for inner in get_args(kind)]

    def decode_tuple(value: Any) -> Any:
        if type(value) is not list or len(value) != len(decoders):
            raise _wrong(f"a list of {len(decoders)}", value)
        return tuple(_decode_each(value, decoders))

    return decode_tuple


def _decode_each(values: list[Any], decoders: list[_Decoder]) -> list[Any]:
    found: list[Any] = []
    try:
        found.extend(decode_item(value) for value, decode_item in zip(values, decoders, strict=True))
    except CodecError as error:
        raise error.within(f"[{len(found)}]") from None
    return found


def _one_of(options: Sequence[Any]) -> _Decoder:
    records = [option for option in options if _is_record(option)]
    named = {record.__name__: _decoder(record) for record in records} if len(records) > 1 else {}
    others = [_decoder(option) for option in options if option is not types.NoneType]
    is_optional = len(others) < len(options)
    if is_optional and len(others) == 1:
        only = others[0]
        return lambda value: None if value is None else only(value)

    def decode_one_of(value: Any) -> Any:
        if value is None and is_optional:
            return None
        if type(value) is dict and named:
            found = named.get(value.get(_CLASS, ""))
            if found is None:
                raise _wrong(f"one of {', '.join(named)}", value)
            return found({name: item for name, item in value.items() if name != _CLASS})
        for decode_other in others:
            try:
                return decode_other(value)
            except CodecError:
                continue
        raise _wrong("a value of another type", value)

    return decode_one_of


def _record(kind: Any) -> _Decoder:
    def decode_record(value: Any) -> Any:
        if type(value) is not dict:
            raise _wrong(f"the object of a {kind.__name__}", value)
        decoders, required = _shape(kind)
        found = {}
        for name, item in value.items():
            decode_member = decoders.get(name)
            if decode_member is None:
                raise CodecError(f"{kind.__name__} has no {name}")
            try:
                found[name] = decode_member(item)
            except CodecError as error:
                raise error.within(f".{name}") from None
        for name in required:
            if name not in found:
                raise CodecError(f"{kind.__name__}: {name} is missing")
        return kind(**found)

    return decode_record


@cache
def _shape(kind: Any) -> tuple[Mapping[str, _Decoder], tuple[str, ...]]:
    """Return the decoders of a record's members, and the names of those that it must have."""
    known = members(kind)
    return {member.name: _decoder(member.kind) for member in known}, tuple(m.name for m in known if m.is_required)


def _options(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) in {Union, types.UnionType}:
        return get_args(kind)
    return (kind,)


@cache
def _is_record(kind: Any) -> bool:
    if not isinstance(kind, type):
        return False
    return hasattr(kind, "__dataclass_fields__") or (issubclass(kind, tuple) and hasattr(kind, "_fields"))


@cache
def members(kind: Any) -> tuple[_Member, ...]:
    """Return the fields of a dataclass or named tuple, with their types."""
    hints = get_type_hints(kind)
    if hasattr(kind, "__dataclass_fields__"):
        import dataclasses  # named tuples do without

        absent = dataclasses.MISSING
        return tuple(
            _Member(
                name=f.name,
                kind=hints[f.name],
                default=_ABSENT if f.default is absent else f.default,
                make_default=_ABSENT if f.default_factory is absent else f.default_factory,
                is_shown_only="display" in f.metadata,
            )
            for f in dataclasses.fields(kind)
            if f.init
        )
    defaults: Mapping[str, Any] = kind._field_defaults  # public, for all its underscore
    names: Sequence[str] = kind._fields
    return tuple(
        _Member(name, hints[name], defaults.get(name, _ABSENT), _ABSENT, is_shown_only=False) for name in names
    )


def _wrong(expected: str, value: Any) -> CodecError:
    shown = repr(value)
    return CodecError(f"expected {expected}, found {shown if len(shown) <= _SHOWN else shown[: _SHOWN - 3] + '...'}")
