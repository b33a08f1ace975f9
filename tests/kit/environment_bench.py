"""What the tests of environments share: targets, and a fill that stands for the installer."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from pytest_fastenv.environment import supply
from pytest_fastenv.environment.fingerprint import Fingerprint
from pytest_fastenv.environment.places import Generations, Place, Ready
from pytest_fastenv.environment.single_directory import ChosenDirectory
from pytest_fastenv.environment.staging import StagedEnvironment
from pytest_fastenv.interpreter.discovery import find_target
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.target import Target
from pytest_fastenv.runtime.summary import Summary
from pytest_fastenv.store.store import Store


def parts(**changes: Any) -> Fingerprint:
    """A fingerprint of some parts."""
    return Fingerprint.of({"format": 1, "distributions": {"six": ["1.17", "a"]}, **changes})


async def fill(staged: StagedEnvironment) -> Summary:
    """Put one module and its dist-info into an environment."""
    place = staged.prefix / staged.target.schemes["purelib"]
    (place / "six.py").write_text("__version__ = '1.17'\n")
    (place / "six-1.17.dist-info").mkdir()
    (place / "six-1.17.dist-info" / "METADATA").write_text("Name: six\nVersion: 1.17\n")
    script = staged.prefix / staged.target.schemes["scripts"] / "six"
    script.write_text(f"#!{staged.final}/bin/python\nimport six; print(six.__version__)\n")
    script.chmod(0o755)
    return Summary(distributions=1)


def running_target(store: Store) -> Target:
    """The target of the interpreter that runs the tests."""
    return find_target(None, store)


def provide(
    store: Store,
    directory: Path | None = None,
    fingerprint: str | None = None,
    at: Path | None = None,
    **options: Any,
) -> Ready:
    """Provide an environment, in a directory of many or at a place of its own, and give its lease back at once."""
    place: Place = Generations(store, directory) if at is None else ChosenDirectory(store, at)
    wanted = parts() if fingerprint is None else fingerprint
    ready = asyncio.run(supply.provide(place, running_target(store), wanted, fill, **options))
    assert ready.lease_fd is not None
    os.close(ready.lease_fd)
    return ready


def main() -> None:
    """Provide an environment in a process of its own; print its directory, and whether it was there."""
    store = Store(Path(sys.argv[1]), recorder=Recorder(), lock_timeout_s=60)
    ready = provide(store)
    print(ready.environment.prefix, ready.summary.reused)


if __name__ == "__main__":
    main()
