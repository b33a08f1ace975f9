"""Checkouts of git repositories: one mirror per repository in the store, one tree per commit.

A tree has its ``.git``, because build backends take versions from tags and lists of files from the index. For the same
reason history is not cut: a version that is derived from a shallow history is silently wrong.

::

    repositories-v1/ab/<digest of the URL>/                     a mirror
    checkouts-v2/ab/<key of URL and commit>/tree/               a commit's tree, submodules included
    checkouts-v2/ab/<key of URL and commit>/listing             what the tree held when it was made, sealed
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from pytest_fastenv.errors import OfflineMissError, ProvideError, RequestError, option
from pytest_fastenv.filesystem import tree as trees
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.index.git_command import Git
from pytest_fastenv.index.urls import shown
from pytest_fastenv.model.digest import key_of
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.plan import Vcs
from pytest_fastenv.runtime.sealed import seal, unseal
from pytest_fastenv.schedule.pools import Pools
from pytest_fastenv.store.buckets import EntryBucket, Remaking
from pytest_fastenv.store.store import Store

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_ABBREVIATED = re.compile(r"[0-9a-f]{7,64}")
_HEAD = "refs/fastenv/HEAD"
_TREE, _LISTING = "tree", "listing"
_REFS = (f"+HEAD:{_HEAD}", "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")


@dataclass(frozen=True, slots=True)
class Checkout:
    """A commit's tree in the store, submodules included. It is never changed: builds copy it."""

    path: Path
    commit: str


def _check_checkout(entry: Path) -> str | None:
    try:
        listing = trees.Tree.decode(unseal((entry / _LISTING).read_bytes()))
    except (OSError, ValueError):
        return "the list of its files is damaged"
    return trees.first_change(entry / _TREE, listing)


def _check_mirror(entry: Path) -> str | None:
    return None if (entry / "objects").is_dir() else "its objects are gone"


REPOSITORIES = EntryBucket(
    name="repositories",
    version=1,
    about="mirrors of git repositories",
    remaking=Remaking.FETCHED,
    check=_check_mirror,
    mark="HEAD",
)
CHECKOUTS = EntryBucket(
    name="checkouts",
    version=2,
    about="trees of git repositories, by commit",
    remaking=Remaking.FETCHED,
    check=_check_checkout,
)


async def checkout(
    vcs: Vcs,
    store: Store,
    recorder: Recorder,
    *,
    offline: bool,
    environ: Mapping[str, str] = os.environ,
    pools: Pools | None = None,
) -> Checkout:
    """Return the tree of a revision: branch, tag, commit (abbreviated too), ``refs/...`` or the default branch.

    A commit that is in the store costs no network. A name is looked up anew each time, since branches move; offline
    it means the commit that it meant the last time. Branches count before tags.

    :param environ: variables for git; those that keep it from asking questions are added.
    :param pools: whose permits are held: one to download while the mirror is brought up to date, one to install while
        the tree is laid out (and its submodules are fetched).
    :raises RequestError: the repository has no such revision.
    :raises OfflineMissError: the commit is not in the store.
    :raises ProvideError: git failed.
    """
    git = Git(vcs.url, environ)
    revision = vcs.commit or vcs.revision
    if revision is not None and revision.startswith("-"):
        raise RequestError(f"{git.url}: {revision!r} is no revision")
    if revision is not None and _COMMIT.fullmatch(revision):
        found = store.lookup(CHECKOUTS, key_of(git.url, revision))
        if found is not None:
            store.note_use(CHECKOUTS, found.name)
            return Checkout(found / _TREE, revision)
    mirror = store.path(REPOSITORIES, key_of(git.url))
    async with (
        pools.artifact() if pools else nullcontext(),
        store.lock(REPOSITORIES, mirror.name, subject=shown(git.url)),
        pools.download() if pools else nullcontext(),
    ):
        with recorder.span("fetch", shown(git.url), source="network", revision=revision or "HEAD") as span:
            commit = await _update(git, mirror, revision, offline=offline)
            span.args["commit"] = commit
    store.note_use(REPOSITORIES, mirror.name)
    key = key_of(git.url, commit)

    # Outside the mirror's lock: a mirror only gains objects, and each is written whole.
    async def make(directory: Path) -> None:
        async with pools.install() if pools else nullcontext():
            with recorder.span("unpack", shown(git.url), source="network", key=key, commit=commit):
                await _make_tree(git, mirror, commit, directory / _TREE, offline=offline)
                await in_thread(_write_listing, directory)

    async with pools.artifact() if pools else nullcontext():
        path = await store.publish(CHECKOUTS, key, make, subject=shown(git.url))
    return Checkout(path / _TREE, commit)


