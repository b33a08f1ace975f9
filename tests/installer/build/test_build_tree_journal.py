"""What a build changes is taken down before, and changed back after: whoever tells of the changes, whenever it ends."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tree_looks import look

from pytest_fastenv.installer.build import backend_audit
from pytest_fastenv.installer.build.tree_journal import Journal
from pytest_fastenv.installer.build.tree_undo import undo

AUDITED = f"""
import sys
for place in {[str(Path(backend_audit.__file__).parent)]!r}:
    sys.path.insert(0, place)
import backend_audit, tree_journal
del sys.path[0]
audit = backend_audit.Audit([], [], tree_journal.Journal(sys.argv[1]))
audit.begin()
import os, shutil, subprocess
os.chdir(sys.argv[2])
exec(sys.argv[3])
os._exit(0)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "work" / "project"
    (tree / "package").mkdir(parents=True)
    for name in ("setup.py", "package/__init__.py", "package/data.txt", "version.txt"):
        (tree / name).write_text(f"{name} as it was\n")
    (tree / "link").symlink_to("version.txt")
    (tree / "empty").mkdir()
    (tree / "one-name.txt").write_text("a file with two names")
    (tree / "other-name.txt").hardlink_to(tree / "one-name.txt")
    # As large as another one and of the same time, as files of one archive are.
    (tree / "alike.txt").write_text("version.txt AS IT WAS\n")
    for name in ("alike.txt", "version.txt"):
        os.utime(tree / name, (10**9, 10**9))
    return tree


@pytest.fixture
def journal(tree: Path, tmp_path: Path) -> Path:
    directory = tmp_path / "store" / "journals" / "key"
    Journal.begin(str(directory), str(tree), str(tree), str(tmp_path / "store"))
    return directory


def run_audited(journal: Path, tree: Path, code: str) -> None:
    subprocess.run([sys.executable, "-c", AUDITED, str(journal), str(tree), code], check=True)


CHANGES = [
    "open('new.txt', 'w').write('x')",
    "open('version.txt', 'w').write('x')",
    "open('version.txt', 'a').write('x')",
    "open('version.txt', 'r+').truncate(0)",
    "os.close(os.open('version.txt', os.O_WRONLY | os.O_TRUNC))",
    "os.truncate('version.txt', 3)",
    "os.makedirs('a/b/c'); open('a/b/c/d', 'w').close()",
    "os.remove('version.txt')",
    "os.remove('link')",
    "os.remove('link'); os.symlink('package', 'link')",
    "open('link', 'w').write('through the link')",
    "os.rename('version.txt', 'other.txt')",
    "os.replace('setup.py', 'version.txt')",
    "os.rename('package', 'elsewhere')",
    "os.rename('package', 'elsewhere'); os.mkdir('package'); open('package/__init__.py', 'w').close()",
    "shutil.rmtree('package')",
    "shutil.copytree('package', 'build/lib/package')",
    "shutil.move('package/data.txt', 'moved.txt')",
    "os.rmdir('empty')",
    "os.rmdir('empty'); open('empty', 'w').close()",
    "os.remove('version.txt'); os.mkdir('version.txt'); open('version.txt/inner', 'w').close()",
    "os.chmod('setup.py', 0o755)",
    "os.utime('setup.py', (1, 1))",
    "os.link('setup.py', 'linked.py')",
    "os.link('setup.py', 'linked.py'); open('linked.py', 'a').write('x')",
    "os.link('link', 'linked', follow_symlinks=True); open('linked', 'a').write('x')",
    "open('one-name.txt', 'a').write('x')",
    "shutil.copy2('alike.txt', 'version.txt')",
    "os.replace('alike.txt', 'version.txt')",
    "import socket; socket.socket(socket.AF_UNIX).bind('socket')",
    "f = os.open('version.txt', os.O_RDONLY); open(f'/proc/self/fd/{f}', 'w').write('x')",
    "os.symlink('nowhere', 'dangling'); open('dangling', 'w').close()",
    "d = os.open('package', os.O_RDONLY); os.unlink('data.txt', dir_fd=d)",
    "import tempfile; open(tempfile.mkstemp(dir='.')[1], 'w').write('x')",
]


