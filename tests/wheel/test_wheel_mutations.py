"""Thousands of mutations of core metadata: refused with a diagnosis, or read as `importlib.metadata` reads it."""

from __future__ import annotations

import email
import io
import random
from collections import Counter

import pytest
from kit.mutations import COUNT, bounded, mutated, seeds
from packaging.utils import canonicalize_name
from packaging.version import Version

from pytest_fastenv.errors import FastenvError
from pytest_fastenv.model.metadata import CoreMetadata
from pytest_fastenv.wheel.core_metadata import parse_core_metadata
from pytest_fastenv.wheel.names import normal_version
from pytest_fastenv.wheel.rules import read_metadata

pytestmark = pytest.mark.slow

_PIECES = (
    b"\n", b"\r\n", b"\r", b"\n\n", b"\n ", b"\n\t", b":", b" ", b"Name: other\n", b"Version: 2\n",
    b"\nRequires-Dist: b\n", b"\nName: demo\n", b"\xff", b"\xc3\xa4", b"\0", b"\x0c", b"\x85", b"\xe2\x80\xa8",
    b"=?utf-8?q?b?=", b"UNKNOWN", b";", b"extra ==",
    b"Dynamic: Requires-Dist\n", b"From ", b"Metadata-Version: 9.9\n", b"name", b"\xef\xbb\xbf", b"\x1c", b"(", b"[x]",
)  # fmt: skip
_HEADER = b"""\
Metadata-Version: 2.2
Name: Demo.Project_x
Version: 1.0.post1
Summary: what it is
Author: J\xc3\xbcrgen
License: one
        two
Classifier: A :: B
Requires-Python: >=3.8, <4
Provides-Extra: x
Provides-Extra: y-z
Requires-Dist: alpha>=1,<2
Requires-Dist: beta[q] (==1.*) ; python_version < "3.9" and extra == 'x'
Requires-Dist: gamma @ https://h.invalid/gamma-1.tar.gz
Dynamic: License-File
Description-Content-Type: text/markdown
"""
_ORIGINALS = (
    _HEADER,
    _HEADER + b"\n# Title\n\nName: in the text\n",
    (_HEADER + b"\ntext\n").replace(b"\n", b"\r\n"),
    b"Metadata-Version: 1.0\nName: demo\nVersion: 1\nDescription: a\n        b\n        c\n",
)


def facts(content: bytes) -> dict[str, object]:
    """Return what we read."""
    found: CoreMetadata = parse_core_metadata(content, source="METADATA")
    return {
        "name": found.name,
        "version": found.version,
        "requires_dist": list(found.requires_dist),
        "requires_python": found.requires_python or "",
        "provides_extra": list(found.provides_extra),
    }


def facts_elsewhere(content: bytes) -> dict[str, object]:
    """Return the same as `importlib.metadata` reads it: as text, with any line ends; of fields told twice the first."""
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", errors="surrogateescape").read()
    raw = email.message_from_string(text)

    def all_of(field: str) -> list[str]:
        return [" ".join(str(one).split()) for one in raw.get_all(field, [])]

    return {
        "name": all_of("Name")[0],
        "version": str(Version(all_of("Version")[0])),
        "requires_dist": all_of("Requires-Dist"),
        "requires_python": (all_of("Requires-Python") or [""])[0],
        "provides_extra": list(dict.fromkeys(canonicalize_name(one) for one in all_of("Provides-Extra"))),
    }


@pytest.mark.parametrize("seed", seeds())
def test_mutated_core_metadata_is_refused_or_read_as_elsewhere(seed: int) -> None:
    chance, counts = random.Random(seed), Counter[str]()
    with bounded() as begin:
        for number in range(COUNT):
            content = mutated(chance, chance.choice(_ORIGINALS), _PIECES)
            found = {}
            told = f"seed {seed}, number {number}: {content!r}"
            begin()
            try:
                found = facts(content)
            except FastenvError as error:
                counts["refused" if error.what else "said nothing"] += 1
            except BaseException as error:
                raise AssertionError(told) from error
            else:
                counts["read"] += 1
                assert found == facts_elsewhere(content), told
            try:  # the same file, read when a wheel is unpacked
                name, version, _ = read_metadata(content, "demo.whl")
            except FastenvError:
                counts["refused in a wheel"] += 1
            except BaseException as error:
                raise AssertionError(told) from error
            else:
                if found:
                    assert (name, normal_version(version)) == (found["name"], found["version"]), told
    assert counts["said nothing"] == 0
    assert counts["read"] > COUNT // 2
    assert counts["refused"] > COUNT // 50
    assert counts["refused in a wheel"] > COUNT // 50
