"""Leaving for the session inside: terminal, signals, and callers in the same process."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="signals and terminals as POSIX has them"),
]

LIMIT_S = 60


@contextmanager
def started(project: Project, command: list[str], **options: object) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        command,
        cwd=project.directory,
        env=project.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        **options,  # type: ignore[call-overload]
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


def read_until(stream: IO[str], text: str) -> str:
    seen = ""
    while text not in seen:
        line = stream.readline()
        assert line, seen
        seen += line
    return seen


SLEEPER = """\
    import os
    import time

    def test_sleeps():
        print("ready", os.getpid(), flush=True)
        time.sleep(60)
    """


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 2), (signal.SIGTERM, -signal.SIGTERM)])
def test_signal_to_the_session(project: Project, number: int, code: int) -> None:
    """The session inside has the process id that was started, and does what pytest does."""
    project.write(test_inside__py=SLEEPER)
    with started(project, project.command("-s", "--fastenv", "requirements.txt")) as run:
        seen = read_until(run.stdout, "ready")
        assert f"ready {run.pid}\n" in seen
        os.kill(run.pid, number)
        output, _ = run.communicate(timeout=LIMIT_S)
    assert run.returncode == code
    assert ("KeyboardInterrupt" in output) is (number == signal.SIGINT)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_while_providing(project: Project, number: int, code: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(LIMIT_S)
        project.variables["FASTENV_INDEX_URL"] = f"http://127.0.0.1:{silent.getsockname()[1]}/simple/"
        project.variables["FASTENV_CACHE_DIR"] = str(project.directory / "store")
        with started(project, project.command("--fastenv", "library")) as run:
            connection, _ = silent.accept()
            with connection:
                os.kill(run.pid, number)
                output, _ = run.communicate(timeout=LIMIT_S)
    assert run.returncode == code, output
    assert "Traceback" not in output


def test_debugger_on_a_terminal(project: Project) -> None:
    project.write(test_inside__py="import sys\nimport library\n\ndef test_it():\n    assert 0\n")
    with terminal(project, "--fastenv", "requirements.txt", "--pdb") as (run, write, read):
        assert "fastenv: " in read("(Pdb)")
        write("p 'same' if library.PREFIX == sys.prefix else 'other'\n")
        assert "'same'" in read("(Pdb)")
        write("q\n")
        read("1 failed")
        assert run.wait(LIMIT_S) == 2


@pytest.mark.parametrize(("arguments", "body"), [((), "breakpoint()"), (("--trace",), "pass")])
def test_debugger_that_the_test_or_the_command_line_calls(
    project: Project, arguments: tuple[str, ...], body: str
) -> None:
    project.write(test_inside__py=f"import library\n\ndef test_it():\n    {body}\n    assert library\n")
    with terminal(project, "--fastenv", "requirements.txt", *arguments) as (run, write, read):
        read("(Pdb)")
        write("p library.PREFIX\n")
        assert "environments" in read("(Pdb)")
        write("c\n")
        read("1 passed")
        assert run.wait(LIMIT_S) == 0


def test_keyboard_interrupt_from_the_terminal(project: Project) -> None:
    project.write(test_inside__py=SLEEPER)
    with terminal(project, "-s", "--fastenv", "requirements.txt") as (run, write, read):
        read("ready")
        write("\x03")
        assert run.wait(LIMIT_S) == 2


@contextmanager
def terminal(
    project: Project, *arguments: str
) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[str], None], Callable[[str], str]]]:
    """Run pytest on a terminal of its own."""
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()

    def own_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    run = subprocess.Popen(
        project.command(*arguments),
        cwd=project.directory,
        env=project.environ | {"TERM": "dumb", "PYTHON_BASIC_REPL": "1"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=own_terminal,  # noqa: PLW1509 - no threads here
    )
    os.close(theirs)

    def write(text: str) -> None:
        os.write(ours, text.encode())

    def read(until: str) -> str:
        seen = ""
        deadline = time.monotonic() + LIMIT_S
        while until not in seen:
            ready, _, _ = select.select([ours], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, seen
            seen += os.read(ours, 4096).decode(errors="replace")
        return seen

    try:
        yield run, write, read
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        os.close(ours)


CALLER = """\
    import sys
    import pytest
    {setup}

    if __name__ == "__main__":
        code = pytest.main({arguments}, {plugins})
        print("returned", int(code))
    """


def call(project: Project, *arguments: str, setup: str = "", plugins: str = "None") -> subprocess.CompletedProcess[str]:
    words = ["-p", "no:cacheprovider", *arguments]
    project.write(caller__py=CALLER.format(arguments=words, setup=setup, plugins=plugins))
    return project.run_command([sys.executable, "caller.py"])


def test_caller_gets_the_exit_code(project: Project) -> None:
    run = call(project, "--fastenv", "requirements.txt")
    assert run.returncode == 0, run.stderr
    assert re.search(r"fastenv: .*1 passed.*returned 0\n\Z", run.stdout, re.DOTALL), run.stdout
    project.write(test_inside__py="def test_it():\n    assert 0\n")
    assert call(project, "--fastenv", "requirements.txt").stdout.endswith("returned 1\n")


def test_caller_uses_what_only_the_inside_has(project: Project) -> None:
    project.write(
        pytest__ini="[pytest]\nrequired_plugins = pytest-only-inside\n",
        requirements__txt="library\npytest-only-inside\n",
        conftest__py="import os\nprint('conftest in', os.getpid(), flush=True)\nimport library\n",
    )
    run = call(project, "--fastenv", "requirements.txt", "--only-inside=x", "-n", "1")
    assert "only inside: x" in run.stdout, run.stdout + run.stderr
    assert run.stdout.count("conftest in") == 1, "the project's code is not run here as well"
    assert run.stdout.endswith("returned 0\n")


def test_caller_gets_the_code_of_a_failure(project: Project) -> None:
    run = call(project, "--fastenv", "no-such-project-anywhere")
    assert run.stdout.endswith("returned 4\n"), run.stdout
    assert "no-such-project-anywhere" in run.stderr
    assert "Traceback" not in run.stderr


def test_caller_with_names_of_plugins(project: Project) -> None:
    run = call(project, "--fastenv", "library", "--fastenv", "early-plugin", plugins='["fastenv", "pytester"]')
    assert run.stdout.endswith("returned 0\n"), run.stdout + run.stderr


def test_caller_with_a_module_as_plugin(project: Project) -> None:
    """An IDE's runner has its plugin in a directory of its own, which is no part of the environment."""
    runner = project.directory.parent / "runner"
    runner.mkdir()
    (runner / "runner_plugin.py").write_text("def pytest_report_header(config):\n    return 'runner is here'\n")
    setup = f"sys.path.append({str(runner)!r}); import runner_plugin"
    run = call(project, "--fastenv", "requirements.txt", setup=setup, plugins="[runner_plugin]")
    assert "runner is here" in run.stdout, run.stdout + run.stderr
    assert run.stdout.endswith("returned 0\n")


