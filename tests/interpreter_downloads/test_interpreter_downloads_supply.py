"""A missing interpreter is offered from where it can be had, or the diagnosis says everything that was looked at."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from kit.server import IndexServer

from pytest_fastenv.errors import AuthError, InterpreterError, InterpreterNotFoundError, UsageError, option
from pytest_fastenv.interpreter.probe import probe
from pytest_fastenv.interpreter_downloads.host import host_of
from pytest_fastenv.interpreter_downloads.mirror import Fetch
from pytest_fastenv.interpreter_downloads.offer import Offer
from pytest_fastenv.interpreter_downloads.supply import Catalogue, available, offered
from pytest_fastenv.interpreter_downloads.tables import tables_version
from pytest_fastenv.model.target import Target
from pytest_fastenv.provisioning.run import Policies, Run
from pytest_fastenv.provisioning.tools import fetch_text
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store

MISSING = InterpreterNotFoundError(
    "no Python interpreter fits '3.98'", where="PATH: /bin", why="none was found", hint="install one"
)


@pytest.fixture(scope="module")
def host() -> Target:
    """The interpreter that runs the tests."""
    return probe(Path(sys.executable))


def archive(version: str, host: Target) -> str:
    """An archive's name for this machine."""
    machine = host_of(host)
    arch = "i686" if machine.arch == "x86" else machine.arch
    systems = {"macos": "apple-darwin", "windows": "pc-windows-msvc"}
    system = systems.get(machine.os, f"unknown-linux-{machine.libc}")
    return f"cpython-{version}+20240101-{arch}-{system}-install_only.tar.gz"


def write_checksums(directory: Path, *names: str) -> dict[str, str]:
    """Put small files and their SHA256SUMS into a directory; returns digests by name."""
    for name in names:
        (directory / name).write_bytes(name.encode())
    digests = {name: hashlib.sha256(name.encode()).hexdigest() for name in names}
    (directory / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in digests.items()))
    return digests


async def nothing(url: str) -> bytes:
    raise AssertionError(f"{url} was asked for")


def over_http(store: Store, settings: Settings) -> Fetch:
    """Read as a run does: with the HTTP client, and the logins it knows from the settings."""
    return partial(asyncio.to_thread, fetch_text, Run.of(settings, store, dict(os.environ)))


def ask(
    spec: str,
    host: Target,
    store: Store,
    settings: Settings,
    fetch: Fetch = nothing,
    missing: InterpreterNotFoundError | None = MISSING,
) -> Offer:
    return asyncio.run(offered(spec, host, store, Policies.of(settings).downloads, fetch, missing=missing))


def refusal(
    spec: str, host: Target, store: Store, settings: Settings, fetch: Fetch = nothing
) -> InterpreterNotFoundError:
    with pytest.raises(InterpreterNotFoundError) as caught:
        ask(spec, host, store, settings, fetch)
    assert caught.value.exit_code == 4
    return caught.value


def test_from_the_tables_without_any_request(host: Target, store: Store) -> None:
    if host_of(host).libc == "musl":
        pytest.skip("the tables have nothing for musl")
    found = ask("3.12", host, store, Settings())
    assert found.version_info == (3, 12)
    assert found.sha256


def test_from_a_server_with_checksums(
    host: Target, store: Store, index_server: Callable[..., IndexServer], artifacts: Path
) -> None:
    old, new = archive("3.98.1", host), archive("3.98.2", host)
    digests = write_checksums(artifacts, old, new)
    server = index_server()
    settings = Settings(python_mirror=server.files_url)
    found = ask("3.98", host, store, settings, over_http(store, settings))
    assert (found.version, found.sha256) == ("3.98.2", digests[new])
    assert found.url == f"{server.files_url}{new.replace('+', '%2B')}"
    assert server.paths() == ["/files/SHA256SUMS"]
    assert ask("3.98.1", host, store, settings, over_http(store, settings)).sha256 == digests[old]


