"""Which runner counts, and what a tox that provisions itself brings along."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
from kit.archives import make_wheel, record_rows, write_zip
from kit.installed import wheel_of
from kit.tox_project import HELD, Project
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytest.importorskip("tox")
pytestmark = pytest.mark.slow

#: An interpreter that is nowhere: tox skips the environments, so none is made.
NOTHING = "package = skip\nbase_python = python9.99\nskip_missing_interpreters = true\n"


def test_the_files_runner_counts_before_the_command_lines_and_that_is_said_once(project: Project) -> None:
    (project.directory / "tox.ini").write_text(
        f"[tox]\nenv_list = a, b\n[testenv]\nrunner = virtualenv\n{NOTHING}[testenv:c]\nrunner = virtualenv-pep-723\n"
    )
    output = project.tox("run", "--runner", "fastenv", code=None)
    assert output.count("warning: runner = virtualenv in the tox file counts before --runner fastenv, for a") == 1
    assert output.count("in the tox file counts") == 1
    for words in (("run", "-x", "testenv.runner=fastenv", "--runner", "fastenv"), ("list", "--runner", "fastenv"), ()):
        assert "counts before" not in project.tox(*words, code=None)


def test_the_runner_of_the_command_line_is_required_where_tox_provisions_itself(project: Project) -> None:
    project.write(NOTHING, core="requires = alpha-that-is-nowhere")
    for words, required in ((["--runner", "fastenv"], True), ([], False)):
        project.tox("run", *words, "--no-provision", "req.json", code=None)
        requires = json.loads((project.directory / "req.json").read_text())["requires"]
        names = [canonicalize_name(Requirement(one).name) for one in requires]
        assert names == ["alpha-that-is-nowhere", "tox", *(["pytest-fastenv"] if required else [])]
    project.write(NOTHING, core="requires =\n  alpha-that-is-nowhere\n  pytest_fastenv[tox]")
    project.tox("run", "--runner", "fastenv", "--no-provision", "req.json", code=None)
    assert json.loads((project.directory / "req.json").read_text())["requires"][1:] == ["pytest_fastenv[tox]", "tox"]


def closure(*projects: str) -> Iterator[str]:
    """Yield the names of installed projects and of what they need here."""
    todo, seen = [*projects], set[str]()
    while todo:
        name = canonicalize_name(todo.pop())
        if name in seen:
            continue
        seen.add(name)
        yield name
        needs = map(Requirement, distribution(name).requires or ())
        todo += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]


def wheel_of_this(directory: Path) -> Path:
    """Make a wheel of this package out of its tree, also where it is installed editable."""
    import pytest_fastenv

    tree, installed = Path(pytest_fastenv.__file__).parent, distribution("pytest-fastenv")
    info = f"pytest_fastenv-{installed.version}.dist-info"
    members = {
        f"pytest_fastenv/{path.relative_to(tree).as_posix()}": path.read_bytes()
        for path in tree.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    for name in ("METADATA", "WHEEL", "entry_points.txt"):
        members[f"{info}/{name}"] = (installed.read_text(name) or "").encode()
    rows = [",".join(row) for row in record_rows(members)] + [f"{info}/RECORD,,"]
    members[f"{info}/RECORD"] = ("\n".join(rows) + "\n").encode()
    return write_zip(directory / f"pytest_fastenv-{installed.version}-py3-none-any.whl", members)


def host(directory: Path, *wheels: Path) -> str:
    """Return the interpreter of a new environment that holds wheels, unpacked."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    (site,) = directory.glob("lib/python3*/site-packages")
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    return str(directory / "bin" / "python")


@pytest.mark.nightly
def test_a_tox_that_provisions_itself_knows_the_runner_of_its_command_line(project: Project, tmp_path: Path) -> None:
    wheels = [
        wheel_of(name, project.artifacts) for name in closure("tox", "pytest-fastenv") if name != "pytest-fastenv"
    ]
    wheels.append(wheel_of_this(project.artifacts))
    make_wheel(project.artifacts, "alpha")
    (project.directory / "tox.ini").write_text(
        f"[tox]\nenv_list = a\nrequires = alpha\n[testenv]\npackage = skip\ndeps = alpha\ncommands = {HELD}\n"
    )
    output = project.tox("run", "--runner", "fastenv", python=host(tmp_path / "host", *wheels))
    assert "will run in automatically provisioned tox" in output
    assert "a: install_deps> fastenv pip install alpha" in output
    assert project.held(output) == ["alpha-1.0"]


@pytest.mark.nightly
def test_a_tox_without_the_plugin_gets_it_where_the_file_requires_it(project: Project, tmp_path: Path) -> None:
    wheels = [wheel_of(name, project.artifacts) for name in closure("tox")]
    for name in set(closure("pytest-fastenv")) - {*closure("tox"), "pytest-fastenv"}:
        wheel_of(name, project.artifacts)
    wheel_of_this(project.artifacts)
    make_wheel(project.artifacts, "alpha")
    project.write(f"package = skip\ndeps = alpha\ncommands = {HELD}", core="requires = pytest-fastenv[tox]")
    output = project.tox("run", python=host(tmp_path / "host", *wheels))
    assert "will run in automatically provisioned tox" in output
    assert "a: install_deps> fastenv pip install alpha" in output
    assert project.held(output) == ["alpha-1.0"]
