"""Many processes that come for the same things at one moment: ``python crowd.py DIRECTORY COUNT SOURCE...``.

What they need is imported once and forked, so that a small machine can carry a large crowd. Each one makes an
environment of its own below the directory; what went wrong is said on the standard output.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Imported before the fork: these are what a run that makes something uses.
import pytest_fastenv.provisioning.engine
import pytest_fastenv.requirements.sources
from pytest_fastenv import provision
from pytest_fastenv.errors import FastenvError


def member(directory: Path, number: int, sources: list[str], gate: int) -> int:
    os.read(gate, 1)  # all begin when the gate is closed
    try:
        ready = provision(sources, directory=directory / str(number))
    except FastenvError as error:
        print(f"member {number}: {error.diagnosis()}", flush=True)
        return 1
    assert ready.lease_fd is not None
    os.close(ready.lease_fd)
    return 0


def main(directory: Path, count: int, sources: list[str]) -> int:
    gate, opener = os.pipe()
    members = []
    for number in range(count):
        pid = os.fork()
        if pid == 0:
            os.close(opener)
            code = 70
            try:
                code = member(directory, number, sources, gate)
            finally:
                sys.stdout.flush()
                os._exit(code)
        members.append(pid)
    os.close(opener)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in members]
    print(f"{codes.count(0)} of {count} are content")
    return 0 if codes.count(0) == count else 1


if __name__ == "__main__":
    assert pytest_fastenv.provisioning.engine
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
