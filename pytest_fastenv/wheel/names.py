"""Names and versions as wheels write them: in the file name, in the dist-info directory and in METADATA.

https://packaging.python.org/en/latest/specifications/binary-distribution-format/#file-name-convention
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pytest_fastenv.archive.member_paths import shown
from pytest_fastenv.errors import MetadataError, UnsupportedWheelError

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_ESCAPED_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._]*[A-Za-z0-9])?")
_TAG = re.compile(r"[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*")
_CANONICAL_VERSION = re.compile(
    r"(?:[1-9][0-9]*!)?(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*(?:(?:a|b|rc)(?:0|[1-9][0-9]*))?"
    r"(?:\.post(?:0|[1-9][0-9]*))?(?:\.dev(?:0|[1-9][0-9]*))?"
)


#: Fields of core metadata that should be there once; where a field is there again, the first one counts.
ONCE = frozenset({"metadata-version", "name", "version", "requires-python"})


class WheelName(NamedTuple):
    """The parts of a wheel's file name; the version is as written there."""

    name: str
    version: str
    build: str
    tags: tuple[str, str, str]


def parse_wheel_name(filename: str) -> WheelName:
    """Take a wheel's file name apart.

    :raises UnsupportedWheelError: it is none; the part that is wrong is named.
    """
    stem = filename.removesuffix(".whl")
    parts = stem.split("-")
    if stem == filename or len(parts) not in (5, 6):
        raise _malformed(filename, "it should read name-version[-build]-python-abi-platform.whl")
    name, version, *build = parts[:-3]
    if not _ESCAPED_NAME.fullmatch(name):
        raise _malformed(filename, f"{shown(name)!r} is not the name of a project")
    if normal_version(version) is None:
        raise _malformed(filename, f"{shown(version)!r} is not a version")
    if build and not build[0][:1].isdigit():
        raise _malformed(filename, f"the build tag {shown(build[0])!r} does not begin with a digit")
    for label, tag in zip(("Python", "ABI", "platform"), parts[-3:], strict=True):
        if not _TAG.fullmatch(tag):
            raise _malformed(filename, f"the {label} tag {shown(tag)!r} is not one")
    return WheelName(name, version, build[0] if build else "", (parts[-3], parts[-2], parts[-1]))


def check_file_name(filename: str, name: str, version: str) -> None:
    """Compare a wheel's file name with what its METADATA says.

    :raises UnsupportedWheelError: the file name is malformed.
    :raises MetadataError: name or version differ; both are named.
    """
    told = parse_wheel_name(filename)
    if normal_name(told.name) != normal_name(name):
        raise MetadataError(
            f"{filename} holds another project than its name says",
            where=filename,
            why=f"the file name says {told.name!r}, METADATA says {shown(name)!r}",
        )
    if not same_version(told.version, version):
        raise MetadataError(
            f"{filename} holds another version than its name says",
            where=filename,
            why=f"the file name says {told.version!r}, METADATA says {shown(version)!r}",
        )


def check_expected(label: str, found: tuple[str, str], expect: tuple[str, str]) -> None:
    """Compare name and version of a wheel with the name and version that were asked for.

    :raises MetadataError: they differ; both are named.
    """
    if normal_name(found[0]) != normal_name(expect[0]) or not same_version(found[1], expect[1]):
        raise MetadataError(
            f"{label} is not what was asked for",
            where=label,
            why=f"expected {expect[0]} {expect[1]}, METADATA says {shown(found[0])} {shown(found[1])}",
        )


def is_name(text: str) -> bool:
    """Tell whether a text is a project's name (PEP 508)."""
    return _NAME.fullmatch(text) is not None


def normal_name(name: str) -> str:
    """Return a normalized name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def normal_version(version: str) -> str | None:
    """Return a version in canonical form, trailing zeros kept, or ``None`` when it is none (PEP 440)."""
    if _CANONICAL_VERSION.fullmatch(version):
        return version
    from packaging.version import InvalidVersion, Version  # most versions are canonical: workers start without it

    for text in (version, version.replace("_", "-")):  # file names and directories write "-" as "_"
        try:
            return str(Version(text))
        except InvalidVersion:
            continue
    return None


def same_version(one: str, other: str) -> bool:
    """Tell whether two texts mean the same version; invalid ones only if they are equal."""
    if one == other:
        return True
    first, second = normal_version(one), normal_version(other)
    if first is None or second is None:
        return False
    if first == second:
        return True
    from packaging.version import Version

    return Version(first) == Version(second)


def is_contradiction(field: str, one: str, other: str) -> bool:
    """Tell whether two values of a field of core metadata, in lower case, are two projects or two releases."""
    if field == "name":
        return normal_name(one) != normal_name(other)
    return field == "version" and not same_version(one, other)


def is_stem_of(stem: str, name: str, version: str) -> bool:
    """Tell whether ``name-version``, as a wheel's own directories are called, is a release in any spelling.

    Old wheels do not escape the hyphens of a name: ``foo-baz-1.0``.
    """
    wanted = normal_name(name)
    cuts = (cut for cut, letter in enumerate(stem) if letter == "-")
    return any(normal_name(stem[:cut]) == wanted and same_version(stem[cut + 1 :], version) for cut in cuts)


def _malformed(filename: str, reason: str) -> UnsupportedWheelError:
    return UnsupportedWheelError(f"{shown(filename)} is not the file name of a wheel", where=filename, why=reason)
