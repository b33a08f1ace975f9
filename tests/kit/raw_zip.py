"""Writes zip archives field by field, so that every one of them can be wrong."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kit.archives import record_rows, wheel_metadata
from kit.release import core_metadata

REGULAR, SYMLINK = 0o100644, 0o120777


@dataclass
class Entry:
    """One member; `local`, `central` and `descriptor` override single fields in one of the places that name them."""

    name: str | bytes
    data: bytes = b""
    method: int = 8
    flags: int = 0x0800
    mode: int = REGULAR
    local: Mapping[str, Any] = field(default_factory=dict)
    central: Mapping[str, Any] = field(default_factory=dict)
    local_extra: bytes = b""
    central_extra: bytes = b""
    packed: bytes | None = None
    descriptor: bytes = b""
    gap: bytes = b""

    def fields(self) -> dict[str, Any]:
        name = self.name.encode() if isinstance(self.name, str) else self.name
        return {
            "name": name, "flags": self.flags, "method": self.method, "crc": zlib.crc32(self.data),
            "packed": len(self.payload()), "size": len(self.data),
        }  # fmt: skip

    def payload(self) -> bytes:
        if self.packed is not None:
            return self.packed
        if self.method != 8:
            return self.data
        engine = zlib.compressobj(9, zlib.DEFLATED, -15)
        return engine.compress(self.data) + engine.flush()


def write(
    entries: Iterable[Entry], *, comment: bytes = b"", before: bytes = b"", after: bytes = b"", **end: int
) -> bytes:
    """Return an archive; `end` overrides fields of the end record (``count``, ``size``, ``offset``)."""
    body, directory, count = bytearray(before), bytearray(), 0
    for entry in entries:
        body += entry.gap
        offset = len(body)
        own = entry.fields() | dict(entry.local)
        body += struct.pack(
            "<4s5H3L2H", b"PK\3\4", 20, own["flags"], own["method"], 0, 33, own["crc"], own["packed"], own["size"],
            len(own["name"]), len(entry.local_extra),
        )  # fmt: skip
        body += own["name"] + entry.local_extra + entry.payload() + entry.descriptor
        own = {"offset": offset, "attributes": entry.mode << 16} | entry.fields() | dict(entry.central)
        directory += struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 3 << 8 | 20, 20, own["flags"], own["method"], 0, 33, own["crc"], own["packed"],
            own["size"], len(own["name"]), len(entry.central_extra), 0, 0, 0, own["attributes"], own["offset"],
        )  # fmt: skip
        directory += own["name"] + entry.central_extra
        count += 1
    told = {"count": count, "size": len(directory), "offset": len(body)} | end
    wide = b""
    if told["count"] > 0xFFFF:
        place = len(body) + len(directory)
        wide = struct.pack(
            "<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, told["count"], *(told[k] for k in ("count", "size", "offset"))
        )
        wide += struct.pack("<4sLQL", b"PK\6\7", 0, place, 1)
        told["count"] = 0xFFFF
    tail = wide + struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, told["count"], told["count"], told["size"], told["offset"], len(comment)
    )
    return bytes(body + directory + tail + comment + after)


def wheel_files(
    extra: Mapping[str, bytes] | None = None, *, name: str = "demo", version: str = "1.0", **changed: bytes | None
) -> dict[str, bytes]:
    """Return the files of a small valid wheel, with others added and files of dist-info changed or (``None``) left out.

    RECORD lists everything, unless it is changed itself.
    """
    info = f"{name}-{version}.dist-info"
    files: dict[str, bytes | None] = {
        "demo/__init__.py": b"value = 1\n",
        **(extra or {}),
        f"{info}/METADATA": core_metadata(name, version).encode(),
        f"{info}/WHEEL": wheel_metadata("py3-none-any").encode(),
    }
    files |= {f"{info}/{key}": value for key, value in changed.items()}
    kept = {path: data for path, data in files.items() if data is not None}
    if "RECORD" not in changed:
        kept[f"{info}/RECORD"] = record_text(kept, info)
    return kept


def record_text(files: Mapping[str, bytes], info: str = "demo-1.0.dist-info") -> bytes:
    """Return the RECORD of files."""
    rows = [*record_rows(files), (f"{info}/RECORD", "", "")]
    return "".join(f"{','.join(row)}\n" for row in rows).encode()


def entries(files: Mapping[str, bytes], **changed: Mapping[str, Any]) -> list[Entry]:
    """Return members for files; `changed` sets attributes of the first member: ``first={"method": 14}``."""
    made = [Entry(name, data) for name, data in files.items()]
    for attribute, value in changed.get("first", {}).items():
        setattr(made[0], attribute, value)
    return made
