"""Where implementations of the hook for requirements are looked for, before pytest loads them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_fastenv.plugin.requirement_hooks import source_of

#: Compares what we look at with what pytest loads right after it.
SCRIPT = """
import json, os, sys
import pytest
from pytest_fastenv.plugin.command_line import parse_known
from pytest_fastenv.plugin.requirement_hooks import initial_conftests

class Probe:
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_load_initial_conftests(self, early_config, parser, args):
        parsed = parse_known(early_config, parser, args)
        self.ours = [str(path) for path in initial_conftests(early_config, parsed) if path.is_file()]
        self.loaded = []
        yield

    def pytest_plugin_registered(self, plugin, plugin_name):
        if plugin_name.endswith("conftest.py"):
            self.loaded.append(plugin_name)

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self):
        return 0

probe = Probe()
code = pytest.main(["-p", "no:fastenv", *sys.argv[1:]], plugins=[probe])
print(json.dumps([probe.ours, probe.loaded, int(code)]))
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Directories with a conftest.py each, in and around a project."""
    for place in ("", "project", "project/tests", "project/tests/unit", "project/testing", "project/src", "elsewhere"):
        directory = tmp_path / place
        directory.mkdir(exist_ok=True)
        (directory / "conftest.py").touch()
    (tmp_path / "project" / "tests" / "test_it.py").touch()
    (tmp_path / "project" / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "below", "ini", "expected"),
    [
        ((), "", "", [".", "testing", "tests"]),
        (("tests/unit",), "", "", [".", "tests", "tests/unit"]),
        (("tests/test_it.py::test_one", "src"), "", "", [".", "src", "tests"]),
        (("no-such-directory",), "", "", [".", "testing", "tests"]),
        ((), "", "testpaths = src te*/unit", [".", "src", "tests", "tests/unit"]),
        ((), "tests", "testpaths = src", [".", "tests"]),
        (("../src",), "tests", "", [".", "src"]),
        (("--confcutdir=tests", "tests/unit"), "", "", ["tests", "tests/unit"]),
        (("--noconftest",), "", "", []),
        (("../elsewhere", "--rootdir=.", "-c", "pytest.ini"), "", "", None),
        (("src", "--rootdir=src"), "", "", None),
    ],
)
def test_conftests_that_pytest_loads(
    tree: Path, arguments: tuple[str, ...], below: str, ini: str, expected: list[str] | None
) -> None:
    project = tree / "project"
    (project / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], cwd=project / below, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    ours, loaded, code = json.loads(run.stdout.splitlines()[-1])
    assert code == 0, run.stdout
    assert sorted(ours) == sorted(loaded)
    if expected is not None:
        assert sorted(ours) == sorted(str(project / place / "conftest.py") for place in expected)


def test_source_of_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found without importing what is around it."""
    for path in ("alone.py", "package/__init__.py", "package/inner/plugin.py", "space/inner/plugin/__init__.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("raise ImportError\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert source_of("alone") == tmp_path / "alone.py"
    assert source_of("package") == tmp_path / "package" / "__init__.py"
    assert source_of("package.inner.plugin") == tmp_path / "package" / "inner" / "plugin.py"
    assert source_of("space.inner.plugin") == tmp_path / "space" / "inner" / "plugin" / "__init__.py"
    assert source_of("space") is None
    assert source_of("package.other") is None
    assert source_of("no_such_module_anywhere.plugin") is None
    assert source_of("sys") is None
    assert source_of("__main__.plugin") is None
    assert not {"package", "space", "alone"} & set(sys.modules)
