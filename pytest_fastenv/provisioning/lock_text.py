"""The text of a lock file, and what two lock files differ in.

The same lock gives the same bytes: nothing of the time, the machine or the order of answers is in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from packaging.pylock import Package, Pylock

_HEAD = "# What an environment holds (PEP 751), written by: fastenv lock\n"
_SHOWN = 20


def text_of(lock: Pylock) -> str:
    """Return a lock file's text."""
    table = dict(lock.to_dict())
    packages = table.pop("packages")
    lines = [f"{key} = {_value(value)}\n" for key, value in table.items()]
    for package in packages:
        lines.append("\n[[packages]]\n")
        lines += [f"{key} = {_block(value)}\n" for key, value in package.items()]
    return _HEAD + "".join(lines)


def _block(value: Any) -> str:
    """Return a value of a package; files by the line, so that a difference is seen in version control."""
    if isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
        return "[\n" + "".join(f"    {_value(item)},\n" for item in value) + "]"
    return _value(value)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            # JSON's escapes are TOML's, but for this one character.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case Mapping():
            return "{ " + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + " }"
        case list() | tuple():
            return "[" + ", ".join(map(_value, value)) + "]"
        case _:
            return str(value)


def differences(there: Pylock, now: Pylock) -> list[str]:
    """Say what a lock file lacks that would be written now, or has besides; empty where it says the same.

    A lock file of another tool may name more files of a release, and have keys that say nothing about what is
    installed: that is no difference.
    """
    return [*_head(there, now), *_packages(there.packages, now.packages)][:_SHOWN]


def _head(there: Pylock, now: Pylock) -> Iterator[str]:
    if str(there.requires_python or "") != str(now.requires_python or "") and there.created_by == now.created_by:
        yield f"requires-python {there.requires_python} → {now.requires_python}"
    before, after = ([str(one) for one in lock.environments or ()] for lock in (there, now))
    if before != after and there.created_by == now.created_by:
        yield f"environments {' or '.join(before) or 'any'} → {' or '.join(after)}"


def _packages(there: Sequence[Package], now: Sequence[Package]) -> Iterator[str]:
    before: dict[str, list[Package]] = {}
    for package in there:
        before.setdefault(package.name, []).append(package)
    after = {str(package.name): package for package in now}
    for name in sorted({*before, *after}):
        if name not in after:
            if all(package.marker is None for package in before[name]):
                yield f"-{_label(before[name][0])}"
        elif name not in before:
            yield f"+{_label(after[name])}"
        elif not any(_covers(package, after[name]) for package in before[name]):
            was, will = _label(before[name][0]), _label(after[name])
            yield f"{was} → {will}" if was != will else f"{was} has other files or another source"


def _label(package: Package) -> str:
    return f"{package.name} {package.version}" if package.version else package.name


def _covers(there: Package, now: Package) -> bool:
    if (there.version or now.version) != (now.version or there.version):
        return False
    if (there.vcs, there.directory) != (now.vcs, now.directory):
        return _commit(there) == _commit(now) is not None
    return _digests(there) >= _digests(now)


def _commit(package: Package) -> str | None:
    return package.vcs.commit_id if package.vcs else None


def _digests(package: Package) -> set[str]:
    hashes = [file.hashes for file in package.wheels or ()]
    hashes += [file.hashes for file in (package.sdist, package.archive) if file is not None]
    return {digest for some in hashes for digest in some.values()}
