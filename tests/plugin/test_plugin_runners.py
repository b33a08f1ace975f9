"""Programs that start pytest for their users: test runners of editors, and debuggers that follow processes.

Their start scripts are rebuilt here from what they are seen to do; a plugin of theirs reports to where they listen.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Project

pytestmark = pytest.mark.slow

LIMIT_S = 60

#: Connects when it is configured and sends a line for each result, as a plugin of an editor does.
REPORTER = """\
import json
import os
import socket
import sys

from {package}.wire import line

class Reporter:
    connection = None

    def send(self, **message):
        if self.connection is None:
            self.connection = socket.create_connection(("127.0.0.1", int(os.environ["RUNNER_PORT"])))
        self.connection.sendall(line(message))

REPORTER = Reporter()

def pytest_configure(config):
    REPORTER.send(configured=sys.prefix, root=str(config.rootpath))

def pytest_collection_finish(session):
    REPORTER.send(collected=[item.nodeid for item in session.items])

def pytest_runtest_logreport(report):
    if report.when == "call":
        REPORTER.send(nodeid=report.nodeid, outcome=report.outcome)

def pytest_sessionfinish(session, exitstatus):
    REPORTER.send(finished=int(exitstatus))

def pytest_unconfigure():
    REPORTER.connection.close()
"""
WIRE = "import json\n\ndef line(message):\n    return json.dumps(message).encode() + b'\\n'\n"
TESTS = """\
    import sys
    import library

    def test_one():
        assert library.PREFIX == sys.prefix

    def test_two():
        assert 0
    """


@pytest.fixture
def runner(project: Project) -> Path:
    """An editor's directory, which is neither installed nor part of the project, and a suite."""
    directory = project.directory.parent / "editor files"
    package = directory / "editor_plugin"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(REPORTER.format(package="editor_plugin"))
    (package / "wire.py").write_text(WIRE)
    (package / "hooks.py").write_text(REPORTER.format(package="editor_plugin"))
    project.write(test_inside__py=TESTS)
    return directory


@contextmanager
def listening(project: Project) -> Iterator[list[dict[str, Any]]]:
    """Listen where reporters connect to, several one after the other; gives their messages in the end."""
    messages: list[dict[str, Any]] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        project.variables["RUNNER_PORT"] = str(server.getsockname()[1])

        def listen() -> None:
            while True:
                connection, _ = server.accept()
                with connection, connection.makefile("rb") as stream:
                    lines = [json.loads(text) for text in stream]
                if lines == ["end"]:
                    return
                messages.extend(lines)

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield messages
        finally:
            with socket.create_connection(server.getsockname()) as last:
                last.sendall(b'"end"\n')
            thread.join()


def check(messages: list[dict[str, Any]], project: Project, *, results: bool = True) -> None:
    """Check that one session reported, from inside, all that it had to say."""
    first, collected, *others = messages
    assert first["configured"] != sys.prefix
    assert "environments" in first["configured"]
    assert first["root"] == str(project.directory)
    assert collected == {"collected": ["test_inside.py::test_one", "test_inside.py::test_two"]}
    outcomes = [
        {"nodeid": "test_inside.py::test_one", "outcome": "passed"},
        {"nodeid": "test_inside.py::test_two", "outcome": "failed"},
        {"finished": 1},
    ]
    assert others == (outcomes if results else [{"finished": 0}])


@pytest.mark.parametrize("options", [("--collect-only",), ()])
def test_plugin_on_the_command_line(project: Project, runner: Path, options: tuple[str, ...]) -> None:
    """``python -m pytest -p PLUGIN`` with the plugin's directory in PYTHONPATH: discovery in VS Code."""
    project.write(pytest__ini="[pytest]\nfastenv = requirements.txt\n")
    project.variables["PYTHONPATH"] = str(runner)
    with listening(project) as messages:
        words = ("-p", "editor_plugin", f"--rootdir={project.directory}", *options, str(project.directory))
        run = project.run(*words, module=True)
    assert run.returncode == (0 if options else 1), run.stdout + run.stderr
    check(messages, project, results=not options)


