"""Start the interpreter of an environment once, so that a broken one is diagnosed before the environment is used."""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping, Sequence

from pytest_fastenv.errors import InterpreterError, option
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.schedule.program import run_program

PROBE_TIMEOUT_S = 60.0
_MARK = "fastenv-probe:"
#: Without importing anything: neither what is looked for, nor what looking usually takes.
_PROGRAM = """\
import sys
def has(name):
    return any(finder.find_spec(name, None) for finder in sys.meta_path if hasattr(finder, "find_spec"))
print({mark!r} + repr((sys.prefix, [name for name in sys.argv[1:] if not has(name)])))
"""


async def probe(environment: Environment, modules: Sequence[str], whose: str, environ: Mapping[str, str]) -> None:
    """Check that an environment's interpreter starts, is at home there, and finds some modules.

    :param whose: for messages: ``of worker gw0``.
    :param environ: variables outside; variables that mislead Python are left out.
    :raises InterpreterError: it does not.
    :raises ProvideError: see `run_program`.
    """
    answer = await _ask(environment, modules, whose, environ)
    prefix, missing = answer
    if not _same(prefix, str(environment.prefix)):
        raise _unusable(environment, whose, f"it takes {prefix} for its environment")
    if missing:
        raise _unusable(environment, whose, f"it does not find {' and '.join(missing)}")


async def _ask(
    environment: Environment, modules: Sequence[str], whose: str, environ: Mapping[str, str]
) -> tuple[str, list[str]]:
    program = _PROGRAM.replace("{mark!r}", repr(_MARK))
    argv = [str(environment.python), "-I", "-B", "-c", program, *modules]
    ran = await run_program(argv, environment.variables(environ), limit_s=PROBE_TIMEOUT_S)
    for line in ran.output.decode("utf-8", "replace").splitlines():
        if line.startswith(_MARK) and ran.code == 0:
            prefix, missing = ast.literal_eval(line.removeprefix(_MARK))
            return prefix, missing
    raise _unusable(environment, whose, ran.reason())


def _unusable(environment: Environment, whose: str, why: str) -> InterpreterError:
    return InterpreterError(
        f"the interpreter of the environment {whose} cannot be used",
        where=str(environment.python),
        why=why,
        hint=f"run again with {option('recreate')}; if that does not help, does its base interpreter still work?",
    )


def _same(one: str, other: str) -> bool:
    return os.path.normcase(os.path.realpath(one)) == os.path.normcase(os.path.realpath(other))
