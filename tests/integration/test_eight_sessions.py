"""Eight ``pytest --fastenv`` processes at the same moment: green, shared work done once, and no environment moves."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from at_once import SUITE, Ended, Living, Session, builds, counted, run_at_once, transfers
from front_doors import Desk, whole
from kit.archives import make_sdist, make_wheel
from kit.installed import wheel_of
from kit.links import CERTAIN
from kit.nightly import first_and_at_night
from kit.server import IndexServer

from pytest_fastenv.runtime.imported import DONE, NAME

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="a shell holds the processes back until all are there"),
]

EIGHT = 8


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where backends write down what they build."""
    return tmp_path / "builds"


@pytest.fixture
def index(desk: Desk, log: Path, tmp_path: Path) -> IndexServer:
    """What the projects share: a wheel, a source distribution that requires it, and pytest-xdist."""
    assert desk.server is not None
    directory = desk.server.directory
    make_wheel(
        directory,
        "shared-wheel",
        files=dict.fromkeys(("lazy.py", "another_lazy.py"), "VALUE = 'as it was made'\n") | {"shared_wheel.py": ""},
    )
    make_sdist(
        directory,
        "shared-source",
        requires=["shared-wheel"],
        build_log=log,
        exclusive=tmp_path / "one-at-a-time",
        hold_s=0.3,
    )
    for project in ("pytest-xdist", "execnet"):
        wheel_of(project, directory)
    return desk.server


def write_suite(desk: Desk, *requirements: str, imports: str = "shared_source") -> None:
    desk.write("requirements.txt", "".join(f"{line}\n" for line in requirements))
    desk.write("test_suite.py", SUITE.format(wanted=imports))


@pytest.mark.parametrize("state", first_and_at_night("a cold store", "a store that knows pytest"))
def test_in_one_project(desk: Desk, index: IndexServer, log: Path, tmp_path: Path, request, state: str) -> None:
    """They come for the same environment: one of them makes it, all run in it."""
    if state != "a cold store":
        request.getfixturevalue("seeded")
    write_suite(desk, "shared-source", "good")
    ended = run_at_once([Session(desk, ("requirements.txt",))] * EIGHT, tmp_path / "runs")
    assert Counter(one.prefix for one in ended) == {one_environment(desk): EIGHT}
    nothing_was_done_twice(desk, log, ended)
    assert counted(ended, "link").keys() >= {"shared-source", "shared-wheel", "good", "pytest"}
    assert set(counted(ended, "link").values()) == {1}
    assert {"shared-source", "shared-wheel", "good", "pytest"} <= whole(one_environment(desk))


def nothing_was_done_twice(desk: Desk, log: Path, ended: Sequence[Ended]) -> None:
    """Check that builds, transfers and unpacked wheels are one of each, as seen from both ends."""
    assert builds(log) == {"shared-source": 1}
    assert counted(ended, "build", hook="build_wheel") == {"shared-source": 1}
    assert set(transfers(desk).values()) == {1}, transfers(desk)
    fetched = counted(ended, "fetch")
    assert fetched.keys() >= {"shared-source", "shared-wheel"}
    assert set(fetched.values()) == {1}, fetched
    # A source tree is no shared work: who looks into it unpacks one of his own, and a backend may write into it.
    assert counted(ended, "unpack", source="built") == {"shared-source": 1}
    unpacked = counted(ended, "unpack")
    del unpacked["shared-source"]
    assert set(unpacked.values()) == {1}, unpacked


def one_environment(desk: Desk) -> Path:
    (prefix,) = desk.environments()
    return prefix


def projects(desk: Desk, count: int) -> list[Desk]:
    """Return projects that have a store in common, and requirements; each has one that the others do not have."""
    assert desk.server is not None
    made = []
    for number in range(count):
        own = Desk(desk.directory.with_name(f"project-{number}"), desk.store, desk.variables, server=desk.server)
        make_wheel(desk.server.directory, f"own-{number}")
        write_suite(own, "shared-source", "shared-wheel", f"own-{number}", imports=f"shared_source, own_{number}")
        made.append(own)
    return made