@pytest.mark.parametrize("code", CHANGES)
def test_what_python_changes_is_changed_back(code: str, tree: Path, journal: Path) -> None:
    before = look(tree.parent)
    run_audited(journal, tree, code)
    assert look(tree.parent) != before
    assert undo(str(journal)) == []
    assert look(tree.parent) == before
    assert not journal.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="renameat2 is a call of Linux")
@pytest.mark.parametrize("pair", [("alike.txt", "version.txt"), ("package", "other"), ("empty", "setup.py")])
def test_what_changes_places_in_one_call_is_changed_back(pair: tuple[str, str], tree: Path, journal: Path) -> None:
    (tree / "other").mkdir()
    (tree / "other" / "data.txt").write_text("of the other one")
    before = look(tree)
    one, other = (str(tree / name) for name in pair)
    Journal(str(journal)).hear("rename", one, other)
    exchange = 2
    assert ctypes.CDLL(None).renameat2(-100, os.fsencode(one), -100, os.fsencode(other), exchange) == 0
    assert look(tree) != before
    assert undo(str(journal)) == []
    assert look(tree) == before


def test_a_product_of_a_program_that_looks_as_before_is_changed_back(tree: Path, journal: Path) -> None:
    for name in ("old.so", "new.so"):
        (tree / name).write_text(name)
        os.utime(tree / name, (10**9, 10**9))
    before = look(tree)
    run_audited(journal, tree, "subprocess.run('cp -p new.so old.so', shell=True, check=True)")
    assert look(tree) != before
    assert undo(str(journal)) == []
    assert look(tree) == before


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("open('../generated.h', 'w').close()", ["../generated.h"]),
        ("os.mkdir('../out'); open('../out/x', 'w').close()", ["../out/x"]),
        ("open('../there', 'a').write('x')", ["../there"]),
        ("open('../there', 'a').close()", []),
        ("open('../generated.h', 'w').close(); os.remove('../generated.h')", []),
        ("os.mkdir('../.cache'); open('../.cache/x', 'w').close()", []),
        ("open('../../far', 'w').close()", []),
    ],
)
def test_what_is_written_beside_a_tree_stays_and_is_told(code: str, told: list[str], tree: Path, journal: Path) -> None:
    (tree.parent / "there").touch()
    run_audited(journal, tree, code)
    before = look(tree.parent)
    assert [os.path.relpath(path, tree) for path in undo(str(journal))] == told
    assert look(tree.parent) == before


def test_what_another_writes_meanwhile_stays(tree: Path, journal: Path) -> None:
    run_audited(journal, tree, "os.mkdir('build'); open('build/x', 'w').close()")
    (tree / "build" / "mine.txt").write_text("mine")
    (tree / "mine.py").write_text("mine")
    (tree / "setup.py").write_text("edited")
    assert undo(str(journal)) == []
    assert (tree / "mine.py").read_text() == "mine"
    assert (tree / "setup.py").read_text() == "edited"
    assert os.listdir(tree / "build") == ["mine.txt"]


def test_what_does_not_happen_is_not_taken_back(tree: Path, journal: Path) -> None:
    """A hook that looks whether it can remove something has not made what its user makes there afterwards."""
    code = "for f in (os.remove, os.rmdir, lambda p: os.chmod(p, 0), lambda p: open(p, 'r+')):\n"
    code += "    try: f('mine.py')\n    except OSError: pass"
    run_audited(journal, tree, code)
    (tree / "mine.py").write_text("mine")
    assert undo(str(journal)) == []
    assert (tree / "mine.py").read_text() == "mine"


