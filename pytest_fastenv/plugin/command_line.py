"""pytest's command line, at a moment when pytest has not loaded all its plugins yet."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest


def project_directory(config: pytest.Config) -> Path:
    """Return where the project lies: pytest's root directory, but for ``-c``, whose file may lie below the project.

    pytest takes the directory of that file for its root directory. Where no project is there, the nearest one from the
    working directory up to the first directory that holds the file, too, is meant.
    """
    root, given = config.rootpath, config.known_args_namespace
    if not given.inifilename or given.rootdir or _holds_project(root):
        return root
    here = config.invocation_params.dir
    around = [place for place in here.parents if place in root.parents]
    return next((place for place in (here, *around) if _holds_project(place)), root)


def _holds_project(directory: Path) -> bool:
    return any((directory / name).is_file() for name in ("pyproject.toml", "setup.py", "fastenv.toml"))


def parse_known(config: pytest.Config, parser: pytest.Parser, words: Sequence[str]) -> Any:
    """Parse what is known by now; options of plugins that come later, or that only an environment has, are skipped.

    :raises pytest.UsageError: a known option is used in a wrong way.
    """
    return parser.parse_known_args(list(words), namespace=copy.copy(config.option))