@pytest.mark.parametrize("state", first_and_at_night("a cold store", "a store that knows pytest"))
def test_in_several_projects(desk: Desk, index: IndexServer, log: Path, tmp_path: Path, request, state: str) -> None:
    """Two sessions in each of four projects: four environments, and what they have in common is had once."""
    if state != "a cold store":
        request.getfixturevalue("seeded")
    desks = projects(desk, 4)
    ended = run_at_once([Session(one, ("requirements.txt",)) for one in desks] * 2, tmp_path / "runs")
    nothing_was_done_twice(desk, log, ended)
    links = counted(ended, "link")
    assert (links["shared-source"], links["shared-wheel"], links["own-0"]) == (4, 4, 1)
    in_projects = Counter(one.prefix for one in ended)
    assert in_projects == dict.fromkeys(desk.environments(), 2)
    for number, (first, second) in enumerate(zip(ended[:4], ended[4:], strict=True)):
        assert first.prefix == second.prefix
        assert {"shared-source", "shared-wheel", f"own-{number}"} <= whole(first.prefix)


def test_with_two_workers_each(seeded: Desk, index: IndexServer, log: Path, tmp_path: Path) -> None:
    """The workers of all sessions share the one environment."""
    write_suite(seeded, "shared-source")
    sessions = [Session(seeded, ("requirements.txt",), ("-n", "2"))] * EIGHT
    ended = run_at_once(sessions, tmp_path / "runs")
    nothing_was_done_twice(seeded, log, ended)
    for one in ended:
        assert {seen["worker"] for seen in one.seen} == {"gw0", "gw1"}
        assert one.prefix == one_environment(seeded)


def test_with_an_environment_for_each_worker(seeded: Desk, index: IndexServer, log: Path, tmp_path: Path) -> None:
    """Sixteen workers run in sixteen environments of one content; none is left behind."""
    write_suite(seeded, "shared-source")
    sessions = [Session(seeded, ("requirements.txt",), ("-n", "2", "--fastenv-scope", "worker"))] * EIGHT
    ended = run_at_once(sessions, tmp_path / "runs")
    nothing_was_done_twice(seeded, log, ended)
    assert set(counted(ended, "link").values()) == {1}
    prefixes = set()
    for one in ended:
        assert {seen["worker"] for seen in one.seen} == {"gw0", "gw1"}
        assert len(one.prefixes) == 2
        prefixes |= one.prefixes
    assert len(prefixes) == 2 * EIGHT
    assert str(one_environment(seeded)) not in prefixes
    assert not [path for path in map(Path, prefixes) if path.exists()]


def test_sessions_that_come_later_find_it(seeded: Desk, index: IndexServer, log: Path, tmp_path: Path) -> None:
    """With everything there, eight more ask nothing of the index and write nothing to the store."""
    write_suite(seeded, "shared-source")
    sessions = [Session(seeded, ("requirements.txt",))] * EIGHT
    (first,) = run_at_once(sessions[:1], tmp_path / "first")
    asked, before = len(index.requests), listing(seeded.store)
    ended = run_at_once(sessions, tmp_path / "runs")
    assert {one.prefix for one in ended} == {first.prefix}
    assert len(index.requests) == asked
    assert listing(seeded.store) == before
    assert builds(log) == {"shared-source": 1}
    assert all("(reused, " in one.outcome.output for one in ended)


def listing(store: Path) -> dict[str, int]:
    """Return every file of a store with its time of modification; bytecode is written by what runs inside."""
    paths = (path for path in store.rglob("*") if path.suffix != ".pyc" and path.name != "__pycache__")
    return {str(path.relative_to(store)): path.lstat().st_mtime_ns for path in paths}


EDIT = """\
import sys
import shared_wheel

def test_it():
    with open(shared_wheel.__file__, "w") as file:
        file.write("EDITED = True\\n")
"""


