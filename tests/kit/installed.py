"""What is installed beside the tests: wheels made of it, for indexes that must have pytest itself."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path

from packaging.specifiers import SpecifierSet

from kit.archives import record_rows, write_zip

_NOT_IN_WHEELS = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}

#: pytest and all it requires on the Pythons that are tested.
PYTEST = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")


def supports(project: str, python: tuple[int, ...]) -> bool:
    """Tell whether the installed release of a project runs on a version of Python, by its own ``Requires-Python``.

    The newest release of nothing runs on every interpreter of the machine: a test that lets one of them import what
    lies here asks first.
    """
    required = distribution(project).metadata.get("Requires-Python") or ""
    return SpecifierSet(required).contains(".".join(map(str, python)))


def wheel_of(project: str, directory: Path) -> Path:
    """Make a wheel out of an installed distribution; its bytes depend on nothing else."""
    installed = distribution(project)
    members: dict[str, bytes] = {}
    tags: list[str] = []
    record = ""
    for file in installed.files or ():
        name = file.as_posix()
        if name.startswith("..") or name.endswith(".pyc"):
            continue
        dist_info, _, inner = name.partition("/")
        if dist_info.endswith(".dist-info") and inner in _NOT_IN_WHEELS:
            continue
        members[name] = file.read_binary()
        if inner == "WHEEL":
            tags = [line.split()[1] for line in members[name].decode().splitlines() if line.startswith("Tag:")]
            record = f"{dist_info}/RECORD"
    rows = [",".join(row) for row in record_rows(members)] + [f"{record},,"]
    members[record] = ("\n".join(rows) + "\n").encode()
    stem = record.partition(".dist-info")[0]
    pythons, abis, platforms = (".".join(sorted(set(part))) for part in zip(*(t.split("-") for t in tags), strict=True))
    return write_zip(directory / f"{stem}-{pythons}-{abis}-{platforms}.whl", members)
