"""``--fastenv-env`` with ``-n``: the workers of pytest-xdist are spread over several environments of one session."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from kit.archives import make_sdist, make_wheel
from kit.nightly import first_and_at_night
from kit.server import IndexServer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Project

pytestmark = pytest.mark.slow

ALL = ("--fastenv-env", "all")

#: Three environments with a release each of one project.
ENVIRONMENTS = """\
    [tool.fastenv]
    project = "none"

    [tool.fastenv.envs.one]
    requirements = ["apart==1.0"]
    set-env = { WHERE = "one" }

    [tool.fastenv.envs.two]
    requirements = ["apart==2.0"]
    set-env = { WHERE = "two" }

    [tool.fastenv.envs.three]
    requirements = ["apart==3.0"]
    pass-env = ["PATH", "HOME", "TMPDIR"]
"""

#: One test for each environment, which holds there alone; and one that looks where it is.
CANARIES = """\
    import json
    import os
    import subprocess
    import sys

    import apart
    import pytest

    ASK = "import sys, apart; print(sys.prefix, apart.VERSION)"

    @pytest.mark.parametrize("version", ["1.0", "2.0", "3.0"])
    @pytest.mark.xdist_group("one")
    def test_canary(version):
        assert apart.VERSION == version

    @pytest.mark.xdist_group("one")
    def test_at_home():
        handed = json.loads(os.environ["FASTENV_INSIDE"])
        assert handed["prefix"] == os.environ["VIRTUAL_ENV"] == sys.prefix == apart.PREFIX
        assert os.environ.get("WHERE") == {"1.0": "one", "2.0": "two", "3.0": None}[apart.VERSION]
        assert ("OUTSIDE" in os.environ) == (apart.VERSION != "3.0")
        assert [path for path in sys.path if "site-packages" in path and not path.startswith(sys.prefix)] == []
        for python in ("python", sys.executable):
            told = subprocess.check_output([python, "-c", ASK], text=True).split()
            assert told == [sys.prefix, apart.VERSION]
"""

#: Notes when workers begin and end, and which tests they run.
EVENTS = """\
    import pytest

    def note(*words):
        with open("events", "a") as file:
            print(*words, file=file)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_newgateway(gateway):
        note("begins", gateway.id)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(node, error):
        note("ends", node.gateway.id)

    def pytest_runtest_logreport(report):
        if report.when == "call" and hasattr(report, "node"):
            note("test", report.node.gateway.id, report.nodeid)
