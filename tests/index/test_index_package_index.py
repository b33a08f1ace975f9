from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from index_kit import Pauses, package_index
from kit import faults
from kit.archives import make_sdist, make_wheel
from kit.server import IndexServer

from pytest_fastenv.errors import (
    AuthError,
    HashError,
    IndexAnswerError,
    NetworkError,
    NoSolutionError,
    NotFoundError,
    OfflineMissError,
    UnknownProjectError,
)
from pytest_fastenv.index.package_index import PackageIndex
from pytest_fastenv.index.project import Project
from pytest_fastenv.index.urls import file_url
from pytest_fastenv.model.artifact import Artifact, Hashes
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.store.store import Store

Server = Callable[..., IndexServer]


@pytest.fixture
def other(tmp_path: Path) -> Path:
    directory = tmp_path / "other"
    directory.mkdir()
    return directory


@pytest.fixture
def project(store: Store, recorder: Recorder) -> Callable[..., Project]:
    def ask(name: str, *indexes: str, **options: Any) -> Project:
        async def run() -> Project:
            async with package_index(store, recorder, *indexes, **options) as index:
                return await index.project(name)

        return asyncio.run(run())

    return ask


Ask = Callable[..., Project]


def notices(recorder: Recorder) -> list[str]:
    return [notice.text for notice in recorder.notices]


@pytest.mark.parametrize("flavour", ["html", "json"])
def test_a_project_s_files(index_server: Server, artifacts: Path, project: Ask, flavour: str) -> None:
    wheel = make_wheel(artifacts, "My.Project", "1.0", requires_python=">=3.8")
    make_sdist(artifacts, "My.Project", "1.1")
    server = index_server(None, flavour, yanked={wheel.name: "broken"})
    found = project("my_PROJECT", server.url)
    assert (found.name, found.versions, found.index_url) == ("my-project", ("1.1", "1.0"), server.url)
    (artifact,) = found.files("1.0")
    assert artifact.url == f"{server.files_url}{wheel.name}"
    assert artifact.hashes.sha256 == hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert (artifact.requires_python, artifact.yanked) == (">=3.8", "broken")
    assert artifact.metadata is not None
    assert [a.kind for a in found.artifacts] == ["sdist", "wheel"]
    assert found.files("3.0") == ()


def test_a_fresh_page_is_not_asked_for_again(index_server: Server, artifacts: Path, project: Ask) -> None:
    make_wheel(artifacts, "a")
    server, pauses = index_server(), Pauses()
    first = project("a", server.url, pauses=pauses)
    pauses.now += 599
    assert project("a", server.url, pauses=pauses).artifacts == first.artifacts
    assert len(server.requests) == 1
    pauses.now += 1
    assert project("a", server.url, pauses=pauses).artifacts == first.artifacts
    assert server.requests[1].headers["if-none-match"]
    assert project("a", server.url, pauses=pauses).artifacts == first.artifacts
    assert len(server.requests) == 2, "304 makes it fresh again"


def test_upgrade_asks_now_and_sees_what_is_new(index_server: Server, artifacts: Path, project: Ask) -> None:
    make_wheel(artifacts, "a")
    server = index_server()
    project("a", server.url)
    make_wheel(artifacts, "a", "2.0")
    assert project("a", server.url).versions == ("1.0",)
    assert project("a", server.url, upgrade=True).versions == ("2.0", "1.0")


