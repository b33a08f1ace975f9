"""What tox will ask for in later steps of an environment, known before its first one.

tox installs in steps: ``deps``, then ``dependency_groups``, then what the package needs, then the package. Each step
may change what an earlier one installed, so the last word is the package's. What is known of the later steps is
resolved together with the first: so one resolution answers all of them, and what does not fit together is seen. Where
nothing fits all, the steps follow each other as in tox.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from tox.tox_env.python.runner import PythonRun

#: Kinds of package whose dependencies are those that pyproject.toml lists.
_OF_THE_PROJECT = frozenset({"wheel", "sdist", "sdist-wheel", "editable", "editable-legacy", "deps-only"})


def early_requirements(env: PythonRun) -> tuple[str, ...]:
    """Return what an environment's package needs, where it is known without building; else nothing.

    Nothing, too, where ``deps`` or ``constraints`` say things that hold for one step alone: constraints, indexes.
    """
    options = env.options
    if getattr(options, "skip_pkg_install", False) or getattr(options, "skip_env_install", False):
        return ()
    if getattr(options, "package_only", False) or getattr(options, "force_dep", None):
        return ()
    if env.package_env is None or env.pkg_type not in _OF_THE_PROJECT or not _steps_are_alike(env):
        return ()
    root: Path = env.core["package_root"]
    try:
        table = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError):
        return ()
    extras: set[str] = env.conf["extras"]
    return tuple(_needed(table, extras)) if isinstance(table, dict) else ()


def _steps_are_alike(env: PythonRun) -> bool:
    if env.conf["constrain_package_deps"]:
        return False
    told, requirements = env.conf["deps"].unroll()
    if told or any(line.startswith("-c ") for line in requirements):
        return False
    # Older releases have no such key.
    return "constraints" not in env.conf or not env.conf["constraints"].as_root_args


def _needed(table: Mapping[str, Any], extras: set[str]) -> Iterator[str]:
    """Yield what a project needs, for the extras that are asked for and for those that these ask for."""
    dynamic = table.get("dynamic", [])
    if "dependencies" in dynamic or (extras and "optional-dependencies" in dynamic):
        return
    own, optional = table.get("name", ""), table.get("optional-dependencies", {})
    lists = {canonicalize_name(name): lines for name, lines in optional.items()}
    todo, seen = [canonicalize_name(extra) for extra in sorted(extras)], set[str]()
    yield from table.get("dependencies", [])
    while todo:
        extra = todo.pop()
        if extra in seen:
            continue
        seen.add(extra)
        for line in lists.get(extra, []):
            try:
                requirement = Requirement(line)
            except InvalidRequirement:
                continue  # the backend says what is wrong with it
            if canonicalize_name(requirement.name) != canonicalize_name(own):
                yield line
            elif requirement.marker is None:
                todo += map(canonicalize_name, sorted(requirement.extras))
