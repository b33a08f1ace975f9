"""``python -P -m pytest_fastenv.plugin.option_owners --timeout``: which plugins here have an option, one a line.

Started by a session inside that was given an option which nothing there knows. Nothing is imported for it: what defines
an option has its name in its source.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import PackagePath, distributions


def owners(flag: str) -> Iterator[str]:
    """Yield names of installed distributions that have a pytest plugin and, in its text, an option.

    This one is left out: the session inside has its options, and its command has others.
    """
    for distribution in distributions():
        if "pytest11" not in (distribution.read_text("entry_points.txt") or ""):
            continue
        if distribution.name == "pytest-fastenv":
            continue
        for file in distribution.files or ():
            if file.suffix == ".py" and _mentions(file, flag):
                yield distribution.name
                break


def _mentions(file: PackagePath, flag: str) -> bool:
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError):  # removed, or in an encoding of its own
        return False
    return f'"{flag}"' in text or f"'{flag}'" in text


if __name__ == "__main__":
    sys.stdout.writelines(f"{owner}\n" for owner in sorted(owners(sys.argv[1])))
