"""Files that several distributions bring to one place, with different contents: whether that may be, whose is taken.

What is taken depends on the names of the distributions alone, and so neither on the network nor on other processes.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import posixpath
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pytest_fastenv.archive.member_paths import NEW_FILE
from pytest_fastenv.filesystem import bytecode
from pytest_fastenv.installer.link import Destination, LinkOrder, location
from pytest_fastenv.installer.manifest import MANIFEST, TREE, Manifest
from pytest_fastenv.installer.namespaces import is_namespace
from pytest_fastenv.installer.placement import Placer
from pytest_fastenv.wheel.entry_points import started_by
from pytest_fastenv.wheel.names import normal_name
from pytest_fastenv.wheel.record import encode, quote
from pytest_fastenv.wheel.scripts import generate, rewrite

#: What is packed by mistake beside a project's own package, and is not meant to be imported by anybody else.
_JUNK = frozenset(
    {"test", "tests", "unittests", "doc", "docs", "example", "examples", "sample", "samples", "bench", "benchmark",
     "benchmarks", "scripts", "conftest", "setup", "noxfile"}
)  # fmt: skip
_PAPER = re.compile(
    r"(?:licen[cs]es?|copying|copyright|notice|readme|change[-_]?logs?|changes|history|news|authors|contributors|"
    r"contributing|code_of_conduct|security|maintainers|thanks|credits|todo|manifest|requirements|pyproject|setup|tox|"
    r"makefile)(?:[-_.][\w.-]*)?",
    re.IGNORECASE,
)
_PAPERS_OF_SHARE = frozenset({"doc", "man", "info", "licenses"})


@dataclass(frozen=True, slots=True)
class OverlapPolicy:
    """Which overlaps may be.

    :ivar allowed: patterns of paths, below site-packages or the environment's directory, and names of projects.
    :ivar strict: also what nobody can mean is an error, unless it is allowed.
    """

    allowed: tuple[str, ...] = ()
    strict: bool = False

    def allows(self, path: str, names: Collection[str]) -> bool:
        """Tell whether an overlap was permitted.

        :param path: below site-packages, or else below the environment's directory.
        :param names: of the distributions that have it.
        """
        return any(fnmatch.fnmatchcase(path, word) or normal_name(word) in names for word in self.allowed)


class Brought(NamedTuple):
    """What a distribution brings to a place.

    :ivar order: the distribution.
    :ivar source: a file in the store, or ``None`` where the content is made for the environment.
    :ivar listed: digest and size as RECORD has them.
    """

    order: LinkOrder
    source: str | None
    content: bytes
    listed: str


Verdict = Literal["passes", "allowed", "odd", "refused"]
Overlaps = Mapping[str, Sequence[Brought]]
"""By place: what is brought there, in the order of names: the first one is taken."""


def find_overlaps(places: Collection[str], orders: Sequence[LinkOrder], destination: Destination) -> Overlaps:
    """Return what distributions bring to some places; reads manifests, so it blocks.

    :param places: relative to the environment's directory.
    """
    found: dict[str, list[Brought]] = {place: [] for place in sorted(places)}
    names = {posixpath.basename(place) for place in places}
    for order in sorted(orders, key=lambda order: order.name) if places else ():
        manifest = Manifest.load_naming(f"{order.entry}/{MANIFEST}", names)
        if manifest is not None:
            for place, brought in _brought(order, manifest, destination, places).items():
                found[place].append(brought)
    return found


def _brought(
    order: LinkOrder, manifest: Manifest, destination: Destination, places: Collection[str]
) -> dict[str, Brought]:
    found: dict[str, Brought] = {}
    rewritten, generated = set(manifest.rewritten), {script.name for script in manifest.scripts}
    for index, path in enumerate(manifest.paths):
        place = location(path, order, destination.schemes)
        if place not in places or (
            path.startswith(f"{order.data}/scripts/") and started_by(posixpath.basename(path)) in generated
        ):
            continue
        source = f"{order.entry}/{TREE}/{path}"
        with open(source, "rb") as file:
            content = file.read()
        if index in rewritten:
            found[place] = _made(order, rewrite(content, destination.python))
        else:
            listed = manifest.lines[index].rsplit(",", 2)
            found[place] = Brought(order, source, content, f"{listed[1]},{listed[2]}")
    for script in manifest.scripts:
        place = f"{destination.schemes['scripts']}/{script.name}"
        if place in places:
            found[place] = _made(order, generate(script, destination.python, destination.platform)[1])
    return found


def _made(order: LinkOrder, content: bytes) -> Brought:
    return Brought(order, None, content, f"sha256={encode(hashlib.sha256(content).digest())},{len(content)}")


def judge(place: str, brought: Mapping[str, bytes], schemes: Mapping[str, str], policy: OverlapPolicy) -> Verdict:
    """Say what is thought of an overlap: nothing, that it was allowed, that it is odd, or that it cannot be.

    :param brought: the contents of the file, by the names of the distributions.
    :param schemes: install locations relative to the environment's directory.
    """
    names = brought.keys()
    if len(names) < 2:  # the environment's own, or a directory for the other
        return "refused"
    path, in_library = _below_library(place, schemes)
    if in_library and posixpath.basename(path) == "__init__.py" and all(map(is_namespace, brought.values())):
        return "passes"
    if policy.allows(path, names) or (in_library and policy.allows(place, names)):
        return "allowed"
    in_scripts = posixpath.dirname(place) == schemes["scripts"]
    odd = in_scripts or _is_junk(path, names) or _is_paper(path)
    return "odd" if odd and not policy.strict else "refused"


def told(names: Sequence[str], paths: Sequence[str], taken: str) -> str:
    """Return what is said of overlaps of the same distributions.

    :param taken: the distribution whose files are there.
    """
    more = f" and {len(paths) - 1} more file{'s' if len(paths) > 2 else ''}" if len(paths) > 1 else ""
    return f"{' and '.join(names)} bring {paths[0]}{more}, with different contents: those of {taken} are used"


def _below_library(place: str, schemes: Mapping[str, str]) -> tuple[str, bool]:
    for library in ("purelib", "platlib"):
        if place.startswith(f"{schemes[library]}/"):
            return place[len(schemes[library]) + 1 :], True
    return place, False


def _is_junk(path: str, names: Collection[str]) -> bool:
    """Tell whether a path begins with a name that says nothing of any project; one that a project has says much."""
    top = path.partition("/")[0].removesuffix(".py").lower()
    return top in _JUNK and normal_name(top) not in names


def _is_paper(path: str) -> bool:
    """Tell whether a file is there to be read by people."""
    top, *below = path.split("/")
    if top == "share":
        return len(below) > 1 and below[0] in _PAPERS_OF_SHARE
    return not below and _PAPER.fullmatch(top) is not None and not top.endswith((".py", ".pth"))


def settle(overlaps: Overlaps, destination: Destination) -> set[str]:
    """Put the file of the first distribution in each place, and make every RECORD agree with that. Blocks.

    :return: the files that were looked through or written for that, by their paths in the environment.
    :raises OSError: the environment cannot be written.
    """
    placers: dict[str, Placer] = {}
    touched = set(overlaps)
    for place, brought in overlaps.items():
        taken, full = brought[0], f"{destination.prefix}/{place}"
        with open(full, "rb") as file:
            is_there = file.read() == taken.content
        if not is_there:
            os.unlink(full)
            bytecode.forget(full)  # size and time of the other file may be the same
            if taken.source is not None:
                tree = f"{taken.order.entry}/{TREE}"
                placers.setdefault(tree, Placer(destination.mode, tree, destination.prefix)).place(taken.source, full)
            else:
                with open(os.open(full, NEW_FILE, 0o777), "wb") as file:
                    file.write(taken.content)
        for one in brought:
            dist_info = _dist_info(one.order, destination)
            touched.add(f"{dist_info}/RECORD")
            listed = one.listed if one.listed == taken.listed else None  # else it is the file of another one
            list_in_record(f"{destination.prefix}/{dist_info}", f"{destination.prefix}/{place}", listed)
    return touched


def _dist_info(order: LinkOrder, destination: Destination) -> str:
    return f"{destination.schemes['purelib' if order.root_is_purelib else 'platlib']}/{order.dist_info}"


def list_in_record(dist_info: str, file_path: str, listed: str | None) -> None:
    """Add a file to a RECORD, or take it out.

    :param dist_info: the directory that RECORD is in.
    :param listed: digest and size as RECORD has them; ``None`` takes it out.
    """
    path = quote(posixpath.relpath(file_path, posixpath.dirname(dist_info)))
    record = f"{dist_info}/RECORD"
    with open(record, encoding="utf-8", newline="") as file:
        lines = [line for line in file.read().split("\n") if not line.startswith(f"{path},")]
    if listed is not None:
        lines.insert(0, f"{path},{listed}")
    with open(record, "w", encoding="utf-8", newline="") as file:
        file.write("\n".join(lines))
