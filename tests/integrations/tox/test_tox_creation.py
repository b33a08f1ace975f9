"""Empty environments where tox wants them, also where others want them there, or left something."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("tox")

from pytest_fastenv.integrations.tox.creation import make_environment
from pytest_fastenv.settings.values import Settings

PYTHON = sys._base_executable  # noqa: SLF001 - not that of a virtual environment


def test_an_environment_that_two_make_at_once_is_made_once(tmp_path: Path) -> None:
    """Two runs of tox in one directory, each of which found none."""
    prefix = tmp_path / "with blank" / "ü"
    prefix.mkdir(parents=True)
    make = partial(make_environment, prefix, PYTHON, Settings(), since_ns=time.time_ns())
    with ThreadPoolExecutor(2) as threads:
        futures = [threads.submit(make) for _ in range(2)]
    assert [future.result() for future in futures] == [None, None]
    made = os.stat(prefix / "pyvenv.cfg")
    make()  # this one comes when all is done
    assert os.stat(prefix / "pyvenv.cfg") == made
    assert len(list(prefix.glob("lib/python3*/site-packages/pip/__init__.py"))) == 1


@pytest.mark.parametrize("left", ["pyvenv.cfg", ".gitignore", "CACHEDIR.TAG", "bin/python", ".fastenv/x"])
def test_what_an_ended_run_left_gives_way_and_what_is_toxs_stays(left: str, tmp_path: Path) -> None:
    (tmp_path / left).parent.mkdir(exist_ok=True)
    (tmp_path / left).write_text("half")
    (tmp_path / ".tox-info.json").write_text("{}")
    make_environment(tmp_path, PYTHON, Settings(), since_ns=time.time_ns())
    assert (tmp_path / ".tox-info.json").read_text() == "{}"
    assert (tmp_path / "pyvenv.cfg").read_text() != "half"
    assert (tmp_path / "bin" / "python").exists()
