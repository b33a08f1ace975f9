"""How the runtime ends a session that cannot go on: a diagnosis on standard error, and an exit code."""

from __future__ import annotations

import sys
from typing import NoReturn

import pytest

USAGE = 4
"""Exit code: what was asked for is wrong."""


def diagnosis(what: str, *, where: str = "", why: str = "", hint: str = "") -> str:
    """Write what happened, where, why and what to do next, as the plugin outside does."""
    lines = [what]
    for label, text in (("where", where), ("why", why), ("next", hint)):
        if text:
            first, *rest = text.splitlines()
            lines.append("  {:<7}{}".format(label + ":", first))
            lines.extend("         " + line for line in rest)
    return "\n".join(lines)


def end_session(text: str, exit_code: int) -> NoReturn:
    """Tell a diagnosis and let pytest end in good order.

    :param text: of `diagnosis`, or what the environment server said.
    :raises pytest.exit.Exception: always; for pytest, which ends the workers and runs its last hooks.
    """
    sys.stdout.flush()  # progress that stands before it
    sys.stderr.write("\nfastenv: error: {}\n".format(text))
    sys.stderr.flush()
    pytest.exit("pytest-fastenv cannot provide for the workers", returncode=exit_code)
