"""Readers, builders, recreators and pruners at work in one store, disturbed by signals; what came of it is printed.

    python load.py DIRECTORY SECONDS KILLS STOPS ROLE=COUNT...

What they need is imported once and forked, so that a small machine can carry many. The last line that is printed is
JSON: how often each role did its work, what failed, and how many signals were sent.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

# Imported before the fork: these are what a run that makes something uses.
import pytest_fastenv.provisioning.engine
import pytest_fastenv.requirements.sources
from pytest_fastenv import Settings, provision
from pytest_fastenv.errors import FastenvError
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.provisioning.question import store_of
from pytest_fastenv.settings.layers import settings_from_variables
from pytest_fastenv.upkeep.pruning import Wanted, choose
from pytest_fastenv.upkeep.removal import remove

#: Source distributions that are built; each of them by anybody.
BUILT = [f"built-{number}" for number in range(6)]
_STOPPED_S = 0.3


@dataclass
class Member:
    """A process with one role.

    :ivar done: how often it did its work, as it wrote down.
    """

    role: str
    number: int
    directory: Path
    until: float
    chance: random.Random = field(default_factory=random.Random)

    def work(self) -> None:
        self.chance.seed(f"{self.role} {self.number} {os.getpid()}")
        act = getattr(self, self.role)
        while time.monotonic() < self.until:
            act()
            self._tell("did", "")

    def reader(self) -> None:
        """Take what is there, or make it, and look at every module."""
        names = self.chance.sample(["lib", "other", *BUILT[:2]], 2)
        ready = provision(names)
        assert ready.lease_fd is not None
        code = "".join(f"import {name.replace('-', '_')}\n" for name in names)
        subprocess.run([ready.environment.python, "-c", code], check=True, capture_output=True, cwd="/")
        os.close(ready.lease_fd)

    def builder(self) -> None:
        """Build, or take what others built, into a directory of its own."""
        place = self.directory / f"{self.role}-{self.number}"
        ready = provision([self.chance.choice(BUILT), "lib"], directory=place)
        assert ready.lease_fd is not None
        subprocess.run([ready.environment.python, "-c", "import lib"], check=True, capture_output=True, cwd="/")
        os.close(ready.lease_fd)

    def recreator(self) -> None:
        """Make an environment anew that others use."""
        ready = provision(["lib", self.chance.choice(BUILT)], settings=_settings(recreate=True, project="none"))
        assert ready.lease_fd is not None
        os.close(ready.lease_fd)

    def pruner(self) -> None:
        """Remove what is not in use."""
        store = store_of(settings_from_variables(), Recorder())
        wanted = Wanted(unused_s=0.0, environments=True)
        remove(store, lambda holdings: choose(holdings, wanted, time.time()))
        time.sleep(0.2)

    def _tell(self, kind: str, text: str) -> None:
        with open(self.directory / f"{self.role}.{kind}", "a", encoding="utf-8") as file:
            file.write(json.dumps(text) + "\n")

    def run(self) -> int:
        """Do the work in this process; return its exit code."""
        os.setpgid(0, 0)
        try:
            self.work()
        except FastenvError as error:
            self._tell("failed", error.diagnosis())
            return 1
        except subprocess.CalledProcessError as error:
            self._tell("failed", f"{error.cmd}: {error.stderr.decode()}")
            return 1
        return 0


def _settings(**values: object) -> Settings:
    from dataclasses import replace

    return replace(settings_from_variables(), **values)


class Crowd:
    """All members, as their parent sees them."""

    def __init__(self, directory: Path, seconds: float, roles: dict[str, int]) -> None:
        self.directory = directory
        self.until = time.monotonic() + seconds
        self.living: dict[int, Member] = {}
        self.codes: Counter[int] = Counter()
        for role, count in roles.items():
            for number in range(count):
                self.start(role, number)

    def start(self, role: str, number: int) -> None:
        member = Member(role, number, self.directory, self.until)
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                code = member.run()
            finally:
                sys.stdout.flush()
                os._exit(code)
        self.living[pid] = member

    def reap(self, *, wait: bool = False) -> None:
        while self.living:
            pid, status = os.waitpid(-1, 0 if wait else os.WNOHANG)
            if not pid:
                return
            if pid in self.living:
                del self.living[pid]
                self.codes[os.waitstatus_to_exitcode(status)] += 1

    def kill_one(self, chance: random.Random) -> None:
        """Kill a member that makes something; another one takes its place."""
        pid, member = chance.choice([(p, m) for p, m in self.living.items() if m.role != "pruner"])
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        del self.living[pid]
        self.codes[os.waitstatus_to_exitcode(status)] += 1
        self.start(member.role, member.number)

    def stop_one(self, chance: random.Random) -> None:
        """Stop a process, a member or one that it started, and let it go on after a moment."""
        pid = chance.choice([*self.living, *_descendants(os.getpid())])
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(_STOPPED_S)
            os.kill(pid, signal.SIGCONT)


def _descendants(ancestor: int) -> list[int]:
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        with suppress(OSError, ValueError):
            parents[int(name)] = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
    found = {ancestor}
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            return sorted(found - {ancestor})
        found |= more


def _lines(directory: Path, role: str, kind: str) -> list[str]:
    with suppress(FileNotFoundError):
        return [json.loads(line) for line in (directory / f"{role}.{kind}").read_text().splitlines()]
    return []


def main(directory: Path, seconds: float, kills: int, stops: int, roles: dict[str, int]) -> int:
    chance = random.Random(20)
    crowd = Crowd(directory, seconds, roles)
    disturb: list[Callable[[random.Random], None]] = [*[crowd.kill_one] * kills, *[crowd.stop_one] * stops]
    chance.shuffle(disturb)
    begin, count = time.monotonic(), len(disturb)
    while crowd.living and disturb and time.monotonic() < crowd.until:
        if time.monotonic() < begin + 0.9 * seconds * (count - len(disturb) + 1) / (count + 1):
            time.sleep(0.02)
        else:
            disturb.pop()(chance)
        crowd.reap()
    crowd.reap(wait=True)
    done = {role: len(_lines(directory, role, "did")) for role in roles}
    failed = [text for role in roles for text in _lines(directory, role, "failed")]
    for role, size in roles.items():
        for number in range(size):
            shutil.rmtree(directory / f"{role}-{number}", ignore_errors=True)
    print(json.dumps({"did": done, "failed": failed, "signals": count - len(disturb), "codes": crowd.codes}))
    return 1 if failed else 0


if __name__ == "__main__":
    assert pytest_fastenv.provisioning.engine
    given = {role: int(number) for role, _, number in (word.partition("=") for word in sys.argv[5:])}
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), given))
