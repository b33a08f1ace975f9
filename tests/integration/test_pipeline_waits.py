"""Every wait names its holder, is bounded, and ends at once when it is interrupted; other processes go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from kit.archives import make_sdist, make_wheel
from kit.server import IndexServer
from pipeline_bench import PATIENCE_S, Bench, Gate, Pieces, ended, noise

from pytest_fastenv.errors import LockTimeoutError
from pytest_fastenv.filesystem import oslock
from pytest_fastenv.model.events import Recorder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals and named pipes; locks have tests of their own"),
]


@pytest.fixture(autouse=True)
def server(bench: Bench, index_server: Callable[..., IndexServer]) -> IndexServer:
    served = index_server()
    bench.variables["FASTENV_INDEX_URL"] = served.url
    return served


class Command:
    """A running ``fastenv create`` whose words are read as they come."""

    def __init__(self, bench: Bench, *words: str, into: str, **variables: str) -> None:
        before, bench.variables = bench.variables, bench.variables | variables
        self.report = bench.directory / f"{into}.json"
        self.place = bench.directory / into
        self.process = bench.start(bench.command("--report", str(self.report), *words, into=into))
        bench.variables = before
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                with self._changed:
                    self.lines.append(line.decode().rstrip("\n"))
                    self._changed.notify_all()

    def says(self, text: str) -> str:
        """Wait for a line with some text and return it."""
        with self._changed:
            found = self._changed.wait_for(lambda: any(text in line for line in self.lines), PATIENCE_S)
            assert found, self.lines
            return next(line for line in self.lines if text in line)

    def ends(self) -> int:
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return code


@pytest.fixture
def commands(bench: Bench) -> Iterator[Callable[..., Command]]:
    """Start commands; at the end those that still run are killed."""
    with ExitStack() as stack:

        def start(*words: str, **options: str) -> Command:
            command = Command(bench, *words, **options)
            stack.callback(command.process.wait)
            stack.callback(command.process.kill)
            return command

        yield start


class Held:
    """A source distribution whose build goes on until it is let go."""

    def __init__(self, artifacts: Path, place: Path, name: str = "slow") -> None:
        self.log, self._begun, self._go_on = place / f"{name}-log", place / f"{name}-begun", place / f"{name}-go-on"
        for pipe in (self._begun, self._go_on):
            os.mkfifo(pipe)
        code = _HELD.format(begun=str(self._begun), go_on=str(self._go_on))
        make_sdist(artifacts, name, build_log=self.log, backend_code=code)

    def wait_until_begun(self) -> None:
        self._begun.read_text()

    def let_go(self) -> None:
        self._go_on.write_text("go on\n")


_HELD = """
_plain_build_wheel = build_wheel

def build_wheel(*args, **kwargs):
    open({begun!r}, "w").close()
    open({go_on!r}).read()
    return _plain_build_wheel(*args, **kwargs)
"""


def test_who_waits_for_a_build_is_told_for_whom_and_can_be_ended(
    bench: Bench, artifacts: Path, tmp_path: Path, commands: Callable[..., Command]
) -> None:
    held = Held(artifacts, tmp_path)
    owner = commands("slow", into="owner")
    held.wait_until_begun()
    interrupted = commands("slow", into="interrupted")
    terminated = commands("slow", into="terminated")
    impatient = commands("slow", into="impatient", FASTENV_LOCK_TIMEOUT="1s")
    patient = commands("slow", into="patient")
    holder = f"held by process {owner.process.pid} on {os.uname().nodename} since "
    for waiter in (interrupted, terminated, patient):
        assert waiter.says("waiting for slow 1.0: ").startswith(f"fastenv: waiting for slow 1.0: {holder}")
    # The owner goes on building all the time: a process that ends now has not waited for it.
    interrupted.process.send_signal(signal.SIGINT)
    terminated.process.send_signal(signal.SIGTERM)
    assert interrupted.ends() == 130
    assert terminated.ends() == 143
    assert impatient.ends() == 3
    assert any("fastenv: error: slow 1.0 was not free within 1 s" in line for line in impatient.lines)
    assert any(holder in line for line in impatient.lines)
    for waiter in (interrupted, terminated, impatient):
        assert not waiter.place.exists()
        assert not waiter.place.with_name(f".{waiter.place.name}.fastenv-staging").exists()
        assert not any("Traceback" in line for line in waiter.lines)
    assert len(list((bench.store / "tmp").glob("*.lock"))) <= 2  # of those two that still run
    assert owner.process.poll() is None
    held.let_go()
    assert (owner.ends(), patient.ends()) == (0, 0), [owner.lines, patient.lines]
    assert len(held.log.read_text().splitlines()) == 1
    trace = Pieces.of_trace(patient.report)
    wait = next(piece for piece in trace.some("lock-wait", "slow 1.0") if "holder" in piece.args)
    assert str(wait.args["holder"]).startswith(holder.removeprefix("held by "))
    assert wait.end - wait.start >= 0.5e9
    assert wait.args["source"] == "waited"
    assert trace.wheels_built() == []
    assert trace.one("link", "slow").args["source"] == "cache"


@pytest.fixture
def no_slot(bench: Bench) -> Iterator[Callable[[], None]]:
    """Hold all of the machine's build slots until the function is called."""
    with ExitStack() as stack:
        for number in range(os.cpu_count() or 1):
            lock = oslock.try_lock(bench.store / "slots" / f"{number}.lock")
            assert lock is not None
            stack.callback(lock.release)
        yield stack.close


