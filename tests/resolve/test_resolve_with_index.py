"""Resolving against a real index on loopback, and against the configured one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from kit.archives import make_sdist, make_wheel
from kit.server import IndexServer
from kit.tools import tools_of
from resolve_world import ask, make_target, pins, want

from pytest_fastenv.errors import AuthError, FastenvError, MetadataError, NoSolutionError, OfflineMissError
from pytest_fastenv.index.urls import local_path
from pytest_fastenv.interpreter.discovery import find_target
from pytest_fastenv.model.artifact import Artifact, Hashes
from pytest_fastenv.model.digest import file_sha256
from pytest_fastenv.model.metadata import CoreMetadata
from pytest_fastenv.model.plan import Plan, SdistSource, TreeSource
from pytest_fastenv.model.request import Request
from pytest_fastenv.model.target import Target
from pytest_fastenv.resolve.resolution import resolve
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store

SET = Path(__file__).parent / "data" / "mixed-15.txt"
NAMES = Path(__file__).parent / "data" / "mixed-15-projects.txt"

Servers = Callable[..., IndexServer]


class Sources:
    """Knows what the source distributions of these tests would say of themselves."""

    async def identified(self, artifact: Artifact) -> Artifact:
        if not artifact.url.startswith("file:"):
            return replace(artifact, hashes=artifact.hashes or Hashes.of({"sha256": "0" * 64}))
        return replace(artifact, hashes=Hashes.of({"sha256": file_sha256(local_path(artifact.url))}))

    async def wheel_metadata(self, artifact: Artifact) -> CoreMetadata:
        return CoreMetadata(artifact.name, artifact.version, ("lib",))

    async def metadata(self, source: SdistSource | TreeSource, _name: str | None) -> CoreMetadata:
        assert isinstance(source, SdistSource)
        return CoreMetadata(source.artifact.name, source.artifact.version, ("leaf",))


def plan_of(request: Request, store: Store, settings: Settings, target: Target | None = None) -> Plan:
    async def main() -> Plan:
        async with tools_of(store, settings) as tools:
            return await resolve(request, target or make_target(), tools, Sources())

    return asyncio.run(main())


def lines(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8").splitlines()
    return [line for line in text if line and not line.startswith("#")]


@pytest.mark.parametrize("flavour", ["html", "json"])
def test_a_plan_from_real_files(artifacts: Path, index_server: Servers, store: Store, flavour: str) -> None:
    for n in range(1, 6):
        make_wheel(artifacts, "app", f"{n}.0", requires=("lib>=2",), extras={"fast": ("speed; python_version>'3'",)})
        make_wheel(artifacts, "lib", f"{n}.0", requires_python=">=3.12" if n > 3 else ">=3.8")
    make_sdist(artifacts, "speed", "1.0")
    make_wheel(artifacts, "leaf", "1.0")
    server = index_server(flavour=flavour)
    plan = plan_of(ask("app[fast]"), store, Settings(index_url=server.url))
    assert pins(plan) == {"app": "5.0", "leaf": "1.0", "lib": "3.0", "speed": "1.0"}
    paths = [request.path for request in server.requests]
    assert len(paths) == len(set(paths)) == 7  # four pages, and the metadata of three wheels
    server.requests.clear()
    assert plan_of(ask("app[fast]"), store, Settings(index_url=server.url)) == plan
    assert not [request for request in server.requests if "/files/" in request.path]


def test_metadata_that_names_another_project(artifacts: Path, index_server: Servers, store: Store) -> None:
    make_wheel(artifacts, "app", "1.0").rename(artifacts / "lib-1.0-py3-none-any.whl")
    server = index_server()
    with pytest.raises(MetadataError) as caught:
        plan_of(ask("lib"), store, Settings(index_url=server.url))
    assert "lib" in caught.value.diagnosis()
    assert "app" in caught.value.diagnosis()


def test_an_older_release_where_the_newest_cannot_be_read(artifacts: Path, index_server: Servers, store: Store) -> None:
    make_wheel(artifacts, "app", "1.0")
    make_wheel(artifacts, "app", "2.0", metadata="Requires-Dist: !! nothing")
    server = index_server()
    assert pins(plan_of(ask("app"), store, Settings(index_url=server.url))) == {"app": "1.0"}


def test_refused_credentials_do_not_read_like_no_such_project(
    artifacts: Path, index_server: Servers, store: Store
) -> None:
    make_wheel(artifacts, "app", "1.0")
    server = index_server(credentials=("a", "b"))
    with pytest.raises(AuthError):
        plan_of(ask("app"), store, Settings(index_url=server.url))


def test_only_yanked_files(artifacts: Path, index_server: Servers, store: Store) -> None:
    wheel = make_wheel(artifacts, "app", "1.0")
    server = index_server(yanked={wheel.name: "wrong"})
    with pytest.raises(NoSolutionError, match=r"app 1\.0 was yanked \(wrong\); only == brings it back"):
        plan_of(ask("app"), store, Settings(index_url=server.url))
    assert pins(plan_of(ask("app==1.0"), store, Settings(index_url=server.url))) == {"app": "1.0"}


def test_offline(artifacts: Path, index_server: Servers, store: Store) -> None:
    make_wheel(artifacts, "app", "1.0")
    server = index_server()
    settings = Settings(index_url=server.url)
    offline = Settings(index_url=server.url, offline=True)
    with pytest.raises(OfflineMissError):
        plan_of(ask("app"), store, offline)
    plan = plan_of(ask("app"), store, settings)
    server.requests.clear()
    assert plan_of(ask("app"), store, offline) == plan
    assert not server.requests


def test_a_direct_wheel(artifacts: Path, index_server: Servers, store: Store) -> None:
    wheel = make_wheel(artifacts, "app", "1.0", requires=("lib",))
    make_wheel(artifacts, "lib", "2.0")
    server = index_server()
    url = server.url.replace("/simple/", f"/files/{wheel.name}")
    settings = Settings(index_url=server.url)
    assert pins(plan_of(ask(f"app @ {url}"), store, settings)) == {"app": "1.0", "lib": "2.0"}
    local = want("./app", url=wheel.as_uri())
    assert pins(plan_of(ask(local), store, settings)) == {"app": "1.0", "lib": "2.0"}


@pytest.mark.network
@pytest.mark.slow
def test_fifteen_requirements_come_to_the_projects_they_always_came_to(store: Store) -> None:
    target = find_target(None, store)
    if target.version_info != (3, 11) or target.platform != "linux-x86_64":
        pytest.skip("the list of projects is for CPython 3.11 on Linux x86-64")
    plan = plan_of(ask(*lines(SET)), store, Settings(), target)
    assert list(pins(plan)) == lines(NAMES)


@pytest.mark.network
@pytest.mark.slow
def test_a_conflict_among_real_projects(store: Store) -> None:
    with pytest.raises(FastenvError) as caught:
        plan_of(ask("requests==2.31.0", "urllib3>=3"), store, Settings())
    assert caught.value.exit_code == 4
    assert "urllib3" in caught.value.diagnosis()
