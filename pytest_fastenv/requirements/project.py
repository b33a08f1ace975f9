"""The project under test: whether it is added to the requirements, and how it is installed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pytest_fastenv.errors import RequirementsError, option
from pytest_fastenv.model.location import Location
from pytest_fastenv.model.reference import DirectoryReference, is_same_directory
from pytest_fastenv.model.request import Wanted
from pytest_fastenv.requirements.collection import Collection
from pytest_fastenv.requirements.places import is_project
from pytest_fastenv.requirements.pyproject import read_pyproject
from pytest_fastenv.settings.values import Project

#: The place that messages name for the requirement on the project itself, which stands in no file.
PROJECT = "the project under test"


class Extras(NamedTuple):
    """Extras that are asked for.

    :ivar locked: those that a lock file has: they need no project.
    """

    names: Sequence[str] = ()
    locked: AbstractSet[str] = frozenset()

    @property
    def of_project(self) -> list[str]:
        """Those that nothing but the project can have."""
        return [name for name in self.names if name not in self.locked]


def apply_project(
    collection: Collection, base: Path, project: Project, asked: Extras, from_sources: Sequence[Wanted]
) -> None:
    """Bring the project in the base directory in line with the setting.

    ``auto`` adds it as editable where a pyproject.toml with a build system stands and no requirement names it
    already, and tells where a project is left out for want of one; where a source names the directory (``.[extra]``),
    that one becomes editable. ``editable``, ``wheel``
    and ``sdist`` change what requirements say of it, or add it. ``none`` leaves everything as it is.

    :param asked: extras of the project, as if every requirement that names it had them.
    :param from_sources: those of the requirements that were named as a source, not by a file.
    :raises RequirementsError: it is to be installed, or extras of it, and there is no project.
    """
    extras = asked.names
    if project == "none":
        if asked.of_project:
            raise _extras_of_nothing(base, asked.of_project, f"{option('project')} leaves it out")
        return
    named = [index for index, wanted in enumerate(collection.wanted) if is_same_directory(wanted.reference, base)]
    if project == "auto":
        if not _has_build_system(collection, base):
            if not named and asked.of_project:
                raise _extras_of_nothing(
                    base, asked.of_project, "no [build-system] in a pyproject.toml says how it is built"
                )
            if not named and (text := _left_out(collection, base)):
                collection.warnings.append(text)
            _with_extras(collection, named, extras)
            return
        for index in named:
            if any(collection.wanted[index] is source for source in from_sources):
                collection.wanted[index] = _editable(collection.wanted[index], True)
    else:
        _require_project(base, project)
        for index in named:
            collection.wanted[index] = _through(project, _editable(collection.wanted[index], project == "editable"))
    _with_extras(collection, named, extras)
    if not named:
        collection.documents.note_project(base)
        editable = project in {"auto", "editable"}
        wanted = Wanted(
            name=None,
            location=Location(PROJECT),
            text=f"{'-e ' if editable else ''}.{'[' + ','.join(extras) + ']' if extras else ''}",
            extras=tuple(extras),
            reference=DirectoryReference(base, editable=editable),
        )
        collection.wanted.append(_through(project, wanted))


def _with_extras(collection: Collection, named: Sequence[int], extras: Sequence[str]) -> None:
    for index in named:
        wanted = collection.wanted[index]
        collection.wanted[index] = replace(wanted, extras=tuple(sorted({*wanted.extras, *extras})))


def _editable(wanted: Wanted, editable: bool) -> Wanted:
    return replace(wanted, reference=wanted.reference.with_editable(editable) or wanted.reference)


def _through(project: Project, wanted: Wanted) -> Wanted:
    """Say of a requirement on the project that its source distribution is made first, where that is asked for."""
    match wanted.reference:
        case DirectoryReference() as named if project == "sdist":
            return replace(wanted, reference=replace(named, through_sdist=True))
    return wanted


def _has_build_system(collection: Collection, base: Path) -> bool:
    path = base / "pyproject.toml"
    return os.path.isfile(path) and read_pyproject(path, "pyproject.toml", collection.documents).has_build_system


def _left_out(collection: Collection, base: Path) -> str:
    """Say that a project is not installed because it does not say how it is built; empty where there is none."""
    path = base / "pyproject.toml"
    has_table = os.path.isfile(path) and "project" in read_pyproject(path, "pyproject.toml", collection.documents).table
    if not has_table and not os.path.isfile(base / "setup.py"):
        return ""
    return (
        f"the project in {base} is not installed, since no [build-system] in a pyproject.toml says how it is built; "
        "with project = editable it is installed all the same, with project = none nothing is said"
    )


def _extras_of_nothing(base: Path, extras: Sequence[str], why: str) -> RequirementsError:
    what = f"extras of the project are asked for ({', '.join(extras)}), and the project is not installed"
    hint = f"use {option('project', 'editable')}, or leave the extras out"
    return RequirementsError(what, where=str(base), why=why, hint=hint)


def _require_project(base: Path, project: Project) -> None:
    if not is_project(base):
        what = f"the project is to be installed ({project}), but {base} has none"
        why = "neither pyproject.toml nor setup.py is there"
        raise RequirementsError(what, where=str(base), why=why, hint=f"use {option('project', 'none')}")
