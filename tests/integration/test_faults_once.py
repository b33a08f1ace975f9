"""However many ask at once, each thing is built once, and never by two at a time, not even when a builder is killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from front_doors import Desk, whole
from kit.archives import make_sdist

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals and fork; locks are tested in the store's tests"),
]

CROWD = Path(__file__).with_name("crowd.py")


def artifacts(desk: Desk) -> Path:
    assert desk.server is not None
    return desk.server.directory


def crowd(desk: Desk, count: int, *sources: str) -> str:
    """Let a crowd of processes come for the same sources; return what they said."""
    desk.variables["FASTENV_CONCURRENT_INSTALLS"] = "1"  # a worker process each, not one per core
    return desk.run([sys.executable, str(CROWD), str(desk.directory / "crowd"), str(count), *sources]).is_fine()


def builds(log: Path) -> Counter[str]:
    return Counter(line.split()[0] for line in log.read_text().splitlines())


def test_many_commands_build_one_sdist_once(seeded: Desk, tmp_path: Path) -> None:
    log = tmp_path / "builds"
    make_sdist(artifacts(seeded), "wanted", build_log=log, exclusive=tmp_path / "sentinel", hold_s=0.3)
    directories = [seeded.directory / f"made-{number}" for number in range(8)]
    started = [seeded.start([*seeded.words("fastenv", "wanted")[:-1], str(directory)]) for directory in directories]
    said = [process.communicate()[0].decode() for process in started]
    assert [process.returncode for process in started] == [0] * 8, "\n".join(said)
    assert builds(log) == {"wanted": 1}
    assert all(whole(directory) == {"wanted"} for directory in directories)


def test_both_doors_share_one_build(seeded: Desk, tmp_path: Path) -> None:
    log = tmp_path / "builds"
    make_sdist(artifacts(seeded), "wanted", build_log=log, exclusive=tmp_path / "sentinel", hold_s=0.3)
    started = [seeded.start(seeded.words(door, "wanted", "good")) for door in ("pytest", "fastenv", "pytest")]
    said = [process.communicate()[0].decode() for process in started]
    assert [process.returncode for process in started] == [0] * 3, "\n".join(said)
    assert builds(log) == {"wanted": 1}
    assert len(seeded.environments()) == 1  # both pytest runs are in it


def shared_build_requirements(desk: Desk, log: Path, count: int) -> list[str]:
    """Make source distributions that share build requirements, which have to be built, too; return their names."""
    directory = artifacts(desk)
    make_sdist(directory, "tool-base", build_log=log)
    for tool in ("tool-a", "tool-b"):
        make_sdist(directory, tool, build_log=log, build_requires=["tool-base"])
    names = [f"wanted-{number}" for number in range(count)]
    for number, name in enumerate(names):
        tools = ["tool-a"] if number % 2 else ["tool-a", "tool-b"]
        make_sdist(directory, name, build_log=log, build_requires=tools, hold_s=0.05)
    return names


def test_build_requirements_are_built_once_for_all(seeded: Desk, tmp_path: Path) -> None:
    log = tmp_path / "builds"
    names = shared_build_requirements(seeded, log, 4)
    assert "6 of 6 are content" in crowd(seeded, 6, *names)
    assert builds(log) == dict.fromkeys([*names, "tool-a", "tool-b", "tool-base"], 1)
    for number in range(6):
        assert whole(seeded.directory / "crowd" / str(number)) == set(names)


@pytest.mark.nightly
def test_128_processes_build_one_sdist_once(seeded: Desk, tmp_path: Path) -> None:
    log = tmp_path / "builds"
    seeded.timeout_s = 900
    make_sdist(artifacts(seeded), "wanted", build_log=log, exclusive=tmp_path / "sentinel", hold_s=1.0)
    assert "128 of 128 are content" in crowd(seeded, 128, "wanted")
    assert builds(log) == {"wanted": 1}


@pytest.mark.nightly
def test_64_processes_and_20_sdists(seeded: Desk, tmp_path: Path) -> None:
    log = tmp_path / "builds"
    seeded.timeout_s = 1800
    names = shared_build_requirements(seeded, log, 20)
    assert "64 of 64 are content" in crowd(seeded, 64, *names)
    assert builds(log) == dict.fromkeys([*names, "tool-a", "tool-b", "tool-base"], 1)


def first_line(log: Path, timeout_s: float = 60) -> str:
    """Wait until a build has begun."""
    deadline = time.monotonic() + timeout_s
    while not log.exists() or not log.read_text().endswith("\n"):
        assert time.monotonic() < deadline, "no build has begun"
        time.sleep(0.005)
    return log.read_text().splitlines()[0]


def takeover_s(desk: Desk, name: str, place: Path) -> float:
    """Kill the owner of a build with SIGKILL while another process waits; return when the other one went on."""
    log = place / f"{name}.log"
    code = _QUICK_SECOND_TIME % str(log)
    make_sdist(artifacts(desk), name, build_log=log, exclusive=place / name, hold_s=30.0, backend_code=code)
    command = desk.words("fastenv", name)
    owner = desk.start(command)
    backend = int(re.search(r"pid=(\d+)", first_line(log)).group(1))
    waiter = desk.start([*command[:-1], f"{command[-1]}-{name}"])
    wait_for_lock(waiter)
    killed_ns = time.monotonic_ns()
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    said = waiter.communicate()[0].decode()
    assert waiter.returncode == 0, said
    assert whole(Path(f"{command[-1]}-{name}")) == {name}
    assert not is_running(backend)
    lines = log.read_text().splitlines()
    assert len(lines) == 2, lines
    return (int(re.search(r"ns=(\d+)", lines[1]).group(1)) - killed_ns) / 1e9


#: Who builds first is held up; the one who takes over need not be.
_QUICK_SECOND_TIME = """
if os.path.exists(%r):
    CONFIG["hold_s"] = 0
