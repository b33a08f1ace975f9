"""One session over several environments, one after the other: the controller.

It collects nothing itself. For each environment, as soon as that is there, it starts pytest in it with the same
arguments (`matrix_child`), and lets its own plugins see what happens there: the terminal, the cache of failed tests,
durations and JUnit files are those of one session.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import uuid
import warnings
from typing import IO, Any, Mapping, Sequence

import pytest

from . import session
from .launch import read_launch
from .matrix_child import decode, encode
from .matrix_node import Node
from .matrix_outcomes import Outcomes, nothing_to_do
from .named_environments import NamedEnvironments, NamedState

_PATIENCE_S = 20.0


class MatrixSession:
    """The controller's plugin.

    :param handed: what was handed to it.
    """

    def __init__(
        self, config: pytest.Config, handed: session.Handed, environments: NamedEnvironments, outcomes: Outcomes
    ) -> None:
        self._config = config
        self._handed = handed
        self._environments = environments
        self._outcomes = outcomes
        self._run = uuid.uuid4().hex

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> bool:
        """Collect nothing: each environment does."""
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests in one environment after the other."""
        capture = self._config.pluginmanager.getplugin("capturemanager")
        if capture is not None:
            capture.suspend_global_capture(in_=True)  # debuggers inside read what is typed here
        left_out = nothing_to_do(self._config, self._environments.names)
        for name in self._environments.names:
            state = self._environments.wait(name)
            self._outcomes.known(state)
            if name in left_out:
                self._outcomes.left_out(name, left_out[name])
            elif state.environment is not None:
                part = _Part(self._config, session, self._handed, state, self._outcomes, self._run)
                part.run()
                if part.returncode is not None:
                    pytest.exit(str(session.shouldstop), part.returncode)
            if session.shouldfail:
                raise session.Failed(session.shouldfail)
            if session.shouldstop:
                raise session.Interrupted(session.shouldstop)
        return True


class _Listed(pytest.Item):
    """A test that one of the environments has, where tests are listed and not run."""

    def runtest(self) -> None:
        """Do nothing: it runs in its environment."""


