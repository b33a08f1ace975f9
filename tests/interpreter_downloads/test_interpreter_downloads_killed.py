"""SIGKILL at calls that change the file system while an interpreter is installed: the next run makes a whole one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from kit.interpreter_bench import installing, offer_of
from kit.interpreters import Found
from kit.python_archives import pack_interpreter

from pytest_fastenv.interpreter.installed import PYTHONS, contents
from pytest_fastenv.interpreter_downloads.installation import installed
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.store.store import Store

_PROGRAM = str(Path(__file__).parents[1] / "kit" / "interpreter_bench.py")


def _no_strace() -> str:
    """Return why nothing can be killed at a certain call; nothing when it can. In CI it must be possible."""
    if sys.platform == "linux" and shutil.which("strace"):
        done = subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], capture_output=True, check=False)
        if not done.returncode:
            return ""
    if os.environ.get("CI") == "true" and sys.platform == "linux":
        pytest.fail("CI needs strace: faults are not tested without it")
    return "FAULTS ARE NOT TESTED: strace is missing, or may not be used, on this machine"


pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(_no_strace()), reason=_no_strace())]

#: A call, and the how-many-th of one process: unpacking, moving into place, the last steps of publishing.
POINTS = [
    ("mkdir", 3), ("mkdir", 40), ("utimensat", 1), ("utimensat", 400), ("symlink,symlinkat", 2), ("rename", 1),
    ("rename", 2), ("rmdir", 3), ("unlink", 1), ("unlink", 2), ("chmod,fchmodat", 300),
]  # fmt: skip


@pytest.mark.parametrize(
    "points", [POINTS[1::4], pytest.param(POINTS, marks=pytest.mark.nightly)], ids=["some", "more"]
)
def test_sigkill_at_calls_that_change_something(
    points: list[tuple[str, int]], interpreters: list[Found], tmp_path: Path
) -> None:
    archive = pack_interpreter(interpreters[-1][1], tmp_path / "packed")
    offer = offer_of(archive)
    undisturbed = Store(tmp_path / "undisturbed", recorder=Recorder())
    installing(undisturbed, offer)
    expected = contents(str(undisturbed.path(PYTHONS, offer.sha256) / "python"))
    killed = 0
    for number, (call, count) in enumerate(points):
        store = Store(tmp_path / str(number), recorder=Recorder())
        trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}"]
        inject = ["-e", f"inject={call}:signal=KILL:when={count}"]
        command = [sys.executable, _PROGRAM, str(store.root), str(archive), archive.as_uri()]
        killed += subprocess.run([*trace, *inject, *command], capture_output=True).returncode != 0
        entry = store.lookup(PYTHONS, offer.sha256)
        assert entry is None or not PYTHONS.is_damaged(entry), (call, count)
        target = installing(store, offer)
        place = store.path(PYTHONS, offer.sha256)
        assert installed(store) == [target], (call, count)
        # How the record and the paths in some files read depends on where the store lies.
        assert contents(str(place / "python"))[0] == expected[0], (call, count)
        assert not PYTHONS.is_damaged(place), (call, count)
        done = subprocess.run([target.python, "-I", "-c", "import ssl; print('fine')"], capture_output=True, text=True)
        assert done.stdout == "fine\n", (call, count)
        shutil.rmtree(store.root)
    assert killed > len(points) // 2
