"""What an environment is asked to hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from pytest_fastenv.errors import UsageError
from pytest_fastenv.settings.values import Project


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing that is asked for.

    :ivar source: as for ``--fastenv``.
    :ivar editable: a local project or a repository, installed so that its sources stay where they are.
    """

    source: str
    editable: bool = False


@dataclass(frozen=True, slots=True)
class Wishes:
    """All that an environment is asked to hold.

    :ivar groups: a group for each time that something was asked for, in that order.
    :ivar base: what relative paths are relative to.
    :ivar root: the directory of the project that `project` speaks of.
    """

    groups: tuple[tuple[Wish, ...], ...]
    base: Path
    root: Path
    project: Project

    @classmethod
    def of(cls, request: Mapping[str, Any], base: Path) -> Wishes:
        """Read them from a question: ``wishes`` (groups of pairs), ``base``, ``root`` and ``project``."""
        place = base / request.get("base", ".")
        project = request.get("project") or "none"
        if project not in {"auto", "editable", "wheel", "sdist", "none"}:
            raise UsageError(
                f"project={project!r} is not accepted",
                hint="expected one of auto, editable, wheel, sdist, none",
            )
        return cls(
            tuple(tuple(Wish(source, editable) for source, editable in group) for group in request.get("wishes", ())),
            place,
            base / request.get("root", place),
            cast("Project", project),
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked for."""
        return not any(self.groups) and self.project == "none"

    @property
    def last(self) -> Wishes:
        """What was asked for last, by itself."""
        return replace(self, groups=self.groups[-1:], project="none")
