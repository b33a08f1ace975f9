"""What does not start, or lacks what is needed, is not published; the reader is told what is missing."""

from __future__ import annotations

import os
import select
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from kit.interpreter_bench import altered, installing, nothing_is_left, offer_of, write_archive

from pytest_fastenv.errors import InterpreterError
from pytest_fastenv.interpreter_downloads import smoke
from pytest_fastenv.store.store import Store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="archives are packed from interpreters of Linux"),
]


def test_a_module_that_the_archive_lacks(archive: Path, tmp_path: Path, store: Store) -> None:
    def change(member: Any, content: bytes) -> bytes | None:
        return None if "/_sqlite3." in member.name else content

    lacking = altered(archive, tmp_path, change)
    with pytest.raises(InterpreterError) as caught:
        installing(store, offer_of(lacking))
    assert "does not pass its first test" in caught.value.what
    assert "No module named '_sqlite3'" in str(caught.value.why)
    assert "made without _sqlite3" in str(caught.value.hint)
    assert nothing_is_left(store)


def test_a_system_library_that_is_missing(archive: Path, tmp_path: Path, store: Store) -> None:
    """The real loader's words: the archive's module is linked to a library that is nowhere."""

    def change(member: Any, content: bytes) -> bytes:
        if "/_sqlite3." not in member.name:
            return content
        assert b"\0libsqlite3.so.0\0" in content, "this machine's interpreter has SQLite in it"
        return content.replace(b"\0libsqlite3.so.0\0", b"\0libnowhere.so.7\0")

    lacking = altered(archive, tmp_path, change)
    with pytest.raises(InterpreterError) as caught:
        installing(store, offer_of(lacking))
    assert "libnowhere.so.7: cannot open shared object file" in str(caught.value.why)
    assert "install the package that has libnowhere.so.7" in str(caught.value.hint)


def script(tmp_path: Path, text: bytes) -> Path:
    """Write an archive whose interpreter is something else."""
    return write_archive(tmp_path / "cpython-3.12.1+1-x.tar.gz", [("python/bin/python3.12", text)])


@pytest.mark.parametrize(
    ("text", "expected", "hint"),
    [
        (
            b"#!/bin/sh\necho much too wrong; exit 7\n",
            "exit code 7\nmuch too wrong",
            "name an interpreter that is here",
        ),
        (b"#!/bin/sh\nkill -ILL $$\n", "ended by SIGILL", "built for a newer processor"),
        (b'#!/bin/sh\necho "version \\`GLIBC_2.99\' not found"; exit 1\n', "GLIBC_2.99", "older than GLIBC_2.99"),
        (b"\x7fELF no program", "Exec format error", "built for another processor"),
        (b"#!/no/such/loader\n", "No such file", "its loader is not on this system"),
        (b"#!/bin/sh\nhead -c 3000000 /dev/zero | tr '\\0' x; exit 1\n", "exit code 1\nxxx", ""),
        (b"#!/bin/sh\nexit 0\n", "exit code 0", ""),
    ],
)
def test_what_does_not_start_is_not_published(
    text: bytes, expected: str, hint: str, tmp_path: Path, store: Store
) -> None:
    with pytest.raises(InterpreterError) as caught:
        installing(store, offer_of(script(tmp_path, text)))
    assert expected in str(caught.value.why)
    assert len(str(caught.value.why)) < 2200
    assert hint in str(caught.value.hint)
    assert nothing_is_left(store)


def test_what_never_ends(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its children end with it: they would go on in a directory that is removed."""
    monkeypatch.setattr(smoke, "SMOKE_TIMEOUT_S", 0.5)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    held = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        text = f"#!/bin/sh\nexec 3>{pipe}\necho begun >&3\nsleep 60 & sleep 60\n"
        begin = time.monotonic()
        with pytest.raises(InterpreterError, match="gave no answer within"):
            installing(store, offer_of(script(tmp_path, text.encode())))
        assert time.monotonic() - begin < 30
        assert nothing_is_left(store)
        assert os.read(held, 100) == b"begun\n"
        assert select.select([held], [], [], 10)[0], "a child still has the pipe open"
        assert os.read(held, 100) == b""
    finally:
        os.close(held)
