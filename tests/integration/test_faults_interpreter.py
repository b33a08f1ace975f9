"""An interpreter has to be downloaded, and something goes wrong: a diagnosis, nothing half made, the next run works."""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from front_doors import DOORS, Desk, whole
from kit import faults
from kit.python_archives import write_sums
from kit.server import Handler, IndexServer
from missing_interpreter import Absent

from pytest_fastenv.interpreter.installed import PYTHONS

pytestmark = pytest.mark.slow


@dataclass
class Mirrored:
    """A desk whose interpreter has to come from a mirror of its own."""

    desk: Desk
    absent: Absent
    mirror: IndexServer

    def fails(self, door: str, code: int, *fragments: str, **options: str) -> None:
        outcome = self.desk.ask(door, "good", python=self.absent.spec, **options)
        outcome.is_diagnosis(code, *fragments)
        self.desk.nothing_is_left()
        assert list((self.desk.store / PYTHONS.directory).glob("*/*/.ready")) == []

    def recovers(self, door: str) -> None:
        self.desk.ask(door, "good", python=self.absent.spec).is_fine()
        prefix = self.desk.made if door == "fastenv" else self.desk.environments()[0]
        assert "good" in whole(prefix)
        assert self.absent.version in self.desk.run([str(prefix / "bin" / "python"), "-V"]).is_fine()

    def sums(self, text: str) -> None:
        (self.mirror.directory / "SHA256SUMS").write_text(text)


@pytest.fixture
def mirrored(seeded: Desk, absent: Absent, tmp_path: Path) -> Iterator[Mirrored]:
    directory = tmp_path / "mirror"
    shutil.copytree(absent.archive.parent, directory)
    with IndexServer(directory) as mirror:
        seeded.variables |= absent.hiding(mirror)
        yield Mirrored(seeded, absent, mirror)


@pytest.mark.parametrize("door", DOORS)
def test_another_checksum(mirrored: Mirrored, door: str) -> None:
    mirrored.sums(f"{'0' * 64}  {mirrored.absent.archive.name}\n")
    mirrored.fails(door, 3, mirrored.absent.archive.name.replace("+", "(%2B|.)"), "0" * 64, "next:")
    write_sums(mirrored.mirror.directory)
    mirrored.recovers(door)


def test_a_file_that_the_mirror_lists_and_lacks(mirrored: Mirrored) -> None:
    archive = mirrored.mirror.directory / mirrored.absent.archive.name
    archive.rename(archive.with_suffix(".away"))
    mirrored.fails("pytest", 3, "404|not there|nothing", mirrored.absent.archive.name.replace("+", "(%2B|.)"))
    archive.with_suffix(".away").rename(archive)
    mirrored.recovers("pytest")


@pytest.mark.parametrize("door", DOORS)
def test_cut_short_again_and_again(mirrored: Mirrored, door: str) -> None:
    mirrored.mirror.fault(mirrored.absent.archive.name, faults.cut(100_000, times=20))
    mirrored.fails(door, 3, "broke off|ended after", "next:")
    mirrored.mirror.mend()
    mirrored.recovers(door)


def test_cut_short_once(mirrored: Mirrored) -> None:
    mirrored.mirror.fault(mirrored.absent.archive.name, faults.cut(100_000, times=1))
    mirrored.recovers("fastenv")


def test_damaged_but_as_announced(mirrored: Mirrored) -> None:
    archive = mirrored.mirror.directory / mirrored.absent.archive.name
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) // 2])
    write_sums(mirrored.mirror.directory)
    mirrored.fails("fastenv", 3, archive.name.replace("+", "(%2B|.)"), "why:")


def test_the_mirror_does_not_answer(mirrored: Mirrored, unused_port: int) -> None:
    mirrored.desk.variables["FASTENV_PYTHON_MIRROR"] = f"http://127.0.0.1:{unused_port}/files"
    mirrored.fails("pytest", 3, f"127.0.0.1:{unused_port}")


@pytest.mark.parametrize("door", DOORS)
def test_downloads_are_forbidden(mirrored: Mirrored, door: str) -> None:
    mirrored.desk.variables["FASTENV_PYTHON_DOWNLOADS"] = "never"
    mirrored.fails(door, 4, mirrored.absent.spec, "FASTENV_PYTHON_DOWNLOADS", "PATH:")
    assert mirrored.mirror.requests == []


