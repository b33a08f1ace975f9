"""Read dependencies out of pyproject.toml: of the project itself (PEP 621) and of dependency groups (PEP 735)."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.dependency_groups import resolve_dependency_groups
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pytest_fastenv.errors import RequirementsError
from pytest_fastenv.requirements.documents import Documents
from pytest_fastenv.requirements.excerpt import Excerpt

#: What to look for, by the beginning of what the parser says.
_TOML_HINTS = (
    ("Unclosed", "is a comma missing between two items, or the bracket at the end?"),
    ("Illegal character '\\n'", "is the quote at the end of the text missing?"),
    ("Unterminated string", "is the quote at the end of the text missing?"),
    ('Expected "\'"', "is the quote at the end of the text missing?"),
    ("Invalid value", "texts stand in quotes"),
    ("Cannot", "it stands there twice: remove one"),
    ("Expected '='", "is the = between key and value missing?"),
)


@dataclass(frozen=True, slots=True)
class PyProject:
    """A pyproject.toml that was read.

    :ivar name: for display.
    """

    path: Path
    name: str
    text: str
    table: dict[str, Any]

    @property
    def has_build_system(self) -> bool:
        """Whether it says how the project is built (PEP 518)."""
        return "build-system" in self.table

    def excerpt(self, item: str) -> Excerpt:
        """Return a string of the file with its line and column, as far as it can be found as it is."""
        for quoted in (f'"{item}"', f"'{item}'", '"' + item.replace('"', '\\"') + '"'):
            at = self.text.find(quoted)
            if at >= 0:
                line_start = self.text.rfind("\n", 0, at) + 1
                line_end = self.text.find("\n", at)
                shown = self.text[line_start : line_end if line_end >= 0 else None].rstrip("\r")
                line = self.text.count("\n", 0, at) + 1
                return Excerpt.of(item, self.name, line, at - line_start + 2, shown)
        return Excerpt.of(item, self.name)

    def error(self, what: str, *, why: str | None = None, hint: str | None = None) -> RequirementsError:
        """Make an error about the whole file."""
        return RequirementsError(what, where=self.name, why=why, hint=hint)


def read_pyproject(path: Path, name: str, documents: Documents) -> PyProject:
    """Read and parse the file.

    :raises RequirementsError: it cannot be read, or is not TOML; line and column are named.
    """
    try:
        text = documents.read(path).decode("utf-8-sig")
    except FileNotFoundError:
        hint = "it has the project's dependencies and dependency groups: run where it is, or name another source"
        raise RequirementsError(f"no such file: {name}", where=str(path), hint=hint) from None
    except OSError as reason:
        hint = "look at its permissions"
        raise RequirementsError(f"{name} cannot be read: {reason.strerror}", where=str(path), hint=hint) from None
    except UnicodeDecodeError as reason:
        what = f"{name} is not UTF-8, as TOML has to be: {reason.reason}"
        raise RequirementsError(what, where=str(path), hint="save it as UTF-8") from None
    return PyProject(path, name, text, parse_toml(text, name, name))


def static_name(directory: Path, documents: Documents) -> str | None:
    """Return a project's normalized name as far as its ``pyproject.toml`` tells it (PEP 621).

    :raises RequirementsError: the file is no TOML.
    """
    path = directory / "pyproject.toml"
    project = read_pyproject(path, str(path), documents).table.get("project") if os.path.isfile(path) else None
    name = project.get("name") if isinstance(project, dict) else None
    return canonicalize_name(name) if isinstance(name, str) else None


def parse_toml(text: str, name: str, file: str, *, first_line: int = 1) -> dict[str, Any]:
    """Parse TOML that begins at a line of a file.

    :raises RequirementsError: it is not TOML; line and column are named.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as reason:
        what = f"{name} is not valid TOML: {re.sub(r'[ ]*[(]at .*[)]$', '', str(reason))}"
        lines = text.split("\n")
        match = re.search(r"\(at line (\d+), column (\d+)\)", str(reason))  # else it is "at end of document"
        number, column = (int(match[1]), int(match[2])) if match else (len(lines), len(lines[-1]) + 1)
        place = Excerpt.of(lines[number - 1] if number <= len(lines) else "", file, first_line + number - 1)
        hint = next((hint for beginning, hint in _TOML_HINTS if str(reason).startswith(beginning)), None)
        raise place.error(what, column - 1, hint=hint) from None


def project_dependencies(pyproject: PyProject) -> list[Excerpt]:
    """Return ``project.dependencies`` (PEP 621).

    :raises RequirementsError: they are missing, not written down there, or not a list of strings.
    """
    project = pyproject.table.get("project")
    if not isinstance(project, dict):
        raise pyproject.error(f"{pyproject.name} has no [project] table", hint="name the project's directory instead")
    if "dependencies" in _strings(pyproject, "project.dynamic", project.get("dynamic", [])):
        what = f"{pyproject.name} leaves its dependencies to the build backend (project.dynamic)"
        raise pyproject.error(what, hint="name the project's directory instead, so that it is built")
    items = _strings(pyproject, "project.dependencies", project.get("dependencies", []))
    return [pyproject.excerpt(item) for item in items]


def group_dependencies(pyproject: PyProject, group: str) -> list[Excerpt]:
    """Return the requirements of a dependency group, with those of the groups it includes (PEP 735).

    :raises RequirementsError: there is no such group, or it is not well-formed.
    """
    groups = pyproject.table.get("dependency-groups", {})
    if not isinstance(groups, dict):
        raise pyproject.error("[dependency-groups] is not a table", hint='write NAME = ["REQUIREMENT", ...] below it')
    names = {canonicalize_name(name): name for name in groups}
    if canonicalize_name(group) not in names:
        close = difflib.get_close_matches(canonicalize_name(group), names, 1)
        hint = f"did you mean {names[close[0]]}?" if close else None
        known = f"its groups are {', '.join(groups)}" if groups else "it has no [dependency-groups]"
        raise pyproject.error(f"{pyproject.name} has no dependency group {group!r}", why=known, hint=hint)
    try:
        resolved = resolve_dependency_groups(groups, group)
    except (ExceptionGroup, ValueError, TypeError, LookupError) as reason:
        raise _group_error(pyproject, group, reason) from None
    written = _as_written(groups)
    return [pyproject.excerpt(written.get(text, text)) for text in resolved]


def _group_error(pyproject: PyProject, group: str, reason: Exception) -> RequirementsError:
    texts: list[str] = []
    pending: list[Exception] = [reason]
    while pending:
        reason = pending.pop()
        if isinstance(reason, ExceptionGroup):
            pending.extend(reversed(reason.exceptions))
        else:
            texts.append(str(reason))
    return pyproject.error(f"dependency group {group!r} cannot be read", why="\n".join(dict.fromkeys(texts)))


def _as_written(groups: dict[str, Any]) -> dict[str, str]:
    """Return the strings of all groups by their normal form, which is what resolving gives."""
    written: dict[str, str] = {}
    for items in groups.values():
        for item in items if isinstance(items, list) else []:
            if isinstance(item, str):
                try:
                    written.setdefault(str(Requirement(item)), item)
                except InvalidRequirement:
                    continue  # of a group that was not asked for
    return written


def _strings(pyproject: PyProject, key: str, value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise pyproject.error(f"{key} is not a list of strings", hint='write ["REQUIREMENT", ...]')
    return value
