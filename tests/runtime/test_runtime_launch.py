"""How this process was started."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pytest_fastenv.runtime.launch import Launch, read_launch


@pytest.mark.parametrize(
    ("words", "launch"),
    [
        (["python"], Launch()),
        (["python", "a.py", "-x"], Launch(script="a.py", arguments=("-x",))),
        (["python", "-m", "pytest", "-m", "slow"], Launch(module="pytest", arguments=("-m", "slow"))),
        (["python", "-mpytest"], Launch(module="pytest")),
        (["python", "-Im", "pytest", "a"], Launch(("-I",), "pytest", arguments=("a",))),
        (["python", "-OOm", "pytest"], Launch(("-O", "-O"), "pytest")),
        (["python", "-sP", "/usr/bin/pytest", "a"], Launch(("-s", "-P"), None, "/usr/bin/pytest", ("a",))),
        (["python", "-X", "dev", "-Wa", "-BXutf8", "p"], Launch(("-Xdev", "-Wa", "-B", "-Xutf8"), None, "p")),
        (["python", "--check-hash-based-pycs", "never", "p"], Launch(("--check-hash-based-pycs", "never"), None, "p")),
        (["python", "-c", "import pytest", "a"], Launch(arguments=("a",))),
        (["python", "-", "a"], Launch(script="-", arguments=("a",))),
    ],
)
def test_command_lines(words: list[str], launch: Launch) -> None:
    assert read_launch(words) == launch


@pytest.mark.parametrize(
    ("words", "is_pytest"),
    [
        (["python", "-m", "pytest", "a"], True),
        (["python", "/somewhere/bin/pytest", "a"], True),
        (["python", "/somewhere/bin/py.test", "a"], True),
        (["python", "/somewhere/Scripts/pytest.exe", "a"], True),
        (["python", "/site-packages/pytest/__main__.py", "a"], True),
        (["python", "/site-packages/other/__main__.py", "a"], False),
        (["python", "-m", "coverage", "run", "-m", "pytest", "a"], False),
        (["python", "runner.py", "a"], False),
        (["python", "-c", "import pytest; pytest.main()", "a"], False),
        (["python", "-m", "pytest", "b"], False),
        (["python"], False),
    ],
)
def test_the_pytest_command_itself(words: list[str], is_pytest: bool) -> None:
    assert read_launch(words).is_pytest(["a"]) is is_pytest


def test_own_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    script = "import json; from pytest_fastenv.runtime import launch; print(json.dumps(launch.read_launch().flags))"
    run = subprocess.run([sys.executable, "-Xutf8", "-W", "ignore", "-c", script], capture_output=True, check=True)
    assert json.loads(run.stdout) == ["-Xutf8", "-Wignore"]
    monkeypatch.delattr(sys, "orig_argv", raising=False)
    assert read_launch() == Launch(), "an interpreter before 3.10 does not tell"
