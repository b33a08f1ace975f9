"""Which files of a wheel run code whenever the interpreter starts, without anybody importing them.

https://docs.python.org/3/library/site.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_PTH_CODE = ("import ", "import\t")
#: Modules that `site` imports, as files and as packages, in any form that the import system takes.
_CUSTOM = "customize"
_IMPORTED = re.compile(rf"(?:site|user){_CUSTOM}(?:/__init__)?(?:\.[\w-]+)*\.(?:py|pyc|so|pyd)")
#: Where the scheme of data, whose root is the environment's, has the directories that modules are imported from.
_PLACE_OF_MODULES = re.compile(r"(?:.*/)?(?:site|dist)-packages/")


def in_library(path: str, data: str) -> str:
    """Return a path as seen from the directory that it is imported from; empty where it goes to no such directory.

    :param path: of a member of a wheel.
    :param data: name of the wheel's ``.data`` directory; empty where there is none.
    """
    if not data or not path.startswith(f"{data}/"):
        return path
    scheme, _, rest = path.removeprefix(f"{data}/").partition("/")
    if scheme in {"purelib", "platlib"}:
        return rest
    place = _PLACE_OF_MODULES.match(rest) if scheme == "data" else None
    return rest[place.end() :] if place is not None else ""


def is_pth(path: str, data: str) -> bool:
    """Tell whether `site` reads a member of a wheel as a ``.pth`` file; see `in_library`."""
    return path.endswith(".pth") and "/" not in (in_library(path, data) or "/")


def runs_code(content: bytes | memoryview) -> bool:
    """Tell whether `site` would execute a line of a ``.pth`` file."""
    return any(line.startswith(_PTH_CODE) for line in bytes(content).decode("utf-8-sig", "replace").splitlines())


def imported_at_start(paths: Iterable[str], data: str) -> list[str]:
    """Return the members that `site` imports; see `in_library`."""
    return [path for path in paths if _CUSTOM in path and _IMPORTED.fullmatch(in_library(path, data))]
