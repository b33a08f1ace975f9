"""The processes that unpack and link, started before anything else of what making an environment needs."""

from __future__ import annotations

from contextlib import AbstractContextManager

from pytest_fastenv.schedule import system_limits
from pytest_fastenv.schedule.started_early import started_early

POOL_IMPORTS = ("pytest_fastenv.installer.unpack", "pytest_fastenv.installer.link")
"""What the processes of a pool need for their jobs."""


def begun(installs: int) -> AbstractContextManager[None]:
    """Start the processes for a block in which an environment is made: they import while this process does.

    :param installs: how many jobs there are at once, at most.
    :raises ShortageError: this process may have too little for what is to be imported.
    """
    system_limits.check()
    return started_early(installs, POOL_IMPORTS)