def test_a_server_s_login_is_used_and_not_shown(
    host: Target, store: Store, index_server: Callable[..., IndexServer], artifacts: Path
) -> None:
    name = archive("3.98.1", host)
    write_checksums(artifacts, name)
    server = index_server(credentials=("user", "s3cret"))
    place = server.files_url.replace("://", "://user:s3cret@")
    settings = Settings(python_mirror=place)
    found = ask("3.98", host, store, settings, over_http(store, settings))
    assert "s3cret" not in repr(found)
    error = refusal("3.99", host, store, settings, over_http(store, settings))
    assert "s3cret" not in error.diagnosis()
    assert server.files_url.rstrip("/") in str(error.where)
    wrong = Settings(python_mirror=place.replace("s3cret", "s3cret2"))
    with pytest.raises(AuthError) as caught:
        ask("3.98", host, store, wrong, over_http(store, wrong))
    assert "s3cret2" not in caught.value.diagnosis()


def test_a_server_without_checksums_has_what_the_tables_have(
    host: Target, store: Store, index_server: Callable[..., IndexServer]
) -> None:
    if host_of(host).libc == "musl":
        pytest.skip("the tables have nothing for musl")
    settings = Settings(python_mirror=index_server().files_url)
    found = ask("3.12", host, store, settings, over_http(store, settings))
    assert found.url.startswith(str(settings.python_mirror))
    assert found.sha256 == ask("3.12", host, store, Settings()).sha256


def test_what_lies_in_a_directory_is_digested_once(host: Target, store: Store, artifacts: Path) -> None:
    path = artifacts / archive("3.98.1", host)
    path.write_bytes(b"an archive")
    settings = Settings(python_mirror=str(artifacts), offline=True)
    found = ask("3.98", host, store, settings)
    assert found.sha256 == hashlib.sha256(b"an archive").hexdigest()
    assert found.url == path.as_uri()
    status = path.stat()
    path.write_bytes(b"AN ARCHIVE")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert ask("3.98", host, store, settings) == found  # not read again
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
    assert ask("3.98", host, store, settings).sha256 == hashlib.sha256(b"AN ARCHIVE").hexdigest()


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that cannot be read, even by root")
def test_an_archive_that_cannot_be_read(host: Target, store: Store, artifacts: Path) -> None:
    path = artifacts / archive("3.98.1", host)
    path.symlink_to("/proc/self/mem")  # a file that can be opened, but not read from its beginning
    with pytest.raises(InterpreterError, match="cannot be read"):
        ask("3.98", host, store, Settings(python_mirror=artifacts.as_uri()))


def test_the_diagnosis_joins_machine_and_catalogue(host: Target, store: Store, artifacts: Path) -> None:
    write_checksums(artifacts, archive("3.98.1", host), archive("3.97.4", host), archive("3.97.3", host))
    error = refusal("3.99", host, store, Settings(python_mirror=str(artifacts)))
    assert error.what == MISSING.what
    assert str(error.where).splitlines() == ["PATH: /bin", f"mirror: {artifacts}"]
    assert str(error.why).splitlines() == [
        "none was found",
        f"the mirror can provide for {host_of(host)}:",
        "  CPython 3.98.1, 3.97.4",
    ]
    assert error.hint == "install one"
    near = refusal("3.97.9", host, store, Settings(python_mirror=str(artifacts)))
    assert "  CPython 3.97.4, 3.97.3" in str(near.why).splitlines()
    (artifacts / "SHA256SUMS").write_text("")
    empty = refusal("3.97", host, store, Settings(python_mirror=str(artifacts)))
    assert f"the mirror has nothing for {host_of(host)}" in str(empty.why)


def test_what_is_newer_than_the_tables(host: Target, store: Store) -> None:
    if host_of(host).libc == "musl":
        pytest.skip("the tables have nothing for musl")
    error = refusal("3.98", host, store, Settings())
    assert f"catalogue: pbs-installer {tables_version()}" in str(error.where)
    assert "pip install --upgrade pbs-installer" in str(error.hint)
    assert "CPython 3." in str(error.why)
    assert "PyPy 3." in str(error.why)
    older = refusal(">3.12,<3.13", host, store, Settings())
    assert "--upgrade" not in str(older.hint)


def test_musl_is_told_what_would_help(host: Target, store: Store) -> None:
    if sys.platform != "linux":
        pytest.skip("musl is on Linux only")
    musl = replace(host, externals={"libc": "musl 1.2"})
    error = refusal("3.12", musl, store, Settings())
    assert "nothing for Linux on" in str(error.why)
    assert "musl" in str(error.hint)
    assert "SHA256SUMS" in str(error.hint)
    unknown = refusal("3.12", replace(host, externals={}), store, Settings())
    assert "which libc it has is not known" in str(unknown.why)


