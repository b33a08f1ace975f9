"""What others do to a store at the same moment, and locks that are missing or lie: through the command."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from front_doors import Desk, missing, whole
from kit.archives import make_sdist, make_wheel
from kit.nightly import first_and_at_night

_WHY_NOT = "strace is for Linux" if sys.platform != "linux" else missing("strace", "-f", "-o", "/dev/null", "true")
pytestmark = pytest.mark.slow


@pytest.mark.skipif(bool(_WHY_NOT), reason=_WHY_NOT)
@pytest.mark.parametrize(
    ("inject", "told"),
    first_and_at_night(
        ("retval=0", "keep nobody away"),  # granted, and nobody is held back
        ("error=ENOLCK", "has no file locks"),
        ("error=ENOSYS", "has no file locks"),
        ("error=EOPNOTSUPP", "has no file locks"),
        by_day=2,
    ),
)
def test_locks_that_are_missing_or_lie_are_refused(inject: str, told: str, seeded: Desk) -> None:
    (seeded.store / "locks" / "probed").unlink(missing_ok=True)  # as on a file system that this store never was on
    strace = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=flock", "-e", f"inject=flock:{inject}"]
    refused = seeded.run([*strace, *seeded.words("fastenv", "good")])
    assert refused.code == 3, refused.output
    refused.is_civil()
    assert told in refused.output
    assert "FASTENV_CACHE_DIR" in refused.output
    seeded.nothing_whole_is_left()
    seeded.recovers("fastenv")


def test_pruned_at_the_same_moment(seeded: Desk) -> None:
    """Environments are made while all that is not in use goes, again and again: each one is whole."""
    assert seeded.server is not None
    make_sdist(seeded.server.directory, "built", hold_s=0.05)
    make_wheel(seeded.server.directory, "lib", files={f"lib/m{n}.py": f"{n}\n" for n in range(30)})
    fastenv = str(Path(sys.executable).with_name("fastenv"))
    makers = []
    for number in range(3):
        desk = Desk(seeded.directory.with_name(f"desk-{number}"), seeded.store, seeded.variables, server=seeded.server)
        makers.append((desk, desk.start(desk.words("fastenv", "good", "lib", "built"))))
    pruned = 0
    while any(process.poll() is None for _, process in makers):
        seeded.run([fastenv, "cache", "prune", "--unused", "0", "--environments"]).is_fine()
        pruned += 1
    assert pruned
    for desk, process in makers:
        output = process.communicate()[0].decode()
        assert process.returncode == 0, output
        assert {"good", "lib", "built"} <= whole(desk.made)
        shutil.rmtree(desk.made)
    seeded.run([fastenv, "cache", "verify"]).is_fine()
