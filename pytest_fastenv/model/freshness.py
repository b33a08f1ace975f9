"""How old an answer may be that is used instead of asking again."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Freshness:
    """A policy for everything that was asked before.

    :ivar max_age_s: seconds.
    :ivar offline: nothing can be asked, so any age is good.
    :ivar upgrade: everything is to be asked again.
    """

    max_age_s: float
    offline: bool = False
    upgrade: bool = False

    def accepts(self, at: object) -> bool:
        """Tell whether an answer may be used; one from the future (the clock was set back) may not.

        :param at: wall clock (`time.time`) when it was given; what is no number is not accepted.
        """
        if self.offline:
            return True
        if self.upgrade or not isinstance(at, (int, float)):
            return False
        return 0 <= time.time() - at < self.max_age_s
