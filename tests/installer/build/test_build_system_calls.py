"""The kernel tells what a process and its children are about to change."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_fastenv.installer.build import system_calls

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="this is a means of Linux")

CHILD = f"""
import os, socket, subprocess, sys
sys.path.insert(0, {str(Path(system_calls.__file__).parent)!r})
import system_calls
print(system_calls.announce(socket.socket(fileno=int(sys.argv[1]))), flush=True)
os.chdir(sys.argv[2])
exec(sys.argv[3])
"""


def heard(
    place: Path, code: str, hear: Callable[[str, str, str], None] = lambda *_: None
) -> tuple[str, list[tuple[str, str, str]]]:
    """Run code with the filter on, and return what it printed and what was heard of it."""
    mine, its = socket.socketpair()
    with mine, its:
        command = [sys.executable, "-B", "-c", CHILD, str(its.fileno()), str(place), code]
        with subprocess.Popen(command, pass_fds=[its.fileno()], stdout=subprocess.PIPE, text=True) as process:
            listener, is_of_use = system_calls.accept(mine)
            assert is_of_use
            assert listener is not None
            found: list[tuple[str, str, str]] = []
            over = threading.Event()
            arguments = (listener, lambda *call: (found.append(call), hear(*call)), lambda: None, over.is_set)
            thread = threading.Thread(target=system_calls.listen, args=arguments)
            thread.start()
            said = process.communicate()[0]
            over.set()
            thread.join()
    return said, [call for call in found if call[1].startswith(str(place))]


@pytest.mark.parametrize(
    ("code", "calls"),
    [
        ("open('a', 'w')", [("open", "a", "")]),
        ("open('there', 'r+')", [("change", "there", "")]),
        ("open('there')", []),
        ("os.mkdir('d'); os.rmdir('d')", [("make", "d", ""), ("remove", "d", "")]),
        ("os.rename('there', 'b')", [("rename", "there", "b")]),
        ("os.unlink('there')", [("remove", "there", "")]),
        ("os.symlink('x', 'l'); os.link('there', 'h')", [("make", "l", ""), ("link", "there", "h")]),
        ("s = socket.socket(socket.AF_UNIX); s.bind('s')", [("make", "s", "")]),
        ("s = socket.socket(); s.bind(('127.0.0.1', 0))", []),
        ("os.truncate('there', 0)", [("change", "there", "")]),
        ("os.chmod('there', 0o600); os.utime('there')", [("change", "there", ""), ("change", "there", "")]),
        ("os.fchmod(os.open('there', os.O_RDONLY), 0o600)", [("change", "there", "")]),
        ("d = os.open('.', os.O_RDONLY); os.mkdir('d', dir_fd=d)", [("make", "d", "")]),
        ("subprocess.run('cd inner; echo > a', shell=True)", [("open", "inner/a", "")]),
        ("os.mkfifo('f')", [("make", "f", "")]),
    ],
)
def test_changes_are_heard_of(code: str, calls: list[tuple[str, str, str]], tmp_path: Path) -> None:
    place = tmp_path.resolve()
    (place / "there").write_text("x")
    (place / "inner").mkdir()
    said, found = heard(place, code)
    assert said == "True\n"
    relative = [(kind, *(os.path.relpath(path, place) if path else "" for path in paths)) for kind, *paths in found]
    assert relative == calls


@pytest.mark.parametrize("name", ["/proc/self/fd", "/proc/thread-self/fd", "/dev/fd"])
def test_a_name_for_the_process_itself_means_the_one_that_uses_it(name: str, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("x")
    code = f"f = os.open('there', os.O_RDONLY)\nopen(f'{name}/{{f}}', 'w')"
    meant: list[str] = []
    said, _ = heard(tmp_path, code, lambda _kind, path, _to: meant.append(os.path.realpath(path)))
    assert said == "True\n"
    assert str(tmp_path.resolve() / "there") in meant


def test_where_the_supervisor_may_not_see_the_hook_is_told_so() -> None:
    """On a hardened kernel: here the process that it says to be is none."""
    mine, its = socket.socketpair()
    with mine, its:
        read, write = os.pipe()
        its.sendmsg([b"999999999"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, bytes(read.to_bytes(4, sys.byteorder)))])
        listener, is_of_use = system_calls.accept(mine)
        assert listener is not None
        assert not is_of_use
        assert its.recv(1) == b"-"
        for descriptor in (read, write, listener):
            os.close(descriptor)
