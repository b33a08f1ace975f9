"""Where neither the store nor an environment can lie: refused for what it is, at the first look."""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_fastenv.errors import UsageError
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.settings.values import Settings, check_directory, store_place, store_root
from pytest_fastenv.store.store import Store


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


posix = pytest.mark.skipif(os.name == "nt", reason="modes and owners are those of POSIX systems")
as_root = pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="needs root, to give files to another user")
OTHER = 12345


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory of one's own, where the usual store would lie."""
    place = tmp_path / "home"
    place.mkdir()
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    return place


@posix
@pytest.mark.parametrize(
    ("mode", "reason"),
    [(0o777, "everybody may write there"), (0o1777, "everybody may write there"), (0o702, "everybody may write there")],
)
def test_a_store_that_everybody_may_write_is_not_used(mode: int, reason: str, tmp_path: Path, home: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    store.chmod(mode)
    root, told = store_place(Settings(cache_dir=store))
    assert root != store
    assert home in root.parents or not sys.platform.startswith("linux")
    assert f"the store {store} is not used, since {reason}" in told
    assert store_place(Settings(cache_dir=store, shared_store=True)) == (store, "")
    store.chmod(0o755)
    assert store_place(Settings(cache_dir=store)) == (store, "")


@as_root
@pytest.mark.parametrize(
    ("user", "group", "mode", "reason"),
    [
        (OTHER, 0, 0o755, "it belongs to another user (12345)"),
        (OTHER, 0, 0o700, "it belongs to another user (12345)"),
        (0, OTHER, 0o775, "its group (12345) may write there"),
        (0, 0, 0o775, ""),
        (0, OTHER, 0o755, ""),
    ],
)
def test_whose_store_it_is(user: int, group: int, mode: int, reason: str, tmp_path: Path, home: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    store.chmod(mode)
    os.chown(store, user, group)
    root, told = store_place(Settings(cache_dir=store))
    assert (root == store) == (not reason)
    assert reason in told
    assert home in root.parents or root == store
    assert store_root(Settings(cache_dir=store, shared_store=True)) == store


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep access control lists elsewhere")
@pytest.mark.parametrize("rights", [0o5, 0o7])
def test_an_access_control_list_that_lets_another_write(rights: int, tmp_path: Path, home: Path) -> None:
    """The group's bits of the mode are then the most that any user or group of the list has."""
    store = tmp_path / "store"
    store.mkdir(mode=0o755)
    nobody = 0xFFFFFFFF
    rows = [(1, 7, nobody), (2, rights, OTHER), (4, 5, nobody), (16, rights, nobody), (32, 5, nobody)]
    content = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *row) for row in rows)
    try:
        os.setxattr(store, "system.posix_acl_access", content)
    except OSError as error:
        pytest.skip(f"ACCESS CONTROL LISTS ARE NOT TESTED: {error.strerror}")
    root, told = store_place(Settings(cache_dir=store))
    assert (root == store) == (rights == 0o5)
    if rights != 0o5:
        assert "its access control list may let others write there" in told
        assert home in root.parents


@as_root
def test_the_usual_store_of_another_user(home: Path) -> None:
    """``sudo`` that keeps HOME: nothing of root's is left there."""
    os.chown(home, OTHER, OTHER)
    root, told = store_place(Settings())
    assert home not in root.parents
    assert "it would lie in a directory of another user (12345)" in told
    assert not list(home.iterdir())


@posix
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o755), (0o077, 0o700), (0o002, 0o700), (0o000, 0o700)])
def test_a_new_store_lets_nobody_else_write(umask: int, mode: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        Store(tmp_path / "store", recorder=Recorder()).private()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == mode
    assert store_place(Settings(cache_dir=tmp_path / "store")) == (tmp_path / "store", "")
