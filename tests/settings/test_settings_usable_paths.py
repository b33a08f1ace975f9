"""Where neither the store nor an environment can lie: refused for what it is, at the first look."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_fastenv.errors import UsageError
from pytest_fastenv.settings.values import Settings, check_directory, store_root


def a_file(place: Path) -> None:
    place.touch()


def below_a_file(place: Path) -> None:
    place.parent.touch()


def a_dangling_link(place: Path) -> None:
    place.symlink_to("nowhere")


def below_a_dangling_link(place: Path) -> None:
    place.parent.symlink_to("nowhere")


def a_link_to_a_file(place: Path) -> None:
    (place.parent / "file").touch()
    place.symlink_to("file")


def a_loop(place: Path) -> None:
    place.symlink_to(place.name)


def a_pipe(place: Path) -> None:
    os.mkfifo(place)


def a_socket(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(place.parent)  # the names of sockets are short
        listener.bind(place.name)


@pytest.mark.skipif(os.name == "nt", reason="links and pipes are those of POSIX systems")
@pytest.mark.parametrize(
    ("make", "word"),
    [
        (a_file, "it is a file, and not a directory"),
        (below_a_file, "/here is a file, and not a directory"),
        (a_dangling_link, "it is a symbolic link to nowhere, where nothing is"),
        (below_a_dangling_link, "/here is a symbolic link to nowhere, where nothing is"),
        (a_link_to_a_file, "it is a file, and not a directory"),
        (a_loop, "it: Too many levels of symbolic links"),
        (a_pipe, "it is a named pipe, and not a directory"),
        (a_socket, "it is a socket, and not a directory"),
    ],
)
def test_what_is_in_the_stores_place_is_named(
    make: Callable[[Path], None], word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    below = make.__name__.startswith("below")
    place = tmp_path / "here" / "store" if below else tmp_path / "store"
    make(place)
    with pytest.raises(UsageError) as caught:
        store_root(Settings(cache_dir=place))
    assert caught.value.what == f"the store cannot lie in {place}"
    assert (caught.value.why or "").endswith(word)
    assert "deleted" not in caught.value.diagnosis()


def test_what_is_not_there_yet_may_be_made(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    places = [tmp_path / "a" / "b", tmp_path / "real", tmp_path / "\u202e\u00e9 x" / "y"]
    if os.name != "nt":
        (tmp_path / "link").symlink_to("real")
        places += [tmp_path / "link", tmp_path / "link" / "x"]
    for place in places:
        assert store_root(Settings(cache_dir=place)) == place


LINES = [
    "new\nline",
    "carriage\rreturn",
    "es\x1b[31mcape",
    "delete\x7f",
    "next\x85line",
    "separated\u2028line",
    "tab\t",
]


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("is_there", [True, False])
def test_a_path_that_is_no_line_of_text(name: str, is_there: bool, tmp_path: Path) -> None:
    place = tmp_path / name
    if is_there and os.name != "nt":
        place.mkdir()
    with pytest.raises(UsageError, match="the store cannot lie in") as caught:
        store_root(Settings(cache_dir=place))
    assert "lines of text" in (caught.value.why or "")
    with pytest.raises(UsageError, match="an environment cannot lie in"):
        check_directory(place)


def test_a_directory_that_could_not_be_on_path(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="an environment cannot lie in"):
        check_directory(tmp_path / f"a{os.pathsep}b")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere file names are text")
def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    place = tmp_path / "\udcff"
    with pytest.raises(UsageError, match="the store cannot lie in") as caught:
        store_root(Settings(cache_dir=place))
    assert "a byte that is no text" in (caught.value.why or "")
    check_directory(place)
