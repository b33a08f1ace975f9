"""The tools that are compared, and the commands that a user would type for them."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchmarkError

#: The tool that the others are peers of, and its variants.
OURS = "fastenv"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one command works.

    :ivar cache: the tool's cache or store; whoever makes the place decides whether it is empty.
    :ivar environment: does not exist yet.
    """

    requirements: Path
    cache: Path
    environment: Path


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that makes an environment.

    :ivar version: as the tool says it.
    :ivar variables: environment variables for an index URL and a cache directory.
    :ivar command: shell text that makes one environment.
    :ivar suite: shell text that runs pytest in the current directory, with so many workers and a scope for
        environments; ``None`` where the tool only makes environments.
    """

    name: str
    version: str
    variables: Callable[[str, Path], Mapping[str, str]]
    command: Callable[[Place], str]
    suite: Callable[[Place, int, str], str] | None = None


@dataclass(frozen=True, slots=True)
class Programs:
    """Which programs to run.

    :ivar python: the running interpreter without a virtual environment; environments are made for it.
    :ivar pip: an interpreter whose pip is run for the environment.
    """

    python: Path
    fastenv: Path
    uv: Path | None
    pip: Path

    @classmethod
    def installed(cls) -> Programs:
        """Return what lies beside the running interpreter."""
        scripts = Path(sys.executable).parent
        uv = scripts / "uv"
        base = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
        return cls(base, scripts / "fastenv", uv if uv.exists() else None, Path(sys.executable))


def known_tools(programs: Programs) -> dict[str, Callable[[], Tool]]:
    """Return every tool by name; calling asks it for its version.

    Calling raises `BenchmarkError` where the tool is missing.
    """
    return {
        OURS: lambda: _fastenv(programs, OURS),
        "uv": lambda: _uv(programs, "uv"),
        "pip": lambda: _pip(programs),
        f"{OURS}-symlink": lambda: _fastenv(programs, f"{OURS}-symlink", "symlink"),
        "uv-symlink": lambda: _uv(programs, "uv-symlink", "symlink"),
    }


def _fastenv(programs: Programs, name: str, link: str = "") -> Tool:
    program, pytest = _quoted(programs.fastenv), _quoted(programs.fastenv.with_name("pytest"))

    def variables(index_url: str, cache: Path) -> Mapping[str, str]:
        return {"FASTENV_INDEX_URL": index_url, "FASTENV_CACHE_DIR": str(cache), "PIP_CONFIG_FILE": os.devnull}

    def command(place: Place) -> str:
        options = f"--link {link} " if link else ""
        return f"{program} create -q {options}{_quoted(place.requirements)} {_quoted(place.environment)}"

    def suite(place: Place, workers: int, scope: str) -> str:
        options = f" --fastenv-link {link}" if link else ""
        asked = f"--fastenv {_quoted(place.requirements)} --fastenv-scope {scope}{options}"
        return f"{pytest} -q -n {workers} {asked}"

    return Tool(name, _version(str(programs.fastenv), "--version"), variables, command, suite)


def _uv(programs: Programs, name: str, link: str = "") -> Tool:
    if programs.uv is None:
        raise BenchmarkError("uv is not there: install it beside this interpreter, or name it with --uv")
    uv, python = _quoted(programs.uv), _quoted(programs.python)

    def variables(index_url: str, cache: Path) -> Mapping[str, str]:
        only = {"UV_NO_CONFIG": "1", "UV_PYTHON_DOWNLOADS": "never"}
        return {"UV_DEFAULT_INDEX": index_url, "UV_CACHE_DIR": str(cache), **only}

    def command(place: Place) -> str:
        environment, requirements = _quoted(place.environment), _quoted(place.requirements)
        options = f"--link-mode {link} " if link else ""
        install = f"{uv} pip install -q {options}--python {environment}/bin/python -r {requirements}"
        return f"{uv} venv -q --python {python} {environment} && {install}"

    return Tool(name, _version(str(programs.uv), "--version"), variables, command)


def _pip(programs: Programs) -> Tool:
    python, pip = _quoted(programs.python), f"{_quoted(programs.pip)} -m pip"

    def variables(index_url: str, cache: Path) -> Mapping[str, str]:
        quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
        return {"PIP_INDEX_URL": index_url, "PIP_CACHE_DIR": str(cache), "PIP_CONFIG_FILE": os.devnull, **quiet}

    def command(place: Place) -> str:
        # Without ensurepip: in pip's favour, and the same current pip everywhere.
        environment, requirements = _quoted(place.environment), _quoted(place.requirements)
        install = f"{pip} --python {environment}/bin/python install -q -r {requirements}"
        return f"{python} -m venv --without-pip {environment} && {install}"

    version = _version(str(programs.pip), "-m", "pip", "--version").partition(" from ")[0]
    return Tool("pip", version, variables, command)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _version(*command: str) -> str:
    """Ask a tool for its version; this also writes the bytecode of its modules, which a user would have."""
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=True, env=bare_variables())
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchmarkError(f"{shlex.join(command)} does not work: {error}") from None
    return ran.stdout.strip()


def bare_variables() -> dict[str, str]:
    """Return the variables that every tool gets: nothing that configures one of them, or Python."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
