"""Return the environment that is wanted: the one that is there, or a new one.

Several processes may ask at the same moment: one of them makes it. The place decides where it lies and who waits.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from pytest_fastenv.environment.places import Missing, Place, Ready, difference
from pytest_fastenv.environment.staging import StagedEnvironment
from pytest_fastenv.errors import PublishError
from pytest_fastenv.model.target import Target
from pytest_fastenv.runtime.summary import Summary

_GONE_MEANWHILE = 3

Fill = Callable[[StagedEnvironment], Awaitable[Summary]]
"""Fills what was staged and returns the summary that is kept with it."""


async def provide(
    place: Place,
    target: Target,
    fingerprint: str,
    fill: Fill,
    *,
    recreate: bool = False,
    previous: Path | None = None,
) -> Ready:
    """Return an environment with a fingerprint and hold it; make it where there is none that can be used.

    However many processes ask at the same moment, one of them makes it and the others wait for that. The summary tells
    whether it was `reused`, and else the `reason` why another one could not be used.

    :param fill: when it raises, nothing is left of what was staged.
    :param recreate: make a new one in any case.
    :param previous: the environment that the same request led to before: where a new one is made because that would
        not hold the same, the reason tells the difference.
    :raises PublishError: it could not be moved to its place, or was removed again at once.
    :raises UsageError: the place holds something else.
    """
    reason = None
    for _ in range(_GONE_MEANWHILE):
        found = place.find(fingerprint) if not recreate else Missing("asked for")
        if isinstance(found, Missing):
            async with place.stage(target, fingerprint) as staged:
                if not recreate:
                    found = place.find(fingerprint)  # another process may have made it while we waited
                if isinstance(found, Missing):
                    reason = reason or found.reason or difference(previous, fingerprint)
                    summary = await fill(staged)
                    environment = await place.publish(staged, summary)
                    held = place.hold(environment)
                    if held is not None:
                        return Ready(environment, replace(summary, reason=reason), held)
                    continue
        held = place.hold(found.environment)
        if held is not None:
            return Ready(found.environment, replace(found.summary, reused=True), held)
    raise PublishError(
        "the environment was removed each time it was made",
        where=str(place.path),
        hint=f"is something cleaning that directory? {place.way_out}",
    )
