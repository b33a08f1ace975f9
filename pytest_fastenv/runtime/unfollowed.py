"""A debugger that follows processes follows the session, and not those that work for it."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import Iterator


@contextmanager
def unfollowed() -> Iterator[None]:
    """Let no debugger follow the processes that this thread starts in a block.

    debugpy, and PyCharm's debugger, put themselves into each process that runs Python. Ours come and go by the dozen,
    take several times as long then, and are ended when they are not needed any more: one that is ended while the
    debugger still makes its acquaintance ends debugpy's adapter, and with it the debugging of the session. pydevd,
    which both have in them, leaves a thread's processes alone where it is told to, as its own users do.
    """
    leave_alone = getattr(sys.modules.get("_pydev_bundle.pydev_monkey"), "skip_subprocess_arg_patch", None)
    if leave_alone is None:
        yield
        return
    with leave_alone():
        yield