def test_offline_sends_no_request(mirrored: Mirrored) -> None:
    mirrored.fails("fastenv", 4, "offline", offline="")
    assert mirrored.mirror.requests == []


def test_offline_takes_it_from_a_directory(mirrored: Mirrored) -> None:
    mirrored.desk.variables["FASTENV_PYTHON_MIRROR"] = str(mirrored.mirror.directory)
    mirrored.desk.write("nothing.txt", "")
    mirrored.desk.ask("fastenv", "nothing.txt", python=mirrored.absent.spec, offline="").is_fine()
    assert list((mirrored.desk.store / PYTHONS.directory).glob("*/*/.ready"))
    assert mirrored.mirror.requests == []


def test_nothing_that_fits_anywhere(mirrored: Mirrored) -> None:
    outcome = mirrored.desk.ask("pytest", "good", python="3.99")
    outcome.is_diagnosis(4, "3.99", "PATH:", mirrored.absent.version)


@pytest.mark.parametrize("value", ["ftp://example.invalid/x", "no-such-directory", "http://"])
def test_a_mirror_that_is_none(mirrored: Mirrored, value: str) -> None:
    mirrored.desk.variables["FASTENV_PYTHON_MIRROR"] = value
    mirrored.fails("fastenv", 4, "FASTENV_PYTHON_MIRROR", value)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_ended_in_the_middle_of_the_transfer(mirrored: Mirrored, number: signal.Signals) -> None:
    asked, gone = threading.Event(), threading.Event()

    def hold(handler: Handler) -> bool:
        content = (mirrored.mirror.directory / mirrored.absent.archive.name).read_bytes()
        handler.answer(200, content[:500_000], {"Content-Length": str(len(content))})
        handler.wfile.flush()
        asked.set()
        gone.wait(60)
        handler.close_connection = True
        return True

    mirrored.mirror.fault(mirrored.absent.archive.name, hold)
    running = mirrored.desk.start(mirrored.desk.words("fastenv", "good", python=mirrored.absent.spec))
    assert asked.wait(60)
    running.send_signal(number)
    said, _ = running.communicate(timeout=60)
    gone.set()
    assert running.returncode == {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[number], said
    assert list((mirrored.desk.store / PYTHONS.directory).glob("*/*/.ready")) == []
    mirrored.desk.nothing_whole_is_left()
    mirrored.mirror.mend()
    mirrored.recovers("fastenv")


def test_an_interpreter_that_dies_in_the_store_is_brought_again(mirrored: Mirrored) -> None:
    mirrored.recovers("fastenv")
    shutil.rmtree(mirrored.desk.made)
    (python,) = (mirrored.desk.store / PYTHONS.directory).glob(f"*/*/python/bin/python{mirrored.absent.spec}")
    python.write_text("#!/bin/sh\nexit 1\n")
    mirrored.recovers("fastenv")


def test_both_the_interpreter_and_a_package_fail(mirrored: Mirrored) -> None:
    """Where two things have to be mended and both are known, both are told."""
    mirrored.sums(f"{'0' * 64}  {mirrored.absent.archive.name}\n")
    outcome = mirrored.desk.ask("fastenv", "good", "no-such-project-anywhere", python=mirrored.absent.spec)
    assert outcome.code == 4, outcome.output
    outcome.is_civil()
    assert "no-such-project-anywhere" in outcome.output


def test_the_environment_runs_without_any_search(mirrored: Mirrored) -> None:
    """A warm run neither looks for interpreters nor starts one, as with those that the machine has."""
    mirrored.desk.ask("pytest", "good", python=mirrored.absent.spec).is_fine()
    trace = ["strace", "-f", "-qq", "-e", "trace=execve", "-o", str(mirrored.desk.directory / "execs")]
    if shutil.which("strace") is None:
        pytest.skip("NOT SHOWN: strace is not here")
    ran = subprocess.run(
        [*trace, *mirrored.desk.words("pytest", "good", python=mirrored.absent.spec)],
        cwd=mirrored.desk.directory,
        env=mirrored.desk.environ,
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    started = [line for line in (mirrored.desk.directory / "execs").read_text().splitlines() if " = 0" in line]
    assert len(started) == 2, started  # the command, and the session inside
