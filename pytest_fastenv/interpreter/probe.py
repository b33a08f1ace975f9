"""Ask an interpreter what it is: one short process, which runs nothing of the user's."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_fastenv.errors import InterpreterError, ProvideError, UnusableInterpreterError, option
from pytest_fastenv.interpreter.record import Stamp, stamp
from pytest_fastenv.model.digest import key_of
from pytest_fastenv.model.target import Target

if TYPE_CHECKING:
    from pytest_fastenv.schedule.program import Ran

PROBE_TIMEOUT_S = 60.0
OLDEST = (3, 8)
_MARK = "fastenv-facts:"
_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "probe_script.py")
#: A virtual environment may be made from another one, and that from a third; more is a circle.
_LONGEST_CHAIN = 4


@dataclass(frozen=True, slots=True)
class InterpreterIdentity:
    """Which interpreters are the same one: `Target.identity` is its key.

    :ivar build: ``sys.version``.
    :ivar bits: of a pointer.
    """

    python: str
    stamp: Stamp | None
    build: str
    platform: str
    bits: int


class Probed(NamedTuple):
    """What came of a probe.

    :ivar target: of the base interpreter.
    :ivar executable: what the file that was started says it is; another file than that for a version manager's shim,
        whose answer may be another one next time.
    """

    target: Target
    executable: str


def probe(python: Path) -> Target:
    """Return the facts of an interpreter; of its base, when it lies in a virtual environment.

    Starts a process (two for a virtual environment) and blocks for about 40 ms; nothing is read from or written to the
    store.

    :param python: path of an executable, absolute or relative to the working directory.
    :raises InterpreterError: it does not start, is no Python, or is older than 3.8.
    :raises ProvideError: the system refuses something, memory as a rule: that says nothing about the interpreter.
    """
    return examine(python).target


def examine(python: Path) -> Probed:
    """Do what `probe` does, and say which file answered."""
    first = facts = _ask(os.path.abspath(python))
    for _ in range(_LONGEST_CHAIN):
        base = os.path.abspath(facts["base_executable"])
        if base == os.path.abspath(facts["executable"]):
            return Probed(_target(facts), first["executable"])
        facts = _ask(base)
    raise InterpreterError(
        f"the virtual environment of {python} leads from one virtual environment to the next without end",
        where=str(facts["executable"]),
        hint="make that virtual environment anew, or name the base interpreter",
    )


def _ask(executable: str) -> dict[str, Any]:
    """Run the probe script and check its answer's version.

    ``-I`` keeps the working directory, PYTHON* variables and the user site out, ``-S`` also every ``.pth`` file, and
    ``-B`` leaves no bytecode in the interpreter's library.
    """
    environ = {name: value for name, value in os.environ.items() if name != "__PYVENV_LAUNCHER__"}
    environ["SYSTEM_VERSION_COMPAT"] = "0"  # macOS: its own version, not 10.16, to programs built for older ones
    from pytest_fastenv.schedule.event_loop import run_briefly  # asyncio: `OLDEST` is needed on the warm path
    from pytest_fastenv.schedule.program import run_program

    argv = [executable, "-I", "-S", "-B", _SCRIPT]
    ran = run_briefly(run_program(argv, environ, limit_s=PROBE_TIMEOUT_S, errors="apart"))
    if ran.code is None:
        raise InterpreterError(f"{executable} {ran.how}")
    facts = _answer(ran.output.decode("utf-8", "replace"))
    if facts is None and (refusal := ran.refusal()):  # no other one is taken for it
        raise ProvideError(f"{executable} cannot be asked what it is: {refusal}", why=ran.reason())
    if facts is None:
        raise UnusableInterpreterError(
            f"{executable} does not answer as a Python interpreter does",
            why=_reason(ran),
            is_final=ran.code >= 0 and b"Fatal Python error" not in ran.errors,
        )
    _refuse_too_old(executable, facts)
    return facts


def _answer(output: str) -> dict[str, Any] | None:
    for line in output.splitlines():
        if line.startswith(_MARK):
            facts: dict[str, Any] = json.loads(line.removeprefix(_MARK))
            return facts
    return None


def _reason(ran: Ran) -> str:
    if b"-I" in ran.errors and b"Unknown option" in ran.errors:
        return "it does not know the option -I: a Python older than 3.4?"
    return ran.reason()


def _refuse_too_old(executable: str, facts: Mapping[str, Any]) -> None:
    major, minor, *_ = facts["version"].split(".")
    if (int(major), int(minor)) < OLDEST:
        raise too_old(executable, facts["version"])


def too_old(executable: str, version: str) -> UnusableInterpreterError:
    """Return the error for an interpreter that current releases of pytest have left behind."""
    return UnusableInterpreterError(
        f"Python {version} is too old: pytest cannot run there",
        where=executable,
        why=f"the oldest Python that is supported is {'.'.join(map(str, OLDEST))}",
        hint=f"name a newer one, such as {option('python', '>=3.9')}",
        version=version,
    )


def _target(facts: Mapping[str, Any]) -> Target:
    from pytest_fastenv.interpreter.tags import wheel_tags  # imports packaging: not on the warm path

    # Links are followed, so that python3, python3.12 and an alias elsewhere are one interpreter. Not on Windows: a
    # Store application's alias can be started, but what it stands for cannot.
    executable = os.path.abspath(facts["executable"])
    python = executable if os.name == "nt" else os.path.realpath(executable)
    externals = {"libc": facts["libc"]} if facts["libc"] else {}
    if facts["macos"]:
        externals["macos"] = facts["macos"][0]
    identity = InterpreterIdentity(python, stamp(python), facts["build"], facts["platform"], facts["bits"])
    return Target(
        python=python,
        implementation=facts["implementation"],
        version=facts["version"],
        tags=wheel_tags(facts),
        markers=facts["markers"],
        soabi=facts["soabi"] or facts["ext_suffix"].strip(".").split(".")[0],
        platform=facts["platform"],
        free_threaded=facts["free_threaded"],
        schemes=facts["schemes"],
        identity=key_of(identity),
        externals=externals,
    )
