"""What a session's environment server of further environments is started with."""

from __future__ import annotations

from typing import Callable

import pytest

from . import session


class ServerStart:
    """What an environment server of further environments is started with.

    :ivar handed: tells what was handed to this process, or what stands for that where nothing was.
    :ivar environ: environment variables when the session was configured: tests change them.
    """

    __slots__ = ("environ", "handed")

    def __init__(self, handed: Callable[[], session.Handed], environ: dict[str, str]) -> None:
        self.handed = handed
        self.environ = environ


SERVER_START = pytest.StashKey[ServerStart]()