def test_offline_uses_what_is_kept_however_old(
    index_server: Server, artifacts: Path, other: Path, project: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(other, "a")
    first, second, pauses = index_server(artifacts), index_server(other), Pauses()
    project("a", first.url, second.url, pauses=pauses)
    monkeypatch.setattr("pytest_fastenv.index.transport.make_client", lambda *_: pytest.fail("a client was made"))
    pauses.now += 10**8
    assert project("a", first.url, second.url, pauses=pauses, offline=True).index_url == second.url
    with pytest.raises(OfflineMissError, match="simple/b/"):
        project("b", first.url, second.url, offline=True)


def test_the_first_index_that_has_it_wins(
    index_server: Server, artifacts: Path, other: Path, project: Ask, recorder: Recorder
) -> None:
    make_wheel(artifacts, "a", "1.0")
    make_wheel(other, "a", "9.0")
    make_wheel(other, "b", "1.0")
    server = index_server()
    directory = file_url(other.parent / "index", directory=True)
    for name in ("a", "b"):
        (other.parent / "index" / name).mkdir(parents=True)
        for wheel in other.glob(f"{name}-*"):
            wheel.rename(other.parent / "index" / name / wheel.name)
    assert project("a", server.url, directory).versions == ("1.0",)
    assert project("b", server.url, directory).index_url == directory
    assert notices(recorder) == []


def test_later_indexes_are_not_asked(index_server: Server, artifacts: Path, other: Path, project: Ask) -> None:
    make_wheel(artifacts, "a")
    first, second = index_server(artifacts), index_server(other)
    assert project("a", first.url, second.url).index_url == first.url
    assert second.requests == []


@pytest.mark.parametrize("status", [401, 403])
def test_an_index_that_refuses_is_not_passed_over(
    index_server: Server, artifacts: Path, other: Path, project: Ask, status: int
) -> None:
    make_wheel(other, "a")
    first, second = index_server(artifacts), index_server(other)
    first.fault("/a/", faults.answer(status))
    with pytest.raises(AuthError, match="credentials were looked for"):
        project("a", first.url, second.url)
    assert second.requests == []


def test_an_index_that_fails_is_not_passed_over(
    index_server: Server, artifacts: Path, other: Path, project: Ask
) -> None:
    make_wheel(other, "a")
    first, second = index_server(artifacts), index_server(other)
    first.fault("/a/", faults.answer(500))
    with pytest.raises(NetworkError, match="500"):
        project("a", first.url, second.url)
    assert second.requests == []


def test_credentials_in_the_url(index_server: Server, artifacts: Path, project: Ask, store: Store) -> None:
    make_wheel(artifacts, "a")
    server = index_server(credentials=("user", "s3cret"))
    found = project("a", server.url_with_credentials)
    assert found.index_url == server.url
    assert "s3cret" not in repr(found.artifacts)
    kept = [path for path in store.root.rglob("*") if path.is_file()]
    assert kept
    assert not any(b"s3cret" in path.read_bytes() for path in kept)


def test_credentials_from_netrc(index_server: Server, artifacts: Path, project: Ask, tmp_path: Path) -> None:
    make_wheel(artifacts, "a")
    server = index_server(credentials=("user", "s3cret"))
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password s3cret\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert project("a", server.url, home=tmp_path).versions == ("1.0",)


def test_nowhere(index_server: Server, artifacts: Path, tmp_path: Path, project: Ask) -> None:
    server = index_server()
    (tmp_path / "index" / "requests").mkdir(parents=True)
    with pytest.raises(UnknownProjectError) as caught:
        project("reqests", server.url, file_url(tmp_path / "index", directory=True))
    assert caught.value.exit_code == 4
    assert "did you mean requests?" in str(caught.value)
    assert server.url in str(caught.value)


def test_no_index_at_all(project: Ask) -> None:
    with pytest.raises(UnknownProjectError, match="no index is configured"):
        project("a")


def test_an_answer_that_is_no_index(index_server: Server, project: Ask) -> None:
    server = index_server()
    server.fault("/a/", faults.answer(200, b"Welcome to the wifi", {"Content-Type": "text/plain"}))
    with pytest.raises(IndexAnswerError) as caught:
        project("a", server.url)
    assert "text/plain" in str(caught.value)
    assert "Welcome to the wifi" in str(caught.value)


def test_broken_json_is_not_kept(index_server: Server, artifacts: Path, project: Ask) -> None:
    make_wheel(artifacts, "a")
    server = index_server()
    server.fault("/a/", faults.answer(200, b"{", {"Content-Type": "application/vnd.pypi.simple.v1+json"}, times=1))
    with pytest.raises(IndexAnswerError, match="broken JSON"):
        project("a", server.url)
    assert project("a", server.url).versions == ("1.0",)


def test_quarantine(index_server: Server, project: Ask) -> None:
    page = b'<meta name="pypi:project-status" content="quarantined"><a href="a-1.tar.gz">a</a>'
    server = index_server()
    server.fault("/a/", faults.answer(200, page, {"Content-Type": "text/html"}))
    with pytest.raises(NoSolutionError, match="under quarantine"):
        project("a", server.url)


def test_another_project_s_file(index_server: Server, project: Ask, recorder: Recorder) -> None:
    page = b'<a href="b-1.tar.gz">b</a><a href="a-1.tar.gz">a</a>'
    server = index_server()
    server.fault("/a/", faults.answer(200, page, {"Content-Type": "text/html"}))
    assert project("a", server.url).versions == ("1",)
    assert notices(recorder) == [f"{server.url} lists b-1.tar.gz for a: skipped, it is another project's"]


def test_an_empty_page_does_not_hide_the_next_index(
    index_server: Server, artifacts: Path, other: Path, project: Ask
) -> None:
    make_wheel(other, "a")
    first, second = index_server(artifacts), index_server(other)
    first.fault("/a/", faults.answer(200, b"<html></html>", {"Content-Type": "text/html"}))
    assert project("a", first.url, second.url).index_url == second.url
    assert project("a", first.url).versions == ()


def test_redirected_pages_have_links_relative_to_where_they_are(
    index_server: Server, artifacts: Path, other: Path, project: Ask
) -> None:
    make_wheel(other, "a")
    first, second = index_server(artifacts), index_server(other)
    first.fault("/a/", faults.redirect(f"{second.url}a/"))
    assert project("a", first.url).files("1.0")[0].url.startswith(second.files_url)


def test_find_links_are_added(index_server: Server, artifacts: Path, other: Path, project: Ask) -> None:
    make_wheel(artifacts, "a", "1.0")
    make_wheel(other, "a", "1.0")
    make_wheel(other, "a", "3.0")
    make_wheel(other, "b", "1.0")
    server = index_server()
    links = (file_url(other, directory=True),)
    found = project("a", server.url, find_links=links)
    assert found.versions == ("3.0", "1.0")
    assert [artifact.url.partition(":")[0] for artifact in found.files("1.0")] == ["file", "http"]
    assert found.index_url == server.url
    assert project("b", server.url, find_links=links).index_url == links[0]


def test_find_links_pages_elsewhere(
    index_server: Server, artifacts: Path, project: Ask, recorder: Recorder, tmp_path: Path
) -> None:
    make_wheel(artifacts, "a", "1.0")
    server = index_server()
    missing = file_url(tmp_path / "missing")
    links = (server.files_url, missing)
    assert project("a", find_links=links).files("1.0")[0].url == f"{server.files_url}a-1.0-py3-none-any.whl"
    assert notices(recorder) == [f"find-links location {missing} is not there: skipped"]
    assert project("a", find_links=links, offline=True).versions == ("1.0",)


def test_everything_is_asked_for_once(index_server: Server, artifacts: Path, store: Store, recorder: Recorder) -> None:
    make_wheel(artifacts, "a")
    server = index_server()

    async def run() -> None:
        async with package_index(store, recorder, server.url) as index:
            await asyncio.gather(*(index.project(name) for name in "aAaAa"))
            with pytest.raises(UnknownProjectError):
                await index.project("missing")

    asyncio.run(run())
    assert server.paths().count("/simple/a/") == 1


async def _download(index: PackageIndex, artifact: Artifact, into: Path) -> tuple[int, int]:
    told: list[int] = []
    downloaded = await index.download(artifact, into, told.append)
    return downloaded.size_bytes, sum(told)


@pytest.mark.parametrize("local", [True, False])
def test_downloads(
    index_server: Server, artifacts: Path, store: Store, recorder: Recorder, tmp_path: Path, local: bool
) -> None:
    wheel = make_wheel(artifacts, "a")
    server = index_server()
    size = wheel.stat().st_size
    url = file_url(wheel) if local else f"{server.files_url}{wheel.name}"
    hashes = Hashes.of({"sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()})
    artifact = Artifact("a", "1.0", wheel.name, url, hashes, size)
    wrong = Artifact("a", "1.0", wheel.name, url, Hashes.of({"sha256": "0" * 64}))
    gone = Artifact("a", "1.0", wheel.name, url + "x", hashes)

    async def run() -> None:
        async with package_index(store, recorder) as index:
            assert await _download(index, artifact, tmp_path / "good") == (size, size)
            with pytest.raises(HashError):
                await index.download(wrong, tmp_path / "wrong")
            with pytest.raises(NotFoundError):
                await index.download(gone, tmp_path / "gone")

    asyncio.run(run())
    assert (tmp_path / "good").read_bytes() == wheel.read_bytes()
    assert not (tmp_path / "wrong").exists()
    assert not (tmp_path / "gone").exists()


class _Told(ThreadPoolExecutor):
    """Tells when a thread has begun its work, which nobody can take back then."""

    def __init__(self) -> None:
        super().__init__(1)
        self.begun = threading.Event()

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        def told() -> Any:
            self.begun.set()
            return function(*args, **kwargs)

        return super().submit(told)


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="files without a name are for Linux")
def test_a_cancelled_copy_writes_nothing_into_what_has_its_descriptor_next(
    artifacts: Path, store: Store, recorder: Recorder, tmp_path: Path
) -> None:
    """Its thread reads, and has not opened where it is to write; that number means another file a moment later."""
    source = artifacts / "a-1.0-py3-none-any.whl"
    os.mkfifo(source)
    artifact = Artifact("a", "1.0", source.name, file_url(source))
    precious = tmp_path / "precious"
    precious.write_text("a user's file")
    fed: list[bool] = []

    def feed() -> None:
        if not fed:
            fed.append(True)
            with open(source, "wb") as file:
                file.write(b"content")

    async def run() -> None:
        loop, executor = asyncio.get_running_loop(), _Told()
        loop.set_default_executor(executor)
        async with package_index(store, recorder) as index:
            number = os.memfd_create("wheel")
            copying = asyncio.create_task(index.download(artifact, Path(f"/proc/self/fd/{number}")))
            while not executor.begun.is_set():
                await asyncio.sleep(0)
            copying.cancel()
            loop.call_later(0.2, feed)  # where the thread is waited for it must come to its end
            with contextlib.suppress(asyncio.CancelledError):
                await copying
            os.close(number)
            with open(precious) as file:
                assert file.fileno() == number
                feed()
                await loop.run_in_executor(None, bool)  # the one thread has done with all before

    asyncio.run(run())
    assert precious.read_text() == "a user's file"


def test_downloads_offline(store: Store, recorder: Recorder, tmp_path: Path) -> None:
    artifact = Artifact("a", "1.0", "a-1.0.tar.gz", "https://h.invalid/a-1.0.tar.gz")

    async def run() -> None:
        async with package_index(store, recorder, offline=True) as index:
            await index.download(artifact, tmp_path / "into")

    with pytest.raises(OfflineMissError, match=r"a-1\.0\.tar\.gz"):
        asyncio.run(run())
    assert not (tmp_path / "into").exists()


def test_an_index_on_disk_that_is_not_there_is_told_once(
    project: Ask, recorder: Recorder, artifacts: Path, tmp_path: Path
) -> None:
    make_wheel(artifacts, "lib")
    make_wheel(artifacts, "app")
    missing = file_url(tmp_path / "missing", directory=True)
    there = file_url(tmp_path, directory=True)
    for name in ("lib", "app"):
        assert project(name, missing, there, find_links=(file_url(artifacts, directory=True),)).versions == ("1.0",)
    assert notices(recorder) == [f"index {missing} is not there: skipped"]
