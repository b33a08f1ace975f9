"""Unpacks zip archives with one top directory: old source distributions, interpreters for Windows."""

from __future__ import annotations

import mmap
import os
from typing import IO

from pytest_fastenv.archive.inflate import inflate_pieces
from pytest_fastenv.archive.limits import Limits
from pytest_fastenv.archive.member_paths import NEW_FILE, check_one_top, check_paths, folds_case
from pytest_fastenv.archive.zip_directory import read_directory
from pytest_fastenv.errors import ArchiveError


def unpack_zip(file: IO[bytes], into: str, archive: str, limits: Limits, *, may_be_flat: bool = False) -> str:
    """Unpack a zip archive into an existing empty directory and return its one top directory.

    :param archive: its name, for messages.
    :param may_be_flat: where it has no top directory, the answer is the one it was unpacked into.
    :raises ArchiveError: it is damaged, ambiguous or out of bounds.
    """
    data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # unmapped with its last reference
    directory = read_directory(data, archive, limits)
    members = {member.path: member for member in directory.members}
    if len(members) != len(directory.members):
        raise ArchiveError(f"{archive} has two files with one name", where=archive)
    paths = [*members, *directory.directories]
    directories, _ = check_paths(archive, paths, folds_case=lambda: folds_case(into))
    top = check_one_top(archive, paths, may_be_flat=may_be_flat)
    for path in directories:
        os.mkdir(f"{into}/{path}")
        os.chmod(f"{into}/{path}", 0o755)  # noqa: S103 - a private directory
    view = memoryview(data)
    for member in members.values():
        path = f"{into}/{member.path}"
        with open(os.open(path, NEW_FILE, 0o755), "wb") as target:
            target.writelines(inflate_pieces(view, member, archive))
        os.chmod(path, 0o755 if member.executable else 0o644)
    return os.path.join(into, top)
