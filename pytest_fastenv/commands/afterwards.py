"""What is left to be done when commands are over, by processes that nobody waits for."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pytest_fastenv.provisioning.question import upkeep_words
from pytest_fastenv.runtime.afterwards import start, start_after_this

if TYPE_CHECKING:
    from pytest_fastenv.environment.places import Ready
    from pytest_fastenv.settings.values import Settings


def keep_bytecode(settings: Settings, ready: Ready) -> None:
    """Let the store have what commands compiled in an environment that was made for them.

    Later ones have that already, or would compile little more.
    """
    if words := _bytecode_words(settings, ready):
        start(words, os.environ)


def look_after_store(settings: Settings) -> None:
    """Bring the store onto its disk, and do what is due once a day."""
    if words := upkeep_words(settings):
        start(words, os.environ)


def do_both_after_this(settings: Settings, ready: Ready) -> None:
    """The same when this process has ended, which becomes the command in a new environment."""
    commands = [words for words in (_bytecode_words(settings, ready), upkeep_words(settings)) if words]
    start_after_this(commands, os.environ)


def _bytecode_words(settings: Settings, ready: Ready) -> tuple[str, ...]:
    if settings.bytecode != "shared" or ready.summary.reused:
        return ()
    places = [str(place or "") for place in (settings.cache_dir, settings.dir)]
    words = (sys.executable, "-P", "-m", "pytest_fastenv.environment_server", "--bytecode")
    return (*words, str(ready.environment.prefix), *places, "compiled")
