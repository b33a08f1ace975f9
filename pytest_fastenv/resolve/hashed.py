"""The check of ``--require-hashes``: everything pinned, everything with a digest, transitive requirements too."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import assert_never

from pytest_fastenv.errors import RequirementsError
from pytest_fastenv.model.plan import Distribution, SdistSource, TreeSource, WheelSource
from pytest_fastenv.model.request import Wanted

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def check_hashes(distributions: Sequence[Distribution], wanted: Sequence[tuple[Wanted, str]]) -> None:
    """Refuse a plan in which something is not fixed by content.

    The pin and the hash of a project may stand in different lines, such as a constraint.

    A project's directory on this machine is let pass: it is the user's own, and has no digest. So is a repository
    at a commit that is written out, for that is one.

    :raises RequirementsError: names everything that lacks a hash or a pin, each with a line to paste.
    """
    hashed = {name for want, name in wanted if want.hashes}
    pinned = {name for want, name in wanted if want.reference.is_direct or _is_pin(want.specifier)}
    fixed = hashed & pinned
    lacking = [d for d in distributions if d.name not in fixed and not _by_itself(d)]
    if not lacking:
        return
    places = [str(want.location) for want, name in wanted if name in {d.name for d in lacking}]
    raise RequirementsError(
        f"hashes are required, and {len(lacking)} of {len(distributions)} distributions lack a hash or a == pin",
        where=", ".join(dict.fromkeys(places)) or None,
        why="\n".join(_line(distribution) for distribution in lacking),
        hint="add these lines to the requirements file, after looking whether you trust them",
    )


def _is_pin(specifier: str) -> bool:
    return any(part.strip().startswith("==") and not part.endswith(".*") for part in specifier.split(","))


def _by_itself(distribution: Distribution) -> bool:
    if distribution.source.has_digest:
        return False
    vcs = distribution.direct_url.vcs if distribution.direct_url else None
    return vcs is None or bool(vcs.revision and _COMMIT.fullmatch(vcs.revision))


def _line(distribution: Distribution) -> str:
    by = f"  # for {', '.join(distribution.required_by)}" if distribution.required_by else ""
    direct = distribution.direct_url
    match distribution.source:
        case WheelSource(artifact) | SdistSource(artifact):
            known = [pair for pair in artifact.hashes.values if pair[0] == "sha256"] or list(artifact.hashes.values)
            pin = f"{distribution.name} @ {direct.url}" if direct else f"{distribution.name}=={distribution.version}"
            hashes = "".join(f" --hash={algorithm}:{digest}" for algorithm, digest in known[:1])
            return f"{pin}{hashes or '  (the index announces no hash)'}{by}"
        case TreeSource():
            commit = direct.vcs.commit if direct and direct.vcs else None
            return f"{distribution.name} @ git+{direct.url if direct else ''}@{commit}{by}"
    assert_never(distribution.source)
