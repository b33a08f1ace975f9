"""A session in one of several environments, as its controller started it: it tells what happens, and shows nothing.

For plugins it is a worker (``config.workerinput``), so those that write one file for each run leave that to the
controller. It writes JSON, a line for each event, and reads a line where the controller has a say in what follows.
"""

from __future__ import annotations

import json
import os
import select
import signal
import threading
import time
from typing import Any, Generator, Mapping, Sequence

import pytest

from .matrix_node import WorkerInput
from .relay import in_foreground

#: How long the tests have to put their things away when the controller is gone.
_PATIENCE_S = 10.0
#: ``--setup-show``, ``--setup-only``, ``--setup-plan``.
_SHOWING_SETUP = ("setupshow", "setuponly", "setupplan")
#: How long Ctrl-C may take to show, where a terminal or a signal to the whole group brought it here, too.
_GRACE_S = 1.0
_GRACE_AT_TERMINAL_S = 5.0
_GO_ON = b"go on\n"
_TUPLE = "fastenv-tuple"


def encode(event: Sequence[Any]) -> bytes:
    """Write an event down in a line; what JSON cannot tell is told by its text."""
    return json.dumps(_marked(event), default=str).encode() + b"\n"


def decode(line: bytes) -> Any:
    """Read an event again; tuples, which plugins tell from lists in reports, are tuples."""
    return json.loads(line, object_hook=lambda found: tuple(found[_TUPLE]) if set(found) == {_TUPLE} else found)


