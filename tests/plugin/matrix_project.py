"""A project with environments by name, and what is read from sessions over several of them."""

from __future__ import annotations

import re
from pathlib import Path

from kit.archives import make_wheel

TWO = """\
[tool.fastenv]
project = "none"
[tool.fastenv.envs.one]
requirements = ["./canary-1.0-py3-none-any.whl"]
[tool.fastenv.envs.two]
requirements = ["./canary-2.0-py3-none-any.whl"]
"""
#: Three tests in each environment; the third one holds in one of them only.
CANARIES = """\
import json
import os
import subprocess
import sys

import canary
import pytest

ASK = "import json, sys, canary; print(json.dumps([sys.prefix, canary.VERSION]))"

@pytest.mark.parametrize("n", [1, 2])
def test_at_home(n):
    assert canary.__file__.startswith(sys.prefix)
    assert os.environ["VIRTUAL_ENV"] == sys.prefix
    for python in ("python", sys.executable):
        told = json.loads(subprocess.check_output([python, "-c", ASK], text=True))
        assert told == [sys.prefix, canary.VERSION]

@pytest.mark.skipif(canary.VERSION != 1, reason="for the old one")
def test_of_one():
    assert canary.VERSION == 1

def test_holds_in_two():
    assert canary.VERSION == 2
"""


def write_canaries(directory: Path) -> None:
    """Write two versions of one package."""
    for version in (1, 2):
        make_wheel(directory, "canary", f"{version}.0", files={"canary.py": f"VERSION = {version}\n"})


def rows(output: str) -> dict[str, dict[str, str]]:
    """Return the table of environments: outcomes by environment, the remark under ``remark``."""
    lines = output[re.search(r"^=+ environments =+$", output, re.MULTILINE).end() :].splitlines()[1:]  # type: ignore[union-attr]
    head = lines[0].split()
    found = {}
    for line in lines[1:]:
        match = re.match(rf"(\S+)((?:\s+(?:\d+|-)){{{len(head) - 1}}})\s+(-|[\d.]+ s)(?:\s+(.*))?$", line)
        if match is None:
            break
        found[match[1]] = {**dict(zip(head, match[2].split(), strict=False)), "remark": match[4] or ""}
    return found
