"""What a wheel must say about itself: one dist-info directory, WHEEL, METADATA.

https://packaging.python.org/en/latest/specifications/binary-distribution-format/ and
https://packaging.python.org/en/latest/specifications/core-metadata/
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pytest_fastenv.archive.member_paths import shown
from pytest_fastenv.errors import MetadataError, UnsupportedWheelError
from pytest_fastenv.wheel.names import ONCE, is_contradiction, is_name, is_stem_of, normal_version

_WHEEL_VERSION = re.compile(r"([0-9]{1,9})(?:\.[0-9]+)*")
_SPECIFIER = (
    r"(?:(?:==|!=|~=|<=|>=|<|>)\s*[0-9]+(?:\.[0-9]+)*(?:(?:a|b|rc|\.post|\.dev|-)[0-9]+)?"
    r"|(?:==|!=)\s*[0-9]+(?:\.[0-9]+)*\.\*)"
)
_SPECIFIERS = rf"{_SPECIFIER}(?:\s*,\s*{_SPECIFIER})*"
_VARIABLE = (
    "(?:python_version|python_full_version|os_name|sys_platform|platform_system|platform_machine|"
    "platform_python_implementation|implementation_name|extra)"
)
_TEXT = r"""(?:'[^'"\n]*'|"[^'"\n]*")"""
_COMPARISON = rf"(?:\(\s*)*{_VARIABLE}\s*(?:==|!=|<=|>=|<|>|\bin\b|\bnot in\b)\s*{_TEXT}(?:\s*\))*"
#: What nearly all requirements look like; only others need a parser.
_PLAIN_REQUIREMENT = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\s*(?:\[\w+(?:[.-]+\w+)*(?:\s*,\s*\w+(?:[.-]+\w+)*)*\])?\s*"
    rf"(?:{_SPECIFIERS}|\(\s*{_SPECIFIERS}\s*\))?\s*"
    rf"(?:;\s*(?P<marker>{_COMPARISON}(?:\s*\b(?:and|or)\b\s*{_COMPARISON})*)\s*)?",
    re.ASCII,
)


def find_dist_info(paths: Iterable[str], archive: str) -> str:
    """Return the name of a wheel's one ``.dist-info`` directory.

    :raises MetadataError: there is none, or more than one.
    """
    found = sorted({top for path in paths if (top := path.partition("/")[0]).endswith(".dist-info") and "/" in path})
    if len(found) != 1:
        reason = ", ".join(map(shown, found)) if found else "there is none"
        raise MetadataError(f"{archive} does not have exactly one dist-info directory", where=archive, why=reason)
    return found[0]


def check_dist_info_name(dist_info: str, name: str, version: str, archive: str) -> None:
    """Compare the directory's name with what METADATA in it says.

    :raises MetadataError: the directory is another project's or version's.
    """
    if not is_stem_of(dist_info.removesuffix(".dist-info"), name, version):
        raise MetadataError(
            f"{archive}: its dist-info directory belongs to another release",
            where=archive,
            why=f"the directory is {shown(dist_info)}, METADATA says {shown(name)} {shown(version)}",
        )


def read_wheel_file(content: bytes, archive: str) -> tuple[bool, list[str]]:
    """Return whether the root goes to purelib, and warnings: of what is older, newer or less than it should be.

    :param content: of the file WHEEL.
    :raises MetadataError: it cannot be read.
    :raises UnsupportedWheelError: the format's major version is newer than 1.
    """
    try:
        fields = dict(_fields(content.decode()))
    except UnicodeDecodeError as error:
        raise MetadataError(f"{archive}: WHEEL is no text", where=archive, why=str(error)) from None
    version = _WHEEL_VERSION.fullmatch(fields.get("wheel-version", ""))
    if not version:
        why = "Wheel-Version is missing or malformed"
        raise MetadataError(f"{archive}: WHEEL cannot be read", where=archive, why=why)
    if int(version[1]) > 1:
        raise UnsupportedWheelError(
            f"{archive} has version {version[0]} of the wheel format; this program knows version 1",
            where=archive,
            hint="a newer release of pytest-fastenv may know it",
        )
    warnings = [f"{archive} has version {version[0]} of the wheel format"] if version[0] != "1.0" else []
    purelib = fields.get("root-is-purelib", "").lower()
    if purelib not in {"true", "false"}:
        warnings.append(
            f"{archive}: WHEEL does not say whether it is pure (Root-Is-Purelib): taken for one that is not"
        )
    return purelib == "true", warnings


def read_metadata(content: bytes, archive: str) -> tuple[str, str, list[str]]:
    """Return name and version as METADATA has them, and warnings; requirements are checked too.

    Bytes that are no UTF-8 matter only where they decide something. Where a field is there twice, the first one counts.

    :raises MetadataError: a field is missing or cannot be read, or there are two names or versions.
    """
    found: dict[str, str] = {}
    warnings: dict[str, None] = {}
    head = re.split(rb"\r?\n\r?\n", content, maxsplit=1)[0]
    for key, value in _fields(head.decode("utf-8", "surrogateescape")):
        if key in ONCE:
            if key in found:
                warnings[f"{archive}: METADATA has {key.title()} more than once"] = None
            if is_contradiction(key, found.setdefault(key, value), value):
                raise MetadataError(f"{archive}: METADATA has two values for {key.title()}", where=archive)
        elif key == "requires-dist":
            _check_requirement(value, archive)
    name, version = found.get("name", ""), found.get("version", "")
    if not is_name(name):
        raise MetadataError(f"{archive}: METADATA has no usable name", where=archive, why=f"Name: {shown(name)}")
    if normal_version(version) is None:
        why = f"Version: {shown(version)}"
        raise MetadataError(f"{archive}: METADATA has no usable version", where=archive, why=why)
    return name, version, list(warnings)


def _check_requirement(value: str, archive: str) -> None:
    match = _PLAIN_REQUIREMENT.fullmatch(value)
    if match and _is_balanced(match["marker"] or ""):
        return
    from packaging.requirements import InvalidRequirement, Requirement  # few workers ever need it

    try:
        value.encode()
        Requirement(value)
    except (InvalidRequirement, UnicodeEncodeError) as error:
        raise MetadataError(
            f"{archive}: METADATA has a requirement that cannot be read",
            where=archive,
            why=f"Requires-Dist: {shown(value)}\n{error}" if isinstance(error, InvalidRequirement) else shown(value),
        ) from None


def _is_balanced(text: str) -> bool:
    depth = 0
    for bracket in re.findall("[()]", text):
        depth += 1 if bracket == "(" else -1
        if depth < 0:
            return False
    return depth == 0


def _fields(text: str) -> Iterable[tuple[str, str]]:
    """Yield headers: lower-case key and value, folded lines joined; stops where the headers end."""
    key, parts = "", [""]
    for line in text.split("\n"):
        plain = line.removesuffix("\r")
        if not plain.strip():
            break
        if plain[0] in " \t":
            parts.append(plain.strip())
            continue
        if key:
            yield key, " ".join(parts).strip()
        key, _, value = plain.partition(":")
        key, parts = key.strip().lower(), [value.strip()]
    if key:
        yield key, " ".join(parts).strip()
