"""What a build backend says it has made: looked at without opening it, and quoted in part."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_fastenv.errors import BuildError
from pytest_fastenv.installer.build.hook_product import find_dist_info, find_sdist, find_wheel, read_requirements

Find = Callable[[Any, Path, str, Path], Path]
FINDS = [
    (find_wheel, "demo-1.0-py3-none-any.whl"),
    (find_sdist, "demo-1.0.tar.gz"),
    (find_dist_info, "demo-1.0.dist-info"),
]
LOG = Path("log")
LONG = 100_000


@pytest.fixture
def made(tmp_path: Path) -> Path:
    directory = tmp_path / "made"
    directory.mkdir()
    return directory


def link_to_what_is_meant(path: Path) -> None:
    real = path.with_name("real")
    if path.suffix == ".dist-info":
        real.mkdir()
    else:
        real.touch()
    path.symlink_to("real")


def dangling_link(path: Path) -> None:
    path.symlink_to("/nowhere")


def link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)


def the_other_one(path: Path) -> None:
    if path.suffix == ".dist-info":
        path.touch()
    else:
        path.mkdir()


@pytest.mark.skipif(os.name == "nt", reason="links and pipes are those of POSIX systems")
@pytest.mark.parametrize(("find", "name"), FINDS)
@pytest.mark.parametrize(
    ("make", "word"),
    [
        (link_to_what_is_meant, "a symbolic link"),
        (dangling_link, "a symbolic link"),
        (link_to_a_device, "a symbolic link"),
        (pipe, "a named pipe"),
        (unix_socket, "a socket"),
        (the_other_one, "a directory"),
    ],
)
def test_what_is_no_file_is_named_as_what_it_is(
    find: Find, name: str, make: Callable[[Path], None], word: str, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made)
    make(made / name)
    word = "a file" if make is the_other_one and find is find_dist_info else word
    with pytest.raises(BuildError) as caught:
        find(name, made, "demo 1.0", LOG)
    assert caught.value.what.endswith(f" {name}, found {word} of that name")


@pytest.mark.parametrize(("find", "name"), FINDS)
def test_what_is_not_there_is_told_with_what_is(find: Find, name: str, made: Path) -> None:
    with pytest.raises(BuildError) as caught:
        find(name, made, "demo 1.0", LOG)
    assert caught.value.what.endswith(f" {name}, found nothing")
    for number in range(30):
        (made / f"file-{number:02}").touch()
    with pytest.raises(BuildError) as caught:
        find(name, made, "demo 1.0", LOG)
    assert caught.value.what.endswith("file-08, file-09 and 20 more")


@pytest.mark.parametrize(("find", "name"), FINDS)
@pytest.mark.parametrize(
    "answer",
    ["x" * LONG, [0] * LONG, "/" * LONG + ".whl", "y" * LONG + ".whl", "a\0b.whl", "\ud800.whl", {"a": ["b" * LONG]}],
    ids=["text", "list", "path", "name", "nul", "surrogate", "nested"],
)
def test_an_answer_is_quoted_in_part(find: Find, name: str, answer: Any, made: Path) -> None:
    ending = name[name.index(".", 6 if name.endswith("gz") else 8) :]
    answer = answer.removesuffix(".whl") + ending if isinstance(answer, str) and answer.endswith(".whl") else answer
    with pytest.raises(BuildError) as caught:
        find(answer, made, "demo 1.0", LOG)
    assert len(caught.value.diagnosis()) < 1000


@pytest.mark.parametrize(
    "answer", [{"a": "x" * LONG}, ["x", 3, "y" * LONG], "x" * LONG, ["x" * 20 * LONG], ["x"] * LONG]
)
def test_requirements_that_nobody_means(answer: Any) -> None:
    with pytest.raises(BuildError, match="get_requires_for_build_wheel returned") as caught:
        read_requirements(answer, "get_requires_for_build_wheel", "demo 1.0", LOG)
    assert len(caught.value.diagnosis()) < 1000


def test_requirements_as_they_are() -> None:
    assert read_requirements(["a", "b>1"], "get_requires_for_build_wheel", "demo 1.0", LOG) == ["a", "b>1"]
