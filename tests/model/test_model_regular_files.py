from __future__ import annotations

import os
import socket
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_fastenv.model.regular_files import open_regular, read_regular

pytestmark = pytest.mark.skipif(os.name == "nt", reason="what a path may lead to here is made with POSIX's calls")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))  # such a name may have a hundred bytes


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(("make", "what"), [(pipe, "a named pipe"), (listening, "a socket"), (endless, "a device")])
@pytest.mark.parametrize("or_own_pipe", [False, True])
def test_what_is_no_file_is_named_at_once(
    make: Callable[[Path], None], what: str, or_own_pipe: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "x")
    with pytest.raises(OSError, match=f"it is {what}, and not a file") as caught:
        open_regular(tmp_path / "x", or_own_pipe=or_own_pipe)
    assert caught.value.filename == str(tmp_path / "x")


def test_a_directory_and_nothing_are_told_as_the_system_does(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        read_regular(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "x")


def test_the_null_device_is_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "x").symlink_to(os.devnull)
    assert read_regular(tmp_path / "x") == b""


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"text")
    (tmp_path / "link").symlink_to("x")
    assert read_regular(tmp_path / "link") == b"text"


def test_a_bound(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(1 << 20))
    assert len(read_regular(tmp_path / "x", 1 << 20)) == 1 << 20
    with (tmp_path / "x").open("ab") as file:
        file.write(b"0")
    with pytest.raises(OSError, match="it has more than 1 MiB"):
        read_regular(tmp_path / "x", 1 << 20)


def test_a_pipe_of_the_process_itself_can_be_meant() -> None:
    """What is read with ``<(...)`` and ``/dev/stdin``, however late its writer is."""
    code = (
        "import sys; from pytest_fastenv.model.regular_files import open_regular\n"
        "print('ready', flush=True)\n"
        "print(open_regular('/dev/stdin', or_own_pipe=sys.argv[1] == 'own').read())"
    )

    def started(which: str) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-c", code, which]
        return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    with started("own") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert process.communicate(b"good\n", timeout=60)[0] == b"b'good\\n'\n"
    with started("none") as process:
        assert b"it is a named pipe, and not a file" in process.communicate(timeout=60)[1]


def test_a_large_bound_takes_no_room(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"content")
    tracemalloc.start()
    try:
        assert read_regular(tmp_path / "small", 256 << 20) == b"content"
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only there files have no size that is true")
def test_what_has_no_size_is_read_to_its_end_and_bounded() -> None:
    with open("/proc/self/environ", "rb") as file:
        content = file.read()
    assert read_regular("/proc/self/environ") == read_regular("/proc/self/environ", len(content)) == content
    with pytest.raises(OSError, match="more than"):
        read_regular("/proc/self/environ", len(content) - 1)
