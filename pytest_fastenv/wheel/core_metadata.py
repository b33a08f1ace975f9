"""Core metadata out of METADATA and PKG-INFO files.

See https://packaging.python.org/en/latest/specifications/core-metadata/. Only the header is read: descriptions may be
long and of any encoding, what decides something may not.
"""

from __future__ import annotations

import re
from email.parser import BytesHeaderParser
from email.policy import compat32

from packaging.version import InvalidVersion, Version

from pytest_fastenv.errors import LimitError, MetadataError
from pytest_fastenv.model.metadata import CoreMetadata
from pytest_fastenv.wheel.filenames import normalized
from pytest_fastenv.wheel.names import ONCE, is_contradiction

#: Larger files are refused.
LARGEST_METADATA = 8 << 20

_END_OF_HEADER = re.compile(rb"\r?\n\r?\n")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_DECIDING = ONCE | {"requires-dist", "provides-extra", "dynamic"}
_NEWEST_MAJOR = 2


def parse_core_metadata(content: bytes, *, source: str) -> CoreMetadata:
    """Read the fields that decide something; unknown fields and undecodable free text do not matter.

    Dependency specifiers are returned as written; they are parsed once, where they are used.

    :param source: the file or URL it comes from, for messages.
    :raises MetadataError: a deciding field is missing, contradicts itself, is not UTF-8 or not what it has to be.
    :raises LimitError: it has more than 8 MiB.
    """
    if len(content) > LARGEST_METADATA:
        raise LimitError(f"core metadata of {len(content)} bytes; at most 8 MiB are read", where=source)
    end = _END_OF_HEADER.search(content)
    fields = _fields(content[: end.start() + 1] if end else content, source)
    version_text = _single(fields, "version", source)
    try:
        version = str(Version(version_text))
    except InvalidVersion:
        raise MetadataError(f"core metadata has version {version_text!r}, which is none", where=source) from None
    name = _single(fields, "name", source)
    if not _NAME.fullmatch(name):
        raise MetadataError(f"core metadata has name {name!r}, which is none", where=source)
    metadata_version = fields.get("metadata-version", ["1.0"])[0]
    major = metadata_version.partition(".")[0]
    if not major.isdigit() or int(major[:9]) > _NEWEST_MAJOR:
        raise MetadataError(
            f"core metadata is of version {metadata_version!r}", where=source, why="versions up to 2.x are understood"
        )
    return CoreMetadata(
        name=name,
        version=version,
        requires_dist=tuple(fields.get("requires-dist", ())),
        requires_python=(fields.get("requires-python") or [""])[0] or None,
        provides_extra=tuple(dict.fromkeys(normalized(extra) for extra in fields.get("provides-extra", ()))),
        metadata_version=metadata_version,
        dynamic=tuple(value.lower() for value in fields.get("dynamic", ())),
    )


def _fields(header: bytes, source: str) -> dict[str, list[str]]:
    """Return the deciding fields' values by lower-case name; bytes that are no UTF-8 are an error in them."""
    fields: dict[str, list[str]] = {}
    message = BytesHeaderParser(policy=compat32).parsebytes(header)
    for key, value in message.raw_items():
        name = key.lower()
        if name not in _DECIDING:
            continue
        try:
            text = str(value).encode("ascii", "surrogateescape").decode("utf-8")
        except UnicodeError:
            raise MetadataError(f"core metadata: {key} is not UTF-8", where=source) from None
        fields.setdefault(name, []).append(" ".join(text.split()))
    for name in ONCE & fields.keys():
        first, *others = fields[name]
        if any(is_contradiction(name, first, other) for other in others):
            raise MetadataError(
                f"core metadata has {name} {len(fields[name])} times, with different values", where=source
            )
    return fields


def _single(fields: dict[str, list[str]], name: str, source: str) -> str:
    values = fields.get(name)
    if not values or not values[0]:
        raise MetadataError(f"core metadata has no {name}", where=source)
    return values[0]
