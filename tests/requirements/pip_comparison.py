"""Compares what we read in requirements files with what the installed pip reads in them."""

from __future__ import annotations

import json
import os
import posixpath
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
from packaging.markers import InvalidMarker, Marker
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from pytest_fastenv.errors import RequirementsError
from pytest_fastenv.model.reference import ArchiveReference, DirectoryReference, RepositoryReference
from pytest_fastenv.model.request import Request, Wanted
from pytest_fastenv.requirements.sources import read_sources

_PIP = Path(__file__).with_name("pip_reading.py")
_DEFAULT_INDEX = "https://default.invalid/simple"

#: What we refuse and pip accepts, by our message.
STRICTER = {
    r"this is no sha\d+ digest|unknown hash algorithm": "pip finds out when the file is there",
    r"hashes are required of all requirements": "pip says so when it resolves",
    r"is asked for, but this is a wheel of|not a wheel's file name": "pip finds out when the wheel is there",
    r"no such file or directory|has no project|is neither a wheel nor": "pip warns, and fails when it resolves",
    r"unexpected text behind an option|no such option: -$": "pip drops such words without a word",
    r"stands behind a requirement|stands alone": "pip drops such options without a word",
    r"a repository has no digest": "pip drops the digest without a word",
    r"no address of a git repository|names no host|URLs of the scheme|host or port is malformed": "pip fails later",
    r"this is the address of a repository|subdirectory .* leaves its source": "pip fails later",
    r"is neither a URL nor a directory": "pip takes it for an index's address, and fails later",
}
#: What we accept and pip refuses, by the line.
MORE_LENIENT = {
    r"===": "packaging reads other specifiers behind === since 26.3; pip has a copy of its own",
    r"(whl|gz|zip|proj|space|thing|\.|/)\s*\[\s*\]": "empty brackets name no extras, behind paths as behind names",
    r";": "what is not there, and has a marker behind it, is an error only where the marker is true",
    r"(-e|--editable)[ =]?git": "the name of a repository's project is found out, not asked for",
}


def read_by_pip(cases: Sequence[Path], base: Path) -> list[dict[str, Any]]:
    """Return what pip makes of each file; skips the test where there is no pip, or one that is not as expected."""
    command = [sys.executable, str(_PIP)]
    told = json.dumps(list(map(str, cases)))
    ran = subprocess.run(command, input=told, cwd=base, capture_output=True, text=True, check=False)
    answer = json.loads(ran.stdout) if ran.returncode == 0 else {"unexpected": ran.stderr[-500:]}
    if isinstance(answer, dict):
        pytest.skip(f"the installed pip is not as expected, so nothing is compared with it: {answer['unexpected']}")
    return answer  # type: ignore[no-any-return]


def read(path: Path, base: Path) -> Request:
    """Return what we make of a file.

    :raises RequirementsError: it, or a line of it, cannot be read.
    """
    request = read_sources([str(path)], base=base, environ={"PIP_CONFIG_FILE": os.devnull})
    for wanted in (*request.wanted, *request.constraints):
        if wanted.fault is not None:
            raise wanted.fault.error
    return request


def compared(text: str, ours: Request | RequirementsError, pip: Mapping[str, Any], base: Path) -> str:
    """Return a verdict: ``read alike``, ``refused by both``, the kind of a known difference, or ``different: ...``."""
    if isinstance(ours, RequirementsError):
        if "error" in pip:
            return "refused by both"
        return "stricter" if _any(STRICTER, ours.what) else f"different: pip reads it, we say {ours.what}"
    if "error" in pip:
        return "more lenient" if _any(MORE_LENIENT, text) else f"different: pip says {pip['error']}"
    mine, other = _facts(ours, base), _facts_of_pip(pip, base)
    if mine == other:
        return "read alike"
    return "different: " + "; ".join(f"{key}: {mine[key]} / {other[key]}" for key in mine if mine[key] != other[key])


