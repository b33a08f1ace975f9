"""Work that nobody waits for."""

from __future__ import annotations

import os
from contextlib import suppress


def become_idle() -> None:
    """Let everything else on the machine go first, its use of disks included (Linux takes that from the policy)."""
    with suppress(OSError, AttributeError):
        os.nice(19)
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
