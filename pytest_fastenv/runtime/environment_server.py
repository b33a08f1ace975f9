"""The process that makes further environments while a session runs, as the session sees it.

It is a process of the installation that has the whole plugin; an environment has only the runtime. It is started when
something is first asked of it, and answers one question after the other: a JSON text on one line each way. It ends
with its standard input, so also when this process is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import weakref
from typing import TYPE_CHECKING, Any, Mapping, Sequence

import pytest

from ..errors import EnvironmentServerError, RequestError, error_from_json
from .server_start import SERVER_START
from .unfollowed import unfollowed

if TYPE_CHECKING:
    from . import session

#: How long the process may take to put its things away before it is killed.
_PATIENCE_S = 20.0
_TAIL_BYTES = 2000
#: Variables that would change how its Python works, or let its modules come from the project under test.
_MISLEADING = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONWARNINGS", "PYTHONINSPECT", "PYTHONSAFEPATH")
_OUT_OF_REACH: dict[str, Any] = (  # of the terminal's Ctrl-C: it is told by its standard input
    {"start_new_session": True} if os.name == "posix" else {"creationflags": 0x00000200}  # CREATE_NEW_PROCESS_GROUP
)

_SERVER = pytest.StashKey["EnvironmentServer"]()
_servers: weakref.WeakSet[EnvironmentServer] = weakref.WeakSet()


def environment_server(config: pytest.Config) -> EnvironmentServer:
    """Return the session's environment server: each process of pytest has one, which ends with it.

    :raises RequestError: this session was not told how to start one.
    """
    known = config.stash.get(_SERVER, None)
    if known is None:
        start = config.stash[SERVER_START]
        handed = start.handed()
        if not handed.server:
            __tracebackhide__ = True
            raise RequestError(
                "no environments can be made here: this session was not told how",
                where=sys.prefix,
                hint="run pytest with the pytest-fastenv that made this environment, or install it here",
            )
        known = config.stash[_SERVER] = EnvironmentServer(
            handed.server, handed.settings or {}, handed.base, start.environ, handed.origins
        )
        config.add_cleanup(known.close)
    return known


def expect(config: pytest.Config, handed: session.Handed, environ: Mapping[str, str]) -> None:
    """Start the session's environment server early, while pytest still loads plugins: something will be asked of it."""
    known = config.stash[_SERVER] = EnvironmentServer(
        handed.server, handed.settings or {}, handed.base, environ, handed.origins
    )
    config.add_cleanup(known.close)
    with contextlib.suppress(EnvironmentServerError):  # the first question meets it again, and tells it
        known.start()


