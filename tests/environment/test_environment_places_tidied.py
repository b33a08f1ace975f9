"""Another process tidies up, or prunes, at the very moment at which an environment is made."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from kit.environment_bench import parts, provide

from pytest_fastenv.environment.manifest import ENVIRONMENTS
from pytest_fastenv.store import lease
from pytest_fastenv.store.store import Store

NAME = parts()[:16]


def test_a_lease_that_is_claimed_for_a_while_is_waited_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases of environments that are gone are swept, so one that is about to come may be claimed."""
    leases = store.root / ENVIRONMENTS.directory / ".leases"
    leases.mkdir(parents=True)
    claimed = [lease.try_claim(leases / f"{NAME}-1.lock")]
    assert claimed[0] is not None
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if sum(waited) > 1.0 and claimed:  # that process did not have its turn for so long
            descriptor = claimed.pop()
            assert descriptor is not None
            os.close(descriptor)

    monkeypatch.setattr(lease, "time", SimpleNamespace(sleep=sleep, time=time.time))
    assert provide(store).environment.prefix.name == f"{NAME}-1"
    assert claimed == []


def test_one_that_was_being_removed_is_gone_by_then(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its mark went before it did, so that it looked like one that was never finished."""
    first = provide(store).environment.prefix
    (first / ".fastenv" / "ready").unlink()
    try_claim = lease.try_claim

    def claim(path: str | os.PathLike[str]) -> int | None:
        if Path(path).stem == first.name:
            shutil.rmtree(first)
        return try_claim(path)

    monkeypatch.setattr(lease, "try_claim", claim)
    second = provide(store).environment.prefix
    assert second.name == f"{NAME}-2"