class _Part:
    """A session in one environment, and its events as the controller's.

    :ivar returncode: what `pytest.exit` was given there.
    """

    def __init__(
        self,
        config: pytest.Config,
        whole: pytest.Session,
        handed: session.Handed,
        state: NamedState,
        outcomes: Outcomes,
        run: str,
    ) -> None:
        self._config = config
        self._session = whole
        self._handed = handed
        self._state = state
        self._outcomes = outcomes
        self._node = Node(config, state.name, run)
        self._running: tuple[str, Any] | None = None
        self._status: int | None = None
        self.returncode: int | None = None

    def run(self) -> None:
        """Run it to its end."""
        events, events_inside = os.pipe()
        answers_inside, answers = os.pipe()
        pipes = {"events": events_inside, "answers": answers_inside}
        try:
            with tempfile.TemporaryFile() as file:  # may be too long for a variable
                file.write(encode(self._node.begins()))
                file.flush()
                child = {**pipes, "input": file.fileno(), "controller": os.getpid()}
                process = subprocess.Popen(
                    self._command(), env=self._variables(child), pass_fds=(*pipes.values(), file.fileno())
                )
        finally:
            for pipe in pipes.values():
                os.close(pipe)
        self._outcomes.begins(self._state.name)
        with os.fdopen(events, "rb") as stream, os.fdopen(answers, "wb") as reply:
            try:
                for line in stream:
                    self._take(decode(line), reply)
                code = process.wait()
            except BaseException:
                for end in (stream, reply):  # their end is what the child goes by
                    end.close()
                _end(process)
                raise
        self._over(code)

    def _command(self) -> list[str]:
        environment = self._state.environment
        assert environment is not None  # noqa: S101
        launch = read_launch()
        is_module = launch.module is not None if launch.arguments else os.path.basename(sys.argv[0]) == "__main__.py"
        words = ["-m", "pytest"] if is_module else [os.path.join(environment.scripts, "pytest")]
        arguments = [str(argument) for argument in self._config.invocation_params.args]
        if self._config.getoption("collectonly", False):
            arguments = ["--no-header", *arguments]
        if self._config.getoption("basetemp", None):
            arguments = ["--basetemp={}/{}".format(self._config.option.basetemp, self._state.name), *arguments]
        return [str(environment.python), *launch.flags, *words, *arguments]

    def _variables(self, child: Mapping[str, Any]) -> dict[str, str]:
        environment = self._state.environment
        assert environment is not None  # noqa: S101
        handed = self._handed._replace(
            prefix=str(environment.prefix), name=self._state.name, matrix={"child": child}, lease_fd=None
        )
        variables = self._state.variables(os.environ)
        for name in ("PYTEST_VERSION", "PYTEST_CURRENT_TEST"):
            variables.pop(name, None)
        variables[session.VARIABLE] = session.encode(handed)
        return variables

    def _take(self, event: Sequence[Any], reply: IO[bytes]) -> None:
        """Let the controller's plugins see what happened."""
        name, *values = event
        if name == "logfinish" and self._logfinish(*values):
            stops = self._session.shouldfail or self._session.shouldstop
            reply.write(b"stop\n" if stops else b"go on\n")
            reply.flush()
        elif name != "logfinish":
            getattr(self, "_" + name)(*values)

    def _logstart(self, nodeid: str, location: Sequence[Any]) -> None:
        self._running = (nodeid, tuple(location))
        self._config.hook.pytest_runtest_logstart(nodeid=nodeid, location=tuple(location))

    def _report(self, data: Any) -> None:
        self._config.hook.pytest_runtest_logreport(report=self._restored(data))

    def _logfinish(self, nodeid: str, location: Sequence[Any], waits: bool) -> bool:
        self._running = None
        self._config.hook.pytest_runtest_logfinish(nodeid=nodeid, location=tuple(location))
        return waits

    def _collectreport(self, data: Any) -> None:
        self._config.hook.pytest_collectreport(report=self._restored(data))

    def _collected(self, nodeids: Sequence[str]) -> None:
        self._outcomes.collected(self._state.name, len(nodeids))
        self._session.testscollected = self._outcomes.expected()
        if self._config.getoption("collectonly", False):  # so that it is counted
            items: list[Any] = [_Listed.from_parent(self._session, name=nodeid) for nodeid in nodeids]
            report = pytest.CollectReport(self._state.name, "passed", None, items)
            self._config.hook.pytest_collectreport(report=report)

    def _missing(self, words: Sequence[str]) -> None:
        self._outcomes.not_found(self._state.name, words)

    def _deselected(self, nodeids: Sequence[str]) -> None:
        self._config.hook.pytest_deselected(items=nodeids)

    def _interrupted(self, why: str, ends_all: bool, returncode: int | None) -> None:
        self._outcomes.ended(self._state.name, why)
        if ends_all:
            place = " in {}".format(self._running[0]) if self._running is not None else ""
            self._session.shouldstop = "{}: {}{}".format(self._state.name, why, place)
        self.returncode = returncode

    def _internalerror(self, text: str) -> None:
        self._outcomes.failed(self._state.name, "an internal error of pytest:\n" + text)

    def _finished(self, status: int, told: Mapping[str, Any]) -> None:
        self._status = status
        self._node.workeroutput = told

    def _warning(self, text: str, kind: Sequence[str], place: Sequence[Any], told: Mapping[str, Any]) -> None:
        module, name = kind
        category = type(name, (Warning,), {"__module__": module})
        location = told["location"]
        self._config.hook.pytest_warning_recorded.call_historic(
            kwargs={
                "warning_message": warnings.WarningMessage(category(text), category, *place),
                "when": told["when"],
                "nodeid": told["nodeid"],
                "location": None if location is None else tuple(location),
            }
        )

    def _restored(self, data: Any) -> Any:
        for name in ("longrepr", "location"):  # JSON has no tuples
            if isinstance(data.get(name), list):
                data[name] = tuple(data[name])
        report = self._config.hook.pytest_report_from_serializable(config=self._config, data=data)
        report.fastenv_environment = self._state.name
        return report

    def _over(self, code: int) -> None:
        """Say what became of it as a whole."""
        if code == self._status:
            self._node.ended(None)
            self._outcomes.ended_with(self._state.name, code)
            return
        ended = "was ended by signal {}".format(-code) if code < 0 else "ended with exit code {}".format(code)
        text = "the process in which the tests ran {}".format(ended)
        self._node.ended(text)
        if self._running is None:
            if self._status is None and code not in (0, pytest.ExitCode.USAGE_ERROR):
                self._outcomes.failed(self._state.name, text)
            self._outcomes.ended_with(self._state.name, code)
            return
        nodeid, location = self._running
        report = pytest.TestReport(
            nodeid=nodeid,
            location=tuple(location),
            keywords={},
            outcome="failed",
            longrepr="{}: {} while it ran this test".format(self._state.name, text),
            when="call",
        )
        self._config.hook.pytest_runtest_logreport(report=report)
        self._config.hook.pytest_runtest_logfinish(nodeid=nodeid, location=tuple(location))
        self._outcomes.ended(self._state.name, text)


def _end(process: subprocess.Popen[Any]) -> None:
    """Wait for a child, which interrupts itself when the ends of its pipes are closed; then end it."""
    try:
        process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