def test_plugin_found_through_pythonpath(project: Project) -> None:
    runner = project.directory.parent / "runner"
    runner.mkdir()
    (runner / "runner_plugin.py").write_text("def pytest_report_header(config):\n    return 'runner is here'\n")
    project.variables["PYTHONPATH"] = str(runner)
    run = project.run("-p", "runner_plugin", "--fastenv", "requirements.txt")
    assert "runner is here" in run.stdout, run.stdout + run.stderr
    assert run.returncode == 0


def test_caller_with_an_object_as_plugin(project: Project) -> None:
    run = call(project, "--fastenv", "requirements.txt", setup="class Mine: pass", plugins="[Mine()]")
    assert run.stdout.endswith("returned 4\n"), run.stdout
    assert re.search(r"plugin objects given to pytest\.main\(\).*Mine object at", run.stderr, re.DOTALL)
    assert "Traceback" not in run.stderr


def test_caller_that_replaced_its_streams(project: Project) -> None:
    project.write(
        caller__py="""\
            import contextlib, io, pytest
            with contextlib.redirect_stdout(io.StringIO()) as stream:
                code = pytest.main(["-p", "no:cacheprovider", "--fastenv", "requirements.txt"])
            assert "1 passed" in stream.getvalue()
            print("returned", int(code))
            """
    )
    run = project.run_command([sys.executable, "caller.py"])
    assert run.stdout == "returned 0\n", run.stdout + run.stderr