#: Reads what to run from a file, and calls pytest in its own process: execution in VS Code.
RUN_SCRIPT = """\
    import os
    import pathlib
    import sys

    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import pytest

    if __name__ == "__main__":
        ids = pathlib.Path(os.environ["RUNNER_TEST_IDS"]).read_text().splitlines()
        pytest.main(["-p", "editor_plugin", *sys.argv[1:], *ids])
    """


def test_script_that_runs_chosen_tests(project: Project, runner: Path) -> None:
    (runner / "run_tests.py").write_text(textwrap.dedent(RUN_SCRIPT))
    chosen = runner / "chosen.txt"
    chosen.write_text(f"{project.directory / 'test_inside.py'}::test_two\n")
    project.variables |= {"PYTHONPATH": str(runner), "RUNNER_TEST_IDS": str(chosen)}
    with listening(project) as messages:
        words = (f"--rootdir={project.directory}", "--fastenv=requirements.txt", "-p", "no:cacheprovider")
        run = project.run_command([sys.executable, str(runner / "run_tests.py"), *words])
    assert run.returncode == 0, "the script has its own exit code: " + run.stderr
    assert [message.get("outcome") for message in messages] == [None, None, "failed", None], run.stdout + run.stderr
    assert messages[-1] == {"finished": 1}
    assert sum("configured" in message for message in messages) == 1, "not outside as well"


#: Has its plugin as a module, gives it to `pytest.main`, and ends with pytest's exit code: PyCharm's runner.
MODULE_SCRIPT = """\
    import os
    import sys

    if __name__ == "__main__":
        here = os.path.dirname(os.path.abspath(__file__))
        sys.path[:] = [path for path in sys.path if os.path.abspath(path) != here]
        sys.path.append(here)
        sys.path.insert(0, os.getcwd())
        import pytest
        from editor_plugin import hooks

        sys.argv = [sys.argv[0], "--no-header", "--no-summary", "-q", *sys.argv[1:]]
        sys.exit(pytest.main(sys.argv[1:], plugins=[hooks]))
    """


@pytest.mark.parametrize("asked", ["on the command line", "in the ini file"])
def test_script_that_gives_its_plugin_as_a_module(project: Project, runner: Path, asked: str) -> None:
    (runner / "run_module.py").write_text(textwrap.dedent(MODULE_SCRIPT))
    words = ["--rootdir", str(project.directory), "test_inside.py"]
    if asked == "in the ini file":
        project.write(pytest__ini="[pytest]\nfastenv = requirements.txt\n")
    else:
        words += ["--fastenv", "requirements.txt"]
    with listening(project) as messages:
        run = project.run_command([sys.executable, str(runner / "run_module.py"), *words])
    assert run.returncode == 1, run.stdout + run.stderr
    check(messages, project)


def test_coverage_of_a_runner_is_that_of_the_inside(project: Project, runner: Path) -> None:
    """The runner's own process has pytest-cov too, which must neither measure nor write anything there."""
    (runner / "run_module.py").write_text(textwrap.dedent(MODULE_SCRIPT))
    words = ["--fastenv", "requirements.txt", "--cov=.", "--cov-report=json", "test_inside.py"]
    with listening(project) as messages:
        run = project.run_command([sys.executable, str(runner / "run_module.py"), *words])
    assert run.returncode == 1, run.stdout + run.stderr
    check(messages, project)
    assert "coverage" not in run.stderr.lower().replace("fastenv: coverage runs code", "")
    report = json.loads((project.directory / "coverage.json").read_text())
    assert report["files"]["test_inside.py"]["missing_lines"] == []


