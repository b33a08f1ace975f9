"""``python -m pytest_fastenv.upkeep STORE``: look after a store, as variables say, if that is due."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from pytest_fastenv.errors import FastenvError
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.provisioning.question import store_of
from pytest_fastenv.settings.layers import settings_from_variables
from pytest_fastenv.upkeep.automatic import become_idle, look_after


def main() -> int:
    """Return the exit code; nobody reads what is printed, so nothing is."""
    become_idle()
    try:
        settings = replace(settings_from_variables(os.environ), cache_dir=Path(sys.argv[1]))
        look_after(store_of(settings, Recorder()), settings)
    except FastenvError as error:
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