def test_caller_has_a_plugin_that_misses_something(project: Project) -> None:
    """It would work inside, where the settings that it looks for can be imported."""
    project.write(
        needy__py="""\
            def pytest_load_initial_conftests():
                import library
            """
    )
    run = call(project, "--fastenv", "requirements.txt", plugins='["needy"]')
    assert run.stdout.endswith("returned 0\n"), run.stdout + run.stderr


def test_caller_in_another_thread(project: Project) -> None:
    project.write(
        caller__py="""\
            import threading, pytest
            words = ["-p", "no:cacheprovider", "--fastenv", "requirements.txt"]
            thread = threading.Thread(target=lambda: print("returned", int(pytest.main(words))))
            thread.start()
            thread.join()
            """
    )
    run = project.run_command([sys.executable, "caller.py"])
    assert run.stdout.endswith("returned 0\n"), run.stdout + run.stderr


def test_signal_to_a_caller(project: Project) -> None:
    project.write(
        test_inside__py=SLEEPER,
        caller__py="""\
            import pytest
            code = pytest.main(["-p", "no:cacheprovider", "-s", "--fastenv", "requirements.txt"])
            print("returned", int(code))
            """,
    )
    with started(project, [sys.executable, "caller.py"]) as run:
        seen = read_until(run.stdout, "ready")
        assert f"ready {run.pid}\n" not in seen
        os.kill(run.pid, signal.SIGINT)
        output, _ = run.communicate(timeout=LIMIT_S)
    assert output.endswith("returned 2\n"), output
    assert run.returncode == 0


def test_program_that_runs_pytest_as_a_module(project: Project) -> None:
    """The process is that program's, not pytest's: it must get its turn afterwards."""
    command = [sys.executable, "-m", "coverage", "run", "--data-file=data", "-m", "pytest", "--fastenv", "library"]
    run = project.run_command(command)
    assert "1 passed" in run.stdout, run.stdout + run.stderr
    assert run.returncode == 0
    assert (project.directory / "data").is_file()


def test_where_a_process_cannot_be_replaced(project: Project) -> None:
    """What Windows does: the session is a child, and its exit code passes through."""
    hook = project.directory.parent / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text("import pytest_fastenv.runtime.relay as r\nr.CAN_REPLACE = False\n")
    project.variables["PYTHONPATH"] = str(hook)
    project.write(test_inside__py="import os\n\ndef test_it():\n    print('parent', os.getppid())\n    assert 0\n")
    with started(project, project.command("-s", "--fastenv", "library")) as run:
        output, _ = run.communicate(timeout=LIMIT_S)
    assert f"parent {run.pid}\n" in output
    assert "1 failed" in output
    assert run.returncode == 1


def test_pytest_main_in_a_test_outside(project: Project) -> None:
    project.write(
        test_caller__py="""\
            import pytest

            def test_caller(capfd):
                assert pytest.main(["-p", "no:cacheprovider", "--fastenv", "requirements.txt", "test_inside.py"]) == 0
                assert "1 passed" in capfd.readouterr().out
            """
    )
    run = project.run("test_caller.py")
    assert run.returncode == 0, run.stdout + run.stderr
