"""The part of the user's environment variables that a build backend sees.

A list of what is allowed, because what must stay out has no end: ``PYTHONPATH`` and ``PIP_*`` change what is built,
tokens must not leak into builds. A variable whose value looks like a secret, or assigns one, stays out under any name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pytest_fastenv.model.build_variables import holds_secret, result_variables, surrounds

#: Where sources name the variables that they read.
_SCRIPTS = re.compile(
    r".+\.(?:py|pyx|toml|cfg|ini|txt|cmake|build|options|rs|in|sh|mk|bat|ps1|gyp|bazel)|[Mm]akefile|configure|BUILD|justfile"
)
_MOST_FILES = 2000
_MOST_BYTES = 1024 * 1024
#: Names that nearly any text mentions, and that make no difference to a build.
_PLAIN = frozenset({"PATH", "PWD", "OLDPWD", "SHLVL", "_", "DISPLAY", "EDITOR", "PAGER", "COLUMNS", "LINES"})


def backend_variables(environ: Mapping[str, str], scripts: Path, patterns: Sequence[str] = ()) -> dict[str, str]:
    """Return the environment variables of a build backend.

    :param environ: the user's.
    :param scripts: the build environment's directory of scripts: first in ``PATH``.
    :param patterns: the user's own choice of what passes besides; see `result_variables`.
    """
    passed = {name: value for name, value in environ.items() if surrounds(name) and not holds_secret(value)}
    passed.update(result_variables(environ, patterns))
    passed["PATH"] = os.pathsep.join(filter(None, (str(scripts), environ.get("PATH", os.defpath))))
    # A backend prompts for nothing, reads no packages of the user's own, and takes no lock in the user's repository.
    passed.update(PYTHONNOUSERSITE="1", GIT_TERMINAL_PROMPT="0", GIT_OPTIONAL_LOCKS="0")
    return passed


def held_back(environ: Mapping[str, str], patterns: Sequence[str], tree: Path, output: str) -> list[str]:
    """Return the names of variables that a build did not see although its sources or its output mention them.

    For the diagnosis of a build that failed: reads the scripts of the tree, a limited number of them.
    """
    passed = backend_variables(environ, tree, patterns)
    candidates = [name for name in environ if name not in passed and name not in _PLAIN and name.isidentifier()]
    found = {name for name in candidates if re.search(rf"\b{name}\b", output)}
    for text in _texts(tree):
        found.update(name for name in candidates if name in text and re.search(rf"""["'`\[({{$.]{name}\b""", text))
    return sorted(found)


def _texts(tree: Path) -> Iterator[str]:
    count = 0
    for directory, folders, names in os.walk(tree):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "node_modules"]
        for path in (os.path.join(directory, name) for name in names if _SCRIPTS.fullmatch(name)):
            count += 1
            if count > _MOST_FILES:
                return
            with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
                yield file.read(_MOST_BYTES)
