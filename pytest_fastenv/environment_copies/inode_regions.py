"""Ask the file system to put directories into regions of their own, where it can be asked.

ext4 takes inodes for new directories from the region of the directory above, and first looks at each inode that was
freed lately, as by removing the environments of the last run. Directories made in a directory with the "top of
hierarchies" flag (chattr(1), ``T``) begin in another region: making the directories of an environment then takes half
the time.
"""

from __future__ import annotations

import os
import struct
import sys
from contextlib import suppress

_LONG = struct.calcsize("l")
_GET_FLAGS = 2 << 30 | _LONG << 16 | ord("f") << 8 | 1  # linux/fs.h: FS_IOC_GETFLAGS
_SET_FLAGS = 1 << 30 | _LONG << 16 | ord("f") << 8 | 2
_TOP_OF_HIERARCHIES = 0x00020000


def spread(directory: str) -> None:
    """Let each directory that will be made in this one begin in a region of its own; elsewhere nothing happens."""
    if sys.platform != "linux":
        return
    import fcntl  # not there on Windows

    with suppress(OSError):  # a file system that knows no such flag
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            flags = struct.unpack("l", fcntl.ioctl(descriptor, _GET_FLAGS, bytes(_LONG)))[0]
            fcntl.ioctl(descriptor, _SET_FLAGS, struct.pack("l", flags | _TOP_OF_HIERARCHIES))
        finally:
            os.close(descriptor)
