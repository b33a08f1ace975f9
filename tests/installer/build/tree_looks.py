"""A tree as it is, to be compared with what it was."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def look(root: Path) -> dict[str, tuple[Any, ...]]:
    """Return content, mode and time of all there is below a directory."""
    found: dict[str, tuple[Any, ...]] = {}
    for directory, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = Path(directory, name)
            status = path.lstat()
            if path.is_symlink():
                found[str(path.relative_to(root))] = ("link", os.readlink(path), status.st_mtime_ns)
            elif path.is_dir():
                found[str(path.relative_to(root))] = ("directory", status.st_mode)
            elif not path.is_file():
                found[str(path.relative_to(root))] = ("other", status.st_mode)
            else:
                found[str(path.relative_to(root))] = (path.read_bytes(), status.st_mode, status.st_mtime_ns)
    return found
