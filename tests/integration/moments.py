"""One kind of run, disturbed at a moment: strace kills a process or fails a call when it is made the n-th time.

It happens in whichever process gets that far first: the one the user started, a worker, a builder. What follows is an
ordinary run, compared file by file with one that was not disturbed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from front_doors import Desk, Outcome, content, missing, whole
from kit.archives import make_sdist, make_wheel
from kit.installed import wheel_of

from pytest_fastenv.model.events import Recorder
from pytest_fastenv.store import temporary
from pytest_fastenv.store.store import Store
from pytest_fastenv.upkeep.verification import WITHDRAWN, verify

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
    """A warm store: everything was fetched and unpacked for another request, so this one has to be resolved."""
    desk.ask("fastenv", "wanted", "other").is_fine()
    shutil.rmtree(desk.made)


def an_answer_is_there(desk: Desk) -> None:
    """A store that knows what fills the environment that is asked for: one that lay elsewhere was filled with it."""
    elsewhere = desk.directory / "elsewhere"
    desk.run([*desk.words("fastenv", "wanted")[:-1], str(elsewhere)]).is_fine()
    shutil.rmtree(elsewhere)


def an_environment_is_there(desk: Desk) -> None:
    """The environment that is asked for, as it was made."""
    desk.ask("fastenv", "wanted").is_fine()


def a_file_of_it_was_replaced(desk: Desk) -> None:
    """The same, where one file is another by now; the store's is as it was."""
    desk.ask("fastenv", "wanted").is_fine()
    edited = one_file(desk.made)
    edited.unlink()
    edited.write_text("edited = True\n")


def a_file_of_it_was_written_to(desk: Desk) -> None:
    """The same, where the edit reached the store: they are one file."""
    desk.ask("fastenv", "wanted", link="hardlink").is_fine()
    edited = one_file(desk.made)
    assert edited.stat().st_nlink > 1
    edited.write_text("edited = True\n")


def a_shared_one_was_edited(desk: Desk) -> None:
    """An environment of the store in which one file is another by now: the next generation takes its place."""
    desk.run(in_the_store(desk)).is_fine()
    (shared,) = desk.environments()
    edited = one_file(shared)
    edited.unlink()
    edited.write_text("edited = True\n")


def a_shared_one_is_there(desk: Desk) -> None:
    """An environment of the store, and what it was made of."""
    desk.run(in_the_store(desk)).is_fine()


def another_version_is_wanted(desk: Desk) -> None:
    """An environment of the user's own, the other version that is to come in, and all that needs in the store."""
    make_wheel(
        artifacts(desk),
        "wanted",
        "2.0",
        files={f"wanted/{module}.py": f"{module} = 2\n" for module in ("__init__", "one", "three")},
        requires=["other"],
        entry_points={"wanted": "wanted:main", "wanting": "wanted:main"},
    )
    desk.ask("fastenv", "wanted==2.0").is_fine()
    desk.ask("fastenv", "wanted==1.0").is_fine()


def one_file(prefix: Path) -> Path:
    (found,) = prefix.glob("lib/python*/site-packages/wanted/one.py")
    return found


def in_the_store(desk: Desk) -> list[str]:
    """Return the command that makes an environment where all who ask for the same find it."""
    return [str(Path(sys.executable).with_name("fastenv")), "run", "wanted", "--", "true"]


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


def created(desk: Desk) -> list[str]:
    return desk.words("fastenv", "wanted")


def created_anew(desk: Desk) -> list[str]:
    return desk.words("fastenv", "wanted", recreate="")


def created_by_links(desk: Desk) -> list[str]:
    return desk.words("fastenv", "wanted", link="hardlink")


def with_workers(desk: Desk) -> list[str]:
    return [*desk.words("pytest", "wanted.txt", scope="worker"), "-n", "2"]


def changed(desk: Desk) -> list[str]:
    fastenv = str(Path(sys.executable).with_name("fastenv"))
    return [fastenv, "pip", "install", "--python", str(desk.made), "wanted==2.0"]


def pruned(_: Desk) -> list[str]:
    fastenv = str(Path(sys.executable).with_name("fastenv"))
    return [fastenv, "cache", "prune", "--unused", "0", "--environments"]


@dataclass(frozen=True)
class Kind:
    """One kind of run.

    :ivar begin: makes what the run finds.
    :ivar command: what is disturbed.
    :ivar after: what is run after that; where it is another command, it may find what was there before.
    :ivar makes: the disturbed command makes an environment, or leaves one whole.
    :ivar place: where that is: the user's directory, the store, or the store with more for each worker.
    """

    begin: Callable[[Desk], None]
    command: Callable[[Desk], list[str]] = created
    after: Callable[[Desk], list[str]] | None = None
    makes: bool = True
    place: Literal["own", "store", "workers"] = "own"


KINDS = {
    "cold": Kind(nothing_yet),
    "warm": Kind(wheels_are_there),
    "build": Kind(only_the_build_is_missing),
    "workers": Kind(copies_for_workers, with_workers, place="workers"),
    # What fills the environment is known: it is linked, and that is all.
    "known": Kind(an_answer_is_there),
    "anew": Kind(an_environment_is_there, created_anew, created),
    "edited": Kind(a_file_of_it_was_replaced),
    "spoilt": Kind(a_file_of_it_was_written_to, created_by_links),
    "shared": Kind(a_shared_one_was_edited, in_the_store, place="store"),
    "changed": Kind(another_version_is_wanted, changed),
    "pruned": Kind(a_shared_one_is_there, pruned, in_the_store, makes=False, place="store"),
}


