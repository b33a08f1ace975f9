"""Options that nothing in the environment knows, though a plugin outside does: pytest only refuses them."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import TYPE_CHECKING, Mapping, Sequence

from ..settings.options import of_door

if TYPE_CHECKING:
    import pytest

    from .session import Handed

_LIMIT_S = 20


def explain(
    config: pytest.Config, parser: pytest.Parser, args: Sequence[str], handed: Handed, outside: Mapping[str, str]
) -> None:
    """Write a line for each unknown option that a plugin outside has, or that lacks our prefix; pytest ends then.

    :param outside: variables for what is started outside.
    """
    import pytest  # loaded by now

    try:
        unknown = parser.parse_known_and_unknown_args(list(args), namespace=copy.copy(config.option))[1]
    except pytest.UsageError:  # pytest meets it, too
        return
    for flag in dict.fromkeys(word.partition("=")[0] for word in unknown if word.startswith("--") and word != "--"):
        meant = next((option.pytest_flag for option in of_door("pytest") if option.flag == flag), None)
        owners = _owners(flag, handed, outside)
        if meant is not None:
            sys.stderr.write("fastenv: {} is an option of the command 'fastenv': write {}\n".format(flag, meant))
        if owners:
            sys.stderr.write(
                "fastenv: {} is an option of {}, which is installed outside and not in the environment: "
                "add it to the requirements\n".format(flag, " or ".join(owners))
            )


def _owners(flag: str, handed: Handed, outside: Mapping[str, str]) -> list[str]:
    if not handed.server:
        return []
    command = [handed.server[0], "-P", "-m", "pytest_fastenv.plugin.option_owners", flag]
    try:
        done = subprocess.run(
            command, env=dict(outside), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.decode("utf-8", "replace").split()
