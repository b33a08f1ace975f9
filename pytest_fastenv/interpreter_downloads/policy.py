"""What a run says about interpreters that are not on this machine."""

from __future__ import annotations

from typing import NamedTuple


class DownloadPolicy(NamedTuple):
    """Whether interpreters may be downloaded, and from where.

    :ivar mirror: as it was given; ``None`` for where the tables say.
    """

    mirror: str | None = None
    permitted: bool = True
    offline: bool = False
