"""Demanded hashes: which hold for a project, wherever they stand, and what ``--require-hashes`` wants besides.

A hash that any line demands for a project, or a URL's fragment in a line that names it, holds for whatever is installed
for the project: a file of an index, an archive by URL or path. A directory or a repository cannot be held against it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import assert_never

from pytest_fastenv.errors import FailureGroup, HashError, NoSolutionError, RequirementsError
from pytest_fastenv.index.urls import shown
from pytest_fastenv.model.artifact import WEAK_ALGORITHMS, Artifact, Hashes
from pytest_fastenv.model.plan import Distribution, SdistSource, TreeSource, WheelSource
from pytest_fastenv.model.request import Request, Wanted

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


_NOTHING = Hashes()
_SHOWN = 8
_HINT = "if you trust the file, write {digest} in {where}; else find out why it is another one than it was"


@dataclass(frozen=True, slots=True)
class Demands:
    """The hashes that lines demand, by project.

    :ivar lines: requirements and constraints with hashes that apply to the target, by normalized name.
    :ivar hashes: what they demand together.
    :ivar required: everything has to have one.
    """

    lines: Mapping[str, Sequence[Wanted]] = field(default_factory=dict)
    hashes: Mapping[str, Hashes] = field(default_factory=dict)
    required: bool = False

    @classmethod
    def of(cls, wanted: Iterable[Wanted], *, required: bool = False) -> Demands:
        """Gather the hashes of requirements and constraints that apply."""
        lines: dict[str, list[Wanted]] = {}
        hashes: dict[str, Hashes] = {}
        for one in wanted:
            if one.name is not None and one.hashes:
                lines.setdefault(one.name, []).append(one)
                hashes[one.name] = hashes.get(one.name, _NOTHING) & one.hashes
        return cls(lines, hashes, required)

    def on(self, name: str | None) -> Hashes:
        """Return what is demanded of a project, whichever of its files is used."""
        return self.hashes.get(name, _NOTHING) if name else _NOTHING

    def check_kind(self, name: str | None, wanted: Wanted) -> None:
        """Refuse a source that has no digest for a project of which one is demanded.

        :param wanted: names the source.
        :raises RequirementsError: the text names both lines.
        """
        lines = self.lines.get(name or "")
        if not lines or wanted.reference.has_digest:
            return
        raise RequirementsError(
            f"a hash is demanded of {name}, and {wanted.text} is a directory or a repository: it has none",
            where=", ".join(dict.fromkeys(str(line.location) for line in (wanted, *lines))),
            why="\n".join(f"{line.location}: {line.text} demands {_digests(line.hashes)}" for line in lines),
            hint=f"name a wheel or a source distribution of {name}, or leave out the hash",
        )

    def mismatch(self, release: str, name: str, files: Sequence[Artifact]) -> NoSolutionError:
        """Return the diagnosis of a release whose files are all announced with other digests than are demanded."""
        unmet = [line for line in self.lines[name] if not all(line.hashes.may_accept(file.hashes) for file in files)]
        expected = [f"expected {_digests(line.hashes)} ({line.location})" for line in unmet]
        got = [
            f"got      {_digests(file.hashes)} ({file.filename}, {shown(file.index_url or file.url)})" for file in files
        ]
        places = list(dict.fromkeys(str(line.location) for line in unmet))
        demanding = f"{' and '.join(places)} demand{'s' if len(places) == 1 else ''}"
        return NoSolutionError(
            f"no file of {release} has the hash that {demanding}",
            where=", ".join(places),
            why="\n".join([*expected, *got[:_SHOWN]]),
            hint=_HINT.format(digest=_digests(files[0].hashes), where=unmet[0].location),
        )

    def check_held(self, name: str | None, text: str, *, own: Hashes = _NOTHING) -> None:
        """Refuse what has no hash where hashes are required, before it is built.

        `check_hashes` tells of everything that lacks one; for what only a build could tell, that is too late.

        :param name: as far as known.
        :param own: what the line demands that names it.
        :raises RequirementsError: no line demands a hash of it.
        """
        if self.required and not self.on(name) and not (name is None and own):
            raise RequirementsError(
                f"hashes are required, and {text} has none: it is not built to see what it needs",
                hint=f"add a line for {name or text} with --hash=sha256:..., or ask for it as a wheel",
            )


def _digests(hashes: Hashes) -> str:
    texts = [f"{algorithm}:{digest}" for demand in hashes.demands for algorithm, digest in demand]
    more = [f"{len(texts) - _SHOWN} more"] if len(texts) > _SHOWN else []
    return " or ".join([*texts[:_SHOWN], *more])


@contextmanager
def naming_lines(request: Request) -> Iterator[None]:
    """Add to hash errors which lines of a request demand the digests that were expected.

    A digest tells its line, so nothing about lines is kept with plans, which outlive the files they were asked for in.
    """
    try:
        yield
    except HashError as error:
        raise _told(error, request) from error.__cause__
    except FailureGroup as group:
        told = [_told(one, request) if isinstance(one, HashError) else one for one in group.failures]
        raise FailureGroup(told) from group.__cause__


def _told(error: HashError, request: Request) -> HashError:
    places: dict[str, list[str]] = {}
    for wanted in (*request.wanted, *request.constraints):
        for algorithm, digest in (pair for demand in wanted.hashes.demands for pair in demand):
            places.setdefault(f"expected {algorithm} {digest}", []).append(str(wanted.location))
    lines = (error.why or "").splitlines()
    named = [place for line in lines for place in places.get(line, ())]
    if not named:
        return error
    got = next((line.split()[1:] for line in lines if line.startswith("got ")), [])
    return HashError(
        error.what.replace("that was announced", "that is demanded"),
        where=", ".join(dict.fromkeys(named)),
        why="\n".join(f"{line} ({', '.join(places[line])})" if line in places else line for line in lines),
        hint=_HINT.format(digest=":".join(got), where=named[0]),
    )


def check_hashes(distributions: Sequence[Distribution], wanted: Sequence[tuple[Wanted, str]], *, pins: bool) -> None:
    """Refuse a plan in which something is not fixed by content.

    :param pins: it has to be fixed by ``==`` as well, as ``--require-hashes`` wants it.

    The pin and the hash of a project may stand in different lines, such as a constraint.

    A project's directory on this machine is let pass: it is the user's own, and has no digest. So is a repository
    at a commit that is written out, for that is one.

    :raises RequirementsError: names everything that lacks a hash or a pin, each with a line to paste.
    """
    hashed = {name for want, name in wanted if want.hashes}
    pinned = {name for want, name in wanted if want.reference.is_direct or _is_pin(want.specifier)}
    fixed = hashed & pinned if pins else hashed
    lacking = [d for d in distributions if d.name not in fixed and not _by_itself(d)]
    if not lacking:
        return
    places = [str(want.location) for want, name in wanted if name in {d.name for d in lacking}]
    what = "a hash or a == pin" if pins else "a hash"
    raise RequirementsError(
        f"hashes are required, and {len(lacking)} of {len(distributions)} distributions lack {what}",
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
            known = artifact.hashes.demands[0][0] if artifact.hashes else None
            pin = f"{distribution.name} @ {direct.url}" if direct else f"{distribution.name}=={distribution.version}"
            hashes = f" --hash={known[0]}:{known[1]}" if known and known[0] not in WEAK_ALGORITHMS else ""
            return f"{pin}{hashes or '  (the index announces no hash)'}{by}"
        case TreeSource():
            commit = direct.vcs.commit if direct and direct.vcs else None
            return f"{distribution.name} @ git+{direct.url if direct else ''}@{commit}{by}"
    assert_never(distribution.source)
