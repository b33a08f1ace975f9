"""What sessions with environments for workers import is compiled once, and all workers have it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from kit.archives import make_wheel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Project

pytestmark = pytest.mark.slow

SCOPE = ("--fastenv", "requirements.txt", "--fastenv-scope", "worker", "-n", "3", "--dist", "each")
SUITE = """\
    import os
    import heavy.part

    def test_where_it_came_from(worker_id):
        status = os.stat(heavy.part.__cached__) if os.path.exists(heavy.part.__cached__) else None
        with open("seen", "a") as file:
            file.write(f"{worker_id} {status and (status.st_ino, status.st_mtime_ns)}\\n")
    """


def seen(project: Project) -> dict[str, str]:
    path = project.directory / "seen"
    lines = path.read_text().splitlines()
    path.unlink()
    return dict(line.split(" ", 1) for line in lines)


@pytest.fixture
def heavy(project: Project) -> Project:
    artifacts = project.directory.parent / "artifacts"
    artifacts.mkdir()
    project.variables["FASTENV_FIND_LINKS"] = str(artifacts)
    unlike = f"# another wheel than that of other tests: {artifacts}\n"
    files = {"heavy/__init__.py": unlike, "heavy/part.py": "X = 1\n", "heavy/unused.py": ""}
    make_wheel(artifacts, "heavy", files=files)
    project.write(requirements__txt="heavy\n", test_inside__py=SUITE)
    project.variables |= {"PYTHONDONTWRITEBYTECODE": "1", "FASTENV_BYTECODE": "shared"}
    return project


def run(project: Project) -> dict[str, str]:
    ran = project.run(*SCOPE)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return seen(project)


def environment(project: Project) -> Path:
    """Return the session's environment, after a session in it."""
    ran = project.run(*SCOPE, "--collect-only")
    return Path(re.findall(r"^fastenv: .*, (/\S+/environments/\S+)", ran.stdout, re.MULTILINE)[0])


def test_the_next_session_has_it_compiled_once_for_all(heavy: Project) -> None:
    """Also where Python itself is told to keep nothing."""
    heavy.variables["FASTENV_CONCURRENT"] = "1"  # else it may be compiled beside the session already
    assert set(run(heavy).values()) == {"None"}
    again = run(heavy)
    assert len(again) == 3
    (compiled,) = set(again.values())
    assert re.fullmatch(r"\(\d+, \d+\)", compiled), "the same file in all three"
    third = run(heavy)
    assert set(third.values()) == {compiled}


def test_only_what_was_imported(heavy: Project) -> None:
    run(heavy)
    run(heavy)
    prefix = environment(heavy)
    names = {path.name.partition(".")[0] for path in prefix.rglob("heavy/__pycache__/*.pyc")}
    assert names == {"__init__", "part"}
    listed = (prefix / ".fastenv" / "imported").read_text().splitlines()
    assert any(line.endswith("heavy/part.py") for line in listed)
    assert all(not line.startswith("/") for line in listed)


def test_what_cannot_be_compiled_is_left_alone(heavy: Project, tmp_path: Path) -> None:
    run(heavy)
    outside = tmp_path / "elsewhere" / "outside.py"
    outside.parent.mkdir()
    outside.touch()
    prefix = environment(heavy)
    with (prefix / ".fastenv" / "imported").open("a") as file:
        file.write(f"lib/nowhere.py\n{os.path.relpath(outside, prefix)}\n{outside}\n\n")
    assert len(run(heavy)) == 3
    assert not (outside.parent / "__pycache__").exists(), "nothing is written outside the environment"
