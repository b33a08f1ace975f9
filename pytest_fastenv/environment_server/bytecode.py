"""What is left to be done when a session is over: keep what it compiled, in a process of its own and without haste."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from pytest_fastenv.environment import manifest
from pytest_fastenv.environment.places import Generations
from pytest_fastenv.environment.single_directory import place_of
from pytest_fastenv.errors import FastenvError
from pytest_fastenv.filesystem import bytecode
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.provisioning.bytecode import keep_bytecode
from pytest_fastenv.provisioning.question import store_of
from pytest_fastenv.runtime.imported import keep, mark_compiled, seal_of
from pytest_fastenv.schedule.event_loop import with_one_voice
from pytest_fastenv.settings.layers import settings_from_variables
from pytest_fastenv.settings.values import Settings

_LEAST_PRIORITY = 19
#: Compiled files tell sources apart by whole seconds: those that were unpacked for the session are older by then.
_SECOND_S = 1.0


def finish(prefix: str, cache_dir: str = "", directory: str = "", imported: str = "") -> int:
    """Keep what sessions in an environment compiled, while nothing else wants the processor; return the exit code.

    :param cache_dir: the store's directory; empty for the user's.
    :param directory: the one of environments; empty for that in the store.
    :param imported: ``compiled``: nobody noted what was imported, but Python compiled it.
    """
    _give_way()
    try:
        settings = Settings(
            cache_dir=Path(cache_dir) if cache_dir else None,
            dir=Path(directory) if directory else None,
            shared_store=settings_from_variables(os.environ).shared_store,
        )
        asyncio.run(with_one_voice(_finish(Path(prefix), settings, is_noted=imported != "compiled")))
    except (FastenvError, OSError):  # nobody asked for it, so nobody is told
        return 1
    return 0


async def _finish(prefix: Path, settings: Settings, *, is_noted: bool) -> None:
    store, known = store_of(settings, Recorder()), manifest.read(prefix)
    place = place_of(prefix, store, settings.dir)
    # One of many is not pruned meanwhile. One that its user chose is not held: the next run may want to replace it.
    held = place.hold(known.environment(prefix)) if known is not None and isinstance(place, Generations) else None
    if known is not None and not is_noted:
        keep(str(prefix), _compiled(prefix, known.interpreter["schemes"]))
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


def _compiled(prefix: Path, schemes: Mapping[str, str]) -> Iterator[str]:
    """Yield the installed sources that are compiled, relative to an environment."""
    for directory in {schemes["purelib"], schemes["platlib"]}:
        for place, below, _ in os.walk(prefix / directory):
            if bytecode.CACHE in below:
                below.remove(bytecode.CACHE)
                sources = {bytecode.source_of(name) for name in bytecode.compiled(place)} - {""}
                yield from (os.path.relpath(os.path.join(place, source), prefix) for source in sources)


def _give_way() -> None:
    """Run when no other process would."""
    with suppress(OSError, AttributeError):  # not on every system
        os.nice(_LEAST_PRIORITY)
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
