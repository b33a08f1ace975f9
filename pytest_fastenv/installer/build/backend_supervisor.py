"""Look after the process of one hook: its output, its end, and the end of everything it started.

Part of `backend_server`: standard library only, Python 3.8 and newer.

What a hook started is found on Linux by being the reaper of orphans (``PR_SET_CHILD_SUBREAPER``), on other POSIX
systems by its process group, on Windows by a job object.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any

GRACE_S = 0.25
"""For processes that a hook left behind and that are about to end by themselves."""

SWEEP_S = 5.0
_LAST_WAIT_S = 30.0
TAIL_BYTES = 32 * 1024

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

try:
    import ctypes

    _prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
except (ImportError, AttributeError, OSError):  # an interpreter without ctypes: process groups must do
    _prctl = None


class Output:
    """Copies what a hook prints into its log: the beginning up to a limit, and the end from memory."""

    def __init__(self, source: int, log: str, limit_bytes: int) -> None:
        self.size_bytes = 0
        self._tail = b""
        self._source = source
        self._room = max(limit_bytes - TAIL_BYTES, 0)
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o644)
        self._thread = threading.Thread(target=self._copy, daemon=True)
        self._thread.start()

    def _copy(self) -> None:
        while True:
            chunk = os.read(self._source, 65536)
            if not chunk:
                return
            self.size_bytes += len(chunk)
            self._tail = (self._tail + chunk)[-TAIL_BYTES:]
            kept = chunk[: self._room]
            self._room -= len(kept)
            self._write(kept)

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._log, data) :]
        except OSError:  # a full disk must not stop the hook at its next line of output; the tail is still reported
            self._room = 0

    def finish(self, wait_s: float) -> str:
        """Stop copying and return the end of the output as text."""
        self._thread.join(wait_s)
        tail = self._tail
        if self.size_bytes > len(tail):
            if not self._room:
                self._write(
                    b"\n[... %d bytes in all: this log has their beginning and their end ...]\n" % self.size_bytes
                )
                self._write(tail)
            tail = tail[tail.find(b"\n") + 1 :]
        return tail.decode("utf-8", "backslashreplace")


class Supervisor:
    """Looks after one hook's process and all processes that it starts.

    :param channel: descriptors to read the request from and to write messages to; may be one and the same.
    :param part: loads another part of the script.
    """

    def __init__(self, channel: tuple[int, int], part: Any) -> None:
        self._read, self._send = channel
        self._part = part
        self._lock = threading.Lock()
        self._hook = 0
        self._hung_up = False

    def request(self) -> dict[str, Any] | None:
        """Read the request; ``None`` when the owner is gone already."""
        received = b""
        while not received.endswith(b"\n"):
            chunk = os.read(self._read, 65536)
            if not chunk:
                return None
            received += chunk
        return json.loads(received)  # type: ignore[no-any-return]

    def watch(self, hook: subprocess.Popen[bytes] | int, request: dict[str, Any], output: int) -> None:
        """See the hook through, end what it leaves, and report.

        :param hook: its process, or the process id where it was forked.
        """
        pid = self._hook = hook if isinstance(hook, int) else hook.pid
        self.tell({"started": pid})
        copied = Output(output, request["log"], request["log_limit_bytes"])
        threading.Thread(target=self._listen, daemon=True).start()
        keeper = self._part("tree_keeper").TreeKeeper(request, self._part) if request["journal"] else None
        status = _wait(hook) if isinstance(hook, int) else hook.wait()
        with self._lock:
            self._hook = 0
        left = self._sweep(pid)
        stays = keeper.finish() if keeper else []
        tail = copied.finish(1.0)
        for lock in request["locks"]:  # before the report: its reader must find them free
            os.close(lock)
        self.tell({"status": status, "left": left, "stays": stays, "tail": tail, "output_bytes": copied.size_bytes})

    def tell(self, message: dict[str, Any]) -> None:
        """Send a message to the owner."""
        data = json.dumps(message).encode() + b"\n"
        with contextlib.suppress(OSError):  # an owner that is gone need not be told
            while data:
                data = data[os.write(self._send, data) :]

    def _listen(self) -> None:
        """Wait until the owner hangs up, orderly or by its death; end the hook then."""
        with contextlib.suppress(OSError):
            while os.read(self._read, 64):
                pass
        with self._lock:
            self._hung_up = True
            if self._hook:
                _end(self._hook)

    def _sweep(self, group: int) -> list[str]:
        """End everything the hook has left behind; return the names of what had to be ended."""
        ended: dict[int, str] = {}
        start = time.monotonic()
        while time.monotonic() - start < SWEEP_S:
            left = _left(group)
            if not left:
                break
            if self._hung_up or time.monotonic() - start >= GRACE_S:
                for pid in left:
                    ended.setdefault(pid, _name(pid))
                    _kill(pid)
            time.sleep(0.005)  # the kernel sends no notice when a grandchild ends
        return list(ended.values())


def supervise(channel: tuple[int, int], locks: list[int], part: Any, *, own_interpreter: bool) -> dict[str, Any]:
    """Be a supervisor; returns in the forked process of the hook only, with the request.

    :param locks: descriptors of lock files, kept open until this process and the hook's have ended.
    :param part: loads another part of the script.
    :param own_interpreter: start a new interpreter for the hook instead of forking.
    """
    if os.name == "nt":
        _join_job()
    else:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if os.getsid(0) != os.getpid():  # forked, not started
            os.setsid()
    adopt_orphans()
    supervisor = Supervisor(channel, part)
    supervisor.tell({"supervisor": os.getpid()})
    request = supervisor.request()
    if request is None:
        os._exit(0)
    request.update(parent=os.getpid(), locks=locks)
    output, into = os.pipe()
    mine, its = _pair() if request["journal"] else (None, None)
    request["announces"] = its.fileno() if its else -1
    if own_interpreter:
        hook: subprocess.Popen[bytes] | int = _start(request, into)
    else:
        hook = os.fork()
        if not hook:
            os.setsid()
            for descriptor in {output, *channel}:
                os.close(descriptor)
            os.dup2(into, 1)
            os.dup2(into, 2)
            os.close(into)
            if mine and its:
                mine.close()
                its.detach()
            return request
    os.close(into)
    if its:
        its.close()
    request["announced"] = mine
    supervisor.watch(hook, request, output)
    os._exit(0)


def adopt_orphans() -> None:
    """Become the parent of all processes below this one whose own parents end (Linux)."""
    if _prctl is not None:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_below(supervisors: set[int]) -> None:
    """End what is below a guardian that nobody needs any more: its supervisors do so themselves, the rest at once.

    A supervisor that was stopped goes on first: it has to put a user's own tree back as it was.
    """
    start = time.monotonic()
    while _prctl is not None and os.path.isdir("/proc/self"):
        children = _children()
        below = children.get(os.getpid(), [])
        is_late = time.monotonic() - start > _LAST_WAIT_S
        for pid in below:
            _kill(pid, signal.SIGCONT if pid in supervisors and not is_late else signal.SIGKILL)
        if not below or time.monotonic() - start > _LAST_WAIT_S + SWEEP_S:
            return
        time.sleep(0.01)


def _start(request: dict[str, Any], output: int) -> subprocess.Popen[bytes]:
    """Start a new interpreter for the hook; the lock files stay open in it, too."""
    process = subprocess.Popen(
        [sys.executable, "-I", sys.argv[0], "hook"],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        pass_fds=[*request["locks"], *(fd for fd in [request["announces"]] if fd >= 0)],
        start_new_session=os.name != "nt",
    )
    if process.stdin is not None:
        with contextlib.suppress(OSError), process.stdin:  # where it has ended already, its status tells
            process.stdin.write(json.dumps(request).encode())
    return process


def _pair() -> Any:
    """Return a connection over which a hook's process announces how its changes to files are heard of, if it can."""
    return socket.socketpair() if hasattr(socket.socket, "recvmsg") else (None, None)


