"""The same machine after it was started again, as far as that can be told; and files as a power cut leaves them."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

_PROGRAM = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'
#: Flushed before anything that comes after it, so no power cut takes it.
_FLUSHED = "epochs"


def after_another_start(directory: Path, number: int = 1) -> tuple[str, ...]:
    """Return words before a command that make it see a machine which was started again since.

    :param directory: for a file.
    """
    identity = directory / f"boot-{number}"
    identity.write_text(f"00000000-0000-4000-8000-{number:012}\n")
    return ("unshare", "-m", "sh", "-c", _PROGRAM, str(identity))


def why_not() -> str:
    """Return why that cannot be had here, loudly; empty where it can. In CI it must."""
    probe = ["unshare", "-m", "sh", "-c", _PROGRAM, "/dev/null", "true"]
    if shutil.which("unshare") and not subprocess.run(probe, capture_output=True, check=False).returncode:
        return ""
    if os.environ.get("CI") == "true":
        raise RuntimeError("CI needs to mount in a name space of its own: power cuts are not tested without it")
    return "POWER CUTS ARE NOT TESTED: mounting in a name space of its own is not possible on this machine"


def cut(roots: Iterable[Path], chance: random.Random, share: float = 0.3) -> int:
    """Leave files as a power cut does that were written a moment before it; return how many were damaged.

    Some are empty, some short, some zeros of the same size; times stay. Some names are gone.
    """
    count = 0
    for root in roots:
        for directory, names, files in os.walk(root):
            names[:] = [name for name in sorted(names) if name != _FLUSHED]
            for name in sorted(files):
                path = os.path.join(directory, name)
                if os.path.islink(path) or chance.random() > share:
                    continue
                _damage(path, chance.choice(("empty", "short", "zeros", "zeros", "gone")))
                count += 1
    return count


def _damage(path: str, how: str) -> None:
    status = os.stat(path)
    if how == "gone":
        os.unlink(path)
        return
    with open(path, "r+b") as file:
        file.truncate({"empty": 0, "short": status.st_size // 2, "zeros": 0}[how])
        if how == "zeros":
            file.write(bytes(status.st_size))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
