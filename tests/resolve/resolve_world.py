"""A package index in memory and short ways to say what is wanted of it, for the tests of resolving."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from kit.tools import tools_of
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from pytest_fastenv.errors import FastenvError, MetadataError, UnknownProjectError
from pytest_fastenv.index.expected import check_hashes
from pytest_fastenv.index.project import Elsewhere
from pytest_fastenv.model.artifact import Artifact, Hashes
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.location import Location
from pytest_fastenv.model.metadata import CoreMetadata
from pytest_fastenv.model.plan import Plan, SdistSource, TreeSource
from pytest_fastenv.model.reference import ArchiveReference, DirectoryReference, Reference, RepositoryReference
from pytest_fastenv.model.request import Request, Wanted
from pytest_fastenv.model.target import Target
from pytest_fastenv.resolve.resolution import resolve
from pytest_fastenv.store.store import Store

T = TypeVar("T")

INDEX = "https://index.example.invalid/simple/"
FILES = "https://files.example.invalid/"


def make_target(version: str = "3.11.7", *, tags: tuple[str, ...] | None = None) -> Target:
    """Make a Linux CPython; tags from most to least specific."""
    minor = ".".join(version.split(".")[:2])
    short = "cp" + minor.replace(".", "")
    markers = {
        "python_version": minor,
        "python_full_version": version,
        "implementation_name": "cpython",
        "implementation_version": version,
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_release": "6.1",
        "platform_system": "Linux",
        "platform_version": "#1",
        "sys_platform": "linux",
    }
    default = (f"{short}-{short}-manylinux_2_28_x86_64", f"{short}-abi3-manylinux_2_28_x86_64", "py3-none-any")
    return Target(
        python="/usr/bin/python3",
        implementation="cpython",
        version=version,
        tags=tags or default,
        markers=markers,
        soabi=f"cpython-{short[2:]}-x86_64-linux-gnu",
        platform="linux-x86_64",
        free_threaded=False,
        schemes={},
        identity="0",
        externals={},
    )


class Page:
    """What the index has of one project."""

    index_url = INDEX

    def __init__(self, artifacts: list[Artifact]) -> None:
        self._files: dict[str, list[Artifact]] = {}
        for artifact in artifacts:
            self._files.setdefault(artifact.version, []).append(artifact)
        self.versions = sorted(self._files, key=Version, reverse=True)

    def files(self, version: str) -> list[Artifact]:
        return self._files[version]


def digest(filename: str) -> str:
    """Return a digest that is different for every file name."""
    import hashlib

    return hashlib.sha256(filename.encode()).hexdigest()


@dataclass
class World:
    """Answers as `PackageIndex` does, and as `SourceMetadata`; counts what it is asked for."""

    pages: dict[str, list[Artifact]] = field(default_factory=dict)
    contents: dict[str, CoreMetadata | FastenvError] = field(default_factory=dict)
    trees: dict[Path, CoreMetadata] = field(default_factory=dict)
    failing: dict[str, FastenvError] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    most_in_flight: int = 0
    pause: Any = None

    def add(
        self,
        name: str,
        version: str,
        *requires: str,
        tag: str = "py3-none-any",
        sdist: bool = False,
        extras: tuple[str, ...] = (),
        **fields: Any,
    ) -> Artifact:
        """Add a file; ``fields`` go to `Artifact`, ``python`` to the metadata's Requires-Python."""
        stem = f"{name.replace('-', '_')}-{version}"
        filename = f"{stem}.tar.gz" if sdist else f"{stem}-{tag}.whl"
        python = fields.pop("python", None)
        fields.setdefault("hashes", Hashes.of({"sha256": digest(filename)}))
        artifact = Artifact(name, version, filename, FILES + filename, index_url=INDEX, **fields)
        self.pages.setdefault(name, []).append(artifact)
        self.contents[filename] = CoreMetadata(name, version, requires, python, extras)
        return artifact

    async def project(self, name: str) -> Page:
        """Give a project's files."""
        await self._work(f"page {name}")
        if name in self.failing:
            raise self.failing[name]
        if name not in self.pages:
            raise UnknownProjectError(f"no index has a project named {name}", where=INDEX)
        return Page(self.pages[name])

    async def elsewhere(self, _name: str, **_options: Any) -> tuple[Elsewhere, ...]:
        """Tell what other indexes have: there are none."""
        return ()

    async def identified(self, artifact: Artifact) -> Artifact:
        """Give a file's digest, held against what is demanded of it."""
        digests = {"sha256": digest(artifact.filename)}
        check_hashes(digests, artifact.hashes, artifact.filename)
        return replace(artifact, hashes=Hashes.of(digests))

    async def quiet(self, _tree: Path, look: Callable[[], T]) -> T:
        """Look: nothing is built in this world."""
        return look()

    async def wheel_metadata(self, artifact: Artifact) -> CoreMetadata:
        """Give the metadata of a wheel."""
        return await self.metadata(artifact)

    async def metadata(self, artifact: Any, _name: str | None = None) -> CoreMetadata:
        """Give the metadata of a wheel or (with two arguments) of a source."""
        if isinstance(artifact, TreeSource):
            await self._work(f"tree {artifact.path}")
            return self.trees[artifact.path]
        if isinstance(artifact, SdistSource):
            artifact = artifact.artifact
        await self._work(f"metadata {artifact.filename}")
        found = self.contents[artifact.filename]
        if isinstance(found, FastenvError):
            raise found
        return found

    def spoil(self, artifact: Artifact, what: str) -> None:
        """Make a file's metadata unreadable."""
        self.contents[artifact.filename] = MetadataError(what, where=artifact.filename)

    async def _work(self, what: str) -> None:
        self.asked[what] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        if self.pause is not None:
            await self.pause(what)
        else:
            await asyncio.sleep(0)
        self.in_flight -= 1

    def count(self, kind: str) -> int:
        """Return how many questions of a kind (``page``, ``metadata``) were asked."""
        return sum(number for what, number in self.asked.items() if what.startswith(kind))


