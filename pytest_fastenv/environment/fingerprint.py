"""What decides about an environment's content, as a digest and as parts that can be compared and told to people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_fastenv.environment.manifest import CHANGED
from pytest_fastenv.model.build_variables import names_of_changed
from pytest_fastenv.model.codec import encode_for_key, members
from pytest_fastenv.model.digest import key_of
from pytest_fastenv.settings.options import OPTIONS, Decides
from pytest_fastenv.settings.values import Settings, deciding

if TYPE_CHECKING:
    from pytest_fastenv.model.plan import Distribution, Plan  # a fingerprint that is kept needs none

_FORMAT = 2
_NAMED_AT_MOST = 3


class Fingerprint(str):
    """The digest of everything that decides about an environment's content: 64 hexadecimal digits.

    :ivar parts: what it was made of, as JSON holds it; they are kept with the environment, for `explain`.
    """

    __slots__ = ("parts",)

    parts: dict[str, Any]

    @classmethod
    def of(cls, parts: Mapping[str, Any]) -> Fingerprint:
        """Make the digest of some parts; the order of keys does not matter."""
        made = cls(key_of(parts))
        made.parts = encode_for_key(parts)
        return made

    @classmethod
    def kept(cls, digest: str, parts: Mapping[str, Any]) -> Fingerprint:
        """Return the fingerprint whose digest and parts were kept."""
        made = cls(digest)
        made.parts = dict(parts)
        return made


def fingerprint(plan: Plan, settings: Settings, **extras: Any) -> Fingerprint:
    """Return the fingerprint of the environment that a plan makes.

    It covers the interpreter, each distribution with where it came from, the settings that decide content, and the
    extras. It does not cover what only decides how the environment is made (concurrency, time-outs, indexes).

    :param extras: further things that matter, by name, as JSON can hold them; ``None`` is the same as not given.
    """
    target = plan.target
    return Fingerprint.of(
        {
            "format": _FORMAT,
            "interpreter": {"name": target.short, "python": target.python, "identity": target.identity},
            "distributions": {
                distribution.name: [distribution.version, distribution_identity(distribution)]
                for distribution in plan.distributions
            },
            "settings": deciding(settings, Decides.CONTENT),
            "extras": {name: value for name, value in extras.items() if value is not None},
        }
    )


def distribution_identity(distribution: Distribution) -> str:
    """Return a digest of what one distribution puts into an environment.

    A wheel is known by its SHA-256 (its URL and other hashes where an index tells none), a source distribution by the
    same with its config settings, a directory by its content and place. ``direct_url.json`` (PEP 610) and ``REQUESTED``
    (PEP 376) are files of the environment too.
    """
    kind: Any = type(distribution)
    others = {
        member.name: getattr(distribution, member.name)
        for member in members(kind)
        if member.name != "source" and not member.is_shown_only
    }
    return key_of(distribution.source.identity, others)


def changed(parts: Mapping[str, Any], plan: Plan) -> Fingerprint:
    """Return the fingerprint of an environment that was changed after it was made: none that is made has the same.

    :param parts: what it was made of.
    :param plan: what it holds now.
    """
    distributions = {one.name: [one.version, distribution_identity(one)] for one in plan.distributions}
    return Fingerprint.of({**parts, "distributions": distributions, CHANGED: True})


def explain(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Say in one line what differs between the parts of two fingerprints; empty when nothing does.

    ``interpreter changed: CPython 3.12.1 → CPython 3.13.0``, ``django 5.2.18 → 5.2.19, +2 distributions``
    """
    found = [*_interpreter_change(old, new), *_distribution_changes(old, new)]
    found += _setting_changes(old.get("settings", {}), new.get("settings", {}))
    before, after = old.get("extras", {}), new.get("extras", {})
    # What only one of them has came or went with something else: build variables with what is built.
    compared = {*before} & {*after} if found else {*before, *after}
    differing = [name for name in sorted(compared) if before.get(name) != after.get(name)]
    found += [_extra_change(name, before.get(name), after.get(name)) for name in differing]
    if old.get("format") != new.get("format"):
        found.append("made by another version of pytest-fastenv")
    if not found and old != new and not old.get(CHANGED):  # who asks knows that
        found.append("settings changed")
    return ", ".join(found)


def _extra_change(name: str, before: Any, after: Any) -> str:
    told = f"{name.replace('_', ' ')} changed"
    if isinstance(before, dict) and isinstance(after, dict):  # of a name each
        told += f": {names_of_changed(before, after)}"
    return told


def _setting_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return [
        f"{option.key} {_shown(before[option.field])} → {_shown(after[option.field])}"
        for option in OPTIONS
        if option.field in before and option.field in after and before[option.field] != after[option.field]
    ]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return " ".join(value) or "none" if isinstance(value, list) else str(value)


def _interpreter_change(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    before, after = old.get("interpreter", {}), new.get("interpreter", {})
    if before == after:
        return []
    if before.get("name") != after.get("name"):
        return [f"interpreter changed: {before.get('name')} → {after.get('name')}"]
    if before.get("python") != after.get("python"):
        return [f"interpreter changed: {before.get('python')} → {after.get('python')}"]
    return [f"interpreter changed: {after.get('python')} is another file now"]


def _distribution_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    before, after = old.get("distributions", {}), new.get("distributions", {})
    changed = []
    for name in sorted({*before} & {*after}):
        if before[name] == after[name]:
            continue
        (was, _), (now, _) = before[name], after[name]
        changed.append(f"{name} {was} → {now}" if was != now else f"{name} {now} has other content")
    if len(changed) > _NAMED_AT_MOST:
        more = len(changed) - _NAMED_AT_MOST
        changed = [*changed[:_NAMED_AT_MOST], f"{more} more changed"]
    for sign, names in (("+", {*after} - {*before}), ("-", {*before} - {*after})):
        if len(names) == 1:
            name = next(iter(names))
            changed.append(f"{sign}{name} {(after if sign == '+' else before)[name][0]}")
        elif names:
            changed.append(f"{sign}{len(names)} distributions")
    return changed
