"""The two doors a user comes in by, ``fastenv create`` and ``pytest --fastenv``, and how what comes out is judged."""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kit.server import IndexServer

DOORS = ("fastenv", "pytest")
#: Never to be seen in any output: tests put it where a password may stand.
SECRET = "hunter2-is-secret"
_OURS = ("PYTEST_", "COV_", "COVERAGE_", "FASTENV_INSIDE")
#: What differs between two environments of the same content: it holds times, or a run's own counts.
_NOT_CONTENT = (".fastenv", "__pycache__")


@dataclass(frozen=True)
class Outcome:
    """How a command ended; standard output and standard error together."""

    code: int
    output: str

    def is_diagnosis(self, code: int, *fragments: str) -> None:
        """Check for one diagnosis with an exit code, in which every fragment (a regular expression) is found."""
        assert self.code == code, self.output
        self.is_civil()
        assert self.output.count("fastenv: error: ") == 1, self.output
        for fragment in fragments:
            assert re.search(fragment, self.output), f"{fragment!r} is not in:\n{self.output}"

    def is_fine(self) -> str:
        """Check that it went well; return what was said."""
        assert self.code == 0, self.output
        self.is_civil()
        return self.output

    def is_civil(self) -> None:
        """Check that no traceback, no internal error and no secret is shown."""
        for never in ("INTERNALERROR", "Task exception was never retrieved", SECRET):
            assert never not in self.output, self.output
        # A build's log may be quoted with the backend's own traceback in it, indented.
        assert not re.search(r"^Traceback", self.output, re.MULTILINE), self.output


@dataclass
class Desk:
    """A user's directory with a suite in it, a store, and environment variables.

    :ivar good: a project that can be had; the suite imports it.
    :ivar before: words before every command, such as a tracer's.
    """

    directory: Path
    store: Path
    variables: dict[str, str] = field(default_factory=dict)
    good: str = "good"
    before: tuple[str, ...] = ()
    timeout_s: float = 120.0
    server: IndexServer | None = None
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.write("test_suite.py", f"def test_it():\n    import {self.good}\n")

    @property
    def made(self) -> Path:
        """Where ``fastenv create`` makes its environment."""
        return self.directory / "made"

    @property
    def environ(self) -> dict[str, str]:
        """The variables that commands get."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        kept.pop("CI", None)
        return kept | {"FASTENV_CACHE_DIR": str(self.store)} | self.variables

    def write(self, name: str, text: str) -> str:
        """Write a file; return its name."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return name

    def words(self, door: str, *sources: str, **options: str) -> list[str]:
        """Return the command of a door; an option without a value is ``""``."""
        prefix = "--" if door == "fastenv" else "--fastenv-"
        words = [f"{prefix}{key.replace('_', '-')}" + (f"={value}" if value else "") for key, value in options.items()]
        if door == "fastenv":
            return [str(Path(sys.executable).with_name("fastenv")), "create", *words, *sources, str(self.made)]
        named = [word for source in sources for word in ("--fastenv", source)]
        return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *named, *words]

    def ask(self, door: str, *sources: str, **options: str) -> Outcome:
        """Come in by a door with sources and options."""
        return self.run(self.words(door, *sources, **options))

    def run(self, command: Sequence[str], environ: Mapping[str, str] | None = None) -> Outcome:
        """Run a command and wait for it."""
        ran = subprocess.run(
            [*self.before, *command],
            cwd=self.directory,
            env=self.environ if environ is None else environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=self.timeout_s,
            check=False,
        )
        return Outcome(ran.returncode, ran.stdout.decode("utf-8", "replace"))

    def start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a command and do not wait for it."""
        started = subprocess.Popen(
            [*self.before, *command],
            cwd=self.directory,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._started.append(started)
        return started

    def end(self) -> None:
        """Kill what still runs, after a test that failed: what it leaves would fail another one."""
        for started in self._started:
            if started.poll() is None:
                started.kill()
                started.communicate()

    def nothing_whole_is_left(self) -> None:
        """Check that no environment is there that a later run could take for whole."""
        assert self.environments() == []
        assert not self.made.exists() or not any(self.made.iterdir()), list(self.made.rglob("*"))[:10]

    def nothing_is_left(self) -> None:
        """Check the same, and that nothing half made lies about."""
        self.nothing_whole_is_left()
        assert not (self.directory / ".made.fastenv-staging").exists()
        for staging in (self.store / "environments" / ".staging", self.store / "tmp"):
            left = list(staging.glob("*/*")) if staging.exists() else []
            assert left == []

    def environments(self) -> list[Path]:
        """Return the environments in the store that call themselves whole."""
        return sorted(path.parent.parent for path in (self.store / "environments").glob("*-*/.fastenv/ready"))

    def recovers(self, door: str) -> None:
        """Check that the next good run passes, in a whole environment."""
        self.write("good.txt", f"{self.good}\n")
        said = self.ask(door, "good.txt").is_fine()
        if door == "pytest":
            assert "1 passed" in said
            (prefix,) = self.environments()
        else:
            prefix = self.made
        assert self.good in whole(prefix)


def whole(prefix: Path) -> set[str]:
    """Check every file of every distribution against RECORD; return the distributions' names."""
    names = set()
    for record in prefix.rglob("*.dist-info/RECORD"):
        for path, digest, size in csv.reader(record.read_text().splitlines()):
            file = record.parent.parent / path
            assert file.is_file(), f"{file} is missing"
            if digest:
                found = base64.urlsafe_b64encode(hashlib.sha256(file.read_bytes()).digest()).decode().rstrip("=")
                assert digest == f"sha256={found}", f"{file} is not what RECORD says"
                assert file.stat().st_size == int(size)
        names.add(record.parent.name.partition("-")[0].replace("_", "-"))
    assert names, f"nothing is installed in {prefix}"
    python = subprocess.run([prefix / "bin" / "python", "-c", "import sys; print(sys.prefix)"], capture_output=True)
    assert python.stdout.decode().strip() == str(prefix), python.stderr
    return names


def content(prefix: Path) -> dict[str, str]:
    """Return what an environment consists of: each file's digest or link target, by path."""
    found = {}
    for path in sorted(prefix.rglob("*")):
        relative = path.relative_to(prefix)
        if any(part in _NOT_CONTENT for part in relative.parts):
            continue
        if path.is_symlink():
            found[str(relative)] = f"-> {os.readlink(path)}"
        elif path.is_file():
            found[str(relative)] = hashlib.sha256(path.read_bytes()).hexdigest() + oct(path.stat().st_mode)
        else:
            found[str(relative)] = "directory"
    return found


def missing(program: str, *probe: str) -> str:
    """Return why a test cannot run, loudly; empty where the program works. In CI it must."""
    works = shutil.which(program) and not subprocess.run([program, *probe], capture_output=True, check=False).returncode
    if works:
        return ""
    if os.environ.get("CI") == "true":
        msg = f"CI needs {program}: faults are not tested without it"
        raise RuntimeError(msg)
    return f"FAULTS ARE NOT TESTED: {program} is missing, or may not be used, on this machine"
