"""Environments are found when they are as they were made, and made whole or not at all."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from kit import environment_bench
from kit.environment_bench import fill, parts, provide, running_target

from pytest_fastenv.environment import supply
from pytest_fastenv.environment.manifest import ENVIRONMENTS
from pytest_fastenv.environment.places import Found, Generations, Missing, Ready
from pytest_fastenv.environment.single_directory import ChosenDirectory, PrivateDirectory, place_of
from pytest_fastenv.environment.skeleton import lay_out
from pytest_fastenv.environment.staging import StagedEnvironment, stage_in_store
from pytest_fastenv.errors import PublishError, StoreError, UsageError
from pytest_fastenv.filesystem import oslock
from pytest_fastenv.model.digest import text_sha256
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.runtime.summary import Summary
from pytest_fastenv.store import lease
from pytest_fastenv.store.store import Store


@pytest.fixture
def environments(store: Store) -> Generations:
    """The environments in the store."""
    return Generations(store)


def names(environments: Generations) -> list[str]:
    """What lies in the directory, besides what is hidden or keeps pytest away."""
    found = os.listdir(environments.path)
    return sorted(name for name in found if not name.startswith(".") and name != "conftest.py")


def staged_in(directory: Path) -> list[str]:
    """What is left of environments in the making."""
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []


def test_made_once_then_reused(store: Store, environments: Generations) -> None:
    assert environments.find(parts()) == Missing(None)
    first = provide(store)
    assert first.summary == Summary(distributions=1)
    assert names(environments) == [f"{parts()[:16]}-1"]
    assert first.environment.installed() == {"six": "1.17"}
    assert first.environment.run(["six"], capture_output=True, text=True).stdout == "1.17\n"
    again = provide(store)
    assert (again.environment, again.summary) == (first.environment, Summary(distributions=1, reused=True))
    assert environments.find(str(parts())) == Found(first.environment, first.summary)
    assert staged_in(environments.path / ".staging") == []


def test_running_it_does_not_change_it(store: Store, environments: Generations) -> None:
    made = provide(store).environment
    made.run(["python", "-c", "import six"], env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""}, check=True)
    assert list(made.purelib.glob("__pycache__/six*.pyc"))
    assert isinstance(environments.find(parts()), Found)


def test_one_that_was_changed_is_left_and_another_made_beside_it(store: Store, environments: Generations) -> None:
    first = provide(store).environment
    held = environments.hold(first)
    assert held is not None
    (first.purelib / "six.py").write_text("edited by its user")
    assert environments.find(parts()) == Missing("six.py changed since")
    second = provide(store)
    assert (second.summary.reused, second.summary.reason) == (False, "six.py changed since")
    assert names(environments) == [f"{parts()[:16]}-1", f"{parts()[:16]}-2"]
    assert (first.purelib / "six.py").read_text() == "edited by its user"
    assert provide(store).environment == second.environment
    os.close(held)
    shutil.rmtree(second.environment.prefix)
    (first.purelib / "six.py").unlink()
    assert environments.find(parts()) == Missing("six.py is missing")


def test_those_that_were_edited_go_when_the_next_one_is_made(store: Store, environments: Generations) -> None:
    for number in range(1, 13):
        made = provide(store).environment
        assert made.prefix.name == f"{parts()[:16]}-{number}"
        (made.purelib / "six.py").write_text("edited by its suite")
    assert names(environments) == [f"{parts()[:16]}-12"]
    assert os.listdir(environments.path / ".leases") == [f"{parts()[:16]}-12.lock"]


def test_what_cannot_be_removed_is_no_reason_to_fail(store: Store, environments: Generations) -> None:
    first = provide(store).environment
    environments.remove([first.prefix.with_name("gone-1")])
    assert names(environments) == [first.prefix.name]
    assert not (environments.path / ".leases" / "gone-1.lock").exists()


def test_recreate(store: Store, environments: Generations) -> None:
    provide(store)
    again = provide(store, recreate=True)
    assert (again.summary.reused, again.summary.reason) == (False, "asked for")
    assert names(environments) == [f"{parts()[:16]}-2"]
    assert provide(store).environment == again.environment


def test_other_parts_mean_another_directory(store: Store, environments: Generations) -> None:
    provide(store)
    other = provide(store, fingerprint=parts(worker="gw0"))
    assert not other.summary.reused
    assert len(names(environments)) == 2
    same_beginning = parts()[:16] + "0" * 48
    assert environments.find(same_beginning) == Missing(None)


def test_the_difference_to_the_previous_one_is_told(store: Store) -> None:
    first = provide(store).environment
    newer = parts(distributions={"six": ["1.18", "b"]})
    assert provide(store, fingerprint=newer, previous=first.prefix).summary.reason == "six 1.17 → 1.18"
    assert provide(store, fingerprint=newer, previous=first.prefix).summary.reason is None
    shutil.rmtree(first.prefix)
    assert provide(store, fingerprint=parts(other=1), previous=first.prefix).summary.reason is None


def test_a_directory_of_the_users(store: Store, tmp_path: Path) -> None:
    made = provide(store, tmp_path / "here" / "envs").environment
    assert made.prefix.parent == tmp_path / "here" / "envs"
    assert provide(store, tmp_path / "here" / "envs").summary.reused


def test_a_fill_that_fails_leaves_nothing(store: Store, environments: Generations) -> None:
    async def fails(staged: StagedEnvironment) -> Summary:
        await fill(staged)
        raise StoreError("no space left")

    with pytest.raises(StoreError, match="no space left"):
        asyncio.run(supply.provide(environments, running_target(store), parts(), fails))
    assert names(environments) == []
    assert staged_in(environments.path / ".staging") == []
    assert environments.find(parts()) == Missing(None)


def test_a_cancelled_fill_leaves_nothing(store: Store, environments: Generations) -> None:
    async def scenario() -> None:
        begun = asyncio.Event()

        async def waits(staged: StagedEnvironment) -> Summary:
            await fill(staged)
            begun.set()
            await asyncio.Event().wait()
            return Summary()

        task = asyncio.create_task(supply.provide(environments, running_target(store), parts(), waits))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert names(environments) == []
    assert staged_in(environments.path / ".staging") == []


def test_tasks_that_want_the_same_get_the_same(store: Store, environments: Generations) -> None:
    async def scenario() -> list[bool]:
        target = running_target(store)
        provided = await asyncio.gather(*(supply.provide(environments, target, parts(), fill) for _ in range(4)))
        for one in provided:
            os.close(one.lease_fd)
        return sorted(one.summary.reused for one in provided)

    assert asyncio.run(scenario()) == [False, True, True, True]
    assert len(names(environments)) == 1


@pytest.mark.slow
def test_processes_that_want_the_same_get_the_same(store: Store, environments: Generations) -> None:
    running_target(store)
    command = [sys.executable, environment_bench.__file__, store.root]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) for _ in range(6)]
    answers = [process.communicate()[0].split() for process in running]
    assert sorted(reused for _, reused in answers) == ["False", *["True"] * 5]
    assert {prefix for prefix, _ in answers} == {str(environments.path / name) for name in names(environments)}


def test_what_is_not_ready_is_never_taken(store: Store, environments: Generations) -> None:
    """It is removed when the next one is made, and its number is free again."""
    made = provide(store).environment
    (made.prefix / ".fastenv" / "ready").unlink()
    assert environments.find(parts()) == Missing(None)
    (made.purelib / "six.py").unlink()
    again = provide(store)
    assert not again.summary.reused
    assert (again.environment.purelib / "six.py").exists()
    assert names(environments) == [f"{parts()[:16]}-2"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.slow
@pytest.mark.parametrize("explicit", [False, True])
def test_killed_at_any_call_that_changes_the_file_system(store: Store, tmp_path: Path, explicit: bool) -> None:
    """After each kill the next run gives a whole environment; what counts as whole is whole."""
    target = running_target(store)
    asyncio.run(lay_out(target, store, tmp_path / "warm", tmp_path / "warm"))
    changing = {"open", "os.mkdir", "os.rename", "os.symlink", "os.remove", "os.rmdir", "os.chmod", "os.truncate"}
    at = tmp_path / "chosen" if explicit else None
    if explicit:
        provide(store, fingerprint=parts(old=True), at=at)
    steps = killed = 0
    while True:
        directory = tmp_path / f"environments-{steps}"
        child = os.fork()
        if child == 0:
            try:
                left = steps

                def count(event: str, arguments: tuple[Any, ...]) -> None:
                    nonlocal left
                    if event not in changing or (event == "open" and not _writes(arguments)):
                        return
                    if left == 0:
                        os.kill(os.getpid(), signal.SIGKILL)
                    left -= 1

                sys.addaudithook(count)
                provide(store, directory, at=at)
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        place = Generations(store, directory) if at is None else ChosenDirectory(store, at)
        was_whole = isinstance(place.find(parts()), Found)
        again = provide(store, directory, at=at)
        assert again.summary.reused == was_whole
        assert again.environment.run(["six"], capture_output=True, text=True).stdout == "1.17\n"
        for thread in threading.enumerate():
            if thread.name == "store-sweep":
                thread.join()
        provide(store, directory, at=at, fingerprint=parts(old=True))  # making one removes what is left
        for thread in threading.enumerate():
            if thread.name == "store-sweep":
                thread.join()
        assert staged_in(directory / ".staging") == []
        assert not list(tmp_path.glob(".chosen*"))
        if not os.WIFSIGNALED(status):
            break
        steps += 1
        killed += 1
    assert killed > 30


def _writes(arguments: tuple[Any, ...]) -> bool:
    _, mode, flags = arguments
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) if mode is None else not mode.startswith("r")


def test_a_lease_keeps_it_and_survives_exec(store: Store, environments: Generations) -> None:
    made = provide(store).environment
    descriptor = environments.hold(made)
    assert descriptor is not None
    path = environments.path / ".leases" / f"{made.prefix.name}.lock"
    command = [sys.executable, "-c", "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"]
    command += [sys.executable, "-c", "print('running', flush=True); input()"]
    with subprocess.Popen(
        command, pass_fds=(descriptor,), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as inner:
        assert inner.stdout is not None
        assert inner.stdout.readline() == "running\n"
        os.close(descriptor)
        assert lease.try_claim(path) is None
        inner.communicate("\n")
    claim = lease.try_claim(path)
    assert claim is not None
    assert environments.hold(made) is None
    os.close(claim)


def test_no_lease_on_what_is_gone(store: Store, environments: Generations) -> None:
    made = provide(store).environment
    shutil.rmtree(made.prefix)
    assert environments.hold(made) is None


def test_one_that_is_removed_each_time_is_an_error(store: Store, environments: Generations) -> None:
    async def scenario() -> None:
        publish = environments.publish

        async def publish_and_lose(staged: StagedEnvironment, summary: Summary) -> Any:
            made = await publish(staged, summary)
            shutil.rmtree(made.prefix)
            return made

        environments.publish = publish_and_lose  # type: ignore[method-assign]
        await supply.provide(environments, running_target(store), parts(), fill)

    with pytest.raises(PublishError, match="removed each time"):
        asyncio.run(scenario())


def test_staged_by_hand(store: Store, environments: Generations) -> None:
    async def scenario() -> None:
        async with environments.stage(running_target(store), parts()) as staged:
            assert staged.prefix.is_dir()
            assert not staged.final.exists()
            assert (staged.final.parent, staged.final.name) == (environments.path, f"{parts()[:16]}-1")
            assert staged.prefix.stat().st_dev == environments.path.stat().st_dev
            made = await environments.publish(staged, await fill(staged))
        assert made.prefix == staged.final

    asyncio.run(scenario())
    assert isinstance(environments.find(parts()), Found)


def test_a_place_that_is_taken(store: Store, environments: Generations) -> None:
    """As by a process that uses another store with the same directory."""

    async def scenario() -> None:
        async with environments.stage(running_target(store), parts()) as staged:
            (staged.final / "foreign").mkdir(parents=True)
            await environments.publish(staged, Summary())

    with pytest.raises(PublishError, match="is taken"):
        asyncio.run(scenario())
    assert staged_in(environments.path / ".staging") == []


class TestChosenDirectory:
    """``fastenv create SOURCE DIR``."""

    def test_made_found_and_replaced(self, store: Store, tmp_path: Path) -> None:
        place = tmp_path / "my env"
        place.mkdir()
        first = provide(store, at=place)
        assert first.environment.prefix == place
        assert provide(store, at=place).summary.reused
        (first.environment.purelib / "mine.py").write_text("")
        other = provide(store, at=place, fingerprint=parts(distributions={"six": ["1.18", "b"]}))
        assert (other.summary.reused, other.summary.reason) == (False, "six 1.17 → 1.18")
        assert not (first.environment.purelib / "mine.py").exists()
        (other.environment.purelib / "six.py").unlink()
        again = provide(store, at=place, fingerprint=parts(distributions={"six": ["1.18", "b"]}))
        assert again.summary.reason == "six.py is missing"
        assert os.listdir(tmp_path).count("my env") == 1
        assert not [name for name in os.listdir(tmp_path) if "staging" in name]

    def test_foreign_contents_are_refused(self, store: Store, tmp_path: Path) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "thesis.txt").write_text("")
        (tmp_path / "file").write_text("")
        (tmp_path / "dangling").symlink_to(tmp_path / "mine" / "thesis.txt")
        for name, why in (("mine", "not empty"), ("file", "not a directory"), ("dangling", "not a directory")):
            with pytest.raises(UsageError, match="did not make") as caught:
                provide(store, at=tmp_path / name)
            assert why in str(caught.value.why)
        assert (tmp_path / "mine" / "thesis.txt").exists()

    def test_several_that_ask_at_once_get_the_same_one(self, store: Store, tmp_path: Path) -> None:
        """Also while the one that made it uses it already."""

        async def ask() -> Ready:
            place = ChosenDirectory(store, tmp_path / "env")
            return await supply.provide(place, running_target(store), parts(), fill)

        async def scenario() -> list[Ready]:
            return await asyncio.gather(ask(), ask(), ask())

        found = asyncio.run(scenario())
        for one in found:
            assert one.lease_fd is not None
            os.close(one.lease_fd)
        assert sorted(one.summary.reused for one in found) == [False, True, True]
        assert len({one.environment.prefix for one in found}) == 1

    def test_one_in_use_is_not_replaced(self, store: Store, tmp_path: Path) -> None:
        first = provide(store, at=tmp_path / "env")
        descriptor = ChosenDirectory(store, tmp_path / "env").hold(first.environment)
        assert descriptor is not None
        with pytest.raises(PublishError, match="in use by another run"):
            provide(store, at=tmp_path / "env", recreate=True)
        os.close(descriptor)
        assert not provide(store, at=tmp_path / "env", recreate=True).summary.reused

    def test_one_that_comes_into_use_meanwhile_is_not_replaced(self, store: Store, tmp_path: Path) -> None:
        first, place = provide(store, at=tmp_path / "env"), ChosenDirectory(store, tmp_path / "env")

        async def scenario() -> int:
            async with place.stage(running_target(store), parts()) as staged:
                descriptor = place.hold(first.environment)
                assert descriptor is not None
                with pytest.raises(PublishError, match="in use by another run"):
                    await place.publish(staged, Summary())
                return descriptor

        os.close(asyncio.run(scenario()))
        assert isinstance(ChosenDirectory(store, tmp_path / "env").find(parts()), Found)

    def test_a_link_to_a_directory_is_followed(self, store: Store, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "real")
        assert provide(store, at=tmp_path / "link").environment.prefix == tmp_path / "real"
        assert provide(store, at=tmp_path / "link").summary.reused

    def test_what_a_kill_left_beside_it_goes_when_it_is_found(self, store: Store, tmp_path: Path) -> None:
        provide(store, at=tmp_path / "env")
        beside = tmp_path / ".env.fastenv-staging"
        (beside / "123-0123456789ab" / "replaced").mkdir(parents=True)
        (beside / "123-0123456789ab.lease").touch()
        alive = oslock.try_lock(beside / "456-0123456789cd.lease")
        assert alive is not None
        assert provide(store, at=tmp_path / "env").summary.reused
        assert os.listdir(beside) == ["456-0123456789cd.lease"]
        alive.release()
        turn = store.try_lock(ENVIRONMENTS, text_sha256(str(tmp_path / "env")))
        assert turn is not None
        assert provide(store, at=tmp_path / "env").summary.reused
        assert beside.exists(), "another process is making one there"
        turn.release()
        assert provide(store, at=tmp_path / "env").summary.reused
        assert not beside.exists()

    def test_unfinished_is_told(self, store: Store, tmp_path: Path) -> None:
        made = provide(store, at=tmp_path / "env").environment
        (made.prefix / ".fastenv" / "ready").unlink()
        assert ChosenDirectory(store, tmp_path / "env").find(parts()) == Missing("it was not finished")
        assert provide(store, at=tmp_path / "env").summary.reason == "it was not finished"


def test_a_directory_that_cannot_be_written(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as caught:
        provide(store, tmp_path / "file" / "environments")
    assert caught.value.where == str(tmp_path / "file" / "environments")
    assert "FASTENV_CACHE_DIR" not in str(caught.value)


def test_staged_in_the_store(store: Store, tmp_path: Path) -> None:
    """As for a build environment: the caller looks after the directory, which may be there and empty."""
    (tmp_path / "private").mkdir()
    target = running_target(store)
    staged = asyncio.run(stage_in_store(target, store, tmp_path / "private", tmp_path / "final"))
    assert (staged.prefix, staged.final, staged.target) == (tmp_path / "private", tmp_path / "final", target)
    (tmp_path / "private").rename(tmp_path / "final")
    command = [tmp_path / "final" / "bin" / "python", "-c", "import sys; print(sys.prefix)"]
    assert subprocess.check_output(command, text=True).strip() == str(tmp_path / "final")


class TestPrivateDirectory:
    """``venv`` and ``make_venv`` in a test."""

    def test_made_where_nothing_is(self, store: Store, tmp_path: Path) -> None:
        async def scenario() -> Environment:
            place = PrivateDirectory(store, tmp_path / "deep" / "env")
            async with place.stage(running_target(store), parts()) as staged:
                return await place.publish(staged, await fill(staged))

        made = asyncio.run(scenario())
        assert made.prefix == tmp_path / "deep" / "env"
        assert PrivateDirectory(store, made.prefix).find(parts()) == Found(made, Summary(distributions=1))
        assert os.listdir(tmp_path / "deep") == ["env"]
        with pytest.raises(UsageError, match="is there already"):
            asyncio.run(scenario())

    def test_it_takes_no_lock_of_the_store(self, store: Store, tmp_path: Path) -> None:
        """No other process knows the place."""
        (tmp_path / "env").mkdir()
        PrivateDirectory(store, tmp_path / "env").check()

        async def scenario() -> None:
            async with PrivateDirectory(store, tmp_path / "env").stage(running_target(store), parts()):
                assert not [path for path in store.root.glob("locks/**/*") if "environments" in str(path)]

        asyncio.run(scenario())


def test_the_place_of_one_that_stands(store: Store, tmp_path: Path) -> None:
    many, chosen = provide(store).environment, provide(store, at=tmp_path / "env").environment
    assert isinstance(place_of(many.prefix, store, None), Generations)
    place = place_of(chosen.prefix, store, None)
    assert (type(place), place.path) == (ChosenDirectory, chosen.prefix)
