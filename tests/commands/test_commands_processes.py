"""Commands as processes that can be ended from another thread."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pytest_fastenv.commands.processes import Processes, Stopped

pytestmark = pytest.mark.skipif(os.name == "nt", reason="groups of processes are POSIX's")


def _run(processes: Processes, code: str, *arguments: str) -> int:
    argv = [sys.executable, "-c", code, *arguments]
    return processes.run("x", argv, cwd=Path.cwd(), environ=os.environ, stdout=subprocess.DEVNULL)


def test_exit_codes() -> None:
    processes = Processes()
    assert _run(processes, "import sys; sys.exit(7)") == 7
    assert _run(processes, "import os, signal; os.kill(os.getpid(), signal.SIGTERM)") == 128 + signal.SIGTERM
    assert not processes.end_left("x")


def _in_thread(processes: Processes, code: str, started: Path) -> tuple[threading.Thread, list[str]]:
    ended: list[str] = []

    def body() -> None:
        try:
            _run(processes, f"open({str(started)!r}, 'w'); {code}")
        except Stopped:
            ended.append("stopped")

    thread = threading.Thread(target=body)
    thread.start()
    until = time.monotonic() + 30
    while not started.exists():
        assert time.monotonic() < until
        time.sleep(0.01)
    return thread, ended


@pytest.mark.slow
def test_what_does_not_listen_is_ended_the_hard_way(tmp_path: Path) -> None:
    processes = Processes(patience_s=0.2)
    deaf = "import signal, time; [signal.signal(one, signal.SIG_IGN) for one in (signal.SIGINT, signal.SIGTERM)]"
    thread, ended = _in_thread(
        processes, f"{deaf}; open({str(tmp_path / 'deaf')!r}, 'w'); time.sleep(60)", tmp_path / "a"
    )
    while not (tmp_path / "deaf").exists():
        time.sleep(0.01)
    processes.stop(signal.SIGINT)
    thread.join(30)
    assert ended == ["stopped"]
    with pytest.raises(Stopped):
        _run(processes, "")


@pytest.mark.slow
def test_commands_get_the_signal_and_its_time(tmp_path: Path) -> None:
    processes = Processes()
    heard, begun = tmp_path / "heard", tmp_path / "begun"
    os.mkfifo(begun)
    code = (
        f"import time\ntry:\n  open({str(begun)!r}, 'w').close()\n  time.sleep(60)\n"
        f"except KeyboardInterrupt: open({str(heard)!r}, 'w')"
    )
    thread, ended = _in_thread(processes, f"exec({code!r})", tmp_path / "a")
    begun.read_text()
    processes.stop(signal.SIGINT)
    thread.join(30)
    assert ended == ["stopped"]
    assert heard.exists()
