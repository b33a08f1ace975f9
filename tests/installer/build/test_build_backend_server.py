"""The script itself: on the oldest Python it supports, and in the part it takes where processes cannot fork."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from build_bench import Bench, process_ends, wait_for_file

from pytest_fastenv.installer import build
from pytest_fastenv.installer.build.hooks import hook_request

PARTS = sorted(Path(build.__file__).parent.glob("backend_*.py"))


@pytest.mark.parametrize("part", PARTS, ids=lambda path: path.stem)
def test_the_script_is_python_3_8_of_the_standard_library(part: Path) -> None:
    module = ast.parse(part.read_text(encoding="utf-8"), feature_version=(3, 8))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(module)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names


def request(bench: Bench, hook: str = "build_wheel") -> dict[str, Any]:
    call = bench.call(hook)
    system: Any = type("System", (), {"backend": "intree_backend", "backend_path": (".",)})
    return hook_request(system, call)


def supervisor(bench: Bench) -> subprocess.Popen[bytes]:
    script = str(next(part for part in PARTS if part.stem == "backend_server"))
    command = [sys.executable, "-I", script, "supervise"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_a_supervisor_talks_over_pipes_where_there_are_no_descriptors_to_send(bench: Bench) -> None:
    bench.project()
    with supervisor(bench) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request(bench)).encode() + b"\n")
        process.stdin.flush()
        told, started, report = (json.loads(process.stdout.readline()) for _ in range(3))
    assert told["supervisor"] == process.pid
    assert started["started"]
    assert (report["status"], report["left"]) == (0, [])
    result = json.loads((bench.directory / "scratch" / "build_wheel.json").read_text())
    assert result["return"] == "demo-1.0-py3-none-any.whl"
    assert str(bench.tree / "demo" / "__init__.py") in result["seen"]["read"]


def test_closing_the_pipe_ends_the_hook(bench: Bench) -> None:
    marker = bench.directory / "pid"
    bench.project(
        f"def build_wheel(*args, **kwargs):\n    _append({str(marker)!r}, str(os.getpid()))\n    time.sleep(60)\n"
    )
    with supervisor(bench) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(request(bench)).encode() + b"\n")
        process.stdin.flush()
        wait_for_file(marker)
        out, _ = process.communicate(timeout=20)
    assert json.loads(out.splitlines()[-1])["status"] == (-9 if os.name != "nt" else 1)
    assert process_ends(int(marker.read_text()), within_s=0)


def test_a_supervisor_without_an_owner_ends(bench: Bench) -> None:
    with supervisor(bench) as process:
        assert json.loads(process.communicate(timeout=20)[0]) == {"supervisor": process.pid}
    assert process.returncode == 0
