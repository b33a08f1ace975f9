"""What the fixtures give is typed: a type checker accepts good use and finds bad use."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("mypy") is None, reason="needs mypy, which the dev extra brings"),
]

GOOD = """\
    from __future__ import annotations

    from pathlib import Path
    from typing import assert_type

    import pytest

    from pytest_fastenv import CommandError, MakeVenv, ProviderError, SessionEnvironment, VirtualEnvironment


    @pytest.mark.fastenv(requirements=["six"], python=["3.12", "3.13"])
    def test_it(fastenv: SessionEnvironment, venv: VirtualEnvironment, make_venv: MakeVenv, tmp_path: Path) -> None:
        assert_type(venv.python, Path)
        assert_type(venv.installed(), dict[str, str])
        done = venv.run(["python", tmp_path / "x.py"], check=False, timeout=3, input="y")
        assert_type(done.returncode, int)
        venv.install("six", tmp_path, editable=True, upgrade=True)
        venv.env["A"] = "1"
        assert_type(make_venv(["six", tmp_path], python="3.12", project="wheel", path="x"), VirtualEnvironment)
        assert_type(make_venv("six"), VirtualEnvironment)
        assert_type(fastenv.make_venv(), VirtualEnvironment)
        for one in fastenv.plan or ():
            assert_type(one.sha256, str | None)
        assert_type(venv.distributions()["six"].source, str | None)
        with pytest.raises(venv.Error) as caught:
            venv.install("absent")
        assert_type(caught.value, ProviderError)
        assert_type(caught.value.exit_code, int)
        with pytest.raises(venv.CommandError) as failed:
            venv.run("false")
        assert_type(failed.value, CommandError)
    """
BAD = """\
    from pytest_fastenv import MakeVenv, VirtualEnvironment

    def test_it(venv: VirtualEnvironment, make_venv: MakeVenv) -> None:
        venv.install(3)
        venv.python = "x"
        make_venv("six", "3.12")
    """


def check(text: str, directory: Path) -> list[str]:
    (directory / "test_typed.py").write_text(textwrap.dedent(text))
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--cache-dir", str(directory / "cache")]
    ran = subprocess.run([*command, "test_typed.py"], cwd=directory, capture_output=True, text=True)
    return [line for line in ran.stdout.splitlines() if "test_typed.py" in line and "error" in line]


def test_good_use(tmp_path: Path) -> None:
    assert check(GOOD, tmp_path) == []


def test_bad_use(tmp_path: Path) -> None:
    found = check(BAD, tmp_path)
    assert {line.split(":")[1] for line in found} == {"4", "5", "6"}
