"""What a wheel must say about itself: one dist-info directory, WHEEL, METADATA.

https://packaging.python.org/en/latest/specifications/binary-distribution-format/ and
https://packaging.python.org/en/latest/specifications/core-metadata/
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pytest_fastenv.archive.member_paths import shown
from pytest_fastenv.errors import MetadataError, UnsupportedWheelError
from pytest_fastenv.wheel.names import is_name, is_stem_of, normal_version

_WHEEL_VERSION = re.compile(r"([0-9]+)\.([0-9]+)")
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
    """Return whether the root goes to purelib, and warnings.

    :param content: of the file WHEEL.
    :raises MetadataError: it cannot be read.
    :raises UnsupportedWheelError: the format's major version is not 1.
    """
    try:
        fields = dict(_fields(content.decode()))
    except UnicodeDecodeError as error:
        raise MetadataError(f"{archive}: WHEEL is no text", where=archive, why=str(error)) from None
    version = _WHEEL_VERSION.fullmatch(fields.get("wheel-version", ""))
    purelib = fields.get("root-is-purelib", "").lower()
    if not version or purelib not in {"true", "false"}:
        field = "Root-Is-Purelib" if version else "Wheel-Version"
        raise MetadataError(f"{archive}: WHEEL cannot be read", where=archive, why=f"{field} is missing or malformed")
    if version[1] != "1":
        raise UnsupportedWheelError(
            f"{archive} has version {version[0]} of the wheel format; this program knows version 1",
            where=archive,
            hint="a newer release of pytest-fastenv may know it",
        )
    newer = version[2] != "0"
    return purelib == "true", [f"{archive} has version {version[0]} of the wheel format"] if newer else []


def read_metadata(content: bytes, archive: str) -> tuple[str, str]:
    """Return name and version as METADATA has them; requirements are checked too.

    Bytes that are no UTF-8 matter only where they decide something.

    :raises MetadataError: a field is missing or cannot be read.
    """
    found: dict[str, str] = {}
    head = re.split(rb"\r?\n\r?\n", content, maxsplit=1)[0]
    for key, value in _fields(head.decode("utf-8", "surrogateescape")):
        if key in {"name", "version"}:
            if found.setdefault(key, value) != value:
                raise MetadataError(f"{archive}: METADATA has two values for {key.title()}", where=archive)
        elif key == "requires-dist":
            _check_requirement(value, archive)
    name, version = found.get("name", ""), found.get("version", "")
    if not is_name(name):
        raise MetadataError(f"{archive}: METADATA has no usable name", where=archive, why=f"Name: {shown(name)}")
    if normal_version(version) is None:
        why = f"Version: {shown(version)}"
        raise MetadataError(f"{archive}: METADATA has no usable version", where=archive, why=why)
    return name, version


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
