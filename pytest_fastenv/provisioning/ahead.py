"""Begin to compile what tests are going to import, in an environment whose wheels are new on this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_fastenv.runtime.afterwards import start_apart
from pytest_fastenv.schedule.system_limits import usable_cores

if TYPE_CHECKING:
    from pytest_fastenv.environment.places import Ready
    from pytest_fastenv.settings.values import Settings

#: Variables by which Python looks for other compiled files than those that are made here.
_ELSEWHERE = frozenset({"PYTHONPYCACHEPREFIX", "PYTHONOPTIMIZE"})
_PROGRAM = str(Path(__file__).with_name("ahead_program.py"))


def compile_ahead(settings: Settings, ready: Ready, root: Path) -> None:
    """Start a process that compiles until this process has ended, whatever it has become by then.

    Modules of wheels that lay in the store before come compiled, as far as anybody imported them. On one core, and
    where everything is to be done in turn, nothing is gained.

    :param root: the project's directory: what is in it tells what is going to be imported.
    """
    summary = ready.summary
    is_new = not summary.reused and summary.fetched + summary.built > 0
    is_wanted = settings.bytecode == "shared" and not settings.serial and _ELSEWHERE.isdisjoint(os.environ)
    if not (is_new and is_wanted and usable_cores() > 1 and hasattr(os, "fork")):
        return
    environment = ready.environment
    order = {
        "prefix": str(environment.prefix),
        "sites": list(dict.fromkeys(map(str, (environment.purelib, environment.platlib)))),
        "root": str(root),
        "session": os.getpid(),
    }
    start_apart([str(environment.python), "-I", "-S", "-B", _PROGRAM, json.dumps(order)], os.environ)
