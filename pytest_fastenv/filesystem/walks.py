"""Walk directories where a part may not be taken for the whole: `os.walk` passes over in silence what it cannot list.

Standard library only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator


def walk(top: str | os.PathLike[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk a directory as `os.walk` does from the top, but of everything.

    :raises OSError: a directory cannot be listed.
    """
    return os.walk(os.fspath(top), onerror=_refuse)


def walk_what_may_be_read(top: str | os.PathLike[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk a directory of somebody else's: what this process may not list, or what goes meanwhile, is passed over.

    :raises OSError: a directory cannot be listed for another reason, which is none for ever.
    """
    return os.walk(os.fspath(top), onerror=_refuse_unless_forbidden)


def names_in(directory: str | os.PathLike[str]) -> list[str]:
    """Return the names in a directory, in no order; none where it is not there, or may not be listed.

    :raises OSError: it cannot be listed for another reason: what is in it is not known then.
    """
    try:
        return os.listdir(directory)
    except _THERE_IS_NOTHING_TO_READ:
        return []


#: Errors that are the same tomorrow; others come and go with the system's load, or with a disk.
_THERE_IS_NOTHING_TO_READ = (PermissionError, FileNotFoundError, NotADirectoryError)


def _refuse(error: OSError) -> None:
    raise error


def _refuse_unless_forbidden(error: OSError) -> None:
    if not isinstance(error, _THERE_IS_NOTHING_TO_READ):
        raise error
