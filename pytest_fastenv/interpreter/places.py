"""Where interpreters lie on this machine: the directories of ``PATH``, and of tools that install interpreters.

Standard library only, and nothing is started: what a search depends on is read on the warm path.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

from pytest_fastenv.filesystem.walks import names_in
from pytest_fastenv.settings.values import current_directory

_SCRIPTS = "" if os.name == "nt" else "bin"
#: The variables that decide where to search, besides those that name a manager's own directory.
_VARIABLES = (
    "PATH", "HOME", "USERPROFILE", "APPDATA", "XDG_DATA_HOME", "PYENV_VERSION", "ASDF_PYTHON_VERSION",
    "MISE_PYTHON_VERSION",
)  # fmt: skip
_VERSION_FILES = (".python-version", ".tool-versions")
#: Version files are short; a longer file is something else.
_MOST_CHARACTERS = 4096


class Manager(NamedTuple):
    """A tool that installs interpreters, each into a directory of its own.

    :ivar name: of the tool.
    :ivar root: the directory that holds them; it may not exist.
    :ivar below: where executables lie below an installation.
    :ivar shims: a directory of programs that choose an interpreter and start it; empty for a tool without.
    :ivar chosen: a file that names the version that its shims start where nothing else says so.
    """

    name: str
    root: str
    below: str = _SCRIPTS
    shims: str = ""
    chosen: str = ""

    def installations(self) -> list[str]:
        """Return the directories with executables in them, newest version first."""
        return [self.executables(name) for name in sorted(names_in(self.root), key=_version_order, reverse=True)]

    def executables(self, name: str) -> str:
        """Return where the executables of an installation lie."""
        return os.path.join(self.root, name, self.below)

    def active(self) -> list[str]:
        """Return the directories that its shims stand for, as far as files and variables tell."""
        found = []
        for version in _chosen_versions(self):
            matching = [version, *sorted(self._of_minor(version), key=_version_order, reverse=True)]
            found += [path for name in matching if os.path.isdir(path := self.executables(name))][:1]
        return found

    def _of_minor(self, version: str) -> list[str]:
        """Return the installations that ``3.12`` may stand for."""
        return [name for name in names_in(self.root) if name.startswith(f"{version}.")]


class Place(NamedTuple):
    """A directory that executables are looked for in.

    :ivar where: ``PATH``, or the name of the tool that keeps interpreters there.
    """

    where: str
    directory: str


def managers() -> list[Manager]:
    """Return the tools whose directories are looked into, there or not."""
    home = os.path.expanduser("~")
    data = _absolute("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
    roaming = _absolute("APPDATA") or os.path.join(home, "AppData", "Roaming")
    pyenv = _absolute("PYENV_ROOT") or os.path.join(home, ".pyenv", "pyenv-win" if os.name == "nt" else "")
    mise = _absolute("MISE_DATA_DIR") or os.path.join(data, "mise")
    asdf = _absolute("ASDF_DATA_DIR") or os.path.join(home, ".asdf")
    share = {"win32": roaming, "darwin": os.path.join(home, "Library", "Application Support")}.get(sys.platform, data)
    uv = [_absolute("UV_PYTHON_INSTALL_DIR")]
    if not uv[0]:
        uv = [
            os.path.join(place, "uv", "python")
            for place in dict.fromkeys((roaming if os.name == "nt" else data, share))
        ]
    found = [
        Manager(
            "pyenv",
            os.path.join(pyenv, "versions"),
            shims=os.path.join(pyenv, "shims"),
            chosen=os.path.join(pyenv, "version"),
        ),
        *(Manager("uv", root) for root in uv),
        Manager("mise", os.path.join(mise, "installs", "python"), shims=os.path.join(mise, "shims")),
        Manager(
            "asdf",
            os.path.join(asdf, "installs", "python"),
            shims=os.path.join(asdf, "shims"),
            chosen=os.path.join(home, ".tool-versions"),
        ),
        Manager("rye", os.path.join(_absolute("RYE_HOME") or os.path.join(home, ".rye"), "py")),
        Manager("pdm", os.path.join(share, "pdm", "python")),
        Manager("hatch", os.path.join(share, "hatch", "pythons"), os.path.join("python", _SCRIPTS)),
    ]
    if sys.platform == "darwin":
        found.append(Manager("python.org", "/Library/Frameworks/Python.framework/Versions"))
    if cache := _absolute("RUNNER_TOOL_CACHE") or _absolute("AGENT_TOOLSDIRECTORY"):
        kinds = [(project, arch) for project in ("Python", "PyPy") for arch in ("x64", "arm64", "x86")]
        found += [
            Manager("tool cache", os.path.join(cache, name), os.path.join(arch, _SCRIPTS)) for name, arch in kinds
        ]
    return found


def path_places() -> Iterator[Place]:
    """Yield the directories of ``PATH`` from left to right; in place of a manager's shims, what they stand for.

    A shim that is started may lead to nothing, or elsewhere tomorrow. Relative entries are passed over: they would let
    the working directory decide what is run.
    """
    shims = {os.path.realpath(manager.shims): manager for manager in managers() if manager.shims}
    for entry in os.environ.get("PATH", os.defpath).split(os.pathsep):
        if not os.path.isabs(entry):
            continue
        manager = shims.get(os.path.realpath(entry))
        if manager is None:
            yield Place("PATH", entry)
        else:
            yield from (Place(manager.name, directory) for directory in manager.active())


def manager_places() -> Iterator[Place]:
    """Yield the directories of what managers have installed, activated or not."""
    for manager in managers():
        yield from (Place(manager.name, directory) for directory in manager.installations())


def search_variables() -> list[str]:
    """Return all that a search depends on and that is no file: variables, the working directory, this interpreter."""
    names = (*_VARIABLES, *_OWN_DIRECTORIES)
    return [sys.executable, str(current_directory()), *(os.environ.get(name, "") for name in names)]


def fingerprint() -> tuple[tuple[str, int], ...]:
    """Return the mtimes of all directories and files that a search looks into: something new there may fit better."""
    places = [entry for entry in os.environ.get("PATH", os.defpath).split(os.pathsep) if os.path.isabs(entry)]
    for manager in managers():
        # An installation's directory is there before there is anything in it.
        places += [manager.root, manager.chosen, *manager.installations()]
    places += [os.path.join(directory, name) for directory in _upwards() for name in _VERSION_FILES]
    found = []
    for place in dict.fromkeys(places):
        try:
            found.append((place, os.stat(place).st_mtime_ns))
        except OSError:
            continue
    return tuple(found)


_OWN_DIRECTORIES = (
    "PYENV_ROOT", "MISE_DATA_DIR", "ASDF_DATA_DIR", "UV_PYTHON_INSTALL_DIR", "RYE_HOME", "RUNNER_TOOL_CACHE",
    "AGENT_TOOLSDIRECTORY",
)  # fmt: skip


def _absolute(variable: str) -> str:
    value = os.path.expanduser(os.environ.get(variable, ""))
    return os.path.normpath(value) if os.path.isabs(value) else ""


def _upwards() -> Iterator[str]:
    """Yield the working directory and all above it."""
    here = str(current_directory())
    while True:
        yield here
        parent = os.path.dirname(here)
        if parent == here:
            return
        here = parent


def _chosen_versions(manager: Manager) -> list[str]:
    """Return the versions that are active for a manager's shims: by its variable, its nearest file, or its own file."""
    variable = os.environ.get(f"{manager.name.upper()}{'' if manager.name == 'pyenv' else '_PYTHON'}_VERSION", "")
    if variable.strip():
        return _names(re.split(r"[:\s]+", variable))
    names = _VERSION_FILES[:1] if manager.name == "pyenv" else _VERSION_FILES
    files = [os.path.join(directory, name) for directory in _upwards() for name in names]
    return next(filter(None, map(_versions_in, [*files, manager.chosen])), [])


def _versions_in(path: str) -> list[str]:
    """Return the versions of Python that a version file names; ``.tool-versions`` has other tools beside it."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            content = file.read(_MOST_CHARACTERS + 1)
    except OSError:
        return []
    lines = (
        [line.partition("#")[0].split() for line in content.splitlines()] if len(content) <= _MOST_CHARACTERS else []
    )
    if os.path.basename(path) == ".tool-versions":
        return _names([word for first, *words in filter(None, lines) if first == "python" for word in words])
    return _names([word for words in lines for word in words])


def _names(words: list[str]) -> list[str]:
    """Leave out what is no directory's name, or stands for what is on ``PATH`` anyway."""
    return [word for word in words if word not in {"", ".", "..", "system"} and os.path.basename(word) == word]


def _version_order(name: str) -> list[tuple[int, int, str]]:
    words = re.findall(r"\d+|[a-z]+", name.lower())
    return [(1, int(word), "") if word.isdigit() else (0, 0, word) for word in words]
