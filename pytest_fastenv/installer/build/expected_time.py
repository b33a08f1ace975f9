"""How long a build may take that this machine has never done: from the size of what there is to compile."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

#: Source code of compiled languages, and how much of it a core gets through. Cython makes some twenty times as much C
#: of it, which is compiled then: a small .pyx takes longer than a large extension that is written in C.
_BYTES_PER_S = {
    **dict.fromkeys((".c", ".cc", ".cpp", ".cxx", ".rs", ".f", ".f90", ".m", ".go", ".zig"), 100_000),
    ".pyx": 7_000,
}


def guess_seconds(tree: Path) -> float:
    """Return how long compilers may need for a source; 0 where there is nothing to compile.

    It looks at names and sizes, and reads no file.
    """
    seconds: dict[str, float] = {}
    for directory, directories, names in os.walk(tree):
        directories[:] = [name for name in directories if name != ".git"]
        for name in names:
            stem, suffix = os.path.splitext(name)
            if suffix not in _BYTES_PER_S:
                continue
            with suppress(OSError):
                path = os.path.join(directory, name)
                needed, module = os.stat(path).st_size / _BYTES_PER_S[suffix], os.path.join(directory, stem)
                # A module in Cython may lie there with the C that was made of it: that is compiled once.
                seconds[module] = max(seconds.get(module, 0.0), needed)
    return sum(seconds.values())
