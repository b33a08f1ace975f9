"""Builds run in users' own trees, see what is around them, and leave nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import build_programs
import pytest
from build_bench import Environment, Environments, Surroundings, process_ends, surroundings, tree, wait_for_file
from kit.archives import make_project
from kit.dynamic_backends import git
from tree_looks import look

from pytest_fastenv.errors import BuildError, BuildTimeoutError, LockTimeoutError
from pytest_fastenv.filesystem.history import history_digest
from pytest_fastenv.filesystem.source_digest import source_digest
from pytest_fastenv.installer.build.own_trees import OwnTrees
from pytest_fastenv.installer.unpacked_wheel import UnpackedWheel
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.store.store import Store

T = TypeVar("T")

both = pytest.mark.parametrize("isolation", ["auto", "process"])


def within(root: Path, work: Callable[[Surroundings], Awaitable[T]], **options: Any) -> T:
    async def run() -> T:
        async with surroundings(root, **options) as around:
            return await work(around)

    return asyncio.run(run())


def build(root: Path, project: Path, *, editable: bool = False, **options: Any) -> UnpackedWheel:
    source = tree(project, source_digest(project), editable=editable)
    return within(root, lambda around: around.builder.build(source, "demo", "1.0"), **options)


def packed(wheel: UnpackedWheel) -> set[str]:
    return {str(path.relative_to(wheel.tree)) for path in wheel.tree.rglob("*") if path.is_file()}


def backend(body: str) -> str:
    """Return the code of a backend that does something before it packs the project's files."""
    return (
        "import shutil, subprocess, time\n\ndef build_wheel(directory, settings=None, metadata=None):\n"
        + "".join(f"    {line}\n" for line in body.strip().splitlines())
        + "    return _write_wheel(directory, _packaged_files())\n\nbuild_editable = build_wheel\n"
    )


#: Where the kernel tells who writes, programs are followed, too (`system_calls`).
PROGRAM = """
program = "echo x > by-program.txt; echo x >> pyproject.toml; mkdir made; touch made/file; mv kept.txt moved.txt"
subprocess.run(program, shell=True, check=True)
"""
FOLLOWS_PROGRAMS = sys.platform == "linux"
BUSY = backend(
    """
os.makedirs("build/lib/demo", exist_ok=True)
shutil.copy("demo/__init__.py", "build/lib/demo/__init__.py")
with open("version.txt", "w") as file:
    file.write("generated")
with open("demo/_version.py", "w") as file:
    file.write("VERSION = 1")
os.remove("link")
os.symlink("demo", "link")
os.remove("gone.txt")
os.chmod("tool.sh", 0o755)
os.rename("old", "new")
os.rmdir("empty")
"""
    + (PROGRAM if FOLLOWS_PROGRAMS else "")
)


