"""Read how a source tree wants to be built: the ``build-system`` table of its ``pyproject.toml``.

Specification: https://packaging.python.org/en/latest/specifications/pyproject-toml/ (PEP 517, PEP 518, PEP 621).
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_fastenv.errors import BuildError
from pytest_fastenv.model.regular_files import read_regular

#: What a file may have that says how a project is built; what comes from elsewhere may be of any size.
MOST_BYTES = 8 << 20

LEGACY_REQUIRES = ("setuptools>=40.8.0",)
LEGACY_BACKEND = "setuptools.build_meta:__legacy__"

_OBJECT = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d]\w*(\.[^\W\d]\w*)*)?")
_POSITION = re.compile(r"\(at line (\d+), column (\d+)\)")


@dataclass(frozen=True, slots=True)
class BuildSystem:
    """How a source tree is built.

    :ivar requires: dependency specifiers of what the backend needs to be imported.
    :ivar backend: ``module`` or ``module:object``.
    :ivar backend_path: directories inside the tree that the backend is imported from; relative, forward slashes.
    """

    requires: tuple[str, ...] = LEGACY_REQUIRES
    backend: str = LEGACY_BACKEND
    backend_path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pyproject:
    """What a source tree says about itself.

    :ivar project: the ``project`` table (PEP 621), or ``None`` where there is none.
    """

    build_system: BuildSystem
    project: Mapping[str, Any] | None = None


def read_pyproject(tree: Path, subject: str, shown_at: Path | None = None, *, within: Path | None = None) -> Pyproject:
    """Read a tree's ``pyproject.toml``; where it is missing, or names no backend, setuptools' old way is meant.

    :param tree: the project's directory.
    :param subject: the distribution, for messages.
    :param shown_at: what messages call the directory, where that is a copy its user does not know.
    :param within: what comes from elsewhere may not lead out of this directory by links: an error quotes what is read.
    :raises BuildError: it cannot be read, or breaks the specification; names file and line.
    """
    path = tree / "pyproject.toml"
    try:
        if within is not None and not is_within(path, within):
            raise BuildError(
                f"{subject}: its pyproject.toml leads out of it",
                where=str((shown_at or tree) / path.name),
                why="it is a link to another place on this machine",
                hint="report it to the project; a release or a commit where it is a file can be used",
            )
        content = read_regular(path, MOST_BYTES)
    except FileNotFoundError:
        if not (tree / "setup.py").is_file():
            raise BuildError(
                f"{subject} cannot be built: it has neither a pyproject.toml nor a setup.py",
                where=str(shown_at or tree),
                why=_what_is_there(tree),
                hint="check the path, or the subdirectory the project lies in",
            ) from None
        return Pyproject(BuildSystem())
    except OSError as error:
        where = str((shown_at or tree) / path.name)
        raise BuildError(f"{subject}: its pyproject.toml cannot be read", where=where, why=error.strerror) from None
    source = _Source(path, subject, (shown_at or tree) / path.name)
    table = source.parse(content)
    project = table.get("project")
    system = table.get("build-system")
    return Pyproject(
        build_system=BuildSystem() if system is None else source.build_system(system),
        project=project if isinstance(project, dict) else None,
    )


def is_within(path: Path, directory: Path) -> bool:
    """Tell whether a path, with all links followed, lies in a directory; what is not there counts as well."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(directory))


@dataclass(slots=True)
class _Source:
    """One file, and the means to say where in it something is wrong."""

    path: Path
    subject: str
    shown: Path
    text: str = field(default="", init=False)

    def parse(self, content: bytes) -> dict[str, Any]:
        try:
            self.text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise self.fault("is not UTF-8, which TOML must be", line) from None
        try:
            return tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            position = _POSITION.search(str(error))
            line = int(position[1]) if position else self.text.count("\n") + 1
            reason = _POSITION.sub("", str(error)).strip()
            raise self.fault(f"is not valid TOML: {reason}", line, int(position[2]) if position else 0) from None

    def build_system(self, system: Any) -> BuildSystem:
        if not isinstance(system, dict):
            raise self.fault("has a build-system that is not a table", self.line_of("build-system"))
        requires = self.texts(system, "requires")
        if requires is None:
            raise self.fault(
                "has a build-system table without requires, which must be there",
                self.line_of("build-system"),
                hint="requires is the list of packages that building needs; it may be empty (PEP 518)",
            )
        self.check_requirements(requires)
        backend = system.get("build-backend")
        paths = self.texts(system, "backend-path") or ()
        if backend is None:
            if paths:
                raise self.fault("has a backend-path but no build-backend", self.line_of("backend-path"))
            return BuildSystem(requires=_with_setuptools(requires))
        if not isinstance(backend, str) or not _OBJECT.fullmatch(backend):
            raise self.fault(
                f"has the build-backend {backend!r}, which is no name of the form module:object",
                self.line_of("build-backend"),
            )
        return BuildSystem(requires, backend, tuple(self.inside(path) for path in paths))

    def texts(self, table: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
        value = table.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.fault(f"has a build-system.{key} that is not a list of texts", self.line_of(key))
        return tuple(value)

    def check_requirements(self, requires: tuple[str, ...]) -> None:
        from packaging.requirements import InvalidRequirement, Requirement

        for text in requires:
            try:
                Requirement(text)
            except InvalidRequirement as error:
                reason = str(error).splitlines()[0]
                raise self.fault(f"has the build requirement {text!r}: {reason}", self.line_of(text)) from None

    def inside(self, path: str) -> str:
        """PEP 517: directories of a backend must lie in the source tree; links may not lead out of it either."""
        tree = os.path.realpath(self.path.parent)
        real = os.path.realpath(os.path.join(tree, path))
        if os.path.isabs(path) or os.path.commonpath([tree, real]) != tree:
            raise self.fault(
                f"has the backend-path {path!r}, which leaves the source tree", self.line_of("backend-path")
            )
        if not os.path.isdir(real):
            raise self.fault(f"has the backend-path {path!r}, which is not a directory", self.line_of("backend-path"))
        return path

    def line_of(self, what: str) -> int:
        """Find the line where a key or value of the table stands; that of the table itself if it cannot be told."""
        lines = self.text.splitlines()
        table = next((n for n, line in enumerate(lines) if re.match(r"\s*\[?\s*[\"']?build-system\b", line)), 0)
        for number in range(table, len(lines)):
            if what in lines[number]:
                return number + 1
        return table + 1

    def fault(self, what: str, line: int, column: int = 0, *, hint: str | None = None) -> BuildError:
        where = f"{self.shown}:{line}:{column}" if column else f"{self.shown}:{line}"
        lines = self.text.splitlines()
        shown = lines[line - 1] if 0 < line <= len(lines) else ""
        if shown and column:
            shown += "\n" + " " * (column - 1) + "^"
        return BuildError(f"{self.subject}: its pyproject.toml {what}", where=where, why=shown or None, hint=hint)


def _with_setuptools(requires: tuple[str, ...]) -> tuple[str, ...]:
    """A table without build-backend means setuptools; files written for that do not always name it."""
    from packaging.requirements import Requirement

    if any(Requirement(text).name.lower() == "setuptools" for text in requires):
        return requires
    return (*requires, *LEGACY_REQUIRES)


def _what_is_there(tree: Path) -> str:
    try:
        names = sorted(os.listdir(tree))
    except OSError as error:
        return str(error)
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"there is: {shown}" if names else "it is empty"
