"""What lies in the store itself. What lies behind a link that stands there is not listed, so it never goes.

Somebody may have moved a directory to a larger disk and left a link in its place, or put one there by mistake; what the
link leads to may hold anything. Standard library only.
"""

from __future__ import annotations

import os
import stat


def is_own(directory: str | os.PathLike[str]) -> bool:
    """Tell whether a directory is one, and neither a link to one nor a junction of Windows. Costs one look."""
    try:
        status = os.lstat(directory)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and not getattr(status, "st_reparse_tag", 0)


def own_names(directory: str | os.PathLike[str]) -> list[str]:
    """Return the names in a directory of the store, in no order; none where it `is not its own <is_own>`."""
    try:
        return os.listdir(directory) if is_own(directory) else []
    except OSError:
        return []
