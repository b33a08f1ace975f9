"""Which commands the engine carries out in pip's place, and which it leaves to a process."""

from __future__ import annotations

import shlex

import pytest

from pytest_fastenv.integrations.tox.pip_command import NotUnderstoodError, read_command


@pytest.mark.parametrize(
    "command",
    [
        "fastenv pip install",
        "python -m pip install",
        "python3.12 -I -m pip install",
        "/x/bin/pip install",
        "pip3 install",
    ],
)
def test_ways_to_write_pip_install(command: str) -> None:
    words = f"{command} {{opts}} alpha>=1 -rmore.txt -c c.txt --pre -i http://h/simple --find-links='a b' {{packages}}"
    asked = read_command(shlex.split(words))
    assert asked.lines == [
        "alpha>=1",
        "--requirement more.txt",
        "--constraint c.txt",
        "--pre",
        "--index-url http://h/simple",
        "--find-links 'a b'",
    ]


def test_what_is_wished_of_the_whole() -> None:
    asked = read_command(
        ["pip", "install", "-qq", "-vvv", "--no-deps", "--force-reinstall", "-C", "a=b", "--config-settings=c=d", "x"]
    )
    assert (asked.no_deps, asked.reinstall, asked.upgrade) == (True, True, "none")
    assert asked.config_settings == [("a", "b"), ("c", "d")]
    assert asked.lines == ["x"]
    assert read_command(["pip", "install", "-U", "x"]).upgrade == "only-if-needed"
    assert read_command(["pip", "install", "-U", "--upgrade-strategy", "eager", "x"]).upgrade == "eager"
    assert read_command(["pip", "install", "--upgrade-strategy", "eager", "x"]).upgrade == "none"


@pytest.mark.parametrize(
    "command",
    [
        "uv pip install x",
        "python -m uv pip install x",
        "python tools/install.py x",
        "python",
        "pip download x",
        "pip install --target there x",
        "pip install --report r.json x",
        "pip install x -c",
        "pip --isolated install x",
    ],
)
def test_what_is_left_to_a_process(command: str) -> None:
    with pytest.raises(NotUnderstoodError):
        read_command(command.split())