def _any(patterns: Mapping[str, str], text: str) -> bool:
    return any(re.search(pattern, text) for pattern in patterns)


def _facts(request: Request, base: Path) -> dict[str, Any]:
    index = request.index
    urls = [] if index.no_index else [index.index_url or _DEFAULT_INDEX, *index.extra_index_urls]
    return {
        "requirements": [_requirement(one) for one in request.wanted],
        "constraints": [_requirement(one) for one in request.constraints],
        "no_binary": sorted(request.formats.no_binary),
        "only_binary": sorted(request.formats.only_binary),
        "all_releases": sorted(request.releases.all_releases),
        "only_final": sorted(request.releases.only_final),
        "indexes": [url.rstrip("/") for url in urls],
        "links": [_place(link, base) for link in index.find_links],
        "prefer_binary": request.prefer_binary,
    }


def _requirement(wanted: Wanted) -> dict[str, Any]:
    url, subdirectory = None, None
    match wanted.reference:
        case ArchiveReference(url, subdirectory):
            url = _place(url, Path())
        case DirectoryReference(path):
            url = str(path)
        case RepositoryReference(vcs, subdirectory):
            url = f"git+{vcs.url}" + (f"@{vcs.revision}" if vcs.revision else "")
    return {
        "name": wanted.name,
        "specifier": set() if url else _specifier(wanted.specifier),
        "extras": list(wanted.extras),
        "marker": wanted.marker,
        "url": url,
        "subdirectory": subdirectory,
        "hashes": sorted({pair for demand in wanted.hashes.demands for pair in demand}),
        "editable": wanted.reference.editable,
    }


def _facts_of_pip(pip: Mapping[str, Any], base: Path) -> dict[str, Any]:
    made = [(_requirement_of_pip(one, base), one["constraint"]) for one in pip["requirements"]]
    return {
        "requirements": [one for one, constraint in made if not constraint],
        "constraints": [one for one, constraint in made if constraint],
        "no_binary": pip["no_binary"],
        "only_binary": pip["only_binary"],
        "all_releases": pip["all_releases"],
        "only_final": pip["only_final"],
        "indexes": [url.rstrip("/") for url in pip["indexes"]],
        "links": list(dict.fromkeys(_place(link, base) for link in pip["links"])),
        "prefer_binary": pip["prefer_binary"],
    }


def _requirement_of_pip(one: Mapping[str, Any], base: Path) -> dict[str, Any]:
    url = _place(one["url"], base) if one["url"] else None
    return {
        "name": canonicalize_name(one["name"]) if one["name"] else None,
        "specifier": set() if url else _specifier(one["specifier"]),
        "extras": sorted(map(canonicalize_name, one["extras"])),
        "marker": _marker(one["marker"]),
        "url": url,
        "subdirectory": _subdirectory(one["subdirectory"]) if url and not os.path.isdir(url) else None,
        "hashes": sorted({(algorithm, digest.lower()) for algorithm, digest in one["hashes"]}),
        "editable": one["editable"],
    }


def _marker(text: str | None) -> str | None:
    try:
        return str(Marker(text)) if text else None
    except InvalidMarker:  # pip's own copy of packaging reads what ours does not
        return text


def _subdirectory(text: str | None) -> str | None:
    """Return it in the shortest form, in which we keep it."""
    return posixpath.normpath(text.replace("\\", "/")) if text else None


def _specifier(text: str) -> set[str]:
    return {str(one) for one in SpecifierSet(text)}


def _place(url: str, base: Path) -> str:
    """Return a file's path, absolute, or another URL as it is."""
    if url.startswith("file:"):
        path = url2pathname(urlsplit(url).path)
        return os.path.normpath(
            f"{base}{path}" if path.startswith("/./") else base / path
        )  # pip's file:./ is file:///./
    scheme, mark, rest = url.partition("://")
    return f"{scheme.lower()}://{rest}" if mark else os.path.normpath(base / url)