def test_who_waits_for_a_slot_is_told_for_whom_and_can_be_ended(
    artifacts: Path, no_slot: Callable[[], None], commands: Callable[..., Command]
) -> None:
    for name in ("one", "two", "three"):
        make_sdist(artifacts, name)
    interrupted, impatient = commands("one", into="one"), commands("two", into="two", FASTENV_LOCK_TIMEOUT="1s")
    patient = commands("three", into="three")
    holder = f"process {os.getpid()} on {os.uname().nodename} since "
    for waiter, name in ((interrupted, "one"), (patient, "three")):
        assert f"a build slot for {name} 1.0: held by {holder}" in waiter.says("waiting for a build slot")
    interrupted.process.send_signal(signal.SIGINT)
    assert interrupted.ends() == 130
    assert impatient.ends() == 3
    assert any("no slot of this machine was free for two 1.0 within 1 s" in line for line in impatient.lines)
    assert any(holder in line for line in impatient.lines)
    no_slot()
    assert patient.ends() == 0, patient.lines
    wait = next(p for p in Pieces.of_trace(patient.report).some("slot-wait", "three 1.0") if "holder" in p.args)
    assert str(wait.args["holder"]).startswith(holder)
    assert wait.end - wait.start >= 0.5e9


def test_a_wait_for_a_download_of_another_process_names_the_file(
    bench: Bench, artifacts: Path, server: IndexServer, tmp_path: Path, commands: Callable[..., Command]
) -> None:
    recorder = Recorder()
    wheel = make_wheel(artifacts, "large", files=noise("large", 50_000))
    server.fault(wheel.name, Gate(recorder, ended("link", "the other process")).fault)
    owner = commands("large", into="owner")
    while not any(path.endswith(wheel.name) for path in server.paths()):
        assert owner.process.poll() is None, owner.lines
        time.sleep(0.005)
    waiter = commands("large", into="waiter")
    said = waiter.says("waiting for ")
    assert said.startswith(f"fastenv: waiting for {wheel.name}: held by process {owner.process.pid} on ")
    with recorder.span("link", "the other process"):
        pass
    assert (owner.ends(), waiter.ends()) == (0, 0), [owner.lines, waiter.lines]
    assert Pieces.of_trace(waiter.report).some("fetch") == []


def test_one_line_is_told_for_each_wheel_built(bench: Bench, artifacts: Path, commands: Callable[..., Command]) -> None:
    """Backends are asked other things as well: requirements, metadata."""
    for name in ("one", "two"):
        make_sdist(artifacts, name, static=False)
    done = commands("one", "two", into="made")
    assert done.ends() == 0
    assert sorted(line.partition(" built in ")[0] for line in done.lines if " built in " in line) == [
        "fastenv: one 1.0:",
        "fastenv: two 1.0:",
    ]
    hooks = [str(piece.args["hook"]) for piece in Pieces.of_trace(done.report).some("build")]
    assert {"get_requires_for_build_wheel", "build_wheel"} <= set(hooks)


_HOLD_SLOTS = """
import sys
from pytest_fastenv.filesystem import oslock

locks = [oslock.try_lock(path) for path in sys.argv[1:]]
print(all(locks), flush=True)
sys.stdin.read()
"""


def test_a_wait_inside_a_program_of_ones_own_is_bounded_too(bench: Bench, artifacts: Path, recorder: Recorder) -> None:
    make_sdist(artifacts, "wanted")
    bench.variables["FASTENV_LOCK_TIMEOUT"] = "1s"
    slots = [str(bench.store / "slots" / f"{number}.lock") for number in range(os.cpu_count() or 1)]
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD_SLOTS, *slots], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        with pytest.raises(LockTimeoutError, match="no slot of this machine") as caught:
            bench.run_engine("wanted", recorder=recorder)
        other.communicate()
    wait = Pieces.of(recorder).one("slot-wait", "wanted 1.0")
    assert wait.args["error"] == "LockTimeoutError"
    assert f"process {other.pid} on " in wait.args["holder"]
    assert f"held by process {other.pid} on " in str(caught.value.why)
    assert bench.run_engine("wanted").report.built == 1
