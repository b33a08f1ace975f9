"""A virtual environment that stands: where things are in it, and how to run something inside.

Standard library only: this module is on the warm path, and is copied into environments.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator, Mapping, Optional, Sequence, Tuple

if TYPE_CHECKING:
    import subprocess

#: What stands before a shell's prompt where an environment is active.
PROMPT = "fastenv"
#: Variables that would lead an inner Python to another place than its environment.
_MISLEADING = ("PYTHONHOME", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__")
_PATHS = frozenset({"prefix", "python", "scripts", "purelib", "platlib"})
_DIST_INFO = re.compile(r"(?P<name>[^-]+)-(?P<version>.+)\.dist-info")
_NAME_OR_VERSION = re.compile(r"^(name|version):(.*)$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Environment:
    """A whole virtual environment; a value.

    :ivar prefix: its directory, absolute.
    :ivar python: its interpreter.
    :ivar scripts: the directory of its programs (``bin``, or ``Scripts`` on Windows).
    :ivar purelib: its site-packages; ``platlib`` differs from it on some systems.
    :ivar fingerprint: digest of everything that decided its content.
    :ivar python_version: full version of the interpreter, such as ``3.12.1``.
    :ivar interpreter: the interpreter for people: ``CPython 3.12.1``.
    :ivar identity: of the interpreter (see `Target.identity`).
    """

    __slots__ = (
        "fingerprint",
        "identity",
        "interpreter",
        "platlib",
        "prefix",
        "purelib",
        "python",
        "python_version",
        "scripts",
    )  # not by the decorator: Python 3.8 cannot

    prefix: Path
    python: Path
    scripts: Path
    purelib: Path
    platlib: Path
    fingerprint: str
    python_version: str
    interpreter: str
    identity: str

    @classmethod
    def at(cls, prefix: Path, fingerprint: str, interpreter: Mapping[str, Any]) -> Environment:
        """Return the environment in a directory, whose manifest describes the interpreter.

        :param interpreter: ``version``, ``short``, ``identity`` and ``schemes`` of the target.
        :raises KeyError: the description is not whole.
        """
        schemes = interpreter["schemes"]
        scripts = prefix / schemes["scripts"]
        return cls(
            prefix=prefix,
            python=scripts / ("python.exe" if os.name == "nt" else "python"),
            scripts=scripts,
            purelib=prefix / schemes["purelib"],
            platlib=prefix / schemes["platlib"],
            fingerprint=fingerprint,
            python_version=interpreter["version"],
            interpreter=interpreter["short"],
            identity=interpreter["identity"],
        )

    @classmethod
    def standing(cls, prefix: str | os.PathLike[str]) -> Environment:
        """Return the environment that stands in a directory, as its manifest describes it.

        :raises OSError: there is none.
        :raises ValueError: its manifest is damaged.
        """
        import json  # only where a session tells its environment to others

        own = os.path.join(prefix, ".fastenv")
        with open(os.path.join(own, "manifest.json"), "rb") as file:
            content = file.read()
        with open(os.path.join(own, "ready"), encoding="ascii", errors="replace") as file:
            mark = file.read()
        if ready_mark(content, mark.partition(" ")[2]) != mark:
            msg = "the manifest of {} is damaged".format(prefix)
            raise ValueError(msg)
        record = json.loads(content)
        return cls.at(Path(prefix), record["fingerprint"], record["interpreter"])

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Environment:
        """Return the environment that `to_json` wrote; further keys are ignored.

        :raises KeyError: something is missing.
        """
        members: dict[str, Any] = {name: value[name] for name in cls.__slots__}
        members.update((name, Path(members[name])) for name in _PATHS)
        return cls(**members)

    def to_json(self) -> dict[str, str]:
        """Return it as JSON can hold it."""
        return {name: str(getattr(self, name)) for name in self.__slots__}

    def variables(self, environ: Mapping[str, str], *, inherit_pythonpath: bool = False) -> dict[str, str]:
        """Return the variables for a process inside: those given, with the environment made the active one.

        As its script ``activate`` does after ``deactivate``: ``PATH`` begins with `scripts`, without those of the
        environment that was active before or that this process runs in; ``VIRTUAL_ENV`` and ``VIRTUAL_ENV_PROMPT`` are
        set; ``PYTHONHOME`` and other variables that would lead Python elsewhere are left out.

        :param inherit_pythonpath: keep ``PYTHONPATH``, so that modules outside can be imported inside.
        """
        left_out = _MISLEADING if inherit_pythonpath else (*_MISLEADING, "PYTHONPATH")
        found = {name: value for name, value in environ.items() if name.upper() not in left_out}
        scripts = str(self.scripts)
        passed = {os.path.normcase(place) for place in (scripts, *_active_scripts(environ))}
        places = environ.get("PATH", os.defpath).split(os.pathsep)
        others = (place for place in places if place and os.path.normcase(place.rstrip(os.sep)) not in passed)
        found["VIRTUAL_ENV"] = str(self.prefix)
        found["VIRTUAL_ENV_PROMPT"] = PROMPT
        found["PATH"] = os.pathsep.join((scripts, *others))
        return found

    def run(
        self,
        args: Sequence[str | os.PathLike[str]],
        *,
        inherit_pythonpath: bool = False,
        **options: Any,
    ) -> subprocess.CompletedProcess[Any]:
        """Run a program inside and wait for it; a bare program name is looked up in the environment first.

        :param options: those of `subprocess.run`. ``env`` holds the variables outside (default: those of this
            process); what is passed on is made of them by `variables`.
        :raises FileNotFoundError: there is no such program, inside or on ``PATH``.
        :raises UsageError: only another installation has it: ``pip``, ``pytest``, ``python3.9``, ...
        """
        import subprocess  # a run that only executes its inner session needs neither

        from .program import find_program

        variables = self.variables(options.pop("env", None) or os.environ, inherit_pythonpath=inherit_pythonpath)
        program = os.fspath(args[0])
        if not os.path.dirname(program):  # Windows would look in the outer PATH
            found = find_program(program, self.prefix, self.scripts, variables["PATH"])
            program = found.path if found else program
        check = options.pop("check", False)
        return subprocess.run([program, *args[1:]], env=variables, check=check, **options)

    def installed(self) -> dict[str, str]:
        """Return what is installed, by normalized name, with its version; read from the names of ``.dist-info``."""
        found: dict[str, str] = {}
        for place in dict.fromkeys((self.purelib, self.platlib)):
            try:
                names = os.listdir(place)
            except FileNotFoundError:
                continue
            found.update(filter(None, (installed_release(os.path.join(place, name)) for name in names)))
        return dict(sorted(found.items()))


def ready_mark(manifest: bytes, epoch: str) -> str:
    """Return what the mark of a whole environment holds.

    :param manifest: its manifest's content.
    :param epoch: what it was made in (`pytest_fastenv.store.durability`); empty where that is not known.
    """
    import hashlib  # only where an environment is looked for

    return "{} {}".format(hashlib.sha256(manifest + epoch.encode("utf-8")).hexdigest(), epoch).rstrip()


def _active_scripts(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield where programs lie of the environment that is active, and of that which this process runs in."""
    prefixes = [sys.prefix] if sys.prefix != sys.base_prefix else []
    active = environ.get("VIRTUAL_ENV", "").rstrip(os.sep)
    if active and os.path.exists(os.path.join(active, "pyvenv.cfg")):  # anything may be written there
        prefixes.append(active)
    for prefix in prefixes:
        for place in (prefix, os.path.realpath(prefix)):
            yield os.path.join(place, "Scripts" if os.name == "nt" else "bin")


def installed_release(directory: str) -> Optional[Tuple[str, str]]:
    """Return normalized name and version of the distribution that a ``.dist-info`` directory belongs to.

    Its name tells both, but for old wheels that left hyphens in it: there METADATA does.

    :return: ``None`` where it is no such directory.
    """
    match = _DIST_INFO.fullmatch(os.path.basename(directory))
    if match is None:
        return None
    name, version = match.group("name", "version")
    if "-" in version:
        try:
            with open(os.path.join(directory, "METADATA"), encoding="utf-8", errors="replace") as file:
                header = _NAME_OR_VERSION.finditer(file.read().partition("\n\n")[0])
        except OSError:
            return None
        told = {line[1].lower(): line[2].strip() for line in header}
        name, version = told.get("name", name), told.get("version", version)
    return re.sub(r"[-_.]+", "-", name).lower(), version
