"""The tests that the pages about fixtures show are run as they stand there, in a session of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kit.archives import make_project, make_wheel
from kit.installed import PYTEST, wheel_of
from kit.server import IndexServer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGES = ("docs/reference/fixtures.md", "docs/how-to/fresh-environments.md", "docs/how-to/from-pytest-venv.md")
BLOCK = re.compile(r"^```python\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
EXAMPLES = [
    pytest.param(block["text"], id=f"{Path(page).stem}-{number}")
    for page in PAGES
    for number, block in enumerate(BLOCK.finditer((ROOT / page).read_text(encoding="utf-8")), 1)
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IndexServer]:
    """What the examples install: modules that only tell their version, and pytest and coverage as they are here."""
    directory = tmp_path_factory.mktemp("example-wheels")
    for version in ("1.16.0", "1.17.0"):
        make_wheel(directory, "six", version, files={"six.py": f"__version__ = {version!r}\n"})
    for project in (*PYTEST, "coverage"):
        wheel_of(project, directory)
    with IndexServer(directory) as server:
        yield server


@pytest.mark.parametrize("text", EXAMPLES)
def test_example(text: str, index: IndexServer, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", "notes", files={"notes.py": "def template():\n    pass\n"})
    (project / "test_example.py").write_text(text)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV"))}
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "--strict-markers", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [*command, "test_example.py"],
        cwd=project,
        env={**environ, "FASTENV_INDEX_URL": index.url, "FASTENV_CACHE_DIR": str(tmp_path / "store")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    count = len(re.findall(r"^def test_", text, re.MULTILINE))
    assert count
    assert re.search(rf"\b{max(count, 1)} passed|[2-9] passed", ran.stdout), ran.stdout