"""


@pytest.fixture
def apart(project: Project, suite_index: IndexServer) -> Project:
    for version in ("1.0", "2.0", "3.0"):
        code = f"import sys\nVERSION = {version!r}\nPREFIX = sys.prefix\n"
        make_wheel(suite_index.directory, "apart", version, files={"apart.py": code})
    (project.directory / "test_inside.py").unlink()
    project.variables["OUTSIDE"] = "1"
    project.write(pyproject__toml=ENVIRONMENTS, test_it__py=CANARIES, conftest__py=EVENTS)
    return project


def events(project: Project) -> list[list[str]]:
    return [line.split() for line in (project.directory / "events").read_text().splitlines()]


def most_alive(project: Project) -> int:
    """Return how many workers were alive at once, by what the controller saw."""
    alive: set[str] = set()
    most = 0
    for kind, worker, *_ in events(project):
        alive = alive | {worker} if kind == "begins" else alive - {worker} if kind == "ends" else alive
        most = max(most, len(alive))
    return most


def ids(project: Project) -> Counter[str]:
    """Return how often the tests ran."""
    return Counter(words[2] for words in events(project) if words[0] == "test")


@pytest.mark.parametrize(
    ("mode", "count"),
    first_and_at_night(
        ("load", 2),
        ("worksteal", 5),
        ("load", 1),
        ("load", 5),
        ("loadscope", 2),
        ("loadfile", 3),
        ("loadgroup", 2),
        by_day=2,
    ),
)
def test_each_canary_holds_in_its_environment_alone(apart: Project, mode: str, count: int) -> None:
    run = apart.run(*ALL, "-n", str(count), "--dist", mode)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "6 failed, 6 passed" in run.stdout, run.stdout + run.stderr
    assert set(ids(apart).values()) == {1}
    failed = {line.split()[1] for line in run.stdout.splitlines() if line.startswith("FAILED")}
    assert failed == {
        f"test_it.py::test_canary[{version}.0][{name}]"
        for number, name in enumerate(["one", "two", "three"], 1)
        for version in range(1, 4)
        if version != number
    }
    assert 0 < most_alive(apart) <= count


def test_a_worker_that_dies_is_replaced_in_its_environment(apart: Project) -> None:
    apart.write(
        test_it__py="""\
            import os, sys, apart, pytest

            @pytest.mark.parametrize("n", range(6))
            def test_it(n):
                assert apart.PREFIX == sys.prefix
                if n == 3 and apart.VERSION == "2.0":
                    os._exit(1)
            """
    )
    run = apart.run(*ALL, "-n", "2")
    assert run.returncode == 1, run.stdout + run.stderr
    assert "1 failed, 17 passed" in run.stdout
    assert "crashed while running 'test_it.py::test_it[3][two]'" in run.stdout
    assert most_alive(apart) <= 2


def test_collections_differ_and_an_error_is_one_environment_s(apart: Project) -> None:
    apart.write(
        test_it__py="""\
            import apart, pytest

            if apart.VERSION == "2.0":
                import not_there

            @pytest.mark.parametrize("n", range(20 if apart.VERSION == "1.0" else 2))
            def test_it(n): pass
            """
    )
    run = apart.run(*ALL, "-n", "2")
    assert run.returncode == 1, run.stdout + run.stderr
    assert "22 passed, 1 error" in run.stdout
    assert "In the environment two." in run.stdout
    rows = {line.split()[0]: line.split()[1:3] for line in run.stdout.splitlines() if line.endswith(("s", "tests"))}
    assert rows["one"] == ["20", "-"]
    assert rows["two"] == ["-", "1"]
    assert rows["three"] == ["2", "-"]


def test_the_same_collection_error_counts_in_each_environment(apart: Project) -> None:
    apart.write(test_it__py="import not_there\n")
    run = apart.run(*ALL, "-n", "3")
    assert "3 errors in" in run.stdout, run.stdout + run.stderr


def test_an_environment_that_cannot_be_had_does_not_stop_the_others(apart: Project) -> None:
    apart.write(pyproject__toml=ENVIRONMENTS.replace("apart==2.0", "apart==9.0"))
    run = apart.run(*ALL, "-n", "4", "-k", "at_home")
    assert run.returncode == 4, run.stdout + run.stderr
    assert "2 passed" in run.stdout
    assert "not provided: no release of apart fits apart==9.0" in run.stdout


def test_a_conftest_s_own_scheduler_works_in_each_environment(apart: Project) -> None:
    scheduler = """\

    @pytest.hookimpl
    def pytest_xdist_make_scheduler(config, log):
        from xdist.scheduler import LoadScopeScheduling

        class Single(LoadScopeScheduling):
            def _split_scope(self, nodeid):
                note("scope", nodeid)
                return nodeid

        return Single(config, log)
"""
    apart.write(conftest__py=EVENTS + scheduler)
    run = apart.run(*ALL, "-n", "3", "-k", "at_home")
    assert run.returncode == 0, run.stdout + run.stderr
    scopes = {words[1] for words in events(apart) if words[0] == "scope"}
    assert scopes == {f"test_it.py::test_at_home[{name}]" for name in ("one", "two", "three")}


def test_workers_with_environments_of_their_own_are_refused(apart: Project) -> None:
    run = apart.run(*ALL, "-n", "2", "--fastenv-scope", "worker")
    assert run.returncode == 4, run.stdout + run.stderr
    assert "workers that are spread over several environments share those" in run.stderr
    assert not (Path(apart.directory) / "events").exists()
    assert apart.run(*ALL, "--fastenv-scope", "worker", "-k", "at_home").returncode == 0


#: An environment that is made only when the tests of another one let it.
LATE = """\
    [tool.fastenv]
    project = "none"

    [tool.fastenv.envs.ahead]
    set-env = {{ WHERE = "ahead" }}

    [tool.fastenv.envs.late]
    requirements = ["{sdist}"]
    set-env = {{ WHERE = "late" }}