@pytest.mark.parametrize("link", first_and_at_night(*CERTAIN))
def test_a_living_run_keeps_its_environment(seeded: Desk, index: IndexServer, tmp_path: Path, link: str) -> None:
    """Others change the requirements, make it anew, edit it in place and find that out; what it has not imported yet
    is as it was, for itself and for what it starts."""
    options = ("--fastenv-link", link)
    write_suite(seeded, "shared-wheel", imports="shared_wheel")
    seeded.write("test_edit.py", EDIT)
    make_wheel(index.directory, "another")
    command = seeded.words("pytest", "requirements.txt", link=link)
    with Living(seeded, command, before="import shared_wheel", after=AFTERWARDS) as living:
        held = identity(living.prefix)

        def run(name: str, *more: str) -> Ended:
            session = Session(seeded, ("requirements.txt",), (*options, *more, "test_suite.py"))
            return run_at_once([session], tmp_path / name)[0]

        assert run("shared").prefix == living.prefix

        seeded.write("requirements.txt", "shared-wheel\nanother\n")
        other = run("other")
        assert "requirements.txt changed" in other.outcome.output
        assert whole(other.prefix) > {"another", "shared-wheel"}
        seeded.write("requirements.txt", "shared-wheel\n")
        assert run("back").prefix == living.prefix

        seeded.run([*command, "test_edit.py"]).is_fine()
        found_out = run("found-out")
        assert re.search(r"made anew: .*shared_wheel\.py changed", found_out.outcome.output)
        assert "shared-wheel" in whole(found_out.prefix)
        recreated = run("recreated", "--fastenv-recreate")
        assert "shared-wheel" in whole(recreated.prefix)
        assert len({living.prefix, other.prefix, found_out.prefix, recreated.prefix}) == 4
        assert not found_out.prefix.exists()  # nobody was in it when another one took its place

        assert identity(living.prefix) == held
        assert "1 passed" in living.goes_on().is_fine()
    assert identity(living.prefix) == held


def test_eight_find_an_edited_environment_at_once(seeded: Desk, index: IndexServer, tmp_path: Path) -> None:
    """One of them makes it anew for all, and the run that is in the edited one stays there."""
    write_suite(seeded, "shared-wheel", imports="shared_wheel")
    command = seeded.words("pytest", "requirements.txt")
    with Living(seeded, command, before="import shared_wheel") as living:
        held = identity(living.prefix)
        seeded.write("test_edit.py", EDIT)
        seeded.run([*command, "test_edit.py"]).is_fine()
        sessions = [Session(seeded, ("requirements.txt",), ("test_suite.py",))] * EIGHT
        ended = run_at_once(sessions, tmp_path / "runs")
        (prefix,) = {one.prefix for one in ended}
        assert prefix != living.prefix
        assert "shared-wheel" in whole(prefix)
        assert set(counted(ended, "link").values()) == {1}
        assert identity(living.prefix) == held
        living.goes_on().is_fine()


def test_eight_make_it_anew_at_once(seeded: Desk, index: IndexServer, tmp_path: Path) -> None:
    """Each gets one of its own; those that are over by the time that another one is made may be gone."""
    write_suite(seeded, "shared-wheel", imports="shared_wheel")
    session = Session(seeded, ("requirements.txt",), ("--fastenv-recreate",))
    ended = run_at_once([session] * EIGHT, tmp_path / "runs")
    assert len({one.prefix for one in ended}) == EIGHT
    assert {one.prefix for one in ended} >= set(seeded.environments())
    assert seeded.environments()
    assert all("shared-wheel" in whole(prefix) for prefix in seeded.environments())
    assert set(counted(ended, "fetch").values()) == {1}


#: `lazy` is a module of the distribution that the others edited another one of.
AFTERWARDS = """\
import subprocess
import lazy
assert lazy.VALUE == "as it was made"
assert lazy.__file__.startswith(sys.prefix)
code = "import lazy, another_lazy; print(another_lazy.VALUE)"
assert subprocess.check_output([sys.executable, "-c", code], text=True) == "as it was made\\n"
"""


def identity(prefix: Path) -> tuple[int, dict[str, str], list[str]]:
    """Return what makes an environment the same one: its directory, what was taken down of it, and its names.

    What sessions imported is noted there, too, and is not part of that.
    """
    files = [path for path in (prefix / ".fastenv").iterdir() if path.is_file() and path.name not in {NAME, DONE}]
    records = {path.name: path.read_text("latin-1") for path in files}
    names = sorted(
        str(path.relative_to(prefix))
        for path in prefix.rglob("*")
        if "__pycache__" not in path.parts and path.name not in {NAME, DONE}
    )
    return prefix.stat().st_ino, records, names