def _marked(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _marked(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        plain = [_marked(one) for one in value]
        return {_TUPLE: plain} if isinstance(value, tuple) else plain
    return value


def enter(config: pytest.Config, child: Mapping[str, Any]) -> None:
    """Make a session a part of another one, before it is configured.

    :param child: what the controller handed over: the ends of two pipes, ``events`` and ``answers``; a file with the
        session's ``input``, as a worker; and the ``controller`` itself, a process id.
    """
    for name in ("events", "answers"):
        os.set_inheritable(child[name], False)
    with open(child["input"], "rb") as file:
        file.seek(0)
        config.workerinput = WorkerInput(*decode(file.read()))  # type: ignore[attr-defined]
    config.workeroutput = {}  # type: ignore[attr-defined]
    config.pluginmanager.register(
        Child(config, child["events"], child["answers"], child["controller"]), "fastenv-matrix-child"
    )


class Child:
    """The plugin of such a session.

    :param events: a descriptor to write to.
    :param answers: a descriptor to read from.
    :param controller: a process id.
    """

    def __init__(self, config: pytest.Config, events: int, answers: int, controller: int) -> None:
        self._config = config
        self._events = os.fdopen(events, "wb")
        self._answers = os.fdopen(answers, "rb")
        self._failed = False
        self._session: pytest.Session | None = None
        self._controller = controller
        self._ends = threading.Event()
        if hasattr(select, "poll"):
            threading.Thread(target=self._end_with_controller, args=(answers,), name="controller", daemon=True).start()

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Let the controller alone write to the terminal; a listing of tests is written here."""
        reporter = config.pluginmanager.getplugin("terminalreporter")
        if reporter is not None and not config.getoption("collectonly", False):
            # pytest's own, which old releases do not export, also where a plugin has put a subclass in its place.
            kind: Any = next(kind for kind in type(reporter).__mro__ if kind.__name__ == "TerminalReporter")
            if any(config.getoption(option, False) for option in _SHOWING_SETUP):  # as it happens, by another plugin
                writer = config.get_terminal_writer()
                config.get_terminal_writer = lambda: writer  # type: ignore[method-assign]
            config.pluginmanager.unregister(reporter)
            silent = kind(config, open(os.devnull, "w"))  # noqa: SIM115 - as long as the process
            config.pluginmanager.register(silent, "terminalreporter")

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Note the session, which may be stopped."""
        self._session = session

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> Generator[None, Any, None]:
        """Go on without what was asked for by name and is not in this environment: it may be in others."""
        outcome = yield
        error = None if outcome.excinfo is None else outcome.excinfo[1]
        words: list[str] = list(session.config.args)
        missing: list[str] = []
        while isinstance(error, pytest.UsageError):
            lacking = _lacking(words, session.config, " ".join(str(error).split()))
            if not lacking:
                return
            missing += lacking
            words = [word for word in words if word not in lacking]
            error = _collected(session, words)
        if missing:
            self._tell("missing", missing)
            outcome.force_result(True)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Tell what could not be collected, or is left out as a whole."""
        if not report.passed:
            self._tell("collectreport", self._serialized(report))

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Tell which tests are left out."""
        self._tell("deselected", [item.nodeid for item in items])

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Tell which tests there are."""
        self._tell("collected", [item.nodeid for item in session.items])

    def pytest_runtest_logstart(self, nodeid: str, location: Any) -> None:
        """Tell that a test begins."""
        self._tell("logstart", nodeid, location)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Tell the outcome of a phase of a test."""
        self._failed = self._failed or report.failed
        self._tell("report", self._serialized(report))

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self, nodeid: str, location: Any) -> None:
        """Tell that a test is over; behind a failure the controller says whether another one begins."""
        self._tell("logfinish", nodeid, location, self._failed)
        if self._failed and self._answers.readline() != _GO_ON and self._session is not None:
            self._session.shouldstop = self._session.shouldstop or "the session stops"
        self._failed = False

    def pytest_warning_recorded(self, warning_message: Any, when: str, nodeid: str, location: Any) -> None:
        """Pass a warning on."""
        category = warning_message.category
        self._tell(
            "warning",
            str(warning_message.message),
            [category.__module__, category.__qualname__],
            [warning_message.filename, warning_message.lineno],
            {"when": when, "nodeid": nodeid, "location": location},
        )

    def pytest_internalerror(self, excrepr: object) -> bool:
        """Tell what went wrong in pytest itself, in place of pytest."""
        self._tell("internalerror", str(excrepr))
        return True

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Tell why it ends early. Ctrl-C and `pytest.exit` end the controller's session, too."""
        self._ends.set()
        why = excinfo.value
        is_own = isinstance(why, pytest.Session.Interrupted)
        self._tell("interrupted", str(why) or type(why).__name__, not is_own, getattr(why, "returncode", None))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Tell that it is over."""
        self._ends.set()
        told = {"exitstatus": int(exitstatus), **self._config.workeroutput}  # type: ignore[attr-defined]
        self._tell("finished", int(exitstatus), told)

    def _end_with_controller(self, answers: int) -> None:
        """End this process when the controller ends or is gone, whatever a test does: as Ctrl-C would, then for good.

        Ctrl-C that came here by itself counts: a second one would disturb what puts things away.
        """
        gone = select.poll()
        gone.register(answers, 0)  # nothing but the end
        gone.poll()
        if not self._ends.wait(_GRACE_AT_TERMINAL_S if in_foreground() else _GRACE_S):
            os.kill(os.getpid(), signal.SIGINT)
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until or os.getppid() == self._controller:  # that one has patience of its own
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGKILL)

    def _serialized(self, report: Any) -> Any:
        return self._config.hook.pytest_report_to_serializable(config=self._config, report=report)

    def _tell(self, *event: Any) -> None:
        """Write down what happened: its name, and what the controller's method of that name takes."""
        try:
            self._events.write(encode(event))
            self._events.flush()
        except BrokenPipeError:  # the controller is gone
            if self._session is not None:
                self._session.shouldstop = "the session is gone"


def _collected(session: pytest.Session, words: list[str]) -> pytest.UsageError | None:
    """Collect what words name; return the error where pytest does not find all of it."""
    if words:
        try:
            session.perform_collect(words)
        except pytest.UsageError as error:
            return error
    else:
        session.items = []
        session.config.hook.pytest_collection_finish(session=session)
    return None


def _lacking(words: Sequence[str], config: pytest.Config, told: str) -> list[str]:
    """Return the words of the command line of which pytest's error tells that it did not find what they name.

    Since pytest 9 it tells of ``test_a.py::test_x[1]`` without the parameters: then that is meant first.
    """
    without = [word for word in words if word.endswith("]") and _is_told(word[: word.rfind("[")], config, told)]
    return without or [word for word in words if _is_told(word, config, told)]


def _is_told(word: str, config: pytest.Config, told: str) -> bool:
    """Say whether pytest's error tells that it did not find what a word of the command line names."""
    path, colons, rest = word.partition("::")
    whole = os.path.join(str(config.invocation_params.dir), path)
    names = {name + colons + rest for name in (path, whole, os.path.normpath(whole), os.path.realpath(whole))}
    return any("not found: " + name + end in told + " " for name in names for end in (" ", "\n"))
