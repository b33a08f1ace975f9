"""What is installed, as lines of a requirements file, as ``pip freeze`` writes them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

from packaging.version import InvalidVersion, Version

from pytest_fastenv.environment.held import Held


def frozen(one: Held) -> Iterator[str]:
    """Yield the line of a distribution, and a comment before it where pip writes one."""
    place, direct = one.editable_location, one.direct_url
    if place is not None:
        yield from _editable(one, os.path.normcase(os.path.abspath(place)))
    elif direct is not None:
        yield f"{one.name} @ {_address(direct)}"
    else:
        yield pinned(one)


def pinned(one: Held) -> str:
    """Return name and version as a requirement."""
    try:
        return f"{one.name}=={Version(one.version)}"
    except InvalidVersion:
        return f"{one.name}==={one.version}"


def _address(direct: Mapping[str, Any]) -> str:
    address, fragments = direct["url"], []
    if vcs := direct.get("vcs_info"):
        address = f"{vcs['vcs']}+{address}@{vcs['commit_id']}"
    elif archive := direct.get("archive_info"):
        hashes = archive.get("hashes") or dict([archive["hash"].split("=", 1)] if "hash" in archive else [])
        fragments += [f"{algorithm}={digest}" for algorithm, digest in list(hashes.items())[:1]]
    if subdirectory := direct.get("subdirectory"):
        fragments.append(f"subdirectory={subdirectory}")
    return f"{address}#{'&'.join(fragments)}" if fragments else address


def _editable(one: Held, place: str) -> Iterator[str]:
    """Yield the line of an editable project, and the comment before it: the commit where it is a checkout with git."""
    top = _git(place, "rev-parse", "--show-toplevel")
    if not top:
        yield f"# Editable install with no version control ({pinned(one)})"
        yield f"-e {place}"
        return
    remotes = _git(place, "config", "--get-regexp", r"remote\..*\.url").splitlines()
    named = [line for line in remotes if line.startswith("remote.origin.url ")] or remotes
    if not named:
        yield f"# Editable Git install with no remote ({pinned(one)})"
        yield f"-e {place}"
        return
    url = named[0].split(" ", 1)[1].strip()
    if "://" not in url:
        url = f"ssh://{url.replace(':', '/', 1)}" if ":" in url else f"file://{url}"
    below = os.path.relpath(place, top)
    subdirectory = "" if below == "." else f"&subdirectory={below}"
    commit = _git(place, "rev-parse", "HEAD")
    yield f"-e git+{url}@{commit}#egg={one.name.replace('-', '_')}{subdirectory}"


def _git(place: str, *words: str) -> str:
    """Return what git says of a directory; empty where it says nothing, or is not there."""
    try:
        done = subprocess.run(["git", *words], cwd=place, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
