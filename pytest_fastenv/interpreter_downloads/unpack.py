"""Unpack an interpreter's archive and make it fit for its place: a job for a pool of processes.

Archives come in three shapes: everything in ``python/`` (``install_only`` of python-build-standalone); the same in
``python/install/``, beside what it was built from (``full``); everything in a directory named for the release (PyPy).
"""

from __future__ import annotations

import os
import shutil
from typing import NamedTuple

from pytest_fastenv.archive.limits import Limits
from pytest_fastenv.archive.tar_archive import ArchiveOrder, unpack_archive
from pytest_fastenv.errors import ArchiveError
from pytest_fastenv.interpreter_downloads.relocation import relocate

INSTALLATION = "python"
"""The name of the directory in an entry of the store that an interpreter lies in."""
_PART = "install"


class InterpreterOrder(NamedTuple):
    """What to unpack, and what for.

    :ivar archive: path of the archive, which is removed in the end.
    :ivar place: a private directory; the interpreter will lie in its directory ``python``.
    :ivar final: path by which the interpreter will be reached.
    :ivar python: the executable's path in it.
    :ivar label: the archive's name, for messages.
    """

    archive: str
    place: str
    final: str
    python: str
    label: str
    limits: Limits = Limits()


def unpack_interpreter(order: InterpreterOrder) -> None:
    """Unpack an interpreter, and rewrite what depends on the place it will lie in.

    :raises ArchiveError: the archive breaks a rule; then nothing of it was written. Or there is no interpreter in it.
    :raises BombError: it expands out of proportion.
    """
    into, installation = f"{order.place}/unpacked", f"{order.place}/{INSTALLATION}"
    os.mkdir(into)
    root = unpack_archive(ArchiveOrder(order.archive, into, order.label, order.limits, _PART))
    if not os.path.isfile(f"{root}/{order.python}"):
        raise ArchiveError(
            f"{order.label} has no interpreter in it",
            where=order.label,
            why=f"there is no {order.python} in its directory {os.path.relpath(root, into)}",
            hint="it is an archive of another kind than its name says",
        )
    os.rename(root, installation)
    shutil.rmtree(into)
    os.unlink(order.archive)
    try:
        relocate(installation, order.final)
    except UnicodeDecodeError as error:
        raise ArchiveError(
            f"{order.label} is damaged: its variables are no text", where=order.label, why=str(error)
        ) from None
