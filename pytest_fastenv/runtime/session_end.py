"""How the runtime ends a session that cannot go on: a diagnosis on standard error, and an exit code."""

from __future__ import annotations

import sys
from typing import NoReturn

import pytest

from ..errors import FastenvError


def end_session(error: FastenvError) -> NoReturn:
    """Tell an error as the plugin outside does, and let pytest end in good order.

    :raises pytest.exit.Exception: always; for pytest, which ends the workers and runs its last hooks.
    """
    sys.stdout.flush()  # progress that stands before it
    sys.stderr.write("\nfastenv: error: {}\n".format(error.diagnosis()))
    sys.stderr.flush()
    pytest.exit("pytest-fastenv cannot make environments for the workers", returncode=error.exit_code)
