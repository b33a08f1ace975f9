"""A run that edits installed files in place is told so: which files, by whom, and what would have kept them apart."""

from __future__ import annotations

import re

import pytest
from kit.archives import make_wheel
from kit.links import SHARING

from pytest_fastenv.model.link import LinkMode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Project

pytestmark = pytest.mark.slow

SECTION = "fastenv: installed files were edited in place"
EDITING = """\
    import os
    import subprocess
    import sys
    from pathlib import Path

    import edited.one
    import edited.two

    ONE = Path(edited.one.__file__)

    def test_in_place():
        with ONE.open("a") as file:
            file.write("# edited\\n")

    def test_by_a_child():
        append = "import edited.two as two; open(two.__file__, 'a').write('# edited\\\\n')"
        subprocess.run([sys.executable, "-c", append], check=True)
"""
APART = """\
    import os
    from pathlib import Path

    import apart.one

    def test_apart():
        one = Path(apart.one.__file__)
        site = one.parent.parent
        (site / "new.py").write_text("")
        (site / "single.new").write_text("")
        os.replace(site / "single.new", site / "single.py")
        os.remove(site / "victim.py")
        one.read_text()
        open(one, "rb").close()
"""


@pytest.fixture
def editing(project: Project) -> Project:
    files = {"edited/__init__.py": "", "edited/one.py": "ONE = 1\n", "edited/two.py": "TWO = 2\n"}
    # Its own for each test: what is edited in place is found and repaired, but that is not the question here.
    make_wheel(project.directory, "edited", files=files | {"edited/unique.py": f"# {project.directory}\n"})
    project.write(requirements__txt="./edited-1.0-py3-none-any.whl\n", test_inside__py=EDITING)
    return project


def run(project: Project, *arguments: str, passed: int = 2) -> list[str]:
    """Run a suite with its edits and return the lines of the section, if there is one."""
    done = project.run("--fastenv", "requirements.txt", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{passed} passed" in done.stdout
    if SECTION not in done.stdout:
        return []
    return done.stdout.partition(SECTION)[2].splitlines()[1:]


@pytest.mark.parametrize("quiet", [False, True])
@pytest.mark.parametrize("link", SHARING)
def test_workers(editing: Project, link: LinkMode, quiet: bool) -> None:
    more = ("-q",) if quiet else ()
    lines = run(editing, "--fastenv-scope", "worker", "-n2", "--fastenv-link", link, *more)
    assert re.fullmatch(r"edited/one.py  by gw[01] in test_inside.py::test_in_place", lines[0])
    assert lines[1] == "edited/two.py  by a process that the tests started, or another run"
    assert lines[2].endswith("each edit reached the environments of all workers at once.")
    assert "--fastenv-link copy" in lines[3]


def test_workers_of_the_session_s_environment(editing: Project) -> None:
    lines = run(editing, "-n2", "--fastenv-link", "hardlink")
    assert re.fullmatch(r"edited/one.py  by gw[01] in test_inside.py::test_in_place", lines[0])
    assert lines[2].endswith("each edit reached every environment that has them at once.")


def test_no_workers(editing: Project) -> None:
    lines = run(editing, "--fastenv-link", "hardlink")
    assert lines[0] == "edited/one.py  by test_inside.py::test_in_place"


def test_who_asked_for_links_may_ask_for_clones(editing: Project) -> None:
    assert "clone" in run(editing, "--fastenv-link", "hardlink")[3]


def test_copies_keep_it_apart(editing: Project) -> None:
    assert run(editing, "--fastenv-scope", "worker", "-n2", "--fastenv-link", "copy") == []


def test_the_session_s_own_copies_are_not_used_again(editing: Project) -> None:
    command = ("--fastenv", "requirements.txt", "--fastenv-link", "copy")
    first = editing.run(*command)
    assert "fastenv: edited/one.py was edited in place by test_inside.py::test_in_place: the next run" in first.stdout
    assert SECTION not in first.stdout
    assert "made anew: edited/one.py changed since" in editing.run(*command).stdout


@pytest.mark.parametrize("arguments", [("-n2", "--fastenv-scope", "worker"), ("-n2",), ()])
def test_what_is_no_edit_in_place(project: Project, arguments: tuple[str, ...]) -> None:
    files = {"apart/__init__.py": "", "apart/one.py": "", "single.py": "", "victim.py": ""}
    make_wheel(project.directory, "apart", files=files)
    project.write(requirements__txt="./apart-1.0-py3-none-any.whl\n", test_inside__py=APART)
    assert run(project, "--fastenv-link", "hardlink", *arguments, passed=1) == []


def test_edits_while_tests_are_collected(editing: Project) -> None:
    editing.write(
        test_inside__py="""\
            from pathlib import Path

            import edited.one

            Path(edited.one.__file__).write_text("ONE = 11\\n")

            def test_it():
                pass
            """
    )
    lines = run(editing, "--fastenv-link", "hardlink", passed=1)
    assert lines[0] == "edited/one.py  by code outside of tests"


def test_a_worker_that_crashed_after_an_edit_cannot_be_replaced(editing: Project) -> None:
    editing.write(
        test_inside__py="""\
            import os
            from pathlib import Path

            import edited.one

            def test_it():
                Path(edited.one.__file__).write_text("ONE = 11\\n")
                os._exit(1)
            """
    )
    done = editing.run("--fastenv", "requirements.txt", "--fastenv-scope", "worker", "--fastenv-link=hardlink", "-n1")
    # What its replacement would be a copy of is not what it was.
    assert done.returncode == 3
    assert "edited/one.py" in done.stderr
    assert "--fastenv-link copy keeps such edits apart" in done.stderr


def test_a_later_environment_has_none_of_it(editing: Project) -> None:
    run(editing, "--fastenv-scope", "worker", "-n2", "--fastenv-link", "hardlink")
    editing.write(
        test_inside__py="""\
            from pathlib import Path

            import edited.one
            import edited.two

            def test_it():
                for module in (edited.one, edited.two):
                    assert "edited" not in Path(module.__file__).read_text()
            """
    )
    assert run(editing, "--fastenv-scope", "worker", "-n2", "--fastenv-link", "hardlink", passed=1) == []


@pytest.mark.parametrize("link", SHARING)
def test_the_next_run_has_nothing_of_an_edit(project: Project, link: LinkMode) -> None:
    """Not even where the environment's files are links, and only what they lead to was written."""
    artifacts = project.directory.parent / "artifacts"
    artifacts.mkdir()
    make_wheel(artifacts, f"victim-{link}", files={"victim.py": "VALUE = 1\n"})
    project.variables["FASTENV_FIND_LINKS"] = str(artifacts)
    project.write(
        requirements__txt=f"victim-{link}\n",
        test_inside__py="""\
            import victim

            def test_it():
                assert victim.VALUE == 1
                with open(victim.__file__, "a") as file:
                    file.write("VALUE = 2\\n")
            """,
    )
    for _ in range(2):
        ran = project.run("--fastenv", "requirements.txt", "--fastenv-link", link)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert "victim.py" in ran.stdout.partition("edited in place")[2]
    assert "victim.py changed since" in ran.stdout
