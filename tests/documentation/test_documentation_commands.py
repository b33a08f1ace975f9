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


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "mark", "text"),
    [command for command in COMMANDS if command[1] not in RUN_ELSEWHERE],
    ids=lambda value: value.splitlines()[0][:40] if isinstance(value, str) and value else "plain",
)
def test_commands_run_as_shown(page: str, mark: str, text: str, checkout: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", ".venv"], cwd=checkout, check=True)
    if mark != "main job":
        subprocess.run([".venv/bin/python", "-m", "pip", "install", "-q", "."], cwd=checkout, check=True)
    directory = checkout / "examples" / "notes" if mark == "in the example" else checkout
    script = f'export PATH="{checkout}/.venv/bin:$PATH"; set -eu; {text}'
    ran = subprocess.run(["bash", "-c", script], cwd=directory, capture_output=True, text=True)
    assert ran.returncode == 0, f"{page}:\n{text}\n{ran.stdout}\n{ran.stderr}"


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize(("page", "mark", "text"), blocks("python"))
def test_python_examples_run(page: str, mark: str, text: str, tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, f"{page}:\n{text}\n{ran.stderr}"
