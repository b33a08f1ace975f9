"""What the tests of environments share: targets, and a fill that stands for the installer."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_fastenv.environment.environments import Environments, Provided
from pytest_fastenv.environment.fingerprint import Fingerprint
from pytest_fastenv.environment.staging import StagedEnvironment
from pytest_fastenv.interpreter.discovery import find_target
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.target import Target
from pytest_fastenv.store.store import Store


def parts(**changes: Any) -> Fingerprint:
    """A fingerprint of some parts."""
    return Fingerprint.of({"format": 1, "distributions": {"six": ["1.17", "a"]}, **changes})


async def fill(draft: StagedEnvironment) -> Mapping[str, Any]:
    """Put one module and its dist-info into a draft."""
    place = draft.prefix / draft.target.schemes["purelib"]
    (place / "six.py").write_text("__version__ = '1.17'\n")
    (place / "six-1.17.dist-info").mkdir()
    (place / "six-1.17.dist-info" / "METADATA").write_text("Name: six\nVersion: 1.17\n")
    script = draft.prefix / draft.target.schemes["scripts"] / "six"
    script.write_text(f"#!{draft.final}/bin/python\nimport six; print(six.__version__)\n")
    script.chmod(0o755)
    return {"distributions": 1}


def running_target(store: Store) -> Target:
    """The target of the interpreter that runs the tests."""
    return find_target(None, store)


def provide(store: Store, directory: Path | None = None, fingerprint: str | None = None, **options: Any) -> Provided:
    """Provide an environment and give its lease back at once."""
    environments = Environments(store, directory, Recorder())
    wanted = parts() if fingerprint is None else fingerprint
    provided = asyncio.run(environments.provide(running_target(store), wanted, fill, **options))
    os.close(provided.lease_fd)
    return provided


def main() -> None:
    """Provide an environment in a process of its own; print its directory, and whether it was there."""
    store = Store(Path(sys.argv[1]), recorder=Recorder(), lock_timeout_s=60)
    provided = provide(store)
    print(provided.environment.prefix, provided.reused)


if __name__ == "__main__":
    main()
