"""What this process may take of the machine, looked at before work begins that does not survive a lack of it.

The interpreter tells of a lack of memory with an exception, mostly; libraries that are compiled end the whole process.
"""

from __future__ import annotations

import os
import sys

from pytest_fastenv.errors import ShortageError
from pytest_fastenv.schedule import descriptors

if sys.platform == "win32":  # there are no such limits there
    resource = None
else:
    import resource

_MIB = 1 << 20
#: Of address space: less does not even hold what is imported.
_LEAST_MIB = 256
#: With less, threads that a library reserves memory for are done without.
_AMPLE_MIB = 4096


def check() -> None:
    """Refuse to begin with too little, before anything is imported that needs it.

    :raises ShortageError: this process may have fewer descriptors, or less memory, than is needed to begin.
    """
    descriptors.check()
    allowed = memory_mib()
    if allowed is not None and allowed < _LEAST_MIB:
        raise ShortageError(
            f"too little memory: this process may have {allowed} MiB, and {_LEAST_MIB} are needed to begin",
            where="the limit of address space (ulimit -v)",
            hint="raise it, or remove it: a limit of a container or control group does less harm",
        )


def memory_mib() -> int | None:
    """Return how much address space this process may have, in MiB; ``None`` for no limit."""
    if resource is None:
        return None
    kinds = (getattr(resource, name, None) for name in ("RLIMIT_AS", "RLIMIT_DATA"))
    limits = [resource.getrlimit(kind)[0] for kind in kinds if kind is not None]
    found = [limit // _MIB for limit in limits if limit != resource.RLIM_INFINITY]
    return min(found, default=None)


def memory_is_ample() -> bool:
    """Tell whether a library may reserve address space for what it never uses."""
    allowed = memory_mib()
    return allowed is None or allowed >= _AMPLE_MIB


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