def make_busy(project: Path, code: str = BUSY) -> Path:
    make_project(project, "demo", backend_code=code)
    for name in ("version.txt", "gone.txt", "tool.sh", "old/deep/file", "kept.txt"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("as it was")
    (project / "link").symlink_to("version.txt")
    (project / "empty").mkdir()
    return project


@both
def test_nothing_of_a_build_stays(isolation: str, tmp_path: Path) -> None:
    project = make_busy(tmp_path / "work" / "demo")
    before, digest = look(tmp_path / "work"), source_digest(project)
    build(tmp_path / "cache", project, build_isolation=isolation)
    assert look(tmp_path / "work") == before
    assert source_digest(project) == digest
    assert not list((tmp_path / "cache" / "journals").iterdir())


@pytest.mark.parametrize("end", ["raise SystemExit(3)", "os.kill(os.getpid(), 9)", "os._exit(0)", "time.sleep(60)"])
def test_nothing_of_a_build_that_fails_stays(end: str, tmp_path: Path) -> None:
    project = make_busy(tmp_path / "work" / "demo", BUSY.replace("    return", f"    {end}\n    return"))
    before = look(tmp_path / "work")
    with pytest.raises((BuildError, BuildTimeoutError)):
        build(tmp_path / "cache", project, build_timeout_s=3.0)
    assert look(tmp_path / "work") == before


def test_an_editable_build_keeps_what_it_writes(tmp_path: Path) -> None:
    project = make_busy(tmp_path / "work" / "demo")
    build(tmp_path / "cache", project, editable=True)
    assert (project / "demo" / "_version.py").exists()
    assert (project / "by-program.txt").exists() is FOLLOWS_PROGRAMS


AROUND = {
    "beside": 'open("../VERSION").read()',
    "up-and-up": 'open(os.path.join("..", "..", "top", "VERSION")).read()',
    "pathlib": '(__import__("pathlib").Path.cwd().parent / "VERSION").read_text()',
    "from-file": 'open(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "VERSION")).read()',
    "sibling-module": 'sys.path.append(".."); import sibling',
    "program": 'subprocess.run("cat ../VERSION", shell=True, check=True)',
    "link": 'open("VERSION").read()',
    "glob": '__import__("glob").glob("../*.txt")[0]',
}


@pytest.mark.parametrize("history", [False, True], ids=["plain", "repository"])
@pytest.mark.parametrize("layout", AROUND)
def test_a_project_that_looks_around_itself_is_built(layout: str, history: bool, tmp_path: Path) -> None:
    top = tmp_path / "top"
    project = make_project(top / "demo", "demo", backend_code="import sys\n" + backend(AROUND[layout]))
    (top / "VERSION").write_text("1.0")
    (top / "notes.txt").touch()
    (top / "sibling.py").write_text("VERSION = '1.0'")
    (project / "VERSION").symlink_to("../VERSION")
    if history:
        git(top, "init", "-q")
        git(top, "add", "-A")
        git(top, "commit", "-q", "-m", "first")
    before = look(top)
    assert "demo/__init__.py" in packed(build(tmp_path / "cache", project))
    assert {name: state for name, state in look(top).items() if not name.startswith(".git")} == {
        name: state for name, state in before.items() if not name.startswith(".git")
    }


def test_version_control_sees_no_change_in_the_whole_repository(tmp_path: Path) -> None:
    project = make_busy(
        tmp_path / "top" / "demo", BUSY.replace("os.rmdir", 'open("../generated.h", "w").close(); os.rmdir')
    )
    git(project.parent, "init", "-q")
    git(project.parent, "add", "-A")
    git(project.parent, "commit", "-q", "-m", "first")
    before = history_digest(str(project))
    build(tmp_path / "cache", project)
    assert git(project.parent, "status", "--porcelain") == ""
    assert history_digest(str(project)) == before


@pytest.mark.parametrize(
    ("arguments", "is_told"),
    [
        (["commit", "--allow-empty", "-qm", "x"], True),
        (["tag", "v2"], True),
        (["checkout", "-qb", "other"], True),
        (["pack-refs", "--all"], False),
        (["status"], False),
    ],
)
def test_a_build_that_changes_history_is_told(arguments: list[str], is_told: bool, tmp_path: Path) -> None:
    identity = ["git", "-c", "user.name=n", "-c", "user.email=e@example.invalid"]
    code = backend(f"subprocess.run({[*identity, *arguments]!r}, check=True)")
    project = make_project(tmp_path / "demo", "demo", backend_code=code)
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "first")

    async def work(around: Surroundings) -> list[str]:
        await around.builder.build(tree(project, source_digest(project)), "demo", "1.0")
        return [notice.text for notice in around.recorder.notices]

    said = within(tmp_path / "cache", work)
    assert any("HEAD, branches or tags of the repository changed" in text for text in said) is is_told


