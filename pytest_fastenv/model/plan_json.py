"""Plans as JSON: what a request resolved to stands for its maximum age, also when the environment has to be remade."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from pytest_fastenv.model.artifact import Artifact, Hashes
from pytest_fastenv.model.plan import DirectUrl, Distribution, Plan, SdistSource, TreeSource, Vcs, WheelSource
from pytest_fastenv.model.target import Target

_CLASSES = {
    cls.__name__: cls
    for cls in (Artifact, DirectUrl, Distribution, Hashes, Plan, SdistSource, Target, TreeSource, Vcs, WheelSource)
}
_CLASS = "class"
_PATH = "path"


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """Return the plan as JSON values; `plan_from_json` gives an equal plan back."""
    encoded: dict[str, Any] = _encode(plan)
    return encoded


def plan_from_json(value: Any) -> Plan | None:
    """Return the plan, or ``None`` when the value is not one this version wrote."""
    try:
        plan = _decode(value)
    except (KeyError, TypeError, AttributeError):
        return None
    return plan if isinstance(plan, Plan) else None


def _encode(value: Any) -> Any:
    if is_dataclass(value):
        # Fields at their default are left out: most of an artifact's are.
        kept = {f.name: getattr(value, f.name) for f in fields(value)}
        defaults = {f.name: f.default for f in fields(value)}
        return {
            _CLASS: type(value).__name__,
            **{name: _encode(v) for name, v in kept.items() if v is None or v != defaults[name]},
        }
    if isinstance(value, Path):
        return {_CLASS: _PATH, _PATH: str(value)}
    if isinstance(value, (tuple, list)):
        return [_encode(item) for item in value]
    if hasattr(value, "items"):
        return dict(value)
    return value


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item) for item in value)
    if not isinstance(value, dict) or _CLASS not in value:
        return value
    if value[_CLASS] == _PATH:
        return Path(value[_PATH])
    members = {name: _decode(member) for name, member in value.items() if name != _CLASS}
    return _CLASSES[value[_CLASS]](**members)
