"""What a tree's metadata and wheel were made of is looked at again: files, directories, version control, variables."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from content_desk import ContentDesk
from front_doors import Desk
from kit.archives import make_project, make_sdist, make_wheel
from kit.dynamic_backends import (
    ASKS_GIT,
    IMPORTS_THE_PACKAGE,
    LISTS_A_DIRECTORY,
    READS_A_FILE,
    READS_A_VARIABLE,
    READS_BELOW_GIT,
    VERSION_FROM_A_VARIABLE,
    WRITES_INTO_THE_TREE,
    git,
    make_dynamic,
    make_repository,
)
from kit.nightly import first_and_at_night

pytestmark = pytest.mark.slow


def declare_by_file(tree: Path, *names: str) -> None:
    (tree / "needs.txt").write_text("".join(f"{name}\n" for name in names))


def declare_by_directory(tree: Path, *names: str) -> None:
    shutil.rmtree(tree / "needs", ignore_errors=True)
    (tree / "needs").mkdir()
    for name in names:
        (tree / "needs" / name).touch()


def declare_in_package(tree: Path, *names: str) -> None:
    (tree / "demo_needs").mkdir(exist_ok=True)
    (tree / "demo_needs" / "__init__.py").write_text(f"NEEDS = {list(names)!r}\n")


DYNAMIC: dict[str, tuple[str, Callable[..., None]]] = {
    "file": (READS_A_FILE, declare_by_file),
    "directory": (LISTS_A_DIRECTORY, declare_by_directory),
    "package": (IMPORTS_THE_PACKAGE, declare_in_package),
}


@pytest.fixture
def here(seeded: Desk, artifacts: Path) -> ContentDesk:
    for name in ("one", "two"):
        make_wheel(artifacts, name, files={f"{name}.py": f"VALUE = '{name}'\n"})
    return ContentDesk(seeded)


@pytest.mark.parametrize("how", first_and_at_night(*DYNAMIC))
def test_dynamic_dependencies_of_an_editable_project(how: str, here: ContentDesk) -> None:
    code, declare = DYNAMIC[how]
    declare(here.directory, "one")
    make_dynamic(here.directory, code)
    assert here.finds("one", "two", sources=("pytest",)) == {"one": "one", "two": None}
    assert here.finds("one", "two", sources=("pytest",)) == {"one": "one", "two": None}
    assert here.reused
    declare(here.directory, "one", "two")
    assert here.finds("one", "two", sources=("pytest",)) == {"one": "one", "two": "two"}
    declare(here.directory, "two")
    assert here.finds("one", "two", sources=("pytest",)) == {"one": None, "two": "two"}


@pytest.mark.parametrize(
    "source", first_and_at_night("-e ./demo", "-e demo/", "./outer"), ids=["line", "slash", "dependency"]
)
def test_dynamic_dependencies_of_another_tree(source: str, here: ContentDesk) -> None:
    tree = here.directory / "demo"
    make_dynamic(tree, READS_A_FILE)
    if source == "./outer":
        make_project(here.directory / "outer", "outer", requires=[f"demo @ {tree.as_uri()}"])
    declare_by_file(tree, "one")
    here.desk.write("r.txt", f"{source}\n")
    assert here.finds("one", "two", sources=("r.txt",)) == {"one": "one", "two": None}
    declare_by_file(tree, "two")
    assert here.finds("one", "two", sources=("r.txt",)) == {"one": None, "two": "two"}


@pytest.mark.parametrize("option", [{"recreate": ""}, {"upgrade": ""}, {"max_age": "0"}], ids=lambda o: next(iter(o)))
def test_recorded_metadata_of_a_tree_is_not_used(option: dict[str, str], here: ContentDesk, tmp_path: Path) -> None:
    """When asked to look anew, the backend is asked, also where nothing it was seen to read has changed."""
    needs = tmp_path / "unseen"
    code = READS_A_FILE.replace('open("needs.txt", encoding="utf-8")', f"os.popen('cat {needs}')")
    needs.write_text("one\n")
    make_dynamic(here.directory, code)
    assert here.finds("one", "two", sources=("pytest",)) == {"one": "one", "two": None}
    needs.write_text("two\n")
    assert here.finds("one", "two", sources=("pytest",), **option) == {"one": None, "two": "two"}
    assert here.finds("one", "two", sources=("pytest",)) == {"one": None, "two": "two"}


def test_an_edit_is_no_change_for_an_editable_project(here: ContentDesk) -> None:
    make_dynamic(here.directory, READS_A_FILE)
    declare_by_file(here.directory, "one")
    here.finds("demo", sources=("pytest",))
    (here.directory / "demo.py").write_text("VALUE = 2\n")
    assert here.finds("demo", sources=("pytest",)) == {"demo": "2"}
    assert here.reused


@pytest.mark.parametrize("project", first_and_at_night("editable", "wheel"))
@pytest.mark.parametrize("code", [ASKS_GIT, READS_BELOW_GIT], ids=["starts-git", "reads-git"])
def test_version_from_version_control(code: str, project: str, here: ContentDesk) -> None:
    here.desk.write(
        "test_suite.py",
        (here.directory / "test_suite.py")
        .read_text()
        .replace('getattr(module, "VALUE", None) or importlib', "importlib"),
    )
    make_dynamic(here.directory, code)
    (here.directory / ".gitignore").write_text("look.txt\nfound.json\n__pycache__/\nmade/\n")
    git(here.directory, "init", "-q")
    git(here.directory, "add", "-A")
    git(here.directory, "commit", "-q", "-m", "first")
    git(here.directory, "tag", "v1.0")
    ask = {"sources": ("pytest",), "project": project}
    assert here.finds("demo", **ask) == {"demo": "1.0"}  # type: ignore[arg-type]
    assert here.finds("demo", **ask) == {"demo": "1.0"}  # type: ignore[arg-type]
    assert here.reused
    if code == READS_BELOW_GIT:
        git(here.directory, "checkout", "-q", "-b", "next")
        assert here.finds("demo", **ask) == {"demo": "2.0"}  # type: ignore[arg-type]
        return
    git(here.directory, "commit", "-q", "--allow-empty", "-m", "second")
    assert here.finds("demo", **ask) == {"demo": "1.0.post1"}  # type: ignore[arg-type]
    git(here.directory, "tag", "v2.0")
    assert here.finds("demo", **ask) == {"demo": "2.0"}  # type: ignore[arg-type]
    git(here.directory, "pack-refs", "--all")
    git(here.directory, "tag", "-d", "v2.0")
    assert here.finds("demo", **ask) == {"demo": "1.0.post1"}  # type: ignore[arg-type]
    with open(here.directory / "demo.py", "a") as file:
        file.write("# edited\n")
    assert here.finds("demo", **ask) == {"demo": "1.0.post1.dev1"}  # type: ignore[arg-type]


#: An editable wheel with a module in it that holds a value.
_EDITABLE_WITH = """
_write = _write_wheel