def test_a_pre_release_is_named(host: Target, store: Store, artifacts: Path) -> None:
    write_checksums(artifacts, archive("3.98.0rc2", host), archive("3.98.0rc1", host))
    settings = Settings(python_mirror=str(artifacts))
    error = refusal("3.98", host, store, settings)
    assert "3.98.0rc2" in str(error.hint)
    assert "3.98.0rc2, 3.98.0rc1" in str(error.why)
    assert ask("3.98.0rc1", host, store, settings).version == "3.98.0rc1"


def test_debug_builds_are_not_downloaded(host: Target, store: Store, artifacts: Path) -> None:
    write_checksums(artifacts, archive("3.98.1", host))
    error = refusal("3.98d", host, store, Settings(python_mirror=str(artifacts)))
    assert "debug builds are not downloaded" in str(error.hint)


def test_forbidden(host: Target, store: Store) -> None:
    error = refusal("3.12", host, store, Settings(python_downloads="never", python_mirror="nowhere/at/all"))
    assert (error.what, error.where, error.why) == (MISSING.what, MISSING.where, MISSING.why)
    assert str(error.hint).startswith("install one; ")
    assert f"{option('python_downloads')} is never" in str(error.hint)


def test_offline(host: Target, store: Store, artifacts: Path) -> None:
    for mirror in (None, "https://example.invalid/m"):
        error = refusal("3.12", host, store, Settings(offline=True, python_mirror=mirror))
        assert "the network is not to be used" in str(error.why)
        assert option("python_mirror") in str(error.hint)
        if mirror is not None:
            assert mirror in str(error.why)
    write_checksums(artifacts, archive("3.98.1", host))
    for place in (str(artifacts), artifacts.as_uri()):
        assert ask("3.98", host, store, Settings(offline=True, python_mirror=place)).version == "3.98.1"


def test_a_path_is_never_downloaded(host: Target, store: Store) -> None:
    assert refusal("./python", host, store, Settings()) is MISSING
    with pytest.raises(InterpreterNotFoundError, match="which no download can provide"):
        ask("./python", host, store, Settings(), missing=None)


def test_what_cannot_be_read_stays_what_the_search_said(host: Target, store: Store) -> None:
    assert refusal(">=3.foo", host, store, Settings()) is MISSING
    with pytest.raises(InterpreterNotFoundError, match="does not say which Python is meant"):
        ask(">=3.foo", host, store, Settings(), missing=None)


def test_too_old(host: Target, store: Store) -> None:
    with pytest.raises(InterpreterNotFoundError, match=r"Python 3\.7 is too old: pytest cannot run there"):
        ask("3.7", host, store, Settings())


@pytest.mark.parametrize(("spec", "last"), [("3.7.99", "3.7.17"), ("2.7.19", "2.7.18"), ("3.8.21", "3.8.20")])
def test_what_was_never_released(host: Target, store: Store, spec: str, last: str) -> None:
    with pytest.raises(InterpreterNotFoundError, match=f"there is no Python {spec}") as caught:
        ask(spec, host, store, Settings())
    assert str(caught.value.why).endswith(f"was {last}")


def test_a_bad_mirror(host: Target, store: Store) -> None:
    with pytest.raises(UsageError, match=r"python_mirror.*: 'ftp://example\.invalid' is not accepted"):
        ask("3.12", host, store, Settings(python_mirror="ftp://example.invalid"))


def test_what_is_available(host: Target, artifacts: Path) -> None:
    (artifacts / archive("3.98.1", host)).touch()

    def listed(settings: Settings) -> Catalogue:
        return asyncio.run(available(host, Policies.of(settings).downloads, nothing))

    (found,) = listed(Settings(python_mirror=str(artifacts), offline=True)).offers
    assert (found.version, found.sha256) == ("3.98.1", "")
    assert listed(Settings(python_mirror=str(artifacts), python_downloads="never")).offers == []
    assert listed(Settings(offline=True)).offers == []
    if host_of(host).libc != "musl":
        assert listed(Settings()).offers
