"""Directories of ours that may lie in a project, where pytest looks for tests."""

from __future__ import annotations

import os
from contextlib import suppress

_NAME = "conftest.py"
_TEXT = """# Written by pytest-fastenv: nothing that lies here is a test of the project around it.
# Tests that a package in an environment brings are found by its name (pytest --pyargs).
import os

collect_ignore = os.listdir(os.path.dirname(os.path.abspath(__file__)))
"""


def keep_from_collection(directory: str | os.PathLike[str]) -> None:
    """Let every pytest, with this plugin or without, find no tests in a directory.

    pytest heeds ``collect_ignore`` of a ``conftest.py`` whatever the directory is called, and whatever
    ``norecursedirs`` and ``--collect-in-virtualenv`` say. What lies there is left out on the way from the project
    down, and only there: a session that runs in one of the environments can collect tests that a package in it has.
    Where the file cannot be written nothing is said.
    """
    path = os.path.join(directory, _NAME)
    if not os.path.exists(path):
        with suppress(OSError), open(path, "x", encoding="utf-8") as file:
            file.write(_TEXT)
