"""``python -m pytest_fastenv.upkeep STORE [flush]``: look after a store, as variables say, as far as that is due.

Mostly nothing is but to bring it onto its disk, after a session that made something: that imports little.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from pytest_fastenv.model.events import Recorder
from pytest_fastenv.store import durability
from pytest_fastenv.store.store import Store
from pytest_fastenv.upkeep.idleness import become_idle


def main() -> int:
    """Return the exit code; nobody reads what is printed, so nothing is."""
    become_idle()
    root = Path(sys.argv[1])
    if "flush" in sys.argv[2:]:
        durability.flush(root)
    store = Store(root, recorder=Recorder())
    if not store.wants_upkeep and not durability.was_cut_off(root):
        return 0
    return _look_after(root)


def _look_after(root: Path) -> int:
    from pytest_fastenv.errors import FastenvError  # once a day
    from pytest_fastenv.provisioning.question import store_of
    from pytest_fastenv.settings.layers import settings_from_variables
    from pytest_fastenv.upkeep.automatic import look_after
    from pytest_fastenv.upkeep.settling import settle

    try:
        settings = replace(settings_from_variables(os.environ), cache_dir=root)
        store = store_of(settings, Recorder())
        settle(store)
        look_after(store, settings)
    except FastenvError as error:
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