STALE = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "demo"
version = "1.0"
[tool.setuptools]
packages = ["demo"]
include-package-data = true
"""


@pytest.mark.slow
def test_a_deleted_module_is_not_in_the_next_wheel(tmp_path: Path, setuptools_environment: Environment) -> None:
    project = tmp_path / "demo"
    (project / "demo").mkdir(parents=True)
    (project / "pyproject.toml").write_text(STALE)
    for name in ("__init__.py", "gone.py", "data.txt"):
        (project / "demo" / name).touch()
    (project / "MANIFEST.in").write_text("include demo/data.txt\n")
    code = "from setuptools import build_meta; import sys; build_meta.build_wheel(sys.argv[1])"
    subprocess.run([setuptools_environment.python, "-c", code, tmp_path], cwd=project, check=True, capture_output=True)
    assert (project / "build" / "lib" / "demo" / "gone.py").exists()
    (project / "demo" / "gone.py").unlink()
    (project / "MANIFEST.in").write_text("")
    before = look(project)
    wheel = build(tmp_path / "cache", project, environments=Environments(setuptools_environment))
    assert {name for name in packed(wheel) if name.startswith("demo/")} == {"demo/__init__.py"}
    assert look(project) == before


@pytest.mark.skipif(not FOLLOWS_PROGRAMS, reason="elsewhere it is not known what programs write")
def test_files_that_their_user_writes_meanwhile_stay(tmp_path: Path) -> None:
    go, began = tmp_path / "go", tmp_path / "began"
    wait = f"""
open("made.txt", "w").close()
open({str(began)!r}, "w").write("x")
subprocess.run(["sh", "-c", "until test -e {go}; do sleep 0.01; done; touch by-program.txt"], check=True)
"""
    project = make_busy(tmp_path / "demo", backend(wait))

    async def work(around: Surroundings) -> None:
        source = tree(project, source_digest(project))
        building = asyncio.create_task(around.builder.build(source, "demo", "1.0"))
        await asyncio.to_thread(wait_for_file, began)
        (project / "mine.py").write_text("mine")
        (project / "demo" / "__init__.py").write_text("edited")
        go.touch()
        await building

    within(tmp_path / "cache", work)
    assert (project / "mine.py").read_text() == "mine"
    assert (project / "demo" / "__init__.py").read_text() == "edited"
    assert not (project / "made.txt").exists()
    assert not (project / "by-program.txt").exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.parametrize("supervisor", ["lives", "dies"])
def test_what_a_killed_build_left_is_cleaned(supervisor: str, tmp_path: Path) -> None:
    began, again = tmp_path / "began", tmp_path / "again"
    body = (
        BUSY.partition("    return")[0]
        + f"    if not os.path.exists({str(again)!r}):\n"
        + f"        open({str(began)!r}, 'w').write(f'{{os.getpid()}} {{os.getppid()}}')\n        time.sleep(60)\n"
        + "    return"
        + BUSY.partition("    return")[2]
    )
    project = make_busy(tmp_path / "work" / "demo", body)
    before, digest = look(tmp_path / "work"), source_digest(project)
    command = [sys.executable, build_programs.__file__, str(tmp_path / "cache"), str(project)]
    with subprocess.Popen(command) as owner:
        wait_for_file(began)
        hook, keeper = map(int, began.read_text().split())
        owner.kill()
        if supervisor == "dies":
            os.kill(keeper, signal.SIGKILL)
    assert process_ends(hook)
    assert process_ends(keeper, 10)
    if supervisor == "lives":
        assert look(tmp_path / "work") == before
        return
    assert look(tmp_path / "work") != before
    again.touch()
    assert within(tmp_path / "cache", lambda a: a.builder.quiet(project, lambda: source_digest(project))) == digest
    assert look(tmp_path / "work") == before
    build(tmp_path / "cache", project)
    assert look(tmp_path / "work") == before


def test_a_tree_is_looked_at_between_builds_only(tmp_path: Path) -> None:
    go, began = tmp_path / "go", tmp_path / "began"
    wait = f"""
open("made.txt", "w").close()
open({str(began)!r}, "w").write("x")
while not os.path.exists({str(go)!r}): time.sleep(0.01)
"""
    project = make_busy(tmp_path / "demo", backend(wait))
    digest = source_digest(project)

    async def work(around: Surroundings) -> str:
        building = asyncio.create_task(around.builder.build(tree(project, digest), "demo", "1.0"))
        await asyncio.to_thread(wait_for_file, began)
        assert source_digest(project) != digest
        looking = asyncio.create_task(around.builder.quiet(project, lambda: source_digest(project)))
        await asyncio.sleep(0)
        go.touch()
        await building
        return await looking

    assert within(tmp_path / "cache", work) == digest


def test_two_builds_of_a_tree_take_turns(tmp_path: Path) -> None:
    """For two interpreters or settings, say: their keys differ."""
    exclusive = backend("""