def test_after_a_crash_later_work_stays_and_the_rest_is_cleaned(tree: Path, journal: Path) -> None:
    before = look(tree)
    run_audited(
        journal, tree, "open('a.txt', 'w').close(); open('b.txt', 'w').close(); open('version.txt', 'w').close()"
    )
    then = os.stat(tree / "a.txt").st_ctime - 1000
    os.utime(journal / "scope", (then, then))  # the last sign of life was long ago
    assert undo(str(journal), after_crash=True) == [str(tree / n) for n in ("a.txt", "b.txt", "version.txt")]
    assert set(look(tree)) == {*before, "a.txt", "b.txt"}


def test_a_changing_back_that_was_cut_short_is_gone_through_again(tree: Path, journal: Path, tmp_path: Path) -> None:
    before = look(tree)
    run_audited(journal, tree, "os.rename('package', 'p'); open('version.txt', 'w').close(); os.makedirs('x/y')")
    kept = tmp_path / "kept"
    subprocess.run(["cp", "-a", str(journal), str(kept)], check=True)
    assert undo(str(journal)) == []
    os.rename(kept, journal)
    assert undo(str(journal), after_crash=True) == []
    assert look(tree) == before


def test_a_line_that_was_cut_off_counts_for_nothing(tree: Path, journal: Path) -> None:
    before = look(tree)
    run_audited(journal, tree, "open('a.txt', 'w').close()")
    with open(journal / "touched", "a") as file:
        file.write('["' + str(tree / "setup.py"))
    assert undo(str(journal)) == []
    assert look(tree) == before


def test_products_of_programs_go_and_what_may_be_the_users_work_is_told(tree: Path, journal: Path) -> None:
    """Where the kernel does not tell who writes: what looks like a product is one."""
    code = (
        "subprocess.run('mkdir -p target/debug; touch target/CACHEDIR.TAG target/debug/lib; touch package/fast.so;"
        " echo 2 > notes.txt; echo 2 > version.txt; mkdir docs; touch docs/page.md', shell=True, check=True)"
    )
    (tree / "Cargo.lock").write_text("1")
    run_audited(journal, tree, code + "; subprocess.run('echo 2 > Cargo.lock', shell=True)")
    left = [os.path.relpath(path, tree) for path in undo(str(journal))]
    assert left == ["docs/page.md", "notes.txt", "version.txt"]
    assert not (tree / "target").exists()
    assert not (tree / "package" / "fast.so").exists()
    assert (tree / "Cargo.lock").read_text() == "1"


def test_what_earlier_builds_left_is_out_of_the_way_meanwhile(tree: Path, tmp_path: Path) -> None:
    for name in ("build/lib/gone.py", "build/temp.linux/x.o", "build/tools.py", "src/d.egg-info/SOURCES.txt"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    before = look(tree)
    directory = tmp_path / "store" / "journals" / "other"
    Journal.begin(str(directory), str(tree), str(tree), str(tmp_path / "store"))
    assert not (tree / "build" / "lib").exists()
    assert not (tree / "src" / "d.egg-info").exists()
    assert (tree / "build" / "tools.py").exists()
    run_audited(directory, tree, "os.makedirs('build/lib'); open('build/lib/new.py', 'w').close()")
    assert undo(str(directory)) == []
    assert look(tree) == before


def test_version_controls_own_files_and_the_store_are_not_touched(tree: Path, journal: Path, tmp_path: Path) -> None:
    (tree / ".git").mkdir()
    run_audited(journal, tree, "open('.git/index', 'w').close()")
    assert undo(str(journal)) == []
    assert (tree / ".git" / "index").exists()
    store = tree / ".cache"
    Journal.begin(str(store / "journals" / "k"), str(tree), str(tree), str(store))
    run_audited(store / "journals" / "k", tree, "open('.cache/entry', 'w').close(); open('x', 'w').close()")
    undo(str(store / "journals" / "k"))
    assert (store / "entry").exists()
    assert not (tree / "x").exists()
