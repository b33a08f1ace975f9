"""Print a constraint for each lower bound that pyproject.toml states: the oldest release of everything it admits.

``python3 .ci/lower_bounds.py [EXTRA...]`` takes the project's dependencies and those of the extras. A bound must name a
release that exists, or pip says so when it installs with the constraints: then it is a claim that was never tried.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

_BOUND = re.compile(r"(?P<name>[A-Za-z0-9._-]+)\s*>=\s*(?P<version>[0-9][^,;\s]*)[^;]*(?P<marker>;.*)?")


def constraints(project: dict[str, object], extras: list[str]) -> list[str]:
    """Return a constraint for each requirement of a project table; its own extras are left out.

    :raises SystemExit: a requirement states no lower bound, so nothing says what was tried.
    """
    optional = project["optional-dependencies"]
    requirements = [*project["dependencies"], *(line for extra in extras for line in optional[extra])]
    found = []
    for requirement in requirements:
        if requirement.startswith(f"{project['name']}["):
            continue
        bound = _BOUND.fullmatch(requirement)
        if bound is None:
            sys.exit(f"pyproject.toml: {requirement!r} states no lower bound")
        found.append(f"{bound['name']}=={bound['version']}{bound['marker'] or ''}")
    return found


if __name__ == "__main__":
    text = Path(__file__).parents[1].joinpath("pyproject.toml").read_text(encoding="utf-8")
    print("\n".join(constraints(tomllib.loads(text)["project"], sys.argv[1:])))
