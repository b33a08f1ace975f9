"""What tests may do with an environment, their own or one made for them: run programs, see what is installed."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Sequence

from ..errors import FastenvError
from . import session
from .environment import Environment

_SHOWN_LINES = 40


class InstalledDistribution(NamedTuple):
    """A distribution that lies in an environment.

    :ivar name: normalized.
    :ivar version: as its metadata has it.
    :ivar location: the directory that holds its ``.dist-info``.
    :ivar installer: the program that put it there: ``pytest-fastenv``, ``pip``, ...; empty where none is named.
    :ivar requested: it was asked for itself, not only needed by another one (PEP 376).
    :ivar source: the URL it came from (``file:`` for a directory or an archive of this machine) where it was not
        asked for by name alone (PEP 610).
    :ivar editable: its sources lie at `source`, and are used from there.
    """

    name: str
    version: str
    location: Path
    installer: str = ""
    requested: bool = False
    source: str | None = None
    editable: bool = False


class CommandError(subprocess.CalledProcessError, FastenvError):
    """A program ended with an exit code that is not 0; the text shows the end of what it wrote.

    It is what `subprocess.run` raises for that, and one of this package's errors: either class catches it.

    :ivar returncode: the program's; `exit_code` says nothing about it.
    """

    def __init__(self, returncode: int, cmd: Any, output: Any = None, stderr: Any = None) -> None:
        subprocess.CalledProcessError.__init__(self, returncode, cmd, output, stderr)
        FastenvError.__init__(self, subprocess.CalledProcessError.__str__(self), why=_shown(output, stderr) or None)

    def __str__(self) -> str:
        return self.diagnosis()

    def __reduce__(self) -> tuple[Any, ...]:
        return CommandError, (self.returncode, self.cmd, self.output, self.stderr)


def _shown(stdout: Any, stderr: Any) -> str:
    """Return the last lines of what a program wrote."""
    lines: list[str] = []
    for name, text in (("standard output", stdout), ("standard error", stderr)):
        if text:
            told = (text if isinstance(text, str) else text.decode("utf-8", "replace")).splitlines()
            lines += ["{}:".format(name), *("  " + line for line in told[-_SHOWN_LINES:])]
    return "\n".join(lines)


class EnvironmentInTest:
    """An environment and how a test uses it.

    :cvar CommandError: what `run` raises, for tests in environments that have no ``pytest_fastenv`` to import it from.
    :ivar env: variables for every program that is run, on top of those of this process.
    :ivar workspace: where programs are run unless a place is given; ``None``: in the current directory.
    """

    CommandError = CommandError

    def __init__(self, environment: Environment, workspace: Path | None = None) -> None:
        self._environment = environment
        self.env: dict[str, str] = {}
        self.workspace = workspace

    def __repr__(self) -> str:
        return "<{} {} ({})>".format(type(self).__name__, self.prefix, self.interpreter)

    @property
    def prefix(self) -> Path:
        """Its directory, absolute."""
        return self._environment.prefix

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self._environment.python

    @property
    def scripts(self) -> Path:
        """The directory of its programs: ``bin``, or ``Scripts`` on Windows."""
        return self._environment.scripts

    @property
    def site_packages(self) -> Path:
        """Where its pure Python modules lie."""
        return self._environment.purelib

    @property
    def python_version(self) -> str:
        """The full version of its interpreter: ``3.12.1``."""
        return self._environment.python_version

    @property
    def interpreter(self) -> str:
        """Its interpreter for people: ``CPython 3.12.1``."""
        return self._environment.interpreter

    def installed(self) -> dict[str, str]:
        """Return what is installed, by normalized name, with its version."""
        return self._environment.installed()

    def distributions(self) -> dict[str, InstalledDistribution]:
        """Return what is installed, by normalized name, with its installer and its source."""
        from importlib.metadata import distributions  # takes a while to import, and most tests do without

        places = dict.fromkeys((str(self._environment.purelib), str(self._environment.platlib)))
        found = (_described(distribution) for distribution in distributions(path=list(places)))
        return {one.name: one for one in sorted(found)}

    def run(
        self,
        args: str | Sequence[str | os.PathLike[str]],
        *,
        check: bool = True,
        capture: bool = True,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        **options: Any,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as if the environment were activated, and wait for it.

        A bare program name is looked up in the environment first; no shell is involved.

        :param args: the program and its arguments; one text is split into words as a shell would.
        :param check: an exit code that is not 0 is an error.
        :param capture: collect ``stdout`` and ``stderr`` of the result, as text; else they go where this process's go.
        :param cwd: where; default: `workspace`.
        :param env: further variables, for this program only.
        :param options: others of `subprocess.run`, such as ``input`` and ``timeout``.
        :raises CommandError: see ``check``.
        :raises FileNotFoundError: there is no such program.
        :raises UsageError: only another installation has it, which it would change: ``pip``, ``pytest``, ...
        """
        __tracebackhide__ = True
        words = (
            shlex.split(args, posix=os.name != "nt") if isinstance(args, str) else [os.fspath(word) for word in args]
        )
        if capture and not {"stdout", "stderr", "capture_output"} & options.keys():
            options["capture_output"] = True
        if not {"text", "encoding", "errors", "universal_newlines"} & options.keys():
            options.update(encoding="utf-8", errors="replace")
        variables = {**self._variables(), **self.env, **(env or {})}
        cwd = self.workspace if cwd is None else cwd
        done = self._environment.run(words, cwd=cwd, env=variables, inherit_pythonpath=True, **options)
        if check and done.returncode:
            raise CommandError(done.returncode, words, done.stdout, done.stderr)
        return done

    def _variables(self) -> dict[str, str]:
        """Return the variables of this process that hold for a program in the environment."""
        return dict(os.environ)


def outside_variables() -> dict[str, str]:
    """Return this process's variables without those that lead to its own environment."""
    found = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", session.VARIABLE)}
    if sys.prefix != sys.base_prefix:
        own = os.path.join(sys.prefix, "")
        places = found.get("PATH", os.defpath).split(os.pathsep)
        found["PATH"] = os.pathsep.join(place for place in places if not os.path.join(place, "").startswith(own))
    return found


def _described(distribution: Any) -> InstalledDistribution:
    text = distribution.read_text("direct_url.json")
    try:
        direct = json.loads(text) if text else {}
    except ValueError:
        direct = {}
    return InstalledDistribution(
        name=re.sub(r"[-_.]+", "-", distribution.metadata["Name"] or "").lower(),
        version=distribution.version,
        location=Path(str(distribution.locate_file(""))),
        installer=(distribution.read_text("INSTALLER") or "").strip(),
        requested=distribution.read_text("REQUESTED") is not None,
        source=direct.get("url"),
        editable=bool(direct.get("dir_info", {}).get("editable")),
    )