class EnvironmentServer:
    """A process that makes environments. Safe to use from several threads; one question at a time.

    :param words: the command that starts it.
    :param settings: of the session, as `pytest_fastenv.settings.values.to_json` writes them.
    :param origins: where each of them was given, as `pytest_fastenv.settings.layers.origins_to_json` writes it.
    :param base: what relative paths are relative to.
    :param environ: all its environment variables; what would lead its Python astray is left out.
    """

    def __init__(
        self,
        words: Sequence[str],
        settings: Mapping[str, Any],
        base: str,
        environ: Mapping[str, str],
        origins: Mapping[str, Any] | None = None,
    ) -> None:
        self._words = list(words)
        self._begin = {"do": "begin", "settings": dict(settings), "origins": dict(origins or {}), "base": base}
        self._cwd = base if os.path.isdir(base) else None
        self._environ = {name: value for name, value in environ.items() if name.upper() not in _MISLEADING}
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._begun = False
        self._complaints: Any = None
        _servers.add(self)

    @property
    def pid(self) -> int | None:
        """The process's id; ``None`` while there is none."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process and do not wait until it can answer.

        :raises EnvironmentServerError: it does not start.
        """
        with self._lock:
            if self._process is None:
                self._start()

    def ask(self, do: str, **values: Any) -> dict[str, Any]:
        """Ask the process to do something, and return its answer. Blocks.

        An exception while this waits (Ctrl-C, a time limit) ends the process in good order: its work is cancelled and
        put away. The next question starts another one, as it does after its death.

        :param do: the name of a handler (`pytest_fastenv.environment_server.server`).
        :param values: what the handler takes, as JSON can hold it.
        :raises FastenvError: it could not be done: the error that the process met, with its class and parts.
        :raises EnvironmentServerError: the process does not start, or ended before it answered.
        """
        __tracebackhide__ = True
        with self._lock:
            try:
                if self._process is not None and self._process.poll() is not None:
                    self._end()  # it was killed since the last answer, which was whole
                if self._process is None:
                    self._start()
                if not self._begun:
                    _content(self._exchange(self._begin))
                    self._begun = True
                answer = self._exchange({"do": do, **values})
            except BaseException:
                self._end()
                raise
        return _content(answer)

    def close(self) -> None:
        """End the process and wait until it has put everything away; it may be asked again. Idempotent."""
        with self._lock:
            self._end()

    def forget(self) -> None:
        """Let go of the process in a forked child: it belongs to the parent, and its input must end with the parent."""
        process, self._process = self._process, None
        self._lock = threading.Lock()
        if process is not None:
            process.returncode = 0  # not our child: nothing is to be waited for
            self._close_streams(process)

    def _start(self) -> None:
        self._begun = False
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        try:
            with unfollowed():
                self._process = subprocess.Popen(
                    self._words,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._complaints,
                    env=self._environ,
                    cwd=self._cwd,
                    **_OUT_OF_REACH,
                )
        except OSError as error:
            self._complaints.close()
            raise EnvironmentServerError(
                "the process that makes environments does not start",
                where=self._words[0],
                why=error.strerror or str(error),
                hint="is the pytest-fastenv that made this session's environment still installed?",
            ) from error

    def _exchange(self, question: Mapping[str, Any]) -> dict[str, Any]:
        __tracebackhide__ = True
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None  # noqa: S101, PT018
        try:
            process.stdin.write(json.dumps(question).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:  # a broken pipe
            line = b""
        if not line.endswith(b"\n"):
            raise self._died(process)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _died(self, process: subprocess.Popen[bytes]) -> EnvironmentServerError:
        try:
            code = process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            ending = "closed its output"
        else:
            ending = "was ended by signal {}".format(-code) if code < 0 else "ended with exit code {}".format(code)
        self._complaints.seek(0, os.SEEK_END)
        self._complaints.seek(max(0, self._complaints.tell() - _TAIL_BYTES))
        said = self._complaints.read().decode("utf-8", "replace").strip().splitlines()
        return EnvironmentServerError(
            "the process that makes environments {}".format(ending),
            why="\n".join(said) or None,
            hint="ask again: another one is started",
        )

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        try:
            _end_of_questions(process)
        finally:
            self._close_streams(process)

    def _close_streams(self, process: subprocess.Popen[bytes]) -> None:
        for stream in filter(None, (process.stdin, process.stdout, self._complaints)):
            with contextlib.suppress(OSError):
                stream.close()


def _end_of_questions(process: subprocess.Popen[bytes]) -> None:
    """Close a process's input, and wait until it has put everything away; end it where that takes too long.

    Ctrl-C does not take from it the time for that. It is passed on afterwards; a second one at once, and the process
    does the rest by itself.
    """
    interruption = None
    insist = iter((process.terminate,))
    while process.returncode is None:
        try:
            with contextlib.suppress(OSError):  # a broken pipe: it is gone
                process.stdin.close()  # type: ignore[union-attr]
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            next(insist, process.kill)()
        except KeyboardInterrupt as error:
            if interruption is not None:
                threading.Thread(target=process.wait, daemon=True).start()
                raise
            interruption = error
    if interruption is not None:
        raise interruption


def _content(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was answered.

    :raises FastenvError: an error was answered.
    """
    __tracebackhide__ = True
    error = answer.get("error")
    if error is not None:
        raise error_from_json(error)
    content: dict[str, Any] = answer["ok"]
    return content


def _forget_all() -> None:
    for known in list(_servers):
        known.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
