"""Which commands the engine carries out in pip's place, and which it leaves to a process."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from pytest_fastenv.integrations.tox.pip_command import NotUnderstoodError, is_freeze, read_command
from pytest_fastenv.model.request import config_settings
from pytest_fastenv.requirements.pip_indexes import with_indexes
from pytest_fastenv.requirements.pip_install import lines_of, upgrade_of
from pytest_fastenv.settings.values import Settings

HERE = Path("/base")
INDEXES = "-i http://h/simple --find-links='a b'"


@pytest.mark.parametrize(
    "command",
    [
        "fastenv pip install",
        "python -m pip install",
        "python3.12 -I -m pip install",
        "/x/bin/pip install",
        "pip3 install",
        "python -m pip --disable-pip-version-check -q install",
    ],
)
def test_ways_to_write_pip_install(command: str) -> None:
    asked = read_command(
        shlex.split(f"{command} {{opts}} alpha>=1 -rmore.txt beta -c c.txt --pre {INDEXES} {{packages}}")
    )
    options = ("--requirement more.txt", "--constraint c.txt", "--pre")
    assert lines_of(asked, HERE, "").texts == (*options, "alpha>=1", "beta")
    settings = with_indexes(Settings(), asked, HERE)
    assert (settings.index_url, settings.find_links) == ("http://h/simple", ("/base/a b",))


def test_what_is_wished_of_the_whole() -> None:
    asked = read_command(
        ["pip", "install", "-qq", "-vvv", "--no-deps", "--force-reinstall", "-C", "a=b", "--config-settings=c=d", "x"]
    )
    lines = lines_of(asked, HERE, "")
    assert (lines.no_deps, asked.force_reinstall, upgrade_of(asked)) == (True, True, "none")
    assert lines.config_settings == config_settings({"a": "b", "c": "d"})
    assert lines.texts == ("x",)
    assert upgrade_of(read_command(["pip", "install", "-U", "x"])) == "only-if-needed"
    assert upgrade_of(read_command(["pip", "install", "-U", "--upgrade-strategy", "eager", "x"])) == "eager"
    assert upgrade_of(read_command(["pip", "install", "--upgrade-strategy", "eager", "x"])) == "none"


def test_what_pips_command_takes_here_an_install_command_takes_too() -> None:
    words = "--group dev --group other/pyproject.toml:docs -b bc.txt --ignore-requires-python --only-final alpha"
    asked = read_command(["pip", "install", *words.split(), "--require-hashes", "--trusted-host", "h", "--no-index"])
    lines = lines_of(asked, HERE, "")
    assert (lines.groups, lines.build_constraints) == (("dev", "other/pyproject.toml:docs"), ("bc.txt",))
    assert lines.rules == ("ignore-requires-python",)
    assert lines.texts == ("--only-final alpha", "--require-hashes", "--trusted-host h", "--no-index")


def test_what_makes_no_difference_here_is_told() -> None:
    for flag in ("--no-cache-dir", "--compile", "--retries=3"):
        asked = read_command(["pip", "install", flag, "x"])
        (told,) = asked.told
        assert told.startswith(flag.partition("=")[0])
    assert read_command(["pip", "install", "--no-input", "--progress-bar", "off", "x"]).told is None


@pytest.mark.parametrize(
    ("command", "is_one"),
    [
        ("python -m pip freeze --all", True),
        ("pip freeze", True),
        ("python -m pip list", False),
        ("pip freeze -r requirements.txt", False),
        ("uv pip freeze", False),
    ],
)
def test_what_lists_what_is_installed(command: str, is_one: bool) -> None:
    assert is_freeze(command.split()) is is_one


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
        "pip --log file install x",
        "pip install --no-build-isolation x",
        "pip install --upgrade-strategy sometimes x",
    ],
)
def test_what_is_left_to_a_process(command: str) -> None:
    with pytest.raises(NotUnderstoodError):
        read_command(command.split())
