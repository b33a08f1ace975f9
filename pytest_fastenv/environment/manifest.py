"""What a whole environment was when it was made, kept in its ``.fastenv`` directory.

::

    .fastenv/tree             names, sizes, mtimes, modes and owners of its files (`pytest_fastenv.filesystem.tree`)
    .fastenv/manifest.json    what it was made of, for whom, and the digest of ``tree``
    .fastenv/plan.json        the plan that it was made from, where it was made from one; sealed
    .fastenv/ready            the digest of ``manifest.json``, and the epoch; made last, so without it nothing is whole
    .fastenv/lease            held by runs that use it, where the directory was chosen by its user

Standard library only: this module is on the warm path.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_fastenv.filesystem import tree
from pytest_fastenv.filesystem.tree import OWN_DIRECTORY, Tree
from pytest_fastenv.model.codec import decode, encode
from pytest_fastenv.model.digest import bytes_sha256
from pytest_fastenv.runtime.environment import Environment, ready_mark
from pytest_fastenv.runtime.summary import Summary
from pytest_fastenv.store import durability
from pytest_fastenv.store.buckets import EntryBucket, InStore, Remaking
from pytest_fastenv.store.sealed import load, to_bytes

if TYPE_CHECKING:
    from pytest_fastenv.model.plan import Plan
    from pytest_fastenv.model.protocols import KnownTree

#: The part of a fingerprint that an environment has which was changed after it was made.
CHANGED = "changed"
_MANIFEST = "manifest.json"
_TREE = "tree"
_PLAN = "plan.json"
_READY = "ready"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The description of an environment.

    :ivar fingerprint: the digest of `parts`.
    :ivar parts: what decided about its content (see `pytest_fastenv.environment.fingerprint`).
    :ivar interpreter: ``version``, ``short``, ``identity`` and ``schemes`` of the target.
    :ivar summary: how it was made.
    :ivar tree_sha256: of the file ``tree``.
    :ivar uses: what of the store it was made of: pruning leaves that where it is.
    """

    fingerprint: str
    parts: Mapping[str, Any]
    interpreter: Mapping[str, Any]
    summary: Summary
    tree_sha256: str
    uses: tuple[InStore, ...] = ()

    @property
    def is_changed(self) -> bool:
        """Whether it was changed on purpose after it was made."""
        return CHANGED in self.parts

    def environment(self, prefix: Path) -> Environment:
        """Return the environment that it describes, in a directory."""
        return Environment.at(prefix, self.fingerprint, self.interpreter)


def write(
    prefix: Path,
    fingerprint: str,
    interpreter: Mapping[str, Any],
    summary: Summary,
    uses: Iterable[InStore] = (),
    known: KnownTree | None = None,
) -> Manifest:
    """Record what a finished environment holds. It is not ready with that: see `mark_ready`.

    Looks at every file that nothing is known of, so it blocks for about 7 µs a file.

    :param fingerprint: a `Fingerprint` brings its parts along.
    """
    parts = dict(getattr(fingerprint, "parts", {}))
    described = Manifest(str(fingerprint), parts, dict(interpreter), summary, "", tuple(sorted(set(uses))))
    return _write(prefix, described, tree.snapshot(prefix) if known is None else known.snapshot(prefix))


def add_uses(prefix: Path, uses: Iterable[InStore]) -> None:
    """Record that a whole environment needs more of the store. One that is not whole is left alone.

    Both files are written before either takes its place: a full disk leaves the environment as it was.
    """
    known = read(prefix)
    if known is None or set(uses) <= set(known.uses):
        return
    _replace(prefix, replace(known, uses=tuple(sorted({*known.uses, *uses}))), {}, epoch(prefix))


def write_changed(prefix: Path, root: Path, known: Manifest, fingerprint: str) -> None:
    """Record that a whole environment was changed on purpose: what it holds now is what it is meant to hold.

    Looks at every file.

    :param root: the store's directory.
    :param known: its manifest before.
    :param fingerprint: another one than any environment has that was made at once; a `Fingerprint` brings its parts.
    """
    content = tree.snapshot(prefix).encode()
    changed = replace(
        known,
        fingerprint=str(fingerprint),
        parts=dict(getattr(fingerprint, "parts", {})),
        tree_sha256=bytes_sha256(content),
    )
    now = durability.current(root)
    text = _replace(prefix, changed, {_TREE: content}, now)
    if not durability.is_open(root, now):
        durability.mark(root, str(prefix / OWN_DIRECTORY / _READY), text, again=True)


def _replace(prefix: Path, described: Manifest, files: dict[str, bytes], epoch: str) -> Callable[[str], str]:
    """Replace the description; return what makes its mark of an epoch."""
    from pytest_fastenv.filesystem.private_files import write as write_private  # nothing is written when warm

    own = prefix / OWN_DIRECTORY
    content = _content(described).encode("ascii")
    files |= {_MANIFEST: content, _READY: ready_mark(content, epoch).encode("ascii")}
    for name, new in files.items():
        write_private(own / f"{name}.new", new)
    for name in files:
        os.replace(own / f"{name}.new", own / name)
    return partial(ready_mark, content)


def write_copy(prefix: Path, original: Path, known: Manifest, snapshot: Tree) -> None:
    """Record what a copy of an environment holds, and that it is the same environment as far as people care.

    :param original: the environment that was copied; its plan is kept with the copy as well.
    :param snapshot: what the copy holds.
    """
    from pytest_fastenv.filesystem.private_files import write as write_private  # nothing is written when warm

    _write(prefix, known, snapshot)
    with suppress(FileNotFoundError):  # not every environment was made from a plan
        write_private(prefix / OWN_DIRECTORY / _PLAN, (original / OWN_DIRECTORY / _PLAN).read_bytes())


