"""What became of an environment's files: written into where others have them too, or changed for itself alone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from copies_kit import copies, make_original

from pytest_fastenv.environment import tree
from pytest_fastenv.environment.changes import Changes, changes
from pytest_fastenv.environment.tree import Change
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.store.store import Store


def relative(environment: Environment, name: str) -> str:
    return (environment.purelib / name).relative_to(environment.prefix).as_posix()


def change_everything(copy: Environment) -> None:
    """Edit one file, replace one, add and remove some."""
    with (copy.purelib / "six.py").open("a") as file:
        file.write("# edited in place\n")
    replaced = copy.purelib / "big/deep/module.py"
    replaced.with_name("new").write_text("VALUE = 2\n")
    replaced.with_name("new").rename(replaced)
    (copy.purelib / "added").mkdir()
    (copy.purelib / "added/__init__.py").write_text("")
    (copy.purelib / "big/deep/deeper/data.txt").unlink()
    shutil.rmtree(copy.purelib / "pytest")
    (copy.purelib / "__pycache__").mkdir()
    (copy.purelib / "__pycache__/six.cpython-312.pyc").write_text("")
    (copy.purelib / "six-1.17.dist-info/INSTALLER").write_text("somebody\n")


EDITED = ["six.py"]
PRIVATE = ["added", "big/deep/deeper/data.txt", "big/deep/module.py", "pytest", "six-1.17.dist-info/INSTALLER"]


def test_links_show_what_was_written_into_everywhere(store: Store, tmp_path: Path) -> None:
    original = make_original(store, tmp_path)
    found: dict[str, Changes] = {}

    def change(made: dict[str, Environment]) -> None:
        assert changes(str(made["gw0"].prefix)) == Changes([], [])
        change_everything(made["gw0"])
        found.update((name, changes(str(copy.prefix))) for name, copy in made.items())

    made = copies(original, then=change)
    assert found["gw0"].shared == [relative(made["gw0"], name) for name in EDITED]
    assert found["gw0"].private == [relative(made["gw0"], name) for name in PRIVATE]
    assert found["gw1"] == Changes(found["gw0"].shared, [])
    assert changes(str(original.prefix)) == Changes(found["gw0"].shared, [])


def test_copies_keep_it_to_themselves(store: Store, tmp_path: Path) -> None:
    original = make_original(store, tmp_path, "copy")
    made = copies(original)
    change_everything(made["gw0"])
    private = [relative(made["gw0"], name) for name in sorted([*EDITED, *PRIVATE])]
    assert changes(str(made["gw0"].prefix)) == Changes([], private)
    assert changes(str(made["gw1"].prefix)) == Changes([], [])


def test_behind_symbolic_links(store: Store, tmp_path: Path) -> None:
    original = make_original(store, tmp_path, "symlink")
    made = copies(original)
    copy = made["gw0"]
    for name in ("six.py", "big/deep/module.py"):
        with (copy.purelib / name).open("a") as file:
            file.write("# edited in place\n")
    (copy.purelib / "added.py").write_text("")
    shared = sorted(relative(copy, name) for name in ("six.py", "big/deep/module.py"))
    assert changes(str(copy.prefix)) == Changes(shared, [relative(copy, "added.py")])
    assert changes(str(made["gw1"].prefix)).shared == shared


def test_not_more_than_anybody_reads(store: Store, tmp_path: Path) -> None:
    original = make_original(store, tmp_path)
    for number in range(5):
        (original.purelib / f"{number}.py").write_text("")
    assert changes(str(original.prefix), 5) == Changes([], [relative(original, f"{n}.py") for n in range(5)])
    assert changes(str(original.prefix), 3) == Changes([], [relative(original, f"{n}.py") for n in range(3)], more=True)


def test_what_is_none_has_none(tmp_path: Path) -> None:
    assert changes(str(tmp_path)) == Changes([], [])


def test_all_changes_of_a_tree(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("a/b/c.txt", "a/d.txt", "e.txt", "a b/f.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    known = tree.take(root)
    assert list(tree.changes(root, known)) == []
    os.utime(root / "e.txt", (1, 1))
    (root / "new").mkdir()
    (root / "new/inner").write_text("")
    shutil.rmtree(root / "a")
    assert list(tree.changes(root, known)) == [
        Change("e.txt", "changed"),
        Change("new", "new"),
        Change("a", "missing"),
    ]
    (root / "a").write_text("")
    assert Change("a", "missing") in list(tree.changes(root, known))
    shutil.rmtree(root)
    assert list(tree.changes(root, known)) == [Change("", "missing")]
