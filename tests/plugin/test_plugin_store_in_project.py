"""A store, or a directory of environments, that lies in the project."""

from __future__ import annotations

import pytest
from kit.archives import make_project, make_wheel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Project

pytestmark = pytest.mark.slow

FAILS = "def test_of_somebody_else():\n    assert 0\n"


@pytest.mark.parametrize(
    ("place", "words"), [("tests", ()), (".cache", ("--collect-in-virtualenv", "-o", "norecursedirs=none"))]
)
def test_nothing_of_a_store_in_the_project_is_collected(project: Project, place: str, words: tuple[str, ...]) -> None:
    wheel = make_wheel(project.directory, "tested", files={"tested/test_it.py": FAILS, "test_top.py": FAILS})
    project.write(requirements__txt=f"library\n./{wheel.name}\n")
    project.variables["FASTENV_CACHE_DIR"] = str(project.directory / place)
    for more in ((), ("-n", "1", "--fastenv-scope=worker"), ("-p", "no:fastenv", "--ignore=test_inside.py")):
        plain = "no:fastenv" in more
        run = project.run(*more, *words, *(() if plain else ("--fastenv", "requirements.txt")))
        assert run.returncode == (5 if plain else 0), run.stdout + run.stderr


def test_directory_of_environments_in_the_project(project: Project) -> None:
    wheel = make_wheel(project.directory, "tested", files={"tested/test_it.py": FAILS, "test_top.py": FAILS})
    project.write(requirements__txt=f"library\n./{wheel.name}\n")
    for words in ((), ("-o", "norecursedirs=none", "--collect-in-virtualenv")):
        run = project.run("--fastenv", "requirements.txt", "--fastenv-dir=envs", *words)
        assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("how", ["wheel", "editable"])
def test_project_around_the_store_is_not_made_anew(project: Project, how: str) -> None:
    make_project(project.directory, "mine")
    project.variables["FASTENV_CACHE_DIR"] = str(project.directory / "cache")
    words = ("--fastenv", "requirements.txt", f"--fastenv-project={how}")
    assert project.run(*words).returncode == 0
    run = project.run(*words)
    assert "(reused" in run.stdout, run.stdout + run.stderr
