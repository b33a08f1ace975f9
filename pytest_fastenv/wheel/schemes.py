"""Where the parts of a wheel go: its root, and the directories below ``.data``.

https://packaging.python.org/en/latest/specifications/binary-distribution-format/#the-data-directory
"""

from __future__ import annotations

from collections.abc import Iterable

from pytest_fastenv.archive.member_paths import shown
from pytest_fastenv.errors import SchemeError
from pytest_fastenv.wheel.entry_points import check_script_name
from pytest_fastenv.wheel.names import is_stem_of

SCHEMES = frozenset({"purelib", "platlib", "headers", "scripts", "data"})


def check_data_paths(paths: Iterable[str], archive: str) -> None:
    """Refuse members below a ``.data`` directory that belong to no scheme, leave it or take a reserved name.

    Run before the general rules for paths, so that these are named as what they are.

    :param paths: of all members.
    :param archive: the wheel's name, for messages.
    :raises SchemeError: an unknown scheme, a file outside any, or ``..`` in the path.
    :raises ScriptError: a script with a reserved name.
    """
    for path in paths:
        top, _, below = path.partition("/")
        if top.endswith(".data") and below:
            _check(path, below, archive)


def find_data_directory(directories: Iterable[str], name: str, version: str, archive: str) -> str:
    """Return the name of the wheel's ``.data`` directory, or an empty text when it has none.

    :param name: the project's, as METADATA has it; so is `version`.
    :raises SchemeError: a ``.data`` directory is another release's.
    """
    found = sorted(path for path in directories if path.endswith(".data") and "/" not in path)
    if not found:
        return ""
    if len(found) > 1 or not is_stem_of(found[0].removesuffix(".data"), name, version):
        names = ", ".join(map(shown, found))
        raise SchemeError(f"{archive} has a data directory that is not its own", where=archive, why=names)
    return found[0]


def _check(path: str, below: str, archive: str) -> None:
    scheme, _, rest = below.partition("/")
    if ".." in below.replace("\\", "/").split("/"):
        raise SchemeError(f"{archive}: {shown(path)} leaves its scheme's directory", where=archive)
    if scheme not in SCHEMES:
        raise SchemeError(
            f"{archive}: {shown(path)} belongs to the scheme {shown(scheme)!r}, which does not exist",
            where=archive,
            why=f"known are {', '.join(sorted(SCHEMES))}",
        )
    if not rest and path[-1] != "/":
        raise SchemeError(f"{archive}: {shown(path)} lies outside any scheme", where=archive)
    if scheme == "scripts" and rest:
        check_script_name(rest.rstrip("/"), archive)
