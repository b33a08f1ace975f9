"""``SHA256SUMS``: the file that makes a mirror a catalogue of its own.

One line for each file, as ``sha256sum`` writes it: the digest, a space, a second one or ``*``, and the path below the
mirror's root.
"""

from __future__ import annotations

import re

from pytest_fastenv.errors import InterpreterError, option

FILENAME = "SHA256SUMS"
_LINE = re.compile(r"([0-9A-Fa-f]{64}) [ *](.+)", re.ASCII)
_LONGEST_SHOWN = 60


def parse_checksums(content: bytes, place: str) -> dict[str, str]:
    """Return digests by path, in the order of the file; empty lines and comments (``#``) are passed over.

    :param place: where the file lies, for messages; without a login.
    :raises InterpreterError: a line is none of these, names a path outside, or contradicts another one.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(content.decode("utf-8-sig", "replace").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.rstrip())
        if match is None:
            shown = line if len(line) <= _LONGEST_SHOWN else f"{line[:_LONGEST_SHOWN]}..."
            raise _damaged(place, number, f"{shown!r} is not a digest and a file name")
        digest, path = match[1].lower(), match[2].removeprefix("./")
        if path.startswith("/") or "\\" in path or {"", ".", ".."} & set(path.split("/")):
            raise _damaged(place, number, f"{path!r} is not a path below the mirror's root")
        if found.setdefault(path, digest) != digest:
            raise _damaged(place, number, f"{path!r} comes twice, with different digests")
    return found


def _damaged(place: str, number: int, reason: str) -> InterpreterError:
    return InterpreterError(
        "the mirror's list of checksums cannot be read",
        where=f"{place}, line {number}",
        why=reason,
        hint=f"mend {FILENAME} ({option('python_mirror')} names the mirror)",
    )