def _write_wheel(directory, files):
    return _write(directory, {{**files, "flags.py": "VALUE = {{!r}}\\n".format({0}).encode()}})
"""


@pytest.mark.parametrize(
    ("code", "variable", "values"),
    [
        (READS_A_VARIABLE, "CFLAGS", ["-DN=5", "-DN=6", None, "-DN=5"]),
        (VERSION_FROM_A_VARIABLE, "SETUPTOOLS_SCM_PRETEND_VERSION", [None, "2.0", "3.0", None]),
    ],
    ids=["flags", "version"],
)
@pytest.mark.parametrize("how", first_and_at_night("wheel", "path", "sdist", "editable"))
def test_variables_of_builds(
    how: str, code: str, variable: str, values: list[str | None], here: ContentDesk, artifacts: Path
) -> None:
    if how == "editable":
        code += _EDITABLE_WITH.format(
            "os.environ.get('CFLAGS', '1.0')" if variable == "CFLAGS" else "CONFIG['version']"
        )
    name = "flags" if how == "editable" else "demo"
    ask: dict[str, object] = {"sources": ("pytest",), "project": how}
    if how == "sdist":
        make_sdist(artifacts, "demo", backend_code=code if variable == "CFLAGS" else READS_A_VARIABLE)
        ask = {"sources": ("demo",)}
        variable, values = "CFLAGS", ["-DN=5", "-DN=6", None, "-DN=5"]
    elif how == "path":
        make_dynamic(here.directory / "demo", code, static=False)
        ask = {"sources": ("./demo",)}
    else:
        # What lies beside the suite would be imported in place of what is installed.
        make_dynamic(here.directory, code, files={})
    for value in values:
        here.desk.variables.pop(variable, None)
        if value is not None:
            here.desk.variables[variable] = value
        found = here.finds(name, **ask)[name]  # type: ignore[arg-type]
        assert found == (value or "1.0"), value  # without a value of its own it is the release's version


def test_what_a_build_wrote_into_the_tree_is_there(here: ContentDesk) -> None:
    make_dynamic(here.directory, READS_A_FILE + WRITES_INTO_THE_TREE)
    declare_by_file(here.directory)
    written = here.directory / "demo_version.py"
    here.finds("demo_version", sources=("pytest",))
    assert written.is_file()
    here.finds("demo_version", sources=("pytest",))
    assert here.reused
    written.unlink()
    here.finds("demo_version", sources=("pytest",))
    assert written.read_text() == "VERSION = 1\n"
    written.write_text("VERSION = 0\n")
    os.utime(written, ns=(0, 0))
    here.finds("demo_version", sources=("pytest",))
    assert written.read_text() == "VERSION = 1\n"


def test_what_a_build_wrote_into_the_tree_is_there_with_static_metadata(here: ContentDesk) -> None:
    make_dynamic(
        here.directory,
        WRITES_INTO_THE_TREE,
        pyproject='[build-system]\nrequires = []\nbuild-backend = "intree_backend"\nbackend-path = ["."]\n'
        '[project]\nname = "demo"\nversion = "1.0"\n',
    )
    here.finds("demo_version", sources=("pytest",))
    (here.directory / "demo_version.py").unlink()
    here.finds("demo_version", sources=("pytest",))
    assert (here.directory / "demo_version.py").is_file()


def test_tree_that_is_built_and_has_a_link_out_of_it(here: ContentDesk) -> None:
    """The file behind a link is what a build reads."""
    make_dynamic(here.directory / "demo", "", files={})
    outside = here.directory / "outside.py"
    outside.write_text("VALUE = 1\n")
    (here.directory / "demo" / "demo.py").symlink_to(outside)
    config = here.directory / "demo" / "intree_backend.json"
    config.write_text(config.read_text().replace('"files": []', '"files": ["demo.py"]'))
    assert here.finds("demo", sources=("./demo",)) == {"demo": "1"}
    outside.write_text("VALUE = 22\n")
    assert here.finds("demo", sources=("./demo",)) == {"demo": "22"}


@pytest.mark.parametrize("project", ["wheel", "sdist"])
def test_tree_that_is_built_and_looks_around_itself(project: str, here: ContentDesk) -> None:
    """What a build reads beside the tree counts; what it writes into the tree is gone."""
    around = here.directory.parent / "VALUE"
    around.write_text("1")
    code = (
        "VALUE = open('VALUE' if os.path.exists('VALUE') else '../VALUE').read()\n"
        "open('demo_value.py', 'w').write(f'VALUE = {VALUE}\\n')\n"
        "CONFIG['files'] = ['demo_value.py']\n"
        "_sdist = build_sdist\n"
        "def build_sdist(directory, settings=None):\n"
        "    open('VALUE', 'w').write(VALUE)\n"
        "    return _sdist(directory, settings)\n"
    )
    make_dynamic(here.directory, code)
    assert here.finds("demo_value", sources=("pytest",), project=project) == {"demo_value": "1"}
    assert here.finds("demo_value", sources=("pytest",), project=project) == {"demo_value": "1"}
    assert here.reused
    around.write_text("22")
    assert here.finds("demo_value", sources=("pytest",), project=project) == {"demo_value": "22"}
    assert not (here.directory / "demo_value.py").exists()
    assert not (here.directory / "VALUE").exists()


@pytest.mark.parametrize(
    "how",
    first_and_at_night("project", "two-deep", "wheel", "path", "sdist", "static", "group", "link", "part", by_day=2),
)
def test_edit_of_a_tree_that_only_the_resolver_meets(how: str, here: ContentDesk, artifacts: Path) -> None:
    lib = make_project(here.directory.parent / "lib", "lib", files={"lib.py": "VALUE = 1\n"})
    needs = {
        "link": [f"lib @ {(here.directory.parent / 'linked').as_uri()}/"],
        "part": [f"lib @ {lib.parent.as_uri()}#subdirectory=lib"],
    }.get(how, [f"lib @ {lib.as_uri()}"])
    (here.directory.parent / "linked").symlink_to(lib)
    sources: tuple[str, ...] = ("pytest",)
    if how == "two-deep":
        middle = make_project(here.directory.parent / "middle", "middle", requires=needs)
        make_dynamic(here.directory, "", requires=[f"middle @ {middle.as_uri()}"])
    elif how == "path":
        make_project(here.directory / "outer", "outer", requires=needs)
        sources = ("pytest", "./outer")
    elif how == "sdist":
        make_sdist(artifacts, "outer", requires=needs)
        sources = ("pytest", "outer")
    elif how == "static":
        here.desk.write("pyproject.toml", f'[project]\nname = "demo"\nversion = "1"\ndependencies = {needs}\n')
        sources = ("pytest", "pyproject.toml")
    elif how == "group":
        here.desk.write("pyproject.toml", f"[dependency-groups]\nall = {needs}\n")
        sources = ("pytest", "group:all")
    else:
        make_dynamic(here.directory, "", requires=needs)
    ask: dict[str, Any] = {"sources": sources, **({"project": "wheel"} if how == "wheel" else {})}
    assert here.finds("lib", **ask) == {"lib": "1"}
    assert here.finds("lib", **ask) == {"lib": "1"}
    assert here.reused
    (lib / "lib.py").write_text("VALUE = 22\n")
    assert here.finds("lib", **ask) == {"lib": "22"}
    (lib / "more.py").write_text("VALUE = 3\n")
    config = lib / "intree_backend.json"
    config.write_text(config.read_text().replace('"lib.py"', '"lib.py", "more.py"'))
    assert here.finds("lib", "more", **ask) == {"lib": "22", "more": "3"}


def test_repository_kit(tmp_path: Path) -> None:
    """The kit's repositories have a commit and a tag."""
    (tmp_path / "file").touch()
    make_repository(tmp_path)
    assert git(tmp_path, "describe", "--tags") == "v1.0"
