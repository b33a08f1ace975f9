"""Skeletons and their copies: empty virtual environments that know where they are."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kit.damage import damaged
from kit.interpreters import Found

from pytest_fastenv.environment.skeleton import SKELETONS, Skeleton, lay_out, skeleton
from pytest_fastenv.errors import InterpreterError, StoreError
from pytest_fastenv.interpreter.probe import probe
from pytest_fastenv.model.target import Target
from pytest_fastenv.store.sealed import load
from pytest_fastenv.store.store import Store

_FACTS = """
import json, sys, sysconfig
print(json.dumps([sys.prefix, sys.base_prefix, [p for p in sys.path if "site-packages" in p], sysconfig.get_paths()]))
"""


def check(target: Target, prefix: Path) -> None:
    """An interpreter that is in the environment, sees its site-packages alone, and installs into it."""
    python = prefix / target.schemes["scripts"] / "python"
    done = subprocess.run([python, "-c", _FACTS], capture_output=True, text=True, check=True, cwd=prefix)
    inside, base, places, paths = json.loads(done.stdout)
    assert inside == str(prefix)
    assert base != inside
    assert places == [str(prefix / target.schemes["purelib"])]
    for name in ("purelib", "platlib", "scripts"):
        assert paths[name] == str(prefix / target.schemes[name])
    texts = [path.read_bytes() for path in prefix.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not any(b"the skeleton" in text or b"/tmp/" in text.replace(bytes(prefix), b"") for text in texts)
    configuration = (prefix / "pyvenv.cfg").read_text().replace(" ", "")
    assert "include-system-site-packages=false" in configuration
    assert "command=" not in configuration
    assert "fastenv" in configuration
    assert python.is_symlink()


@pytest.mark.slow
def test_every_interpreter(empty_store: Store, tmp_path: Path, interpreters: list[Found]) -> None:
    for version, python in interpreters:
        target = probe(python)
        prefix = tmp_path / ".".join(map(str, version))
        asyncio.run(lay_out(target, empty_store, prefix, prefix))
        check(target, prefix)


@pytest.mark.slow
def test_the_interpreters_own_venv_where_virtualenv_cannot(
    empty_store: Store, tmp_path: Path, interpreters: list[Found], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for an interpreter that virtualenv does not know any more."""
    (tmp_path / "virtualenv.py").write_text("raise SystemExit(1)")
    monkeypatch.syspath_prepend(tmp_path)
    for version, python in interpreters[:: len(interpreters) - 1]:
        target = probe(python)
        prefix = tmp_path / ".".join(map(str, version))
        asyncio.run(lay_out(target, empty_store, prefix, prefix))
        check(target, prefix)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plain", "with blank", 'it\'s "odd" $HOME `x` \\ #!ü'])
def test_activation(empty_store: Store, tmp_path: Path, name: str) -> None:
    prefix = tmp_path / name
    target = probe(Path(sys.executable))
    asyncio.run(lay_out(target, empty_store, prefix, prefix))
    script = prefix / "bin" / "activate"
    for shell in filter(shutil.which, ("bash", "zsh")):
        command = [shell, "-c", '. "$1"; printf "%s\\n" "$VIRTUAL_ENV"; command -v python', shell, script]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines() == [str(prefix), str(prefix / "bin" / "python")]
    this = f"exec(open({str(prefix / 'bin' / 'activate_this.py')!r}).read()); import sys, os; print(sys.prefix)"
    program = this.replace("exec(", "__file__ = " + repr(str(prefix / "bin" / "activate_this.py")) + "; exec(", 1)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(prefix)


