"""Every command that README and docs show is run as it stands there, in a fresh copy of the checkout."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"(?:<!-- (?P<mark>[\w ]+) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
#: Blocks that other things run: the suite itself and .ci/run (recursion), or that need what a test must not touch.
RUN_ELSEWHERE = {"tests": ".ci/run runs it", "contributing": ".ci/run does the same steps"}


def blocks(*languages: str) -> list[tuple[str, str, str]]:
    """Return page, mark and text of every block in one of some languages."""
    return [
        (str(page.relative_to(ROOT)), block["mark"] or "", block["text"])
        for page in PAGES
        for block in BLOCK.finditer(page.read_text(encoding="utf-8"))
        if block["language"] in languages
    ]


COMMANDS = blocks("sh", "console", "bash")
#: What follows one another on its page, in a project that the page shows.
IN_A_PROJECT = "in a tox project"
SHOWN_NOT_RUN = re.compile(r"^(?: {4}|\$ )(?:fastenv|pytest|python3?|pip|tox|nox|hatch|uv|cat) (?!= ).*$", re.MULTILINE)
PYPROJECT = """
[build-system]
requires = ["flit_core>=3.11,<5"]
build-backend = "flit_core.buildapi"
[project]
name = "shelf"
version = "1.0"
description = "A project with a tox file"
[project.optional-dependencies]
test = ["pytest"]
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git knows of this checkout, with changes that are not committed yet."""
    copy = tmp_path_factory.mktemp("documentation") / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


def test_the_first_screen_has_its_two_commands() -> None:
    marks = [mark for page, mark, _ in COMMANDS if page == "README.md"]
    assert marks[:2] == ["main job", "tests"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        assert "://" in target or (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_page_is_linked_from_the_first_screen() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pages = {str(page.relative_to(ROOT)) for page in PAGES if page.name != "README.md"}
    assert {page for page in pages if f"]({page})" not in readme} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_stand_in_blocks_that_are_run(page: Path) -> None:
    outside = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert SHOWN_NOT_RUN.findall(outside) == []


@pytest.mark.network
@pytest.mark.slow
def test_a_tox_project_moves_as_shown(checkout: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "from-tox.md").read_text(encoding="utf-8")
    script = "".join(text for _, mark, text in COMMANDS if mark == IN_A_PROJECT)
    ini = re.search(r"```ini\n(.*?)```", page, re.DOTALL)
    assert ini is not None
    project = tmp_path / "project"  # the store lies beside it
    files = {"tox.ini": ini[1], "pyproject.toml": PYPROJECT, "shelf.py": ""}
    files["tests/test_api.py"] = "def test_api(): pass\n"
    for name, text in files.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    install(checkout)
    ran = run(script, checkout, project)
    assert ran.returncode == 0, f"{script}\n{ran.stdout}\n{ran.stderr}"
    assert "2 passed" in ran.stdout  # of the one session, and the table tells them apart
    assert "fastenv: 3 OK in" in ran.stderr


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "mark", "text"),
    [command for command in COMMANDS if command[1] not in {*RUN_ELSEWHERE, IN_A_PROJECT}],
    ids=lambda value: value.splitlines()[0][:40] if isinstance(value, str) and value else "plain",
)
def test_commands_run_as_shown(page: str, mark: str, text: str, checkout: Path) -> None:
    if mark != "main job":
        install(checkout)
    directory = checkout / "examples" / "notes" if mark == "in the example" else checkout
    ran = run(text, checkout, directory)
    assert ran.returncode == 0, f"{page}:\n{text}\n{ran.stdout}\n{ran.stderr}"


def install(checkout: Path) -> None:
    """Install the project into ``.venv`` of its copy, as README says, where no block has done so before."""
    if (checkout / ".venv" / "bin" / "fastenv").exists():
        return
    subprocess.run([sys.executable, "-m", "venv", ".venv"], cwd=checkout, check=True)
    subprocess.run([".venv/bin/python", "-m", "pip", "install", "-q", "."], cwd=checkout, check=True)


def run(text: str, checkout: Path, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run a block in a shell that has the programs of the copy."""
    script = f'export PATH="{checkout}/.venv/bin:$PATH"; set -eu; {text}'
    return subprocess.run(["bash", "-c", script], cwd=directory, capture_output=True, text=True)


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize(("page", "mark", "text"), blocks("python"))
def test_python_examples_run(page: str, mark: str, text: str, tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, f"{page}:\n{text}\n{ran.stderr}"
