"""Is it the same work? What an environment really has, compared with what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from email.parser import HeaderParser
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

from benchmarks.errors import BenchmarkError


def check_environment(environment: Path, expected: Mapping[str, str], tool: str) -> None:
    """Compare names and versions of the distributions in an environment.

    :param expected: canonical version by normalized name; nothing else may be there.
    :raises BenchmarkError: they differ.
    """
    found: dict[str, str] = {}
    for metadata in environment.glob("lib/python*/site-packages/*.dist-info/METADATA"):
        fields = HeaderParser().parsestr(metadata.read_text(encoding="utf-8", errors="replace"), headersonly=True)
        found[canonicalize_name(fields["Name"])] = str(Version(fields["Version"]))
    if found != dict(expected):
        different = sorted(set(found.items()) ^ set(expected.items()))
        raise BenchmarkError(f"{tool} made another environment ({environment}): {different}")
