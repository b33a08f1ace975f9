"""A store with an environment in it is looked at, verified, repaired, pruned and cleaned, beside those that use it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kit.archives import make_sdist, make_wheel
from kit.server import IndexServer

from pytest_fastenv import provision
from pytest_fastenv.cli.main import main
from pytest_fastenv.environment.manifest import ENVIRONMENTS
from pytest_fastenv.environment.places import Ready
from pytest_fastenv.environment.request_cache import REQUESTS
from pytest_fastenv.filesystem import oslock
from pytest_fastenv.installer.wheel_bucket import WHEELS
from pytest_fastenv.model.link import LinkMode
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.buckets import PRIVATE_PLACES, STAGING, WORKERS, EntryBucket
from pytest_fastenv.store.makers import making
from pytest_fastenv.store.store import Store
from pytest_fastenv.upkeep.automatic import look_after, size_in_bytes
from pytest_fastenv.upkeep.buckets import ENTRIES, RECORDS
from pytest_fastenv.upkeep.diary import DIARY, LAST
from pytest_fastenv.upkeep.holdings import Holdings

pytestmark = pytest.mark.slow

DAY_S = 86400.0
Cache = Callable[..., Any]


class Desk:
    """What its user asks for: two projects, one of which is built."""

    def __init__(self, server: IndexServer, store: Store) -> None:
        self.server = server
        self.store = store
        self.held: list[int] = []

    def ask(self, *sources: str, link: LinkMode = LinkMode.AUTO, keep: bool = False, **changes: Any) -> Ready:
        settings = Settings(
            cache_dir=self.store.root, index_url=self.server.url, link=link, project="none", max_age_s=0, **changes
        )
        ready = provision(sources or ("app", "built"), settings=settings)
        assert ready.lease_fd is not None
        if keep:
            self.held.append(ready.lease_fd)
        else:
            os.close(ready.lease_fd)
        return ready

    def release(self) -> None:
        while self.held:
            os.close(self.held.pop())

    def age(self, days: float) -> None:
        """Let everything in the store be so many days old."""
        then = time.time() - days * DAY_S
        os.utime(self.store.root / "CACHEDIR.TAG", (then, then))
        for one in Holdings.of(self.store).kept:
            os.utime(one.path, (then, then))
            if isinstance(one.bucket, EntryBucket):
                os.utime(one.path / one.bucket.mark, (then, then))
        for path in (self.store.root / "environments" / ".leases").iterdir():
            os.utime(path, (then, then))

    def counts(self) -> dict[str, int]:
        found = Holdings.of(self.store).kept
        buckets = {one.bucket.name for one in found if isinstance(one.bucket, EntryBucket)}
        return {name: sum(one.bucket.name == name for one in found) for name in sorted(buckets)}


@pytest.fixture
def desk(artifacts: Path, index_server: Callable[..., IndexServer], store: Store) -> Desk:
    make_wheel(artifacts, "app", requires=["lib>=1"])
    make_wheel(artifacts, "lib", "1.0")
    make_sdist(artifacts, "built", "1.0")
    return Desk(index_server(), store)


@pytest.fixture
def cache(capsys: pytest.CaptureFixture[str]) -> Cache:
    """Run ``fastenv cache``; the answer, and with ``code`` the exit code that is expected."""

    def run(*words: str, code: int = 0) -> Any:
        capsys.readouterr()
        assert main(["cache", *words, "--json"]) == code
        return json.loads(capsys.readouterr().out)

    return run


def test_what_is_there(desk: Desk, cache: Cache, capsys: pytest.CaptureFixture[str]) -> None:
    ready = desk.ask(link=LinkMode.HARDLINK, keep=True)
    told = cache("info")
    buckets = {one["name"]: one for one in told["buckets"]}
    assert list(buckets) == [bucket.directory for bucket in (*ENTRIES, *RECORDS)]
    assert buckets[WHEELS.directory]["count"] == 3
    assert (buckets["environments"]["count"], buckets["environments"]["in_use"]) == (1, 1)
    (environment,) = told["environments"]
    assert (environment["path"], environment["in_use"]) == (str(ready.environment.prefix), True)
    assert abs(environment["used_at"] - time.time()) < 60
    # Hard links count once: `du` says the same of the whole.
    said = subprocess.run(["du", "-sb", "--", desk.store.root], capture_output=True, text=True, check=False)
    if said.returncode == 0:  # it counts directories as well
        directories = sum(os.lstat(place).st_size for place, _, _ in os.walk(desk.store.root))
        loose = sum(os.lstat(path).st_size for path in desk.store.root.iterdir() if path.is_file())
        assert int(said.stdout.split()[0]) == told["size_bytes"] + directories + loose
    desk.release()
    assert main(["cache", "info"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"{desk.store.root}  ")
    assert "      3  wheels-v" in shown


def test_all_is_as_it_was_made(desk: Desk, cache: Cache) -> None:
    desk.ask()
    told = cache("verify")
    assert told["damaged"] == []
    assert told["checked"] == len(Holdings.of(desk.store).kept)


@pytest.mark.parametrize("link", [LinkMode.COPY, LinkMode.SYMLINK])
def test_what_is_damaged_is_named_and_made_again(desk: Desk, cache: Cache, link: LinkMode) -> None:
    """A byte of a wheel, with the same size and time; a byte of the environment; a record."""
    ready = desk.ask(link=link)
    (module,) = (desk.store.root / WHEELS.directory).glob("*/*/tree/app/__init__.py")
    installed = ready.environment.purelib / "lib" / "__init__.py"
    for path in (module, installed):
        status = path.stat()
        content = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(content[:-1] + b" ")
        path.chmod(status.st_mode)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    (record,) = (desk.store.root / REQUESTS.directory).rglob("*.json")
    record.write_bytes(record.read_bytes().replace(b"i", b"j"))
    told = cache("verify", code=1)
    faults = {(one["bucket"], one["fault"]) for one in told["damaged"]}
    assert (WHEELS.directory, "app/__init__.py has other content") in faults
    assert (REQUESTS.directory, "it is not as it was written") in faults
    assert ENVIRONMENTS.directory in {bucket for bucket, _ in faults}
    assert {one["outcome"] for one in told["damaged"]} == {None}
    told = cache("verify", "--repair")
    assert {one["outcome"] for one in told["damaged"]} == {"withdrawn"}
    assert cache("verify")["damaged"] == []
    again = desk.ask(link=link)
    assert again.summary.reused is False
    assert (again.environment.purelib / "app" / "__init__.py").read_bytes() == _content(desk, "app")
    assert cache("verify")["damaged"] == []


def _content(desk: Desk, name: str) -> bytes:
    (module,) = (desk.store.root / WHEELS.directory).glob(f"*/*/tree/{name}/__init__.py")
    return module.read_bytes()


def test_what_is_damaged_and_in_use_is_left(desk: Desk, cache: Cache) -> None:
    ready = desk.ask(keep=True)
    (ready.environment.purelib / "app" / "__init__.py").unlink()
    (finding,) = cache("verify", "--repair", code=1)["damaged"]
    assert (finding["bucket"], finding["outcome"]) == ("environments", "left, since it is in use")
    assert ready.environment.prefix.is_dir()
    desk.release()
    assert cache("verify", "--repair")["damaged"][0]["outcome"] == "withdrawn"


def test_what_nothing_used_goes_and_a_use_keeps_it(desk: Desk, cache: Cache) -> None:
    desk.ask()
    desk.ask("lib")
    assert cache("prune")["removed"] == []
    desk.age(40)
    assert desk.ask("lib", offline=True).summary.reused is True
    told = cache("prune", "--dry-run")
    assert told["removed"]
    assert desk.counts()["environments"] == 2
    assert {one["path"] for one in cache("prune")["removed"]} == {one["path"] for one in told["removed"]}
    assert desk.counts() == {"environments": 1, "skeletons": 1, "wheels": 1}
    assert desk.ask("lib", offline=True).summary.reused is True
    assert cache("verify")["damaged"] == []


def test_what_is_held_stays(desk: Desk, cache: Cache) -> None:
    ready = desk.ask(link=LinkMode.SYMLINK, keep=True)
    desk.age(400)
    for words in ([], ["--unused", "0"], ["--environments"], ["--ci"], ["--max-size", "1B"]):
        cache("prune", *words)
    cache("clean")
    assert desk.counts()["environments"] == 1
    ran = ready.environment.run(["python", "-c", "import app, built, lib"])
    assert ran.returncode == 0, ran.stderr
    desk.release()
    cache("clean")
    assert desk.counts() == {}


def test_while_something_is_made_only_environments_and_records_go(desk: Desk, cache: Cache) -> None:
    desk.ask()

    async def prune() -> Any:
        async with making(desk.store.root, 1):
            return await asyncio.to_thread(cache, "clean")

    told = asyncio.run(prune())
    assert {one["why"] for one in told["stayed"]} == {"something is being made in the store at this moment"}
    counts = desk.counts()
    assert "environments" not in counts
    assert counts["wheels"] == 3
    cache("clean")
    assert desk.counts() == {}
    assert desk.ask().summary.fetched == 2


def test_in_ci_what_was_built_is_not_built_again(desk: Desk, cache: Cache) -> None:
    desk.ask()
    cache("prune", "--ci")
    assert desk.counts() == {"wheels": 1}
    again = desk.ask()
    assert (again.summary.fetched, again.summary.built, again.summary.cached) == (2, 0, 1)


def test_down_to_a_size(desk: Desk, cache: Cache) -> None:
    desk.ask()
    desk.age(3)
    desk.ask("lib")
    before = cache("info")
    size, records = before["size_bytes"], [one for one in before["buckets"] if one["kind"] == "records"]
    limit = size - sum(one["size_bytes"] for one in records)  # of one day they are the first to go
    told = cache("prune", "--max-size", f"{limit - 1}B")
    assert told["size_bytes"] < limit
    assert told["size_bytes"] == cache("info")["size_bytes"]
    assert desk.counts()["environments"] == 1
    assert desk.ask("lib", offline=True).summary.reused is True
    assert size_in_bytes("2.5kB", desk.store.root) == 2500
    assert size_in_bytes("1GiB", desk.store.root) == 2**30
    assert 0 < size_in_bytes("1%", desk.store.root / "missing") < size_in_bytes("100%", desk.store.root)


def test_one_project_is_cleaned(desk: Desk, cache: Cache) -> None:
    desk.ask()
    desk.ask("lib")
    removed = cache("clean", "APP")["removed"]
    assert desk.counts()["environments"] == 1
    assert desk.counts()["wheels"] == 2
    assert {"wheels-v3", "environments", "index-v3"} <= {one["bucket"] for one in removed}
    again = desk.ask()
    assert (again.summary.fetched, again.summary.cached) == (1, 2)
    assert cache("clean", "never-heard-of")["removed"] == []


def test_a_request_keeps_a_few_environments(desk: Desk, tmp_path: Path, artifacts: Path) -> None:
    """The present one and two before: branches are switched between; what led there longest ago goes."""
    requirements = tmp_path / "requirements.txt"
    made = []
    for number in range(1, 6):
        make_wheel(artifacts, "step", f"{number}.0")
        requirements.write_text(f"step=={number}.0\n")
        made.append(desk.ask(str(requirements)).environment.prefix)
    assert [prefix.is_dir() for prefix in made] == [False, False, True, True, True]
    requirements.write_text("step==3.0\n")
    assert desk.ask(str(requirements)).summary.reused is True


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["prune", "--unused", "soon"], "--unused soon is not accepted"),
        (["prune", "--max-size", "20"], "expected a size such as 20GB"),
    ],
)
def test_wrong_words(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", *words]) == 4
    assert said in capsys.readouterr().err


def test_a_name_stays_on_its_line(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.ask()
    (prefix,) = (path for path in (desk.store.root / "environments").iterdir() if path.name[0] != ".")
    (prefix / "pyvenv.cfg").unlink()
    prefix.rename(prefix.with_name("two\nlines"))
    capsys.readouterr()
    assert main(["cache", "verify"]) == 1
    found, summary = capsys.readouterr().out.splitlines()
    assert found.startswith(r"environments/two\x0alines: ")
    assert summary.endswith("1 damaged")


def test_an_empty_store(cache: Cache) -> None:
    assert cache("info")["size_bytes"] == 0
    assert cache("verify")["checked"] == 0
    assert cache("prune")["removed"] == cache("clean")["removed"] == []


def test_by_itself_once_a_day(desk: Desk) -> None:
    settings = Settings(cache_dir=desk.store.root)
    desk.ask()
    assert not desk.store.wants_upkeep
    desk.age(31)
    assert desk.store.wants_upkeep
    desk.ask("lib")
    words = [sys.executable, "-P", "-m", "pytest_fastenv.upkeep", str(desk.store.root)]
    subprocess.run(words, check=True)
    assert desk.counts() == {"environments": 1, "skeletons": 1, "wheels": 1}
    known = desk.store.read_record(DIARY, LAST)
    assert known is not None
    assert known.removed > 5
    assert not known.failed
    assert not desk.store.wants_upkeep
    look_after(desk.store, settings)
    assert desk.store.read_record(DIARY, LAST) == known


def test_lock_files_that_nobody_uses_go_with_what_goes_by_itself(desk: Desk) -> None:
    desk.ask()
    known = set((desk.store.root / "locks").glob("*/*.lock"))
    assert known
    for path in (desk.store.root / "CACHEDIR.TAG", *known):
        os.utime(path, (0, 0))
    look_after(desk.store, Settings(cache_dir=desk.store.root))
    assert not known.intersection((desk.store.root / "locks").glob("*/*.lock"))
    assert (desk.store.root / "locks" / "makers.lock").exists()
    assert desk.ask("app", "built", recreate=True).summary.reused is False


def test_what_a_killed_process_left_is_a_reason_to_look_after_it(desk: Desk) -> None:
    desk.ask()
    tmp, tag = desk.store.root / "tmp", desk.store.root / "CACHEDIR.TAG"
    os.utime(tag, (time.time() - 120,) * 2)
    assert not desk.store.wants_upkeep
    (tmp / "123-0123456789ab" / "x").mkdir(parents=True)
    (tmp / "123-0123456789ab.lease").touch()
    alive = oslock.try_lock(tmp / "456-0123456789cd.lease")
    assert alive is not None
    assert desk.store.wants_upkeep
    look_after(desk.store, Settings(cache_dir=desk.store.root))
    assert not (tmp / "123-0123456789ab").exists()
    assert (tmp / "456-0123456789cd.lease").exists()
    os.utime(tag, (time.time() - 120,) * 2)
    assert not desk.store.wants_upkeep
    alive.release()
    assert desk.store.wants_upkeep
    os.utime(tag)
    assert not desk.store.wants_upkeep, "not again and again, where something cannot be removed"


def test_private_places_are_where_environments_are() -> None:
    assert {f"{ENVIRONMENTS.directory}/{name}" for name in (STAGING, WORKERS)} < set(PRIVATE_PLACES)


@pytest.mark.parametrize("place", PRIVATE_PLACES)
@pytest.mark.parametrize("by", ["itself", "prune", "clean"])
def test_what_killed_processes_left_goes_wherever_they_had_it(place: str, by: str, desk: Desk, cache: Cache) -> None:
    desk.ask()
    private = desk.store.root / place
    (private / "123-0123456789ab" / "gw0").mkdir(parents=True)
    (private / "123-0123456789ab.lease").touch()
    (private / "456-0123456789cd").mkdir()
    alive = oslock.try_lock(private / "456-0123456789cd.lease")
    assert alive is not None
    os.utime(desk.store.root / "CACHEDIR.TAG", (time.time() - 120,) * 2)
    assert desk.store.wants_upkeep
    if by == "itself":
        look_after(desk.store, Settings(cache_dir=desk.store.root))
    else:
        cache(by)
    own = f"{os.getpid()}-"  # this process may have one itself
    assert sorted(path.name for path in private.iterdir() if not path.name.startswith(own)) == [
        "456-0123456789cd",
        "456-0123456789cd.lease",
    ]
    alive.release()


def test_by_itself_under_a_size(desk: Desk) -> None:
    desk.ask()
    desk.age(2)
    look_after(desk.store, Settings(cache_dir=desk.store.root, cache_max_size="1kB"))
    assert desk.counts() == {}


PLACES = {
    "bucket": WHEELS.directory,
    "shard": f"{WHEELS.directory}/aa",
    "entry": f"{WHEELS.directory}/ab/key",
    "environments": ENVIRONMENTS.directory,
    "environment": f"{ENVIRONMENTS.directory}/foreign-1",
    "leases": f"{ENVIRONMENTS.directory}/.leases",
    "records": f"{REQUESTS.directory}/aa",
    "older": "wheels-v1",
    "locks": "locks",
    "shard of locks": "locks/aa",
    "logs": "logs",
    "epochs": "epochs",
    **{place: place for place in PRIVATE_PLACES},
    "private": "tmp/link",
}


def _precious(directory: Path) -> set[tuple[str, bytes]]:
    """Make a directory of somebody else's where there is none; return what is in it."""
    if not directory.exists():
        (directory / "aa" / "below").mkdir(parents=True)
        for name in ("a.json", "a.lock", "a.log", "aa.lease", ".draft", "aa/b.lock", "aa/.ready", "aa/below/a.log"):
            (directory / name).write_text(name)
            os.utime(directory / name, (0, 0))
    return {(str(path), path.read_bytes() if path.is_file() else b"") for path in directory.rglob("*")}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize(
    "words", ["verify --repair", "prune --unused 0", "prune --ci", "prune --max-size 1MB", "clean", "by itself"]
)
def test_nothing_behind_a_link_in_the_store_goes(
    place: str, words: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever moved a part of it elsewhere, or linked a thing by mistake, loses nothing there."""
    monkeypatch.setenv("FASTENV_CACHE_DIR", str(store.root))
    before = _precious(tmp_path / "precious")
    link = store.root / place
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_dir():
        link.rename(tmp_path / "moved")
    os.symlink(tmp_path / "precious", link)
    if words == "by itself":
        look_after(store, Settings(cache_dir=store.root))
    else:
        assert main(["cache", *words.split()]) in {0, 1}
    assert _precious(tmp_path / "precious") >= before
