"""What one session compiles, the fresh environments of others have."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kit.archives import make_wheel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Project

pytestmark = pytest.mark.slow

SUITE = """\
    import os
    import library.part

    def test_where_it_came_from():
        there = os.path.exists(library.part.__cached__)
        with open("seen", "a") as file:
            file.write(f"{there and os.stat(library.part.__cached__).st_ino}\\n")
        assert library.part.VALUE == 1
    """


@pytest.fixture
def library(project: Project, tmp_path: Path) -> Project:
    """A project of which sessions keep what they compile, in a store of its own."""
    artifacts = tmp_path / "more"
    artifacts.mkdir()
    make_wheel(artifacts, "library", "2.0", files={"library/__init__.py": "", "library/part.py": "VALUE = 1\n"})
    project.variables |= {
        "FASTENV_FIND_LINKS": str(artifacts),
        "FASTENV_BYTECODE": "shared",
        "FASTENV_CACHE_DIR": str(tmp_path / "store"),
        "PYTHONDONTWRITEBYTECODE": None,
    }
    project.write(requirements__txt="library==2.0\n", test_inside__py=SUITE)
    return project


def start(project: Project, *arguments: str) -> str:
    """Run the suite, and return what it saw."""
    ran = project.run("--fastenv", "requirements.txt", *arguments)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return (project.directory / "seen").read_text().splitlines()[-1]


def run(project: Project, *arguments: str) -> str:
    """Run the suite, wait until what it compiled is kept, and return what it saw."""
    saw = start(project, *arguments)
    for prefix in environments(project):
        wait_until_compiled(prefix)
    return saw


def environments(project: Project) -> Iterator[Path]:
    """Yield the directories of environments, oldest first."""
    yield from sorted(Path(project.variables["FASTENV_CACHE_DIR"] or "").glob("environments/*-*"))


def wait_until_compiled(prefix: Path, within_s: float = 60.0) -> None:
    """Wait for a process that belongs to nobody."""
    end = time.monotonic() + within_s
    while not is_compiled(prefix):
        assert time.monotonic() < end, f"nobody compiled what was imported in {prefix}"
        time.sleep(0.01)


def is_compiled(prefix: Path) -> bool:
    listed, done = prefix / ".fastenv" / "imported", prefix / ".fastenv" / "compiled"
    return done.exists() and listed.read_text().startswith(done.read_text() + "\n")


def inodes(project: Project) -> list[str]:
    """Return which file each environment has for the module that the suite imports."""
    found = [next((prefix / "lib").rglob("library/__pycache__/part.*.pyc")) for prefix in environments(project)]
    return [str(os.stat(path).st_ino) for path in found]


def own_files(prefix: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (prefix / ".fastenv").iterdir()}


def test_a_fresh_environment_has_what_a_session_compiled(library: Project) -> None:
    """The very file: nothing is compiled again. Where nothing new was imported no process is left behind."""
    compiled = run(library)
    assert start(library, "--fastenv-recreate") == compiled
    assert inodes(library) == [compiled]
    (second,) = environments(library)
    assert list((second / "lib").rglob("_pytest/__pycache__/stepwise.*.pyc")), "of pytest's all, imported or not"
    assert is_compiled(second), "at once: the session saw that nothing is left to do"
    before = own_files(second)
    assert start(library) == compiled
    assert own_files(second) == before


def test_workers_and_environments_inside_tests_have_it(library: Project) -> None:
    library.variables["PYTHONDONTWRITEBYTECODE"] = "1"
    run(library)
    compiled = inodes(library)[0]
    library.write(
        test_inside__py=SUITE,
        test_other__py="""\
            import os

            def test_fresh(venv, worker_id):
                venv.install("library==2.0")
                (cached,) = venv.site_packages.glob("library/__pycache__/part.*.pyc")
                with open("seen", "a") as file:
                    file.write(f"{os.stat(cached).st_ino}\\n")
            """,
    )
    start(library, "--fastenv-recreate", "--fastenv-scope", "worker", "-n", "2", "--dist", "each")
    assert (library.directory / "seen").read_text().splitlines()[1:] == [compiled] * 4


def test_where_python_keeps_nothing_it_is_compiled_after_the_session(library: Project) -> None:
    library.variables["PYTHONDONTWRITEBYTECODE"] = "1"
    library.variables["FASTENV_CONCURRENT"] = "1"  # else it may be compiled beside the session
    assert run(library) == "False"
    compiled = run(library, "--fastenv-recreate")
    assert inodes(library) == [compiled]


@pytest.mark.parametrize("away", ["shutil.rmtree(sys.prefix)", "os.rename(sys.prefix, sys.prefix + '-elsewhere')"])
def test_an_environment_that_goes_while_its_tests_run(library: Project, away: str) -> None:
    run(library)  # the next session starts in an environment that stands, and has nothing to do for the store
    library.write(test_inside__py=f"import os, shutil, sys\ndef test_it():\n    import library\n    {away}\n")
    ran = library.run("--fastenv", "requirements.txt")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