#: A run is over when all that it has started has ended: what looks after the store once a day, and after runs that were
#: killed, and what deletes a replaced environment. Orphans come to this program, which waits for them.
_TO_THE_END = """
import ctypes, os, subprocess, sys
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER
code = subprocess.call(sys.argv[1:])
try:
    while True:
        os.wait()
except ChildProcessError:
    sys.exit(code)
"""


class Runs:
    """One kind of run, taken from the same beginning again and again."""

    def __init__(self, desk: Desk, name: str) -> None:
        make_wheel(
            artifacts(desk),
            "wanted",
            files={f"wanted/{module}.py": f"{module} = 1\n" for module in ("__init__", "one", "two")},
            requires=["other"],
            entry_points={"wanted": "wanted:main"},
            data_files={"data/share/wanted.txt": "data"},
        )
        make_wheel(artifacts(desk), "other")
        kind = self._kind = KINDS[name]
        self.desk = desk
        kind.begin(desk)
        self.command = kind.command(desk)
        self.after = (kind.after or kind.command)(desk)
        desk.store.mkdir(exist_ok=True)
        self._root = desk.store.parent
        self._beginning = self._root / "beginning"
        self._beginning.mkdir()
        there = [path.relative_to(self._root) for path in (desk.store, desk.made) if path.exists()]
        # It keeps hard links: the environment's files are the store's own.
        subprocess.run(["cp", "-a", "--parents", *there, self._beginning], cwd=self._root, check=True)
        self._to_the_end(self.command).is_fine()
        if not kind.makes:
            self._to_the_end(self.after).is_fine()
        if not self.is_session:
            self._expected = self._content()

    @property
    def is_session(self) -> bool:
        """Whether a pytest session runs in what is made."""
        return self._kind.place == "workers"

    def reset(self) -> None:
        """Go back to the beginning."""
        shutil.rmtree(self.desk.made, ignore_errors=True)
        for left in self.desk.directory.glob(".made.*"):
            shutil.rmtree(left, ignore_errors=True)
        shutil.rmtree(self.desk.store)
        subprocess.run(["cp", "-a", f"{self._beginning}/.", self._root], check=True)

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
        # No process came so far this time, or one whose death does not matter: all must be well.
        if outcome.code == 0 and self._kind.makes:
            self._check(moment)
        return outcome

    def recovers(self, moment: Moment) -> None:
        """Check that a plain run is right after that, all in the store as it was made, and nothing left for ever."""
        said = self._to_the_end(self.after)
        assert said.code == 0, f"{moment}: {said.output}"
        said.is_civil()
        self._check(moment)
        found = verify(Store(self.desk.store, recorder=Recorder()), repair=False)
        # A generation that was edited is left where this run was killed before it took that away, as one is that is in
        # use at that moment: it goes with the next one, or when the store is pruned.
        damaged = [one for one in found.findings if one.outcome != WITHDRAWN and not self._is_superseded(one.kept.path)]
        assert damaged == [], f"{moment}: {damaged}"
        temporary.sweep(str(self.desk.store / "tmp"))  # as the next run does, in a thread
        # As the next run does that makes an environment there, and what looks after the store.
        temporary.sweep(str(self.desk.store / "environments" / ".staging"))
        left = [*(self.desk.store / "tmp").iterdir(), *self.desk.directory.glob(".made.*")]
        left += (self.desk.store / "environments" / ".staging").glob("*/*")
        left += (self.desk.made / ".fastenv").glob("amendment-*")
        assert left == [], moment

    def _to_the_end(self, command: Sequence[str]) -> Outcome:
        return self.desk.run([sys.executable, "-I", "-S", "-c", _TO_THE_END, *command])

    def _check(self, moment: Moment) -> None:
        if self.is_session:
            for prefix in self.desk.environments():
                assert "wanted" in whole(prefix), moment
        else:
            assert self._content() == self._expected, moment

    def _content(self) -> dict[str, str]:
        """Return what the environment consists of, after a look at each of its files."""
        if self._kind.place == "own":
            assert whole(self.desk.made) == {"wanted", "other"}
            return content(self.desk.made)
        latest = self._generations()[-1]
        assert whole(latest) == {"wanted", "other"}
        # Which generation it is depends on what was there: paths stand in scripts, and so their digests in RECORD.
        ours = ("bin/", "pyvenv.cfg")
        return {
            path: what
            for path, what in content(latest).items()
            if not path.startswith(ours) and not path.endswith("RECORD")
        }

    def _generations(self) -> list[Path]:
        return sorted(self.desk.environments(), key=lambda prefix: int(prefix.name.rpartition("-")[2]))

    def _is_superseded(self, path: Path) -> bool:
        return self._kind.place == "store" and path in self._generations()[:-1]


def at_each(moments: Iterable[Moment], disturb: Callable[[Moment], bool]) -> int:
    """Disturb at each moment; return how often that had an effect. All that went wrong is told, not the first alone."""
    count, wrong = 0, []
    for moment in moments:
        try:
            count += disturb(moment)
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            wrong.append(f"{moment}: {error}")
    assert not wrong, f"{len(wrong)} moments:\n" + "\n".join(wrong)
    return count
