"""Standing in for another program."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading

import pytest

from pytest_fastenv.runtime.relay import run_in_place

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def run(script: str) -> int:
    return run_in_place([sys.executable, "-I", "-S", "-c", script], os.environ)


def test_exit_code(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("print('out'); raise SystemExit(7)") == 7
    assert capfd.readouterr().out == "out\n"


@posix
def test_ended_by_a_signal() -> None:
    assert run("import os; os.kill(os.getpid(), 9)") == 128 + 9


def test_variables(capfd: pytest.CaptureFixture[str]) -> None:
    argv = [sys.executable, "-I", "-S", "-c", "import os; print(os.environ['HERE'], 'PATH' in os.environ)"]
    assert run_in_place(argv, {"HERE": "x", **{k: v for k, v in os.environ.items() if k == "SYSTEMROOT"}}) == 0
    assert capfd.readouterr().out == "x False\n"


def test_streams_without_descriptors() -> None:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert run("import sys; print('out\\u00e9'.encode()); sys.stderr.write('err')") == 0
    assert out.getvalue() == "b'out\\xc3\\xa9'\n"
    assert err.getvalue() == "err"


def test_no_streams_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stdin", None)
    assert run("print('nobody hears'); assert not input.__self__.open(0).read()") == 0


def test_program_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError):
        run_in_place(["/no/such/program"], {})


@posix
def test_signals_are_passed_on_and_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    script = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
        "os.kill(os.getppid(), signal.SIGTERM)\n"
        "while True: signal.pause()\n"
    )
    assert run(script) == 5
    assert signal.getsignal(signal.SIGTERM) is before


@posix
def test_ignored_signals_stay_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run("import signal; raise SystemExit(signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN)") == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread() -> None:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(run("raise SystemExit(3)")))
    thread.start()
    thread.join()
    assert codes == [3]


@posix
@pytest.mark.slow
def test_interrupt_from_the_terminal_arrives_once() -> None:
    """The terminal sends it to the whole process group; passed on, it would be taken for a second Ctrl-C."""
    import fcntl
    import pty
    import termios

    # SIGUSR1 goes to the parent and comes back, after everything that the parent had to pass on before.
    inner = (
        "import os, signal, sys\n"
        "seen = []\n"
        "def interrupt(*_):\n"
        "    seen.append(1)\n"
        "    os.kill(os.getppid(), signal.SIGUSR1)\n"
        "signal.signal(signal.SIGINT, interrupt)\n"
        "signal.signal(signal.SIGUSR1, lambda *_: sys.exit(10 + len(seen)))\n"
        "print('ready', flush=True)\n"
        "while True: signal.pause()\n"
    )
    outer = (
        "import os, sys\n"
        "from pytest_fastenv.runtime.relay import run_in_place\n"
        f"raise SystemExit(run_in_place([sys.executable, '-c', {inner!r}], os.environ))\n"
    )
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", outer],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no threads here
    )
    os.close(theirs)
    try:
        seen = b""
        while b"ready" not in seen:
            seen += os.read(ours, 1024)
        os.write(ours, b"\x03")
        assert child.wait(30) == 11
    finally:
        child.kill()
        child.wait()
        os.close(ours)
