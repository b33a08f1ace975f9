"""What the tests of building stand on: real environments, calls of hooks, builders over a directory of artifacts."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_fastenv.installer.build.hooks import BackendServers, HookAnswer, HookCall
from pytest_fastenv.installer.build.pyproject import read_pyproject
from pytest_fastenv.model.artifact import Artifact, Hashes
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.plan import SdistSource, TreeSource
from pytest_fastenv.model.target import Target
from pytest_fastenv.settings import Settings
from pytest_fastenv.store.store import Store

from kit.archives import make_project


@dataclass(frozen=True)
class Environment:
    """An environment to build in."""

    python: Path
    scripts: Path
    key: str = "the-environment"

    @classmethod
    def running(cls) -> Environment:
        """The one that the tests run in."""
        return cls(Path(sys.executable), Path(sys.executable).parent)

    @classmethod
    def at(cls, prefix: Path) -> Environment:
        """One that was made by virtualenv."""
        scripts = prefix / ("Scripts" if os.name == "nt" else "bin")
        return cls(scripts / ("python.exe" if os.name == "nt" else "python"), scripts)


@dataclass
class Bench:
    """A project with an in-tree backend, and calls of its hooks."""

    directory: Path
    recorder: Recorder = field(default_factory=Recorder)
    environment: Environment = field(default_factory=Environment.running)
    subject: str = "demo 1.0"

    @property
    def tree(self) -> Path:
        return self.directory / "demo"

    @property
    def log(self) -> Path:
        return self.directory / "build.log"

    def project(self, code: str = "", **options: Any) -> Path:
        """Make the project; the code is appended to the in-tree backend."""
        return make_project(self.tree, "demo", backend_code=code or None, **options)

    def servers(self, **options: Any) -> BackendServers:
        options = {"timeout_s": 30.0, "environ": os.environ, **options}
        return BackendServers(self.recorder, **options)

    def call(self, hook: str = "build_wheel", locks: Sequence[int] = (), **arguments: Any) -> HookCall:
        scratch = self.directory / "scratch"
        scratch.mkdir(exist_ok=True)
        if hook.startswith("build_") and "wheel_directory" not in arguments:
            arguments["wheel_directory"] = str(self.directory)
        return HookCall(hook, arguments, self.subject, self.tree, scratch, self.log, tuple(locks))

    async def run(self, hook: str = "build_wheel", locks: Sequence[int] = (), **options: Any) -> HookAnswer:
        """Call one hook by servers of their own."""
        servers = self.servers(**options)
        try:
            system = read_pyproject(self.tree, self.subject).build_system
            return await servers.call(self.environment, system, self.call(hook, locks))
        finally:
            await servers.aclose()


def wait_for_file(path: Path, within_s: float = 20.0) -> None:
    """Wait until a file has content that another process writes at once."""
    deadline = time.monotonic() + within_s
    while not path.is_file() or not path.stat().st_size:
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.002)  # another process writes it: there is nothing else to wait for


def process_ends(pid: int, within_s: float = 2.0) -> bool:
    """Tell whether a process is gone, or goes within some time."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            os.kill(pid, 0)
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.002)  # not our child: it cannot be waited for
