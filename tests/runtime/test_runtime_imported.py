"""The list of what sessions imported grows, and is believed only as it was written."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import py_compile
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kit.damage import damaged

from pytest_fastenv.runtime import session
from pytest_fastenv.runtime.imported import Controller, is_compiled, keep, read, seal_of, sources


@dataclass
class Node:
    """What pytest-xdist hands over when a worker has ended."""

    workeroutput: dict[str, Any]


def test_the_list_grows_and_a_damaged_one_is_begun_anew(tmp_path: Path) -> None:
    place = tmp_path / ".fastenv" / "imported"
    place.parent.mkdir()
    assert read(place) == []
    keep(str(tmp_path), ["lib/b.py"])
    keep(str(tmp_path), ["lib/a\udc80.py", "lib/b.py"])
    assert read(place) == ["lib/a\udc80.py", "lib/b.py"]
    for damage in damaged(place):
        assert read(place) == [], damage
    place.write_bytes(place.read_bytes()[:-1])
    keep(str(tmp_path), ["lib/c.py"])
    assert read(place) == ["lib/c.py"]


def test_what_is_imported_is_asked_of_no_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Odd things lie in `sys.modules`. What other loaders have loaded may have been compiled to something else."""
    for name in ("plain", "lazy", "loaded_otherwise"):
        (tmp_path / f"{name}.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module("plain")

    class Other(importlib.machinery.SourceFileLoader):
        pass

    for name, loader in (
        ("lazy", importlib.util.LazyLoader(importlib.machinery.SourceFileLoader("lazy", str(tmp_path / "lazy.py")))),
        ("loaded_otherwise", Other("loaded_otherwise", str(tmp_path / "loaded_otherwise.py"))),
    ):
        spec = importlib.util.spec_from_file_location(name, tmp_path / f"{name}.py", loader=loader)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, "plain_number", 1)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "gone", None)  # type: ignore[arg-type]
    assert sources(str(tmp_path)) == {"plain.py", "lazy.py"}
    assert type(sys.modules["lazy"]).__name__ == "_LazyModule", "it was not imported for the question"
    for name in ("plain", "lazy", "loaded_otherwise"):
        monkeypatch.delitem(sys.modules, name)


def test_nothing_is_left_to_do_where_all_came_compiled(tmp_path: Path) -> None:
    """What was compiled in this environment may be missing in the store; what is older came from there."""
    own, source = tmp_path / ".fastenv", tmp_path / "part.py"
    own.mkdir()
    source.write_text("VALUE = 1\n")
    process = Path(sys.executable), "-c", f"open({str(tmp_path / 'started')!r}, 'w')"
    handed = session.Handed(str(tmp_path), server=tuple(map(str, process)))

    def end(**changes: Any) -> bytes:
        controller = Controller(handed._replace(**changes), os.environ)
        controller.pytest_testnodedown(Node({"fastenv_imported": ["part.py"]}))
        controller.pytest_unconfigure()
        return (own / "compiled").read_bytes() if (own / "compiled").exists() else b""

    compiled = Path(py_compile.compile(str(source), doraise=True) or "")
    (own / "ready").touch()
    os.utime(compiled, (1, 1))
    assert end() == seal_of(str(tmp_path)) != b""
    (own / "imported").unlink()
    (own / "compiled").unlink()
    compiled.touch()
    assert end(settings={"bytecode": "own"}) == b""
    assert end(server=()) == b""
    assert not is_compiled(str(tmp_path))
    assert not (tmp_path / "started").exists()