def want(text: str, line: int = 1, file: str = "requirements.txt", **fields: Any) -> Wanted:
    """Read one requirement as the requirements room would."""
    location = Location(file, line, text=text)
    reference = _reference(fields)
    if reference is not None:
        return Wanted(fields.pop("name", None), location, text, reference=reference, **fields)
    requirement = Requirement(text)
    if requirement.url:
        fields["reference"] = ArchiveReference(requirement.url, fields.pop("subdirectory", None))
    return Wanted(
        canonicalize_name(requirement.name),
        location,
        text,
        specifier=str(requirement.specifier),
        extras=tuple(sorted(canonicalize_name(extra) for extra in requirement.extras)),
        marker=str(requirement.marker) if requirement.marker else None,
        **fields,
    )


def _reference(fields: dict[str, Any]) -> Reference | None:
    """Take what tells a direct source out of the fields of a requirement."""
    if "path" in fields:
        return DirectoryReference(fields.pop("path"), editable=fields.pop("editable", False))
    if "vcs" in fields:
        return RepositoryReference(fields.pop("vcs"), editable=fields.pop("editable", False))
    return ArchiveReference(fields.pop("url")) if "url" in fields else None


def ask(*texts: str | Wanted, constraints: tuple[str | Wanted, ...] = (), **fields: Any) -> Request:
    """Make a request with one line for each text."""
    wanted = tuple(want(text, n) if isinstance(text, str) else text for n, text in enumerate(texts, 1))
    limits = tuple(
        want(text, n, "constraints.txt") if isinstance(text, str) else text for n, text in enumerate(constraints, 1)
    )
    return Request(wanted=wanted, constraints=limits, **fields)


async def resolve_in(
    world: World, request: Request, store: Store, target: Target | None = None, **options: Any
) -> Plan:
    """Resolve a request against a world in the running event loop."""
    async with tools_of(store, index=world) as tools:
        return await resolve(request, target or make_target(), tools, world, **options)


def run(world: World, request: Request, tmp_path: Path, target: Target | None = None, **options: Any) -> Plan:
    """Resolve a request against a world."""
    store = Store(tmp_path / "store", recorder=options.pop("recorder", None) or Recorder())
    return asyncio.run(resolve_in(world, request, store, target, **options))


def pins(plan: Plan) -> dict[str, str]:
    """Return versions by name."""
    return {distribution.name: distribution.version for distribution in plan.distributions}
