"""The ways to link, as tests go through them: a new mode takes part without a change in any test."""

from __future__ import annotations

from pathlib import Path

from pytest_fastenv.filesystem.file_copies import clone
from pytest_fastenv.model.link import LinkMode

#: Those that name one way and get it on every file system that tests run on; clones are not everywhere.
CERTAIN = [mode for mode in LinkMode if mode.names_a_way and mode is not LinkMode.CLONE]

#: Those of them whose files are the store's own.
SHARING = [mode for mode in CERTAIN if mode.shares_files]


def has_clones(directory: Path) -> bool:
    """Tell whether a directory's file system can clone files."""
    source, target = directory / "to-clone", directory / "cloned"
    source.write_text("content")
    try:
        clone(str(source), str(target))
    except OSError:
        return False
    finally:
        source.unlink()
        target.unlink(missing_ok=True)
    return True
