"""Directories of ours that may lie in a project, where pytest looks for tests."""

from __future__ import annotations

import os
from contextlib import suppress

_NAME = "conftest.py"
_TEXT = """# Written by pytest-fastenv: nothing that lies here is a test of the project around it.
collect_ignore_glob = ["*"]
"""


def keep_from_collection(directory: str | os.PathLike[str]) -> None:
    """Let every pytest, with this plugin or without, find no tests in a directory.

    pytest heeds ``collect_ignore_glob`` of a ``conftest.py`` whatever the directory is called, and whatever
    ``norecursedirs`` and ``--collect-in-virtualenv`` say. Where it cannot be written nothing is said.
    """
    path = os.path.join(directory, _NAME)
    if not os.path.exists(path):
        with suppress(OSError), open(path, "x", encoding="utf-8") as file:
            file.write(_TEXT)
