"""What is left to be done when a session is over: keep what it compiled, in a process of its own and without haste."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from pytest_fastenv.environment import manifest
from pytest_fastenv.environment.places import Generations
from pytest_fastenv.environment.single_directory import place_of
from pytest_fastenv.errors import FastenvError
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.provisioning.bytecode import keep_bytecode
from pytest_fastenv.provisioning.question import store_of
from pytest_fastenv.runtime.imported import mark_compiled, seal_of
from pytest_fastenv.schedule.event_loop import with_one_voice
from pytest_fastenv.settings.layers import settings_from_variables
from pytest_fastenv.settings.values import Settings

_LEAST_PRIORITY = 19
#: Compiled files tell sources apart by whole seconds: those that were unpacked for the session are older by then.
_SECOND_S = 1.0


def finish(prefix: str, cache_dir: str = "", directory: str = "") -> int:
    """Keep what sessions in an environment compiled, while nothing else wants the processor; return the exit code.

    :param cache_dir: the store's directory; empty for the user's.
    :param directory: the one of environments; empty for that in the store.
    """
    _give_way()
    try:
        settings = Settings(
            cache_dir=Path(cache_dir) if cache_dir else None,
            dir=Path(directory) if directory else None,
            shared_store=settings_from_variables(os.environ).shared_store,
        )
        asyncio.run(with_one_voice(_finish(Path(prefix), settings)))
    except (FastenvError, OSError):  # nobody asked for it, so nobody is told
        return 1
    return 0


async def _finish(prefix: Path, settings: Settings) -> None:
    store, known = store_of(settings, Recorder()), manifest.read(prefix)
    place = place_of(prefix, store, settings.dir)
    # One of many is not pruned meanwhile. One that its user chose is not held: the next run may want to replace it.
    held = place.hold(known.environment(prefix)) if known is not None and isinstance(place, Generations) else None
    sealed = seal_of(str(prefix))
    await asyncio.sleep(_SECOND_S)
    try:
        await keep_bytecode(prefix, store, os.environ)
    except FastenvError:  # the store cannot be written: the end of the next session tries no more than this one
        mark_compiled(str(prefix), sealed)
        raise
    finally:
        if held is not None:
            os.close(held)


def _give_way() -> None:
    """Run when no other process would."""
    with suppress(OSError, AttributeError):  # not on every system
        os.nice(_LEAST_PRIORITY)
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
