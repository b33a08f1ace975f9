"""What kind of file system something lies on."""

from __future__ import annotations

import os
import sys

_OF_SEVERAL = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "gpfs", "lustre", "nfs", "nfs4", "smb3", "smbfs", "virtiofs"}
    | {f"fuse.{name}" for name in ("ceph", "glusterfs", "mfs", "rclone", "s3fs", "sshfs")}
)


def is_of_several_machines(path: str | os.PathLike[str]) -> bool:
    """Tell whether other machines may write to a file system; not told on other systems than Linux.

    See https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        device = os.stat(path).st_dev
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            mounts = [line.split(" - ", 1) for line in file if " - " in line]
    except OSError:
        return False
    number = f"{os.major(device)}:{os.minor(device)}"
    return any(left.split()[2] == number and right.split()[0] in _OF_SEVERAL for left, right in mounts)
