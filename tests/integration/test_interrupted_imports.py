"""Ctrl-C while modules are imported: exit code 130 and a line, whatever is imported just then."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from front_doors import Desk
from kit.nightly import first_and_at_night

#: Sends SIGINT to the process that begins to import a module, as a user may in that moment.
_INTERRUPTS = """
import os, signal, sys

awaited = [os.environ["INTERRUPTED_AT"]]

def hook(event, arguments):
    if event == "import" and awaited == [arguments[0]]:
        awaited.clear()
        os.kill(os.getpid(), signal.SIGINT)

sys.addaudithook(hook)
"""
MOMENTS = [
    ("fastenv", "pytest_fastenv.cli.command"),
    ("pytest", "pytest_fastenv.plugin.provisioning"),
    ("fastenv", "httpx"),
    ("pytest", "httpx"),
    ("fastenv", "argparse"),
    ("fastenv", "pytest_fastenv.cli.settings"),
    ("fastenv", "pytest_fastenv.provisioning.story"),
    ("fastenv", "asyncio"),
    ("pytest", "pytest_fastenv.settings.layers"),
    ("pytest", "pytest_fastenv.plugin.request"),
    ("pytest", "pytest_fastenv.plugin.handover"),
    ("pytest", "pytest_fastenv.provisioning.cold_path"),
]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize(("door", "module"), first_and_at_night(*MOMENTS, by_day=4))
def test_ctrl_c_within_imports(door: str, module: str, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(_INTERRUPTS)
    variables = {"PYTHONPATH": str(tmp_path / "site"), "INTERRUPTED_AT": module, "PIP_CONFIG_FILE": os.devnull}
    desk = Desk(tmp_path / "desk", tmp_path / "store", variables | {"FASTENV_INDEX_URL": "http://127.0.0.1:1/"})
    outcome = desk.ask(door, "good")
    assert outcome.code == 130, outcome.output
    assert outcome.output == "fastenv: interrupted\n"
