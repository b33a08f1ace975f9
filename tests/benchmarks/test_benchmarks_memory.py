from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

MONITOR = Path(__file__).parents[2] / "benchmarks" / "process_tree.py"
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")

#: Its grandchild leaves parent and session, as a daemon does, and holds 64 MiB for a while.
ORPHAN = """
import os, sys, time
if os.fork():
    time.sleep(0.6)
    sys.exit(7)
os.setsid()
if os.fork():
    os._exit(0)
held = bytearray(b"x") * (64 * 2**20)
time.sleep(0.4)
"""


#: Called by a compiler's name, it holds 64 MiB; itself it holds 32 MiB before.
COMPILING = """
import os, sys, time
held = bytearray(b"x") * (32 * 2**20)
time.sleep(0.3)
del held
compiler = [sys.argv[1], "-c", "import time; held = bytearray(b'x') * (64 * 2**20); time.sleep(0.3)"]
sys.exit(os.spawnv(os.P_WAIT, sys.argv[1], compiler))
"""


@pytest.mark.slow
def test_a_compiler_is_told_apart(tmp_path: Path) -> None:
    output, compiler = tmp_path / "peak.json", tmp_path / "cc1"
    compiler.symlink_to(sys.executable)
    program = [sys.executable, "-c", COMPILING, compiler]
    assert subprocess.run([sys.executable, "-I", "-S", MONITOR, output, *program], check=False).returncode == 0
    peak = json.loads(output.read_text())
    assert peak["programs"]["cc1"] > 64 * 2**20
    assert peak["pss_bytes"] == sum(peak["programs"].values())
    assert 32 * 2**20 < peak["without_compiler_bytes"] < 64 * 2**20


@pytest.mark.slow
def test_orphans_count(tmp_path: Path) -> None:
    output = tmp_path / "peak.json"
    ran = subprocess.run([sys.executable, "-I", "-S", MONITOR, output, sys.executable, "-c", ORPHAN], check=False)
    assert ran.returncode == 7
    peak = json.loads(output.read_text())
    assert 64 * 2**20 < peak["pss_bytes"] < 160 * 2**20
    assert peak["processes"] >= 2
    assert peak["samples"] > 5
