"""Which compiled files are true of their sources."""

from __future__ import annotations

import os
import py_compile
import sys
from pathlib import Path

from pytest_fastenv.filesystem.bytecode import valid


def sources(directory: Path) -> dict[str, tuple[int, int]]:
    found = {path.name: path.stat() for path in directory.glob("*.py")}
    return {name: (status.st_size, status.st_mtime_ns) for name, status in found.items()}


def test_only_what_is_true(tmp_path: Path) -> None:
    for name in ("a.py", "b.py", "by-hash.py", "with.dot.py", "optimized.py"):
        (tmp_path / name).write_text("VALUE = 1\n")
        mode = py_compile.PycInvalidationMode
        py_compile.compile(
            str(tmp_path / name),
            invalidation_mode=mode.CHECKED_HASH if name == "by-hash.py" else mode.TIMESTAMP,
            optimize=2 if name == "optimized.py" else 0,
        )
    cache = tmp_path / "__pycache__"
    tag = sys.implementation.cache_tag
    everything = valid(str(tmp_path), sources(tmp_path))
    assert sorted(everything) == [f"a.{tag}.pyc", f"b.{tag}.pyc", f"optimized.{tag}.opt-2.pyc", f"with.dot.{tag}.pyc"]

    (cache / f"a.{tag}-pytest-8.3.5.pyc").write_bytes((cache / f"a.{tag}.pyc").read_bytes())
    (cache / f"gone.{tag}.pyc").write_bytes((cache / f"a.{tag}.pyc").read_bytes())
    (cache / f"a.{tag}.pyc.1234").write_bytes((cache / f"a.{tag}.pyc").read_bytes())
    (cache / "a.pyc").write_bytes((cache / f"a.{tag}.pyc").read_bytes())
    (cache / f"b.{tag}.opt-1.pyc").write_bytes(b"cut off")
    (cache / f"b.{tag}.opt-2.pyc").mkdir()
    assert sorted(valid(str(tmp_path), sources(tmp_path))) == sorted(everything)

    os.utime(tmp_path / "a.py", (1, 1))
    (tmp_path / "b.py").write_text("VALUE = 12\n")
    assert sorted(valid(str(tmp_path), sources(tmp_path))) == [f"optimized.{tag}.opt-2.pyc", f"with.dot.{tag}.pyc"]


def test_no_cache(tmp_path: Path) -> None:
    assert valid(str(tmp_path), {"a.py": (1, 1)}) == []
