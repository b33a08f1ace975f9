"""What commands compile in a new environment, the environments of others have."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.archives import make_wheel
from kit.server import IndexServer

pytestmark = pytest.mark.slow
PROGRAM = str(Path(sys.executable).with_name("fastenv"))
NAMED = "project = 'none'\nrequirements = ['library']\n[envs.a]\n[envs.b]\nrequirements = ['library', 'other']\n"
TELL = "import library.part, os; print(os.stat(library.part.__cached__).st_ino)"
Run = Callable[..., str]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def run(artifacts: Path, index_server: Callable[..., IndexServer], tmp_path: Path, store: Path) -> Run:
    make_wheel(artifacts, "library", files={"library/__init__.py": "", "library/part.py": "VALUE = 1\n"})
    make_wheel(artifacts, "other")
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environ |= {"FASTENV_INDEX_URL": index_server().url, "FASTENV_CACHE_DIR": str(store), "FASTENV_BYTECODE": "shared"}
    (tmp_path / "fastenv.toml").write_text(NAMED)

    def run(*words: str, **variables: str) -> str:
        command = [PROGRAM, "run", "-q", *words, "--", "python", "-c", TELL]
        ran = subprocess.run(
            command, cwd=tmp_path, env=environ | variables, capture_output=True, text=True, timeout=120
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    return run


def wait_until_kept(store: Path, count: int) -> None:
    """Wait for processes that belong to nobody."""
    deadline = time.monotonic() + 60
    while len(list(store.glob("environments/*/.fastenv/compiled"))) < count:
        assert time.monotonic() < deadline, "nobody keeps what was compiled"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (["library"], ["library", "other"]),
        (["-e", "a", "--exec"], ["-e", "b", "--exec"]),
        (["-e", "a", "--exec", "--json", "a.json"], ["-e", "b", "--exec", "--json", "b.json"]),
    ],
    ids=["sources", "one by name", "several steps"],
)
def test_another_environment_has_what_a_command_compiled(
    first: list[str], second: list[str], run: Run, store: Path
) -> None:
    inode = run(*first)
    wait_until_kept(store, 1)
    (compiled,) = store.glob("environments/*/lib/python*/site-packages/library/__pycache__/part.*.pyc")
    assert str(compiled.stat().st_ino) == inode
    assert run(*second) == inode  # one more link to the same file: nothing was compiled again
    wait_until_kept(store, 2)


def test_each_keeps_its_own_where_that_is_asked_for(run: Run, store: Path) -> None:
    first = run("library", FASTENV_BYTECODE="own")
    assert first != run("library", "other", FASTENV_BYTECODE="own")
    assert not list(store.glob("environments/*/.fastenv/imported"))
    assert not (store / "bytecode-v1").exists()
