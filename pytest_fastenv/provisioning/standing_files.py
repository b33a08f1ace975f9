"""Files that lie in an environment already where a distribution that is added brings its own: what is there stays."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pytest_fastenv.filesystem import bytecode
from pytest_fastenv.filesystem.walks import walk
from pytest_fastenv.installer.overlaps import OverlapPolicy, judge, list_in_record, told
from pytest_fastenv.runtime.environment import installed_release

#: Paths of files by the name of the distribution that they belong to.
Owners = Mapping[str, str]


def yield_to_what_stands(
    new: Path, prefix: Path, schemes: Mapping[str, str], policy: OverlapPolicy, owners: Callable[[Path], Owners]
) -> list[str]:
    """Take out of what is added the files that may give way to those of other distributions. Blocks.

    What may not is left alone, for the one who moves it to its place.

    :param new: a directory with what is added, laid out as the environment is.
    :param owners: tells which distribution each file below a directory belongs to; absolute paths.
    :return: what is to be said.
    """
    clashes = [path for path in _files(new) if bytecode.CACHE not in path and _differs(new / path, prefix / path)]
    if not clashes:
        return []
    added, standing = owners(new), owners(prefix)
    groups: dict[tuple[str, str], list[str]] = {}
    for path in clashes:
        ours, theirs = added.get(os.path.join(new, path)), standing.get(os.path.join(prefix, path))
        if ours is None or theirs is None:
            continue
        contents = {ours: (new / path).read_bytes(), theirs: (prefix / path).read_bytes()}
        verdict = judge(path.replace(os.sep, "/"), contents, schemes, policy)
        if verdict == "refused":
            continue
        _take_out(new, path, schemes, ours)
        if verdict != "passes":
            groups.setdefault((ours, theirs), []).append(path)
    return [told(sorted(names), paths, names[1]) for names, paths in groups.items()]


def _files(directory: Path) -> Iterator[str]:
    for folder, _, names in walk(directory):
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), directory)


def _differs(one: Path, other: Path) -> bool:
    return other.is_file() and not filecmp.cmp(one, other, shallow=False)


def _take_out(new: Path, path: str, schemes: Mapping[str, str], name: str) -> None:
    """Remove a file of what is added, and its line in RECORD."""
    (new / path).unlink()
    bytecode.forget(str(new / path))
    for library in dict.fromkeys((schemes["purelib"], schemes["platlib"])):
        for entry in (new / library).glob("*.dist-info"):
            release = installed_release(str(entry))
            if release is not None and release[0] == name:
                list_in_record(str(entry), str(new / path), None)