"""


def wait_for_lock(process: subprocess.Popen[bytes], timeout_s: float = 60) -> None:
    """Wait until a process is held up by a lock, as the kernel sees it."""
    deadline = time.monotonic() + timeout_s
    while not re.search(rf"-> FLOCK .* {process.pid} ", Path("/proc/locks").read_text()):
        assert time.monotonic() < deadline, "it does not wait"
        assert process.poll() is None, process.communicate()[0].decode()
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc tells who waits")
def test_a_killed_builder_is_followed_within_a_second(seeded: Desk, tmp_path: Path) -> None:
    found = []
    for attempt in range(3):  # a busy machine may be late; one that is in time shows that nothing waits for a clock
        found.append(takeover_s(seeded, f"wanted-{attempt}", tmp_path))
        if found[-1] < 1.0:
            return
    pytest.fail(f"taken over after {found} s")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc tells who waits")
@pytest.mark.parametrize("kills", [4, pytest.param(200, marks=pytest.mark.nightly)])
def test_killed_builders_never_overlap(seeded: Desk, tmp_path: Path, kills: int) -> None:
    """Two want the same. The one that builds is killed and replaced, again and again; at last one may finish."""
    log, sentinel = tmp_path / "builds", tmp_path / "sentinel"
    make_sdist(artifacts(seeded), "wanted", build_log=log, exclusive=sentinel, hold_s=0.6)
    seeded.timeout_s = 30.0 * kills
    running: list[subprocess.Popen[bytes]] = []

    def another() -> None:
        directory = seeded.directory / f"made-{time.monotonic_ns()}"
        running.append(seeded.start([*seeded.words("fastenv", "wanted")[:-1], str(directory)]))

    another()
    another()
    for number in range(kills):
        deadline = time.monotonic() + 60
        while not log.exists() or log.read_text().count("\n") < number + 1:
            assert time.monotonic() < deadline, "no process builds"
            time.sleep(0.005)
        backend = int(re.findall(r"pid=(\d+)", log.read_text())[number])
        owner = owner_of(backend, running)
        time.sleep(0.05 * (number % 5))  # at different moments of the build
        owner.kill()
        owner.communicate()
        running.remove(owner)
        another()
    for process in running:
        said = process.communicate()[0].decode()
        assert process.returncode == 0, said  # a build beside another one would have failed
    assert builds(log) == {"wanted": kills + 1}


def owner_of(pid: int, among: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Return the process that a build backend works for: its ancestor."""
    owners = {process.pid: process for process in among}
    while pid not in owners:
        assert pid > 1, "the builder's process is not known"
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return owners[pid]


def test_a_failing_build_is_tried_by_each_and_never_kept(seeded: Desk, tmp_path: Path) -> None:
    log = tmp_path / "builds"
    wrong = make_sdist(artifacts(seeded), "wanted", build_log=log, backend_code="CONFIG['files'] = ['not-there']")
    for _ in range(2):
        seeded.ask("fastenv", "wanted").is_diagnosis(3, "not-there")
    assert builds(log) == {"wanted": 2}
    os.unlink(wrong)
