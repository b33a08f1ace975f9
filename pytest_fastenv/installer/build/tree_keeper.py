"""Leave a user's own tree as it was before a hook ran in it.

Part of `backend_server`: standard library only, Python 3.8 and newer.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any

_SWEEP_S = 5.0


class TreeKeeper:
    """Follows what a hook changes in a user's own tree, and changes it back when all its processes have ended."""

    def __init__(self, request: dict[str, Any], part: Any) -> None:
        self._journals, self._calls, self._part = part("tree_journal"), part("system_calls"), part
        self._directory = request["journal"]
        self._channel = request["announced"]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        listener, is_of_use = None, False
        with self._channel or contextlib.nullcontext():  # closed in any case: the hook waits for an answer
            journal = self._journals.Journal(self._directory)
            if self._channel is not None:
                listener, is_of_use = self._calls.accept(self._channel)
        if listener is not None:
            hear = journal.hear if is_of_use else _hear_nothing
            self._calls.listen(listener, hear, journal.is_alive, self._ended.is_set)
        while not self._ended.wait(1.0):
            journal.is_alive()

    def finish(self) -> list[str]:
        """Change everything back; return the paths of which it is not known whether the build has changed them."""
        self._ended.set()
        self._thread.join(_SWEEP_S)
        return list(self._part("tree_undo").undo(self._directory))


def _hear_nothing(_kind: str, _path: str, _to: str) -> None:
    """Let a call go on; the hook's own process takes it down."""