"""

#: The first worker waits for a second one in its environment, then lets the other environment be made, and goes on
#: when a test runs there; the second one goes on when that environment is there.
TESTS_AHEAD = """\
    import functools
    import os
    import time
    from pathlib import Path

    import pytest

    WHERE = os.environ["WHERE"]
    WORKER = os.environ["PYTEST_XDIST_WORKER"]

    @functools.cache
    def wait_for(directory, pattern):
        deadline = time.monotonic() + 60
        while not list(Path(directory).glob(pattern)):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    @pytest.mark.parametrize("number", range(240 if WHERE == "ahead" else 1))
    def test_it(number):
        Path(f"{WHERE}-{WORKER}").touch()
        if WHERE == "late":
            return
        wait_for(".", "ahead-gw1")
        if WORKER == "gw0":
            if not Path("opened").exists():
                Path("opened").touch()
                Path("gate").write_text("go on")
            wait_for(".", "late-*")
        else:
            wait_for(os.environ["ENVIRONMENTS"], "*/lib/*/site-packages/late.py")
"""


def test_room_is_used_while_environments_are_made_and_given_to_those_that_come_late(
    project: Project, artifacts: Path
) -> None:
    gate = project.directory / "gate"
    os.mkfifo(gate)
    waits = f"""
_build = build_wheel

def build_wheel(*given):
    open({str(gate)!r}).read()
    return _build(*given)
"""
    sdist = make_sdist(artifacts, "late", backend_code=waits, files={"late.py": ""})
    (project.directory / "test_inside.py").unlink()
    project.write(pyproject__toml=LATE.format(sdist=sdist), test_it__py=TESTS_AHEAD, conftest__py=EVENTS)
    project.variables["FASTENV_CACHE_DIR"] = str(project.directory / "store")
    project.variables["ENVIRONMENTS"] = str(project.directory / "store" / "environments")
    run = project.run(*ALL, "-n", "2")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "241 passed" in run.stdout
    assert most_alive(project) == 2
    # The second worker would have had three quarters of them, had it not made room.
    assert Counter(words[1] for words in events(project) if words[0] == "test")["gw1"] < 120


def test_stops_after_the_first_failure(apart: Project) -> None:
    run = apart.run(*ALL, "-n", "1", "-x")
    assert run.returncode == 2, run.stdout + run.stderr
    assert "stopping after 1 failures" in run.stdout
    assert not [nodeid for nodeid in ids(apart) if nodeid.endswith("[three]")]


def test_only_what_failed_runs_again(apart: Project) -> None:
    again = [word for word in apart.command(*ALL, "-n", "2", "-q") if word not in ("-p", "no:cacheprovider")]
    assert apart.run_command(again).returncode == 1
    (apart.directory / "events").unlink()
    run = apart.run_command([*again, "--lf"])
    assert "6 failed in" in run.stdout, run.stdout + run.stderr
    assert len(ids(apart)) == 6


def test_the_keyboard_ends_all(apart: Project) -> None:
    apart.write(
        test_it__py="""\
            import time

            def test_it():
                print(open("/proc/self/stat").read().split()[0], file=open("started", "a"))
                time.sleep(60)
            """
    )
    fifo = apart.directory / "started"
    os.mkfifo(fifo)
    process = subprocess.Popen(
        apart.command(*ALL, "-n", "2"),
        cwd=apart.directory,
        env=apart.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    with fifo.open() as started:
        worker = int(started.readline())
        os.killpg(process.pid, signal.SIGINT)
        output = process.communicate(timeout=60)[0]
    assert process.returncode == 130, output
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
