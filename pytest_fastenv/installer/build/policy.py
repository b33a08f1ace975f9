"""What a run says about build backends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class BackendPolicy:
    """How hooks are run.

    :ivar timeout_s: the longest that a hook may take.
    :ivar isolation: ``process``: a new interpreter for each hook; ``auto``: a fork of the server where that is safe.
    :ivar keep: how many servers stay without anything to do.
    :ivar variables: the user's patterns of variables that reach builds (`result_variables`).
    :ivar anew: what is recorded of users' own trees is not used: their backends are asked, and they are built.
    """

    timeout_s: float
    isolation: Literal["auto", "process"] = "auto"
    keep: int = 4
    variables: tuple[str, ...] = ()
    anew: bool = False