os.mkdir("only-one")
time.sleep(0.2)
os.rmdir("only-one")
""")
    outer = make_busy(tmp_path / "demo", exclusive)
    inner = make_project(outer / "inner", "demo", backend_code=exclusive.replace('"only-one"', '"../only-one"'))

    async def work(around: Surroundings) -> None:
        sources = [tree(outer, "1"), tree(outer, "2"), tree(inner, "1")]
        await asyncio.gather(*(around.builder.build(source, "demo", "1.0") for source in sources))

    within(tmp_path / "cache", work)


@pytest.mark.skipif(os.name == "nt", reason="a directory cannot be locked there")
def test_builds_with_different_stores_take_turns_in_one_tree(tmp_path: Path) -> None:
    """The lock of a store is not another's; the directory is the same one."""
    project = make_busy(tmp_path / "demo", BUSY)
    before = look(project)

    async def work() -> None:
        recorder = Recorder()
        first = OwnTrees(Store(tmp_path / "cache-1", recorder=recorder))
        hasty = OwnTrees(Store(tmp_path / "cache-2", recorder=recorder, lock_timeout_s=0.2))
        async with first.turn(project, "demo", keeps=False) as turn:
            make_project(project / "inner", "inner")
            for place in (project, project / "inner"):
                with pytest.raises(LockTimeoutError) as told:
                    async with hasty.turn(place, "demo", keeps=False):
                        pass
                if sys.platform == "linux":
                    assert f"process {os.getpid()}" in str(told.value)
            with pytest.raises(LockTimeoutError):
                await hasty.quiet(project, lambda: None)
            # What the hook started holds it, too, until it ends.
            descriptors = [lock.fileno() for lock in turn.locks]
            held = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=descriptors)
        with pytest.raises(LockTimeoutError):
            async with hasty.turn(project, "demo", keeps=False):
                pass
        held.communicate()
        async with hasty.turn(project, "demo", keeps=False):
            pass

    asyncio.run(work())
    shutil.rmtree(project / "inner")
    assert look(project) == before


@pytest.mark.skipif(
    not shutil.which("unshare") or subprocess.run(["unshare", "-rm", "true"], check=False).returncode != 0,
    reason="FAULTS ARE NOT TESTED: mount namespaces (unshare -rm) are missing on this machine",
)
def test_a_tree_that_cannot_be_written_is_copied(tmp_path: Path) -> None:
    top = tmp_path / "top"
    project = make_busy(top / "demo", "import sys\n" + BUSY.replace("os.rmdir", 'open("../VERSION").read(); os.rmdir'))
    (top / "VERSION").write_text("1.0")
    with open(project / "large.bin", "wb") as file:
        file.truncate(2 * 1024**3)
    before = look_but(top, "demo/large.bin")
    script = 'mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; shift; exec "$@"'
    program = [sys.executable, build_programs.__file__, str(tmp_path / "cache"), str(project)]
    begun = time.monotonic()
    done = subprocess.run(["unshare", "-rm", "sh", "-euc", script, "sh", top, *program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun < 30
    assert look_but(top, "demo/large.bin") == before


def look_but(root: Path, name: str) -> dict[str, tuple[Any, ...]]:
    large = (root / name).rename(root.parent / "away")
    found = look(root)
    large.rename(root / name)
    return found


def test_a_large_file_costs_nothing(tmp_path: Path) -> None:
    project = make_busy(tmp_path / "demo")
    with open(project / "large.bin", "wb") as file:
        file.truncate(2 * 1024**3)
    written = count_bytes_written(lambda: build(tmp_path / "cache", project))
    assert written < 64 * 1024**2


def count_bytes_written(work: Callable[[], object]) -> int:
    def now() -> int:
        return int(Path("/proc/self/io").read_text().split("wchar: ")[1].split()[0])

    begin = now()
    work()
    return now() - begin
