"""Where pip's configuration files lie, as pip looks for them.

https://pip.pypa.io/en/stable/topics/configuration/. Standard library only: the warm path asks which of them there are.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path


def files_that_count(environ: Mapping[str, str], prefix: str) -> tuple[str, ...]:
    """Return the files that are there: other variables, or another virtual environment, may lead to others.

    :param prefix: see `configuration_files`.
    """
    paths = dict.fromkeys(map(os.fspath, configuration_files(environ, prefix)))
    return tuple(path for path in paths if os.path.isfile(path))


def configuration_files(environ: Mapping[str, str], prefix: str) -> Iterator[Path]:
    """Yield the files in the order in which they are read; they need not exist.

    :param prefix: the environment whose own ``pip.conf`` is read.
    """
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    name = "pip.ini" if os.name == "nt" else "pip.conf"
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or os.path.expanduser("~"))
    yield from (directory / name for directory in _global_directories(environ))
    if not (named and os.path.exists(named)):
        yield home / ("pip" if os.name == "nt" else ".pip") / name
        yield _user_directory(environ, home) / name
    yield Path(prefix) / name
    if named:
        yield Path(named)


def _global_directories(environ: Mapping[str, str]) -> Iterator[Path]:
    if os.name == "nt":
        yield Path(environ.get("PROGRAMDATA", "C:\\ProgramData")) / "pip"
    elif sys.platform == "darwin":
        yield Path("/Library/Application Support/pip")
    else:
        for directory in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep):
            if directory.strip():
                yield Path(directory) / "pip"
        yield Path("/etc")


def _user_directory(environ: Mapping[str, str], home: Path) -> Path:
    if os.name == "nt":
        return Path(environ.get("APPDATA") or home / "AppData" / "Roaming") / "pip"
    if sys.platform == "darwin":
        native = home / "Library" / "Application Support" / "pip"
        return native if native.is_dir() else home / ".config" / "pip"
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip"
