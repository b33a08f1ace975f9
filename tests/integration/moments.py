"""One kind of run, disturbed at a moment: strace kills a process or fails a call when it is made the n-th time.

It happens in whichever process gets that far first: the one the user started, a worker, a builder. What follows is an
ordinary run, compared file by file with one that was not disturbed.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from front_doors import Desk, Outcome, content, missing, whole
from kit.archives import make_sdist, make_wheel
from kit.installed import wheel_of

from pytest_fastenv.model.events import Recorder
from pytest_fastenv.store import temporary
from pytest_fastenv.store.store import Store
from pytest_fastenv.upkeep.verification import verify

WHY_NOT = "strace is for Linux" if sys.platform != "linux" else missing("strace", "-f", "-o", "/dev/null", "true")

#: Calls that change what names there are, or what they mean. Files that are being written have no name yet that counts.
CHANGES = (
    "rename,renameat,renameat2,link,linkat,symlink,symlinkat,mkdir,mkdirat,unlink,unlinkat,rmdir,ftruncate,truncate,"
    "chmod,fchmod,fchmodat,utimensat"
)
#: Opening to create: lock files, marks, contents.
CREATES = "open,openat,creat"
#: The working directory, which strace tells beside names.
_HERE = re.compile(r"AT_FDCWD<[^>]*>")
_LINE = re.compile(r"(\d+)\s+(\w+)\((.*)")


@dataclass(frozen=True)
class Moment:
    """When a process makes a call for the n-th time, and what happens then, in strace's words."""

    call: str
    number: int
    effect: str = "signal=KILL"

    def words(self) -> tuple[str, ...]:
        # With --seccomp-bpf, which is faster, strace 6.1 injects nothing.
        inject = f"inject={self.call}:{self.effect}:when={self.number}"
        return ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={self.call}", "-e", inject)


def artifacts(desk: Desk) -> Path:
    assert desk.server is not None
    return desk.server.directory


def nothing_yet(desk: Desk) -> None:
    """A cold run: the store is not even there."""


def wheels_are_there(desk: Desk) -> None:
    """A warm store: everything was fetched and unpacked for another environment."""
    desk.ask("fastenv", "wanted").is_fine()
    shutil.rmtree(desk.made)


def only_the_build_is_missing(desk: Desk) -> None:
    """A store that has the skeleton, and a source distribution to build."""
    desk.ask("fastenv", "other").is_fine()
    shutil.rmtree(desk.made)
    (wheel,) = artifacts(desk).glob("wanted-*.whl")
    wheel.unlink()
    sdist = make_sdist(artifacts(desk), "wanted", "2.0", requires=["other"], entry_points={"wanted": "wanted:main"})
    assert sdist.is_file()


def copies_for_workers(desk: Desk) -> None:
    """A session whose workers have environments of their own; the session's environment is there."""
    for project in ("pytest-xdist", "execnet"):
        wheel_of(project, artifacts(desk))
    desk.write("wanted.txt", "wanted\npytest-xdist\n")
    desk.write("test_suite.py", "import wanted\n\ndef test_a(): pass\n\ndef test_b(): pass\n")
    desk.ask("pytest", "wanted.txt").is_fine()


KINDS: dict[str, Callable[[Desk], None]] = {
    "cold": nothing_yet,
    "warm": wheels_are_there,
    "build": only_the_build_is_missing,
    "workers": copies_for_workers,
}


class Runs:
    """One kind of run, taken from the same beginning again and again."""

    def __init__(self, desk: Desk, kind: str) -> None:
        make_wheel(
            artifacts(desk),
            "wanted",
            files={f"wanted/{name}.py": f"{name} = 1\n" for name in ("__init__", "one", "two")},
            requires=["other"],
            entry_points={"wanted": "wanted:main"},
            data_files={"data/share/wanted.txt": "data"},
        )
        make_wheel(artifacts(desk), "other")
        self.desk = desk
        KINDS[kind](desk)
        self._with_workers = kind == "workers"
        self.command = desk.words("fastenv", "wanted")
        if self._with_workers:
            self.command = [*desk.words("pytest", "wanted.txt", scope="worker"), "-n", "2"]
        desk.store.mkdir(exist_ok=True)
        self._beginning = desk.store.with_name("beginning")
        shutil.copytree(desk.store, self._beginning, symlinks=True)
        desk.run(self.command).is_fine()
        if not self._with_workers:
            self._expected = content(desk.made)
            assert whole(desk.made) == {"wanted", "other"}

    def reset(self) -> None:
        """Go back to the beginning."""
        shutil.rmtree(self.desk.made, ignore_errors=True)
        for left in self.desk.directory.glob(".made.*"):
            shutil.rmtree(left, ignore_errors=True)
        shutil.rmtree(self.desk.store)
        shutil.copytree(self._beginning, self.desk.store, symlinks=True)

    def calls(self, names: str) -> Iterator[tuple[str, int, str]]:
        """Run undisturbed; yield each call with the how-manieth of its process it is, and what it is made with."""
        self.reset()
        log = self.desk.store.with_name("trace")
        trace = (
            "strace",
            "-f",
            "-y",
            "-qq",
            "--seccomp-bpf",
            "-o",
            str(log),
            "-e",
            f"trace={names}",
            "-e",
            "signal=none",
        )
        self.desk.run([*trace, *self.command]).is_fine()
        counts: dict[tuple[str, str], int] = {}
        for line in log.read_text(errors="replace").splitlines():
            found = _LINE.match(line)
            if found:
                process, call, rest = found.groups()
                counts[process, call] = count = counts.get((process, call), 0) + 1
                yield call, count, _HERE.sub("", rest)

    def changes(self, names: str) -> list[Moment]:
        """Return every moment at which a process makes one of the calls that changes something."""
        moments = {
            Moment(call, number)
            for call, number, rest in self.calls(names)
            if call not in CREATES.split(",") or "O_CREAT" in rest
        }
        return sorted(moments, key=lambda moment: (moment.call, moment.number))

    def disturbed(self, moment: Moment) -> Outcome:
        """Run from the beginning, disturbed at a moment; check that nothing wrong came of it."""
        self.reset()
        outcome = self.desk.run([*moment.words(), *self.command])
        outcome.is_civil()
        if outcome.code == 0:  # no process came so far this time, or one whose death does not matter: all must be well
            self._check(moment)
        return outcome

    def recovers(self, moment: Moment) -> None:
        """Check that a plain run is right after that, all in the store as it was made, and nothing left for ever."""
        said = self.desk.run(self.command)
        assert said.code == 0, f"{moment}: {said.output}"
        said.is_civil()
        self._check(moment)
        found = verify(Store(self.desk.store, recorder=Recorder()), repair=False)
        assert found.is_whole, f"{moment}: {found.findings}"
        temporary.sweep(str(self.desk.store / "tmp"))  # as the next run does, in a thread
        left = [*(self.desk.store / "tmp").iterdir(), *self.desk.directory.glob(".made.*")]
        left += (self.desk.store / "environments" / ".staging").glob("*/*")
        assert left == [], moment

    def _check(self, moment: Moment) -> None:
        if self._with_workers:
            for prefix in self.desk.environments():
                assert "wanted" in whole(prefix), moment
        else:
            assert content(self.desk.made) == self._expected, moment
