"""Edits of installed files are noted by an audit hook, and found afterwards by a comparison; nothing else is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pytest_fastenv.filesystem import tree
from pytest_fastenv.runtime import edit_watch
from pytest_fastenv.runtime.edit_watch import shared_changes

SITE = "lib/site-packages"


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """An environment with a hard link, a symbolic link and a file of its own, and a record of its files."""
    store = tmp_path / "store"
    store.mkdir()
    site = tmp_path / "env" / SITE
    (site / "package" / "__pycache__").mkdir(parents=True)
    for name in ("hard", "soft"):
        (store / f"{name}.py").write_text("")
    os.link(store / "hard.py", site / "package" / "hard.py")
    os.symlink(store / "soft.py", site / "package" / "soft.py")
    (site / "package" / "own.py").write_text("")
    (site / "package" / "__pycache__" / "own.pyc").write_text("")
    os.symlink(store, site / "folded")
    (tmp_path / "env" / ".fastenv").mkdir()
    (tmp_path / "env" / ".fastenv" / "tree").write_bytes(tree.snapshot(tmp_path / "env").encode())
    return tmp_path / "env"


def watched(prefix: Path, code: str, **variables: str) -> tuple[dict[str, tuple[str, bool]], bool]:
    """Run code in a process that watches itself; return what it noted. An audit hook would stay in this process."""
    script = f"""\
import json, os, pathlib, shutil, subprocess, sys
sys.path.insert(0, {str(Path(edit_watch.__file__).parents[2])!r})
from pytest_fastenv.runtime.edit_watch import Watch
prefix = {str(prefix)!r}
package = os.path.join(prefix, {SITE!r}, "package")
watch = Watch(prefix)
watch.begin()
{textwrap.dedent(code)}
watch.end()
open(os.path.join(package, "hard.py"), "a").close()
print(json.dumps([[list(edit) for edit in watch.edits.values()], watch.started]))
"""
    environ = os.environ | {"PYTEST_CURRENT_TEST": "test_x.py::test_y[a (b)] (call)"} | variables
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, env=environ, cwd=prefix
    )
    assert done.returncode == 0, done.stderr
    noted, started = json.loads(done.stdout)
    return {path.removeprefix(f"{SITE}/"): (test, shared) for path, test, shared in noted}, started


@pytest.mark.parametrize(
    "code",
    [
        "open(package + '/hard.py', 'a').close()",
        "open(package + '/hard.py', 'r+b').close()",
        "open(os.fsencode(package) + b'/hard.py', 'w').close()",
        "pathlib.Path(package, 'hard.py').write_text('x')",
        "os.close(os.open(package + '/hard.py', os.O_WRONLY | os.O_TRUNC))",
        "os.truncate(package + '/hard.py', 0)",
        "shutil.copyfile('/dev/null', package + '/hard.py')",
        "os.chdir(package); open('hard.py', 'a').close()",
        "os.chdir(package); open('../package/hard.py', 'a').close()",
    ],
)
def test_ways_to_write(prefix: Path, code: str) -> None:
    assert watched(prefix, code) == ({"package/hard.py": ("test_x.py::test_y[a (b)]", True)}, False)


def test_links_lead_to_shared_files(prefix: Path) -> None:
    noted, _ = watched(prefix, "open(package + '/soft.py', 'a').close(); open(package + '/own.py', 'a').close()")
    assert noted == {
        "package/soft.py": ("test_x.py::test_y[a (b)]", True),
        "package/own.py": ("test_x.py::test_y[a (b)]", False),
    }


@pytest.mark.parametrize(
    "code",
    [
        "open(folded + '/new.py', 'w').close()",
        "os.remove(folded + '/hard.py')",
        "os.replace(package + '/own.py', folded + '/own.py')",
    ],
)
def test_a_directory_of_the_store_is_shared_as_a_whole(prefix: Path, code: str) -> None:
    noted, _ = watched(prefix, "folded = os.path.join(prefix, 'lib/site-packages/folded')\n" + code)
    assert [path for path, (_, shared) in noted.items() if shared and path.startswith("folded/")]


@pytest.mark.parametrize(
    "code",
    [
        "open(package + '/hard.py').close()",
        "open(package + '/new.py', 'w').close()",
        "open(package + '/__pycache__/own.pyc', 'w').close()",
        "os.replace(package + '/own.py', package + '/hard.py')",
        "os.remove(package + '/hard.py'); open(package + '/hard.py', 'w').close()",
        "open(os.path.join(prefix, '.fastenv', 'tree'), 'ab').close()",
        "open(os.path.join(prefix, '..', 'beside.py'), 'w').close()",
        "open(os.devnull, 'w').close(); os.close(os.dup(1)); open(1, 'w', closefd=False)",
        """\
gone = os.path.join(prefix, 'gone'); os.mkdir(gone); os.chdir(gone); os.rmdir(gone)
try: open('x', 'w')
except FileNotFoundError: pass
""",
    ],
)
def test_what_is_no_edit(prefix: Path, code: str) -> None:
    assert watched(prefix, code) == ({}, False)


def test_outside_of_tests(prefix: Path) -> None:
    code = "del os.environ['PYTEST_CURRENT_TEST']; open(package + '/hard.py', 'a').close()"
    assert watched(prefix, code)[0] == {"package/hard.py": ("", True)}


@pytest.mark.parametrize("code", ["subprocess.run([sys.executable, '-c', ''])", "os.system('true')"])
def test_processes_are_noticed(prefix: Path, code: str) -> None:
    assert watched(prefix, code) == ({}, True)


def test_a_comparison_finds_what_others_did(prefix: Path) -> None:
    package = prefix / SITE / "package"
    assert list(shared_changes(str(prefix))) == []
    with open(package / "hard.py", "a") as hard, open(package / "own.py", "a") as own:
        hard.write("#")
        own.write("#")
    with open(package / "soft.py", "a") as soft:
        soft.write("#")
    assert sorted(shared_changes(str(prefix))) == [f"{SITE}/package/hard.py", f"{SITE}/package/soft.py"]


def test_a_comparison_leaves_out_what_was_replaced_or_removed(prefix: Path) -> None:
    package = prefix / SITE / "package"
    os.remove(package / "soft.py")
    os.replace(package / "own.py", package / "hard.py")
    assert list(shared_changes(str(prefix))) == []


@pytest.mark.parametrize("damage", [b"", b"fastenv-tree 1\n", b"fastenv-tree 1\n5\nabc", b"something else\nx\ny"])
def test_a_record_that_cannot_be_read_tells_nothing(prefix: Path, damage: bytes) -> None:
    (prefix / ".fastenv" / "tree").write_bytes(damage)
    assert list(shared_changes(str(prefix))) == []


def test_memory_is_bounded(prefix: Path) -> None:
    for number in range(1003):
        os.symlink(prefix.parent / "store" / "soft.py", prefix / SITE / f"file{number}.py")
    noted, _ = watched(prefix, "for n in range(1003): open(package + f'/../file{n}.py', 'a').close()")
    assert len(noted) == 1000
