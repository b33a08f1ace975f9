"""Where pyenv keeps interpreters. On the warm path."""

from __future__ import annotations

import os


def pyenv_versions() -> list[str]:
    """Return the directories in which pyenv keeps versions, activated or not; they may not exist."""
    root = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    return [os.path.join(root, "versions")]