def _write(prefix: Path, described: Manifest, snapshot: Tree) -> Manifest:
    from pytest_fastenv.filesystem.private_files import write as write_private  # nothing is written when warm

    own = prefix / OWN_DIRECTORY
    own.mkdir(exist_ok=True)
    content = snapshot.encode()
    (own / _TREE).write_bytes(content)
    manifest = replace(described, tree_sha256=bytes_sha256(content))
    write_private(own / _MANIFEST, _content(manifest).encode("ascii"))
    return manifest


def _content(manifest: Manifest) -> str:
    return json.dumps(encode(manifest))


def write_plan(prefix: Path, plan: Plan) -> bytes:
    """Keep the plan with the environment that is filled from it; return what is in the file."""
    text = to_bytes(plan)
    write_plan_text(prefix, text)
    return text


def write_plan_text(prefix: Path, text: bytes) -> None:
    """Keep the plan as `write_plan` wrote it for the same environment elsewhere."""
    from pytest_fastenv.filesystem.private_files import write as write_private  # nothing is written when warm

    own = prefix / OWN_DIRECTORY
    own.mkdir(exist_ok=True)
    write_private(own / _PLAN, text)


def read_plan(prefix: Path) -> Plan | None:
    """Return what `write_plan` was given; ``None`` when there is nothing, or it is damaged."""
    from pytest_fastenv.model.plan import Plan  # not on the warm path

    return load(prefix / OWN_DIRECTORY / _PLAN, Plan)


def mark_ready(prefix: Path, root: Path | None) -> None:
    """Make an environment whole, at its final place: the last step.

    :param root: the store's directory; ``None`` for an environment that nothing uses after the run which makes it.
    :raises FileExistsError: it is whole already.
    """
    own = prefix / OWN_DIRECTORY
    content = (own / _MANIFEST).read_bytes()
    durability.mark(root, str(own / _READY), partial(ready_mark, content))


def epoch(prefix: Path) -> str:
    """Return the epoch that an environment is of (`pytest_fastenv.store.durability`); empty where none is told."""
    try:
        with open(f"{prefix}/{OWN_DIRECTORY}/{_READY}", encoding="ascii") as file:
            return file.read().partition(" ")[2]
    except (OSError, ValueError):
        return ""


def read(prefix: Path) -> Manifest | None:
    """Return the manifest of a whole environment; ``None`` when there is none, or only part of one.

    A manifest that is not the one the ready mark was made for (a power cut may leave that) counts as none.
    """
    own = f"{prefix}/{OWN_DIRECTORY}"
    try:
        with open(f"{own}/{_READY}", encoding="ascii") as file:
            mark = file.read()
        with open(f"{own}/{_MANIFEST}", "rb") as file:
            content = file.read()
        return decode(Manifest, json.loads(content)) if ready_mark(content, mark.partition(" ")[2]) == mark else None
    except (OSError, ValueError):
        return None


def difference(prefix: Path, manifest: Manifest) -> str | None:
    """Say in one line how an environment differs from what it was when it was made; ``None`` when it does not.

    Also when its interpreter is gone or replaced: it does not start, or not as it did, then.
    """
    known = read_tree(prefix, manifest)
    if known is None:
        return "the list of its files is damaged"
    gone = missing_interpreter(prefix, manifest)
    if gone is not None:
        return gone
    change = tree.first_change(prefix, known)
    return change.removeprefix(f"{manifest.interpreter['schemes']['purelib']}/") if change else None


def missing_interpreter(prefix: Path, manifest: Manifest) -> str | None:
    """Say that an environment's interpreter is gone, and where it was; ``None`` where it is there."""
    python = manifest.environment(prefix).python
    return None if os.path.exists(python) else f"its interpreter is gone ({os.path.realpath(python)})"


def read_tree(prefix: Path, manifest: Manifest) -> Tree | None:
    """Return what an environment held when it was made; ``None`` when the list is gone or damaged."""
    try:
        with open(f"{prefix}/{OWN_DIRECTORY}/{_TREE}", "rb") as file:
            content = file.read()
        return Tree.decode(content) if bytes_sha256(content) == manifest.tree_sha256 else None
    except (OSError, ValueError):
        return None


def is_ours(prefix: Path) -> bool:
    """Tell whether a directory holds an environment made by this package, whole or not."""
    return os.path.isfile(f"{prefix}/{OWN_DIRECTORY}/{_MANIFEST}")


def is_whole(prefix: Path) -> bool:
    """Tell whether a directory has the ready mark: one look at the file system."""
    return os.path.exists(f"{prefix}/{OWN_DIRECTORY}/{_READY}")


def _check(prefix: Path) -> str | None:
    known = read(prefix)
    if known is None:
        return "its manifest is damaged"
    change = difference(prefix, known)
    if change is not None or known.is_changed:
        return change
    from pytest_fastenv.environment.recorded_digests import other_content  # runs compare sizes and times

    return other_content(prefix, known.interpreter["schemes"])


def _uses(prefix: Path) -> Iterable[InStore]:
    known = read(prefix)
    return known.uses if known is not None else ()


def _projects(prefix: Path) -> Iterable[str]:
    plan = read_plan(prefix)
    return () if plan is None else [one.name for one in plan.distributions]


def _lease(prefix: Path) -> Path:
    return prefix.parent / ".leases" / f"{prefix.name}.lock"


ENVIRONMENTS = EntryBucket(
    name="environments",
    version=None,
    about="the environments that tests run in (unless another directory is chosen for them)",
    remaking=Remaking.LINKED,
    check=_check,
    refers_to=_uses,
    projects=_projects,
    mark=f"{OWN_DIRECTORY}/{_READY}",
    has_shards=False,
    lease=_lease,
)