def die_with(parent: int) -> bool:
    """Let the kernel end this process (a hook's) when its supervisor ends; false when it has ended already."""
    if _prctl is None:
        return True
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    return os.getppid() == parent


def _wait(pid: int) -> int:
    """Wait for a forked process; its exit status, or minus the signal that ended it."""
    status = os.waitpid(pid, 0)[1]
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _end(pid: int) -> None:
    """End a hook's process with its whole group."""
    if os.name != "nt":
        _kill(-pid)
        _kill(pid)  # it may not have made its group yet
    else:
        subprocess.call(
            ["taskkill", "/T", "/F", "/PID", str(pid)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )


def _kill(pid: int, number: int = 9) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _left(group: int) -> list[int]:
    """Processes that are still there: on Linux all descendants, else the hook's process group as a negative id."""
    if os.name == "nt":
        return []  # the job object ends them
    if _prctl is None or not os.path.isdir("/proc/self"):
        try:
            os.kill(-group, 0)
        except (ProcessLookupError, PermissionError):
            return []
        return [-group]
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return []
    children = _children()
    found: list[int] = []
    queue = [os.getpid()]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def _children() -> dict[int, list[int]]:
    """Return the children of each process; processes that have ended but were not reaped are left out."""
    found: dict[int, list[int]] = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat", "rb") as file:
                state, parent = file.read().rpartition(b")")[2].split()[:2]
        except OSError:  # it has ended meanwhile
            continue
        if state != b"Z":
            found.setdefault(int(parent), []).append(int(entry))
    return found


def _name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return f"{file.read().strip()} ({pid})"
    except OSError:
        return f"process {abs(pid)}"


def _join_job() -> None:
    """Put this process into a job whose members end with it (Windows)."""
    from ctypes import wintypes

    class Limits(ctypes.Structure):
        _fields_ = [  # JOBOBJECT_EXTENDED_LIMIT_INFORMATION
            ("times", ctypes.c_int64 * 2),
            ("flags", wintypes.DWORD),
            ("sets", ctypes.c_size_t * 2),
            ("processes", wintypes.DWORD),
            ("affinity", ctypes.c_size_t),
            ("classes", wintypes.DWORD * 2),
            ("counters", ctypes.c_uint64 * 6),
            ("memory", ctypes.c_size_t * 4),
        ]

    kernel = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined]
    kernel.CreateJobObjectW.restype = kernel.GetCurrentProcess.restype = wintypes.HANDLE
    job = wintypes.HANDLE(kernel.CreateJobObjectW(None, None))
    limits = Limits(flags=0x2000)  # JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
    kernel.SetInformationJobObject(job, 9, ctypes.byref(limits), ctypes.sizeof(limits))
    kernel.AssignProcessToJobObject(job, wintypes.HANDLE(kernel.GetCurrentProcess()))