@pytest.mark.slow
def test_it_is_made_once_and_nothing_else_is_written(
    empty_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("VIRTUALENV_SYSTEM_SITE_PACKAGES", "1")
    monkeypatch.setenv("VIRTUALENV_PROMPT", "mine")
    target = probe(Path(sys.executable))
    place = asyncio.run(skeleton(target, empty_store))
    assert sorted(os.listdir(place)) == [".ready", "skeleton.json", "the skeleton"]
    assert list(home.iterdir()) == []
    monkeypatch.setattr(asyncio, "create_subprocess_exec", None)
    assert asyncio.run(skeleton(target, empty_store)) == place
    prefix = tmp_path / "copy"
    asyncio.run(lay_out(target, empty_store, prefix, tmp_path / "elsewhere"))
    assert "include-system-site-packages = false" in (prefix / "pyvenv.cfg").read_text()
    activate = (prefix / "bin" / "activate").read_text()
    assert str(tmp_path / "elsewhere") in activate
    assert str(prefix) not in activate


@pytest.mark.slow
def test_a_module_named_virtualenv_in_the_working_directory_is_not_run(
    empty_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "virtualenv.py").write_text("raise SystemExit('trapped')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    target = probe(Path(sys.executable))
    place = asyncio.run(skeleton(target, empty_store))
    assert "virtualenv = " in (place / "the skeleton" / "fastenv" / "pyvenv.cfg").read_text()


@pytest.mark.parametrize("said", ["OSError: [Errno 28] No space left on device: 'a' -> 'b'", "MemoryError"])
def test_what_the_system_refuses_to_virtualenv_is_told(
    said: str, empty_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interpreter's own venv would copy what it cannot link, and all later environments would have that."""
    (tmp_path / "virtualenv.py").write_text(f"raise SystemExit({said!r})")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InterpreterError, match="virtualenv cannot make an environment") as caught:
        asyncio.run(skeleton(probe(Path(sys.executable)), empty_store))
    assert said in str(caught.value.why)
    assert not list((empty_store.root / SKELETONS.directory).glob("*/*/.ready"))


@pytest.mark.slow
def test_what_cannot_be_listed_is_not_left_out(empty_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def failing(path: Any) -> object:  # a descriptor, where directories are removed
        if isinstance(path, str) and os.path.basename(path) == "bin":
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", failing)
    with pytest.raises(StoreError, match="cannot be written"):
        asyncio.run(skeleton(probe(Path(sys.executable)), empty_store))
    assert not list((empty_store.root / SKELETONS.directory).glob("*/*/.ready"))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere some are links and others copies")
def test_an_interpreter_that_was_copied_beside_links_to_it(
    empty_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As virtualenv does where a call of the system fails: what is made here is kept for all later environments."""
    (tmp_path / "virtualenv.py").write_text(
        "import os, shutil, sys, venv\n"
        "venv.create(sys.argv[-1], symlinks=True)\n"
        "python = os.path.join(sys.argv[-1], 'bin', 'python')\n"
        "os.unlink(python)\n"
        "shutil.copy(sys.executable, python)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InterpreterError, match="in another way than the rest"):
        asyncio.run(skeleton(probe(Path(sys.executable)), empty_store))
    assert not list((empty_store.root / SKELETONS.directory).glob("*/*/.ready"))


@pytest.mark.parametrize("code", [0, 1])
def test_an_interpreter_that_can_make_none(code: int, empty_store: Store, tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\necho no venv here; exit {code}\n")
    program.chmod(0o755)
    real = probe(Path(sys.executable))
    target = Target(**{**{name: getattr(real, name) for name in Target.__slots__}, "python": str(program)})
    with pytest.raises(InterpreterError, match="no virtual environment can be made") as caught:
        asyncio.run(skeleton(target, empty_store))
    assert "no venv here" in str(caught.value.why)
    assert not list((empty_store.root / SKELETONS.directory).glob("*/*/.ready"))


@pytest.mark.slow
def test_a_list_with_any_byte_wrong_is_none(store: Store) -> None:
    (listed,) = (store.root / SKELETONS.directory).rglob("skeleton.json")
    for number, damage in enumerate(damaged(listed)):
        assert load(listed, Skeleton) is None, damage
        if number % 500 == 0:  # looks at each file
            assert store.check(SKELETONS, listed.parent.name) == "a file of it is gone or damaged"
    assert store.check(SKELETONS, listed.parent.name) is None
