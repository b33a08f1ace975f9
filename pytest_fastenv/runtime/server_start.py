"""How a session's environment server is started, when a test first needs it."""

from __future__ import annotations

from typing import Callable

import pytest

from . import session


class ServerStart:
    """What an environment server is started with.

    :ivar handed: returns what was handed to this process; where nothing was, what takes its place.
    :ivar environ: environment variables when the session was configured: tests change them.
    """

    __slots__ = ("environ", "handed")

    def __init__(self, handed: Callable[[], session.Handed], environ: dict[str, str]) -> None:
        self.handed = handed
        self.environ = environ


SERVER_START = pytest.StashKey[ServerStart]()
