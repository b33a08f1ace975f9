"""Locks: what an environment would hold now, as a lock file says it (PEP 751)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path
from typing import Any, assert_never

from packaging.markers import Marker
from packaging.pylock import (
    Package,
    PackageArchive,
    PackageDirectory,
    PackageSdist,
    PackageVcs,
    PackageWheel,
    Pylock,
)
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from pytest_fastenv.environment.places import Missing
from pytest_fastenv.errors import InterpreterNotFoundError, UnknownProjectError
from pytest_fastenv.index.urls import local_path
from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.plan import DirectUrl, Distribution, SdistSource, TreeSource, Vcs, WheelSource
from pytest_fastenv.model.reference import RepositoryReference
from pytest_fastenv.model.request import Request, Wanted, moment_of
from pytest_fastenv.model.target import Target
from pytest_fastenv.provisioning.cold_path import begin
from pytest_fastenv.provisioning.engine import Engine
from pytest_fastenv.provisioning.question import Question
from pytest_fastenv.resolve.direct import without_credentials
from pytest_fastenv.store.store import Store

CREATED_BY = "pytest-fastenv"
#: What decides which releases and files are taken; the lock is for interpreters and platforms that say the same.
_MARKERS = ("implementation_name", "platform_machine", "python_version", "sys_platform")


@dataclass(frozen=True, slots=True)
class Kept:
    """What an earlier lock file says that is to stay where nothing speaks against it.

    :ivar versions: by normalized name.
    :ivar commits: by a repository's address and what was asked for of it.
    """

    versions: Mapping[str, str]
    commits: Mapping[tuple[str, str | None], str]

    @classmethod
    def of(cls, lock: Pylock | None, moving: Collection[str] = ()) -> Kept:
        """Take from a lock file what is locked, without some projects that are to move."""
        names = set(map(canonicalize_name, moving))
        packages = [one for one in (lock.packages if lock is not None else ()) if one.name not in names]
        versions = {str(one.name): str(one.version) for one in packages if one.version and (one.wheels or one.sdist)}
        commits = {
            (one.vcs.url, one.vcs.requested_revision): one.vcs.commit_id for one in packages if one.vcs and one.vcs.url
        }
        return cls(versions, commits)

    def applied(self, request: Request) -> Request:
        """Return a request whose repositories are at the commits that are kept."""
        return replace(request, wanted=tuple(map(self._applied, request.wanted)))

    def _applied(self, wanted: Wanted) -> Wanted:
        match wanted.reference:
            case RepositoryReference(vcs=vcs) if commit := self.commits.get((_bare(vcs), vcs.revision)):
                return replace(wanted, reference=replace(wanted.reference, vcs=replace(vcs, revision=commit)))
        return wanted

    def asked_revision(self, vcs: Vcs) -> str | None:
        """Return what was asked for of a repository before its commit was put in that place."""
        asked = [revision for (url, revision), commit in self.commits.items() if (url, commit) == (vcs.url, vcs.commit)]
        return asked[0] if asked and vcs.revision == vcs.commit else vcs.revision


def _bare(vcs: Vcs) -> str:
    return without_credentials(vcs.url)


async def lock(
    asked: Question, store: Store, target: Target | InterpreterNotFoundError, directory: Path, kept: Kept
) -> Pylock:
    """Resolve a question and return the lock for it. Nothing is installed.

    :param asked: without a lock file, and without what a session needs.
    :param directory: where the lock file will lie: paths in it are relative to that.
    :raises FastenvError: the request is wrong, or it cannot be resolved.
    """
    async with begin(asked, store, target, Missing()) as assembly:
        engine = assembly.engine
        resolution = await engine.resolve(kept.applied(assembly.request), kept.versions)
        writer = _Writer(engine, directory, kept)
        packages = await asyncio.gather(*map(writer.package, resolution.plan.distributions))
        markers = engine.target.markers
    return Pylock(
        lock_version=Version("1.0"),
        environments=[Marker(" and ".join(f"{name} == '{markers[name]}'" for name in _MARKERS))],
        requires_python=SpecifierSet(f"=={markers['python_version']}.*"),
        created_by=CREATED_BY,
        packages=sorted(packages, key=lambda package: package.name),
    )


class _Writer:
    """Says of distributions where they come from."""

    def __init__(self, engine: Engine, directory: Path, kept: Kept) -> None:
        self._engine = engine
        self._directory = directory
        self._kept = kept
        self._tags = frozenset(engine.target.tags)

    async def package(self, distribution: Distribution) -> Package:
        """Return a distribution as a package of a lock file."""
        name, version = canonicalize_name(distribution.name), Version(distribution.version)
        direct = distribution.direct_url
        match distribution.source:
            case TreeSource() as tree:
                if direct is not None and direct.vcs is not None:
                    return Package(name=name, vcs=self._vcs(direct, direct.vcs))
                directory = PackageDirectory(path=self._relative(tree.path), editable=tree.editable or None)
                return Package(name=name, directory=directory)
            case WheelSource(artifact) | SdistSource(artifact) if direct is not None:
                subdirectory = direct.subdirectory
                url, path = self._place(artifact)
                archive = PackageArchive(url=url, path=path, hashes=_hashes(artifact), subdirectory=subdirectory)
                return Package(name=name, version=version, archive=archive)
            case WheelSource(artifact) | SdistSource(artifact):
                files = await self._files(artifact)
                sdists = [PackageSdist(**self._fields(file)) for file in files if file.kind == "sdist"]
                wheels = [PackageWheel(**self._fields(file)) for file in files if file.kind == "wheel"]
                index = artifact.index_url if artifact.index_url and artifact.index_url.startswith("http") else None
                return Package(
                    name=name,
                    version=version,
                    index=without_credentials(index) if index else None,
                    sdist=sdists[0] if sdists else None,
                    wheels=wheels or None,
                )
        assert_never(distribution.source)

    async def _files(self, chosen: Artifact) -> list[Artifact]:
        """Return the files of a release that this interpreter could use, as far as their digests are known.

        What was chosen is among them. Where that is a source distribution, wheels are left out: they were excluded.
        """
        try:
            project = await self._engine.tools.index.project(chosen.name)
            spelled = [text for text in project.versions if Version(text) == Version(chosen.version)]
            files: Sequence[Artifact] = project.files(spelled[0]) if spelled else ()
        except UnknownProjectError:
            files = ()
        fitting = [file for file in files if file.filename != chosen.filename and self._fits(file, chosen)]
        return sorted([chosen, *fitting], key=lambda file: file.filename)

    def _fits(self, file: Artifact, chosen: Artifact) -> bool:
        if not file.hashes.sha256 or (file.yanked is not None and chosen.yanked is None):
            return False
        if file.kind == "sdist":
            return chosen.kind == "wheel"
        return chosen.kind == "wheel" and not self._tags.isdisjoint(_tags(file.filename))

    def _fields(self, file: Artifact) -> dict[str, Any]:
        url, path = self._place(file)
        uploaded = moment_of(file.upload_time).astimezone(UTC) if file.upload_time else None
        return {
            "name": file.filename,
            "upload_time": uploaded,
            "url": url,
            "path": path,
            "size": file.size_bytes,
            "hashes": _hashes(file),
        }

    def _place(self, artifact: Artifact) -> tuple[str | None, str | None]:
        """Return a file's URL, or its path where it lies on this machine."""
        if artifact.url.startswith("file:"):
            return None, self._relative(local_path(artifact.url))
        return without_credentials(artifact.url), None

    def _relative(self, path: Path) -> str:
        return Path(os.path.relpath(path, self._directory)).as_posix()

    def _vcs(self, direct: DirectUrl, vcs: Vcs) -> PackageVcs:
        on_disk = vcs.url.startswith("file:")
        return PackageVcs(
            type="git",
            url=None if on_disk else vcs.url,
            path=self._relative(local_path(vcs.url)) if on_disk else None,
            requested_revision=self._kept.asked_revision(vcs),
            commit_id=vcs.commit or "",
            subdirectory=direct.subdirectory,
        )


def _hashes(artifact: Artifact) -> dict[str, str]:
    return dict(pair for demand in artifact.hashes.demands if len(demand) == 1 for pair in demand)


def _tags(filename: str) -> set[str]:
    pythons, abis, platforms = (part.split(".") for part in filename[:-4].lower().split("-")[-3:])
    return {f"{python}-{abi}-{platform}" for python in pythons for abi in abis for platform in platforms}
