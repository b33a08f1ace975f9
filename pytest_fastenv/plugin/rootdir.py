"""Notice when pytest looked for its ini file in the wrong place, because of us.

pytest determines rootdir and ini file before it loads plugins. In ``--fastenv ../shared.txt`` the second word then
looks like a test path to it, and the directory that holds all test paths is another one.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import PurePath

import pytest

from pytest_fastenv.plugin.command_line import parse_known
from pytest_fastenv.plugin.inner_command import Command
from pytest_fastenv.runtime.launch import Launch
from pytest_fastenv.runtime.options import OPTIONS, given_words, joined, read_files

# What pytest looks for (https://docs.pytest.org/en/stable/reference/customize.html), and what is read in its rootdir.
_MARKS = (
    "pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg", "setup.py",
    "fastenv.toml",
)  # fmt: skip


def joined_command(config: pytest.Config, parser: pytest.Parser, launch: Launch) -> Command | None:
    """Return how to start this pytest again so that it finds its files, or ``None`` where it did."""
    words = given_words(config)
    parsed = parse_known(config, parser, words)
    here = str(config.invocation_params.dir)
    found = config.inipath.parent if config.inipath else config.rootpath
    if parsed.inifilename or not was_misled(words, parsed.file_or_dir, here, str(found)):
        return None
    program = [launch.script] if launch.script else ["-m", str(launch.module)]
    variables = dict(os.environ)
    if variables.get("PYTEST_ADDOPTS"):
        variables["PYTEST_ADDOPTS"] = shlex.join(joined(read_files(shlex.split(variables["PYTEST_ADDOPTS"]))))
    return Command((sys.executable, *launch.flags, *program, *joined(read_files(launch.arguments))), variables)


def was_misled(words: Sequence[str], paths: Sequence[str], invocation_dir: str, found: str) -> bool:
    """Say whether with the values of our options joined to them pytest may find another rootdir or ini file.

    :param words: the command line.
    :param paths: the test paths on it, as they are once our options are known.
    :param invocation_dir: where pytest was started.
    :param found: the directory where pytest found its ini file, or took for its rootdir.
    """
    values = _separate_values(words)
    right, taken = _common(paths, invocation_dir), _common([*paths, *values], invocation_dir)
    if values and PurePath(taken) in PurePath(found).parents:
        return True  # nothing was there, so pytest looked in each of them by itself: also in a value's directory
    while right != taken:
        if any(os.path.exists(os.path.join(right, mark)) for mark in _MARKS):
            return True
        above = os.path.dirname(right)
        if above == right:
            return True
        right = above
    return False


def _separate_values(words: Sequence[str]) -> list[str]:
    takers = {option.pytest_flag for option in OPTIONS if not option.is_flag}
    if "--" in words:
        words = words[: words.index("--")]
    return [value for word, value in pairwise(words) if word in takers]


def _common(paths: Iterable[str], invocation_dir: str) -> str:
    """Return the directory that holds all paths that exist; the one pytest was started in when there is none."""
    found = []
    for path in paths:
        full = os.path.normpath(os.path.join(invocation_dir, path.partition("::")[0]))
        if os.path.exists(full):
            found.append(full if os.path.isdir(full) else os.path.dirname(full))
    try:
        return os.path.commonpath(found) if found else invocation_dir
    except ValueError:  # several drives
        return invocation_dir
