"""Read lock files: https://packaging.python.org/en/latest/specifications/pylock-toml/ (PEP 751), of whichever tool."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from packaging.pylock import (
    Package,
    PackageArchive,
    PackageDirectory,
    PackageSdist,
    PackageVcs,
    PackageWheel,
    Pylock,
    PylockUnsupportedVersionError,
    PylockValidationError,
)
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

from pytest_fastenv.errors import RequirementsError
from pytest_fastenv.model.artifact import ALGORITHMS, Artifact, Hashes
from pytest_fastenv.model.location import Location
from pytest_fastenv.model.plan import Vcs
from pytest_fastenv.model.reference import (
    ArchiveReference,
    DirectoryReference,
    LockedReference,
    Reference,
    RepositoryReference,
)
from pytest_fastenv.model.request import Lock, Wanted
from pytest_fastenv.requirements.documents import Documents, absolute
from pytest_fastenv.requirements.places import is_project

_AGAIN = "make the lock file again with the tool that wrote it"
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


def parse_lock(path: Path, name: str, documents: Documents) -> Pylock:
    """Return what a lock file says, as far as the specification goes.

    :param name: what it is called in messages.
    :raises RequirementsError: it cannot be read, or breaks the specification: the text says where.
    """
    try:
        return Pylock.from_dict(tomllib.loads(documents.read(path).decode("utf-8")))
    except OSError as error:
        what = f"the lock file {name} cannot be read: {error.strerror}"
        hint = "fastenv lock writes one" if isinstance(error, FileNotFoundError) else "look at its permissions"
        raise RequirementsError(what, where=str(path), hint=hint) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RequirementsError(f"{name} is not valid TOML: {error}", where=str(path), hint=_AGAIN) from None
    except PylockUnsupportedVersionError as error:
        raise RequirementsError(f"{name} cannot be read: {error}", where=str(path), hint=_AGAIN) from None
    except PylockValidationError as error:
        what = f"{name} is no valid lock file: {error}"
        raise RequirementsError(what, where=_place(name, error.context), hint=_AGAIN) from None


def read_lock(
    path: Path, name: str, documents: Documents, *, groups: Iterable[str] = (), extras: Iterable[str] = ()
) -> tuple[Lock, list[Wanted]]:
    """Read a lock file: what it says of itself, and each package as a requirement that leaves no choice.

    :param name: what it is called in messages.
    :param groups: dependency groups that are asked for; without one that it has, its default ones are taken.
    :param extras: extras that are asked for; those that it has are taken.
    :raises RequirementsError: it cannot be used; something in it has no hash, among others.
    """
    pylock = parse_lock(path, name, documents)
    lock = Lock(
        name,
        str(pylock.requires_python or ""),
        tuple(map(str, pylock.environments or ())),
        those_in(pylock.dependency_groups or (), groups) or tuple(pylock.default_groups or ()),
        those_in(pylock.extras or (), extras),
        tuple(sorted({package.name for package in pylock.packages})),
    )
    reader = _Reader(name, absolute(path).parent, documents)
    return lock, [reader.wanted(number, package) for number, package in enumerate(pylock.packages)]


def those_in(names: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    """Return the names of groups or extras that are among others, however they are spelled there."""
    known = set(map(canonicalize_name, others))
    return tuple(name for name in names if canonicalize_name(name) in known)


class _Reader:
    """Reads the packages of one lock file.

    :param directory: what paths in it are relative to.
    """

    def __init__(self, name: str, directory: Path, documents: Documents) -> None:
        self._name = name
        self._directory = directory
        self._documents = documents

    def wanted(self, number: int, package: Package) -> Wanted:
        """Return a package as a requirement."""
        at = f"packages[{number}]"
        version = str(package.version or "")
        reference, hashes = self._reference(package, at)
        if isinstance(reference, LockedReference):
            version = reference.version
        return Wanted(
            package.name,
            Location(self._name, text=f"{package.name} {version}".rstrip()),
            f"{package.name}=={version}" if version else package.name,
            specifier=f"=={version}" if isinstance(reference, LockedReference) else "",
            marker=str(package.marker) if package.marker else None,
            reference=reference,
            hashes=hashes,
        )

    def _reference(self, package: Package, at: str) -> tuple[Reference, Hashes]:
        if package.vcs is not None:
            return self._repository(package.vcs, f"{at}.vcs"), Hashes()
        if package.directory is not None:
            return self._project(package.directory, f"{at}.directory"), Hashes()
        if package.archive is not None:
            url, hashes = self._url(package.archive), self._hashes(package.archive.hashes, f"{at}.archive")
            return ArchiveReference(url, package.archive.subdirectory), hashes
        files = tuple(self._files(package, at))
        return LockedReference(files[0].version, files), Hashes.one_of(
            pair for file in files for demand in file.hashes.demands for pair in demand
        )

    def _files(self, package: Package, at: str) -> Iterator[Artifact]:
        requires = str(package.requires_python) if package.requires_python else None
        for number, wheel in enumerate(package.wheels or ()):
            version = str(parse_wheel_filename(wheel.filename)[1])
            yield self._artifact(package, wheel, version, requires, f"{at}.wheels[{number}]")
        if package.sdist is not None:
            version = str(parse_sdist_filename(package.sdist.filename)[1])
            yield self._artifact(package, package.sdist, version, requires, f"{at}.sdist")

    def _artifact(
        self, package: Package, file: PackageWheel | PackageSdist, version: str, requires: str | None, at: str
    ) -> Artifact:
        return Artifact(
            package.name,
            str(package.version or version),
            file.filename,
            self._url(file),
            hashes=self._hashes(file.hashes, at),
            size_bytes=file.size,
            requires_python=requires,
            index_url=package.index,
        )

    def _url(self, file: PackageWheel | PackageSdist | PackageArchive) -> str:
        """Return the address of a file: a path, where both are named and something is there."""
        if file.path:
            path = absolute(self._directory / file.path)
            if os.path.isfile(path) or not file.url:
                self._documents.note(path)
                return path.as_uri()
        return (file.url or "").partition("#")[0]

    def _hashes(self, hashes: Mapping[str, str], at: str) -> Hashes:
        if not any(algorithm.lower() in ALGORITHMS for algorithm in hashes):
            what = f"{self._name}: what fixes no content is no lock: {', '.join(hashes)} alone"
            raise RequirementsError(what, where=_place(self._name, at), hint=f"{_AGAIN}, with sha256")
        return Hashes.of(hashes)

    def _project(self, named: PackageDirectory, at: str) -> DirectoryReference:
        project = absolute(self._directory / named.path / (named.subdirectory or ""))
        if not is_project(project):
            what = f"{self._name} locks the project in {named.path}, and there is none"
            raise RequirementsError(what, where=_place(self._name, at), why=f"looked in {project}", hint=_AGAIN)
        self._documents.note_project(project)
        return DirectoryReference(project, editable=bool(named.editable))

    def _repository(self, named: PackageVcs, at: str) -> RepositoryReference:
        if named.type != "git":
            what = f"{self._name} locks a repository of {named.type}, and only git is supported"
            raise RequirementsError(what, where=_place(self._name, at))
        if not _COMMIT.fullmatch(named.commit_id):
            what = f"{self._name}: {named.commit_id!r} is no commit"
            raise RequirementsError(what, where=_place(self._name, at), hint=_AGAIN)
        url = named.url or absolute(self._directory / (named.path or "")).as_uri()
        return RepositoryReference(Vcs(url.removeprefix("git+"), named.commit_id), named.subdirectory)


def _place(name: str, context: str | None) -> str:
    return f"{name}: {context}" if context else name