class Debugger:
    """A client of the Debug Adapter Protocol that lets everything run and stops at one line.

    https://microsoft.github.io/debug-adapter-protocol/specification
    """

    def __init__(self, port: int, breakpoint_at: tuple[Path, int]) -> None:
        self.port = port
        self.breakpoint_at = breakpoint_at
        self.stops: list[str] = []
        self.children: list[threading.Thread] = []

    def attach(self, **arguments: Any) -> None:
        """Attach to a process and follow it to its end."""
        with socket.create_connection(("127.0.0.1", self.port)) as connection, connection.makefile("rwb") as stream:
            send = self._sender(stream)
            send("initialize", adapterID="tests")
            while (message := self._read(stream)) is not None:
                name = message.get("event") or message["command"]
                body = message.get("body") or {}
                if name == "initialize":
                    send("attach", **arguments)
                elif name == "initialized":
                    path, line = self.breakpoint_at
                    send("setBreakpoints", source={"path": str(path)}, breakpoints=[{"line": line}])
                    send("configurationDone")
                elif name == "debugpyAttach":  # a process was started: a session of its own
                    self.children.append(threading.Thread(target=self.attach, kwargs=body))
                    self.children[-1].start()
                elif name == "stopped":
                    self.stops.append(body["reason"])
                    send("continue", threadId=body["threadId"])
                elif name == "terminated":
                    return

    def _sender(self, stream: IO[bytes]) -> Callable[..., None]:
        def send(command: str, **arguments: Any) -> None:
            message = {"seq": 1, "type": "request", "command": command, "arguments": arguments}
            content = json.dumps(message).encode()
            stream.write(b"Content-Length: %d\r\n\r\n%s" % (len(content), content))
            stream.flush()

        return send

    def _read(self, stream: IO[bytes]) -> dict[str, Any] | None:
        size = 0
        while (header := stream.readline().strip()) != b"":
            size = int(header.partition(b":")[2]) if header.lower().startswith(b"content-length") else size
        return json.loads(stream.read(size)) if size else None


@pytest.mark.parametrize("program", ["module", "script"])
def test_debugger_that_follows_processes(project: Project, runner: Path, program: str) -> None:
    """debugpy attaches to the session inside, which does not have debugpy installed, and stops at breakpoints there."""
    pytest.importorskip("debugpy", reason="needs debugpy, which editors bring along, to show that it follows")
    project.write(test_inside__py="import library\n\ndef test_inside(venv):\n    assert library\n")
    (runner / "run_plain.py").write_text("import sys\nimport pytest\n\nsys.exit(pytest.main(sys.argv[1:]))\n")
    started = ["-m", "pytest"] if program == "module" else [str(runner / "run_plain.py")]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # The debuggee connects to us, says where its adapter listens, and waits for a client there.
        listener.settimeout(LIMIT_S)
        script = textwrap.dedent(
            """\
            import runpy, socket, sys
            import debugpy
            host, port = debugpy.listen(("127.0.0.1", 0))
            with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as tell:
                tell.sendall(str(port).encode())
            debugpy.wait_for_client()
            del sys.argv[:2]
            if sys.argv[0] == "-m":
                del sys.argv[0]
                runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
            else:
                runpy.run_path(sys.argv[0], run_name="__main__")
            """
        )
        (runner / "debug.py").write_text(script)
        words = [*started, "-p", "no:cacheprovider", "--fastenv", "requirements.txt", "test_inside.py"]
        command = [sys.executable, str(runner / "debug.py"), str(listener.getsockname()[1]), *words]
        with subprocess.Popen(
            command,
            cwd=project.directory,
            env=project.environ | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as run:
            connection, _ = listener.accept()
            with connection:
                port = int(connection.makefile().read())
            debugger = Debugger(port, (project.directory / "test_inside.py", 4))
            debugger.attach(subProcess=True)
            output, _ = run.communicate(timeout=LIMIT_S)
            for child in debugger.children:
                child.join(LIMIT_S)
    assert run.returncode == 0, output
    assert "1 passed" in output
    assert os.path.basename(project.directory) in output
    assert debugger.stops == ["breakpoint"]
    assert len(debugger.children) == 1, "the session inside, and nothing of what works for it"
