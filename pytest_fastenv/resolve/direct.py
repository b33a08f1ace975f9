"""Candidates that are named directly: archives by URL, local projects, editables, git repositories."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import assert_never
from urllib.parse import unquote, urlsplit, urlunsplit

from packaging.specifiers import SpecifierSet
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from pytest_fastenv.errors import MetadataError, NoSolutionError, UnsupportedWheelError, option
from pytest_fastenv.filesystem.source_digest import source_digest
from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.metadata import CoreMetadata
from pytest_fastenv.model.plan import DirectUrl, SdistSource, Source, TreeSource, WheelSource, archive_source
from pytest_fastenv.model.protocols import SourceMetadata
from pytest_fastenv.model.reference import (
    ArchiveReference,
    DirectoryReference,
    IndexReference,
    LockedReference,
    RepositoryReference,
)
from pytest_fastenv.model.request import ConfigSettings, Wanted
from pytest_fastenv.resolve.candidates import ArtifactChoice, Candidate, Policy, Refusal
from pytest_fastenv.tools import Tools
from pytest_fastenv.wheel.platforms import made_for

#: Files with fixed names that decide about a project: parts of the key of an editable one.
STATIC_FILES = ("pyproject.toml", "setup.py", "setup.cfg")


@dataclass(frozen=True, slots=True)
class Directs:
    """Turns direct references into candidates; what it needs to do so.

    Looking at one may download an archive, clone a repository and run a build backend.
    """

    tools: Tools
    sources: SourceMetadata
    policy: Policy
    choice: ArtifactChoice

    async def examine(self, wanted: Wanted) -> Candidate:
        """Return the one candidate that a direct reference stands for, with its metadata.

        :raises NoSolutionError: it is another project than the requirement says, or not for this interpreter.
        :raises MetadataError: its metadata cannot be used.
        """
        self.policy.demands.check_kind(wanted.name, wanted)
        if isinstance(wanted.reference, LockedReference):
            return self._locked(wanted.reference, wanted)
        source, direct = await self._source(wanted)
        match source:
            case WheelSource(artifact) if not artifact.url.startswith("file:"):
                metadata = await self.sources.wheel_metadata(artifact)  # it was fetched to be identified
            case _:
                metadata = await self.metadata(source, wanted.name)
        name = canonicalize_name(metadata.name)
        if wanted.name is not None and name != wanted.name:
            raise NoSolutionError(
                f"{wanted.text} is the project {metadata.name}, not {wanted.name}",
                where=str(wanted.location),
                hint=f"write {metadata.name} in front of the @, or correct the address",
            )
        if wanted.name is None:
            source = await self._checked(source, name, wanted)
        if not self.choice.fits_python(metadata.requires_python):
            raise NoSolutionError(
                f"{metadata.name} {metadata.version} needs Python {metadata.requires_python}",
                where=str(wanted.location),
                why=f"the environment is for {self.policy.target.short}",
                hint=f"choose another interpreter with {option('python')}",
            )
        try:
            version = Version(metadata.version)
        except InvalidVersion as error:
            raise MetadataError(f"{wanted.text} has no valid version", why=str(error)) from error
        if wanted.specifier and not SpecifierSet(wanted.specifier).contains(version, prereleases=True):
            raise NoSolutionError(
                f"{wanted.text} is {metadata.name} {version}, and its #egg= says {wanted.specifier}",
                where=str(wanted.location),
                hint="name the archive or the revision of that version, or leave the version out",
            )
        return Candidate(name, version, str(version), source.named(name, str(version)), direct, metadata)

    def _locked(self, named: LockedReference, wanted: Wanted) -> Candidate:
        """Choose among the files of a release that is locked. What it needs is locked, too: nothing is read for it."""
        found = self.choice.best(wanted.name or "", Version(named.version), named.files)
        if isinstance(found, Refusal):
            raise found.fault or NoSolutionError(
                f"{wanted.location} has no file of {wanted.name} {named.version} for {self.policy.target.short} "
                f"on {self.policy.target.platform}",
                where=str(wanted.location),
                why=f"{wanted.name} {named.version} {found.reason}",
                hint="lock it again for this interpreter and platform, or choose the ones it was made for",
            )
        return replace(found, metadata=CoreMetadata(found.name, found.text, (), None, ()))

    async def _source(self, wanted: Wanted) -> tuple[Source, DirectUrl]:
        settings = wanted.config_settings or self.policy.settings_of(wanted.name or "")
        match wanted.reference:
            case DirectoryReference() as named:
                look = partial(tree_digest, named.project, editable=named.editable)
                content = await self.sources.quiet(named.project, look)
                tree = TreeSource(
                    named.project,
                    content,
                    editable=named.editable,
                    config_settings=settings,
                    through_sdist=named.through_sdist,
                )
                return tree, DirectUrl(
                    named.path.as_uri(), named.subdirectory, is_directory=True, editable=named.editable
                )
            case RepositoryReference() as named:
                return await self._checkout(named, settings, wanted.text)
            case ArchiveReference() as named:
                artifact = self._artifact(named.url, wanted)
                if artifact.kind == "sdist":
                    self.policy.demands.check_held(wanted.name, wanted.text, own=wanted.hashes)
                url = without_credentials(artifact.url)
                # What it is installed as is its content, not its address.
                artifact = await self.sources.identified(artifact)
                (digests,) = artifact.hashes.demands
                direct = DirectUrl(url, named.subdirectory, archive_hashes=digests)
                return archive_source(artifact, named.subdirectory, settings), direct
            case IndexReference() | LockedReference():
                msg = f"{wanted.text} names no source"
                raise ValueError(msg)
        assert_never(wanted.reference)

    async def _checked(self, source: Source, name: str, wanted: Wanted) -> Source:
        """Return a source of which only its metadata could tell the project, held against what is demanded of that."""
        self.policy.demands.check_kind(name, wanted)
        match source:
            case WheelSource(artifact) | SdistSource(artifact):
                demanded = artifact.hashes & self.policy.demands.on(name)
                return replace(source, artifact=await self.sources.identified(replace(artifact, hashes=demanded)))
            case TreeSource():
                return source
        assert_never(source)

    async def _checkout(
        self, named: RepositoryReference, settings: ConfigSettings, text: str
    ) -> tuple[TreeSource, DirectUrl]:
        # Only installations from a repository pay for the import.
        from pytest_fastenv.index.git import checkout

        tools = self.tools
        found = await checkout(named.vcs, tools.store, tools.recorder, offline=tools.offline, pools=tools.pools)
        if named.editable:
            tools.recorder.notice(
                "info", f"{text} is installed as a wheel: a checkout in the store is not there to be edited"
            )
        tree = TreeSource(
            found.path / (named.subdirectory or ""),
            found.commit,
            checkout=True,
            subdirectory=named.subdirectory,
            config_settings=settings,
        )
        vcs = replace(named.vcs, url=without_credentials(named.vcs.url), commit=found.commit)
        return tree, DirectUrl(vcs.url, named.subdirectory, vcs=vcs)

    def _artifact(self, url: str, wanted: Wanted) -> Artifact:
        filename = unquote(urlsplit(url).path.rpartition("/")[2])
        name, version = wanted.name or "", ""
        try:
            if filename.endswith(".whl"):
                project, number, *_ = parse_wheel_filename(filename)
            else:
                project, number = parse_sdist_filename(filename)
            name, version = project, str(number)
        except InvalidWheelFilename as error:
            raise UnsupportedWheelError(
                f"{filename} is not a name that a wheel can have", where=str(wanted.location), why=str(error)
            ) from error
        except InvalidSdistFilename:
            pass  # an archive by any other name: what it is, only its metadata can tell
        hashes = wanted.hashes & self.policy.demands.on(wanted.name or name)
        artifact = Artifact(name, version, filename, url, hashes=hashes)
        if artifact.kind == "wheel" and not self.choice.fits_platform(artifact):
            raise NoSolutionError(
                f"{filename} is not for {self.policy.target.short} on {self.policy.target.platform}",
                where=str(wanted.location),
                why=f"it is for {made_for([filename])}",
                hint="name a wheel for this interpreter, or the source distribution",
            )
        return artifact

    async def metadata(self, source: Source, name: str | None) -> CoreMetadata:
        """Return the core metadata of a source: a wheel's own, or what a build of it would have.

        :param name: as far as known, for messages.
        """
        match source:
            case WheelSource(artifact):
                return await self.tools.index.metadata(artifact)
            case SdistSource() | TreeSource():
                return await self.sources.metadata(source, name)
        assert_never(source)


def without_credentials(url: str) -> str:
    """Return a URL as it may be recorded: no user and password, except the user of ssh addresses (PEP 610)."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at or (parts.scheme.endswith("ssh") and ":" not in user):
        return url
    return urlunsplit(parts._replace(netloc=host))


def tree_digest(path: Path, *, editable: bool) -> str:
    """Return a digest that changes when a build of the tree could give another wheel. Blocks on the file system.

    For an editable it is the content of the files that decide its metadata; its code is used where it lies.
    """
    if not editable:
        return source_digest(path)
    digest = hashlib.sha256(os.fsencode(path))
    for name in STATIC_FILES:
        file = path / name
        content = file.read_bytes() if os.path.isfile(file) else b""
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