def _write_listing(directory: Path) -> None:
    (directory / _LISTING).write_bytes(seal(trees.snapshot(directory / _TREE).encode()))


async def _update(git: Git, mirror: Path, revision: str | None, *, offline: bool) -> str:
    """Bring the mirror up to date as far as the revision needs it; return the commit. The mirror's lock is held."""
    is_commit = revision is not None and _COMMIT.fullmatch(revision) is not None
    known = (mirror / "HEAD").exists()
    if known and (offline or is_commit):
        commit = await _commit(git, mirror, revision)
        if commit is not None:
            return commit
    if offline:
        raise OfflineMissError(
            f"{git.url} at {revision or 'its default branch'} is needed and the network is not to be used",
            hint=f"run once without {option('offline')}",
        )
    if not known:
        mirror.parent.mkdir(parents=True, exist_ok=True)
        await git.run("init", "--quiet", "--bare", "--", str(mirror))
    named = [f"+{revision}:{revision}"] if revision is not None and revision.startswith("refs/") else []
    await git.run("fetch", "--quiet", "--force", "--prune", "--no-tags", "--", git.url, *_REFS, *named, at=mirror)
    commit = await _commit(git, mirror, revision)
    if commit is None and revision is not None and is_commit:
        # A commit on no branch or tag: servers may give it when it is asked for by name.
        try:
            await git.run("fetch", "--quiet", "--no-tags", "--", git.url, revision, at=mirror)
        except ProvideError as error:
            raise _unknown(git, revision, error.why) from error
        commit = await _commit(git, mirror, revision)
    if commit is None:
        raise _unknown(git, revision, None)
    return commit


async def _commit(git: Git, mirror: Path, revision: str | None) -> str | None:
    """Return the commit that a revision means in the mirror, else ``None``."""
    if revision is None:
        names = [_HEAD]
    elif revision.startswith("refs/"):
        names = [revision]
    else:
        names = [f"refs/heads/{revision}", f"refs/tags/{revision}"]
        if _ABBREVIATED.fullmatch(revision):
            names.append(revision)
    for name in names:
        commit = await git.ask("rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}", at=mirror)
        if commit is not None:
            return commit
    return None


async def _make_tree(git: Git, mirror: Path, commit: str, tree: Path, *, offline: bool) -> None:
    # Objects are hard links where the file system has them, so the tree outlives the mirror.
    await git.run("clone", "--quiet", "--local", "--no-checkout", "--", str(mirror), str(tree))
    await git.run("remote", "set-url", "origin", git.url, at=tree)
    await git.run("checkout", "--quiet", "--detach", commit, at=tree)
    if (tree / ".gitmodules").is_file():
        if offline:
            raise OfflineMissError(f"{git.url} has submodules and the network is not to be used")
        await git.run("submodule", "--quiet", "update", "--init", "--recursive", at=tree)


def _unknown(git: Git, revision: str | None, why: str | None) -> RequestError:
    return RequestError(
        f"{git.url} has no revision {revision or 'HEAD'}",
        why=why,
        hint="name a branch, a tag, a commit or a full reference such as refs/pull/1/head",
    )
