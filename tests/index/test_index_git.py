from __future__ import annotations

import asyncio
import base64
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.server import IndexServer

from pytest_fastenv.errors import OfflineMissError, ProvideError, RequestError
from pytest_fastenv.index.git import Checkout, checkout
from pytest_fastenv.index.git_command import Git
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.plan import Vcs
from pytest_fastenv.store.store import Store

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


class Repository:
    """A repository with a branch, a tag, and a commit that only a reference of its own knows."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()
        self.git("init", "--quiet", "--initial-branch", "trunk")
        self.first = self.commit("1")
        self.git("tag", "-a", "-m", "x", "v1")
        self.git("branch", "old")
        self.second = self.commit("2")
        self.git("checkout", "--quiet", "-b", "aside")
        self.pull = self.commit("pull")
        self.git("update-ref", "refs/pull/1/head", "HEAD")
        self.git("checkout", "--quiet", "trunk")
        self.git("branch", "--quiet", "-D", "aside")

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.invalid", "-c", "commit.gpgsign=false")
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=self.directory, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, content: str) -> str:
        (self.directory / "file").write_text(content)
        self.git("add", ".")
        self.git("commit", "--quiet", "-m", content)
        return self.git("rev-parse", "HEAD")

    @property
    def url(self) -> str:
        return f"file://{self.directory}"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return Repository(tmp_path / "repository")


@pytest.fixture
def out(repository: Repository, store: Store, recorder: Recorder) -> Callable[..., Checkout]:
    def run(revision: str | None, *, offline: bool = False, url: str | None = None) -> Checkout:
        vcs = Vcs(url or repository.url, revision)
        return asyncio.run(checkout(vcs, store, recorder, offline=offline))

    return run


Out = Callable[..., Checkout]


@pytest.mark.slow
def test_every_way_to_name_a_revision(repository: Repository, out: Out) -> None:
    expected = {
        None: ("2", repository.second),
        "trunk": ("2", repository.second),
        "old": ("1", repository.first),
        "v1": ("1", repository.first),
        repository.first: ("1", repository.first),
        repository.second[:10]: ("2", repository.second),
        "refs/pull/1/head": ("pull", repository.pull),
        "refs/tags/v1": ("1", repository.first),
    }
    for revision, wanted in expected.items():
        found = out(revision)
        assert ((found.path / "file").read_text(), found.commit) == wanted, revision


@pytest.mark.slow
def test_versions_can_be_derived_from_tags(repository: Repository, out: Out) -> None:
    found = out("trunk")
    described = subprocess.run(
        ["git", "describe", "--tags"], cwd=found.path, check=True, capture_output=True, text=True
    ).stdout
    assert described.startswith("v1-1-g")


@pytest.mark.slow
def test_a_branch_that_moves(repository: Repository, out: Out) -> None:
    before = out("trunk")
    third = repository.commit("3")
    assert out("trunk", offline=True).commit == before.commit
    after = out("trunk")
    assert after.commit == third
    assert (before.path / "file").read_text() == "2", "a checkout is never changed"


@pytest.mark.slow
def test_a_known_commit_costs_nothing(repository: Repository, out: Out, recorder: Recorder) -> None:
    known = out(repository.second)
    spans = len(recorder.spans)
    shutil.rmtree(repository.directory)
    assert out(repository.second) == known
    assert out(repository.second, offline=True) == known
    assert len(recorder.spans) == spans


def test_offline_and_not_there(repository: Repository, out: Out) -> None:
    with pytest.raises(OfflineMissError, match="trunk"):
        out("trunk", offline=True)


@pytest.mark.slow
@pytest.mark.parametrize("revision", ["nowhere", "0" * 40, "--upload-pack=touch x"])
def test_no_such_revision(out: Out, revision: str) -> None:
    with pytest.raises(RequestError, match="revision"):
        out(revision)


def test_no_such_repository(out: Out, tmp_path: Path) -> None:
    with pytest.raises(ProvideError, match="git fetch failed"):
        out(None, url=f"file://{tmp_path}/gone")


@pytest.mark.slow
def test_credentials_reach_git_and_nothing_else(index_server: Callable[..., IndexServer]) -> None:
    server = index_server(credentials=("user", "s3cret/"))
    host = server.origin.partition("//")[2]
    git = Git(f"http://user:s3cret%2F@{host}/repo.git", os.environ)
    assert git.url == f"http://{host}/repo.git"

    async def run() -> ProvideError:
        with pytest.raises(ProvideError) as caught:
            await git.run("ls-remote", "--", git.url)
        return caught.value

    assert "s3cret" not in str(asyncio.run(run()))
    sent = base64.b64encode(b"user:s3cret/").decode()
    assert f"Basic {sent}" in [request.headers.get("authorization") for request in server.requests]


def test_what_git_says_is_shown_without_secrets(tmp_path: Path) -> None:
    program = tmp_path / "git"
    program.write_text(
        "#!/bin/sh\necho fatal: token s3cret >&2\necho fatal: https://other:t0ken@sub.invalid/y denied >&2\nexit 128\n"
    )
    program.chmod(0o755)
    git = Git("https://user:s3cret@h.invalid/x", {"PATH": str(tmp_path)})
    with pytest.raises(ProvideError, match="git fetch failed") as caught:
        asyncio.run(git.run("fetch"))
    assert caught.value.why == "fatal: token ****\nfatal: https://sub.invalid/y denied"


def test_a_machine_without_git(tmp_path: Path) -> None:
    with pytest.raises(ProvideError, match="not installed"):
        asyncio.run(Git("https://h.invalid/x", {"PATH": str(tmp_path)}).run("version"))


@pytest.mark.slow
def test_variables_of_a_surrounding_git_do_not_matter(
    repository: Repository, out: Out, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "nowhere" / "index"))
    assert out("trunk").commit == repository.second
