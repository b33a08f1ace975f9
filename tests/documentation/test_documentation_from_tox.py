"""The page about tox's settings leaves none of them out."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("tox")

from tox.run import setup_state

from pytest_fastenv.migration.from_tox import migrated
from pytest_fastenv.migration.translation import CARRIED, NOT_CARRIED

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "from-tox.md").read_text(encoding="utf-8")
#: Asked for by this program alone, or registered by a plugin that is installed beside.
NOT_TOX = re.compile("fastenv_|pip_runner")
CONFIGURATION = """
[tox]
env_list = a, b
[testenv]
package = wheel
[testenv:b]
package = external
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text('[build-system]\nrequires = ["x"]\nbuild-backend = "y"\n')
    (tmp_path / "tox.ini").write_text(CONFIGURATION)
    return tmp_path


@pytest.mark.slow
def test_every_setting_has_its_line(project: Path) -> None:
    state = setup_state(["run", "-c", str(project / "tox.ini"), "--workdir", str(project / "work")])
    keys = set(state.conf.core)
    for name in state.envs.iter(only_active=False, package=True):
        keys |= set(state.envs[name].conf)
    missing = {key for key in keys if f"`{key}`" not in PAGE and f"`{key} = " not in PAGE and not NOT_TOX.match(key)}
    assert missing == set()


@pytest.mark.slow
def test_every_command_has_its_line() -> None:
    told = subprocess.run([sys.executable, "-m", "tox", "--help"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\{(run,[\w,-]+)\}", told)
    assert found is not None
    commands = [name for name in found[1].split(",") if len(name) > 2]
    assert [name for name in commands if f"`tox {name}`" not in PAGE] == []


def test_what_migrate_says_nothing_of_stands_on_the_page_as_no_or_otherwise() -> None:
    rows = {
        key: line
        for line in PAGE.splitlines()
        if line.startswith("| ")
        for key in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    assert CARRIED.isdisjoint(NOT_CARRIED)
    for key in NOT_CARRIED:
        assert key in rows, key
        assert rows[key].split("|")[2].strip() in {"no", "otherwise"} or key in {"env_dir", "env_tmp_dir"}, key


@pytest.mark.slow
def test_the_example_comes_out_as_shown(project: Path) -> None:
    ini = re.search(r"```ini\n(.*?)```", PAGE, re.DOTALL)
    toml = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert ini is not None
    assert toml is not None
    (project / "tox.ini").write_text(ini[1])
    text = migrated(project / "tox.ini")
    assert tomllib.loads(text) == tomllib.loads(toml[1])
    assert toml[1].strip() in text
