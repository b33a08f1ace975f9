"""The environment server as a session sees it: questions, errors, deaths, forks, and its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from pytest_fastenv.errors import (
    BuildError,
    ConflictingRequirementsError,
    EnvironmentServerError,
    FailureGroup,
    FastenvError,
    UsageError,
)
from pytest_fastenv.runtime.environment_server import EnvironmentServer

pytestmark = pytest.mark.slow

#: A program that speaks the protocol, and does what the tests need.
PROGRAM = """\
import json, os, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
begun = None
for line in sys.stdin:
    asked = json.loads(line)
    do = asked["do"]
    if do == "begin":
        begun = asked
        answer = {"ok": {}}
    elif do == "echo":
        answer = {"ok": {"asked": asked, "begun": begun, "cwd": os.getcwd(), "environ": dict(os.environ)}}
    elif do == "fail":
        answer = {"error": asked["error"]}
    elif do == "die":
        sys.stderr.write("the last words")
        sys.exit(5)
    elif do == "hang":
        open(asked["mark"], "w").close()
        continue
    print(json.dumps(answer), flush=True)
open(sys.argv[1], "a").write("ended\\n")
"""


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., EnvironmentServer]]:
    """Make servers of the program above; each is closed at the end."""
    made: list[EnvironmentServer] = []

    def server(program: str = PROGRAM, environ: Mapping[str, str] | None = None) -> EnvironmentServer:
        words = (sys.executable, "-c", program, str(tmp_path / "ended"))
        made.append(
            EnvironmentServer(words, {"link": "copy"}, str(tmp_path), dict(os.environ) if environ is None else environ)
        )
        return made[-1]

    yield server
    for one in made:
        one.close()


def test_it_may_be_started_before_anything_is_asked(make: Callable[..., EnvironmentServer]) -> None:
    server = make()
    server.start()
    pid = server.pid
    assert pid is not None
    server.start()
    answer = server.ask("echo")
    assert answer["begun"]["settings"] == {"link": "copy"}
    assert server.pid == pid
    server.close()
    assert server.ask("echo")["begun"]["settings"] == {"link": "copy"}


def test_question_and_answer(make: Callable[..., EnvironmentServer], tmp_path: Path) -> None:
    server = make(environ={**os.environ, "PYTHONPATH": "/outside", "PYTHONHOME": "/outside", "KEPT": "1"})
    assert server.pid is None
    answer = server.ask("echo", text="ü\udcff\n", number=1)
    assert answer["asked"] == {"do": "echo", "text": "ü\udcff\n", "number": 1}
    assert answer["begun"] == {
        "do": "begin",
        "settings": {"link": "copy"},
        "origins": {},
        "base": str(tmp_path),
    }
    assert Path(answer["cwd"]) == tmp_path.resolve()
    assert answer["environ"]["KEPT"] == "1"
    assert not {"PYTHONPATH", "PYTHONHOME"} & answer["environ"].keys()
    pid = server.pid
    server.ask("echo")
    assert server.pid == pid
    server.close()
    server.close()
    assert (tmp_path / "ended").read_text() == "ended\n"
    assert server.ask("echo")
    assert server.pid != pid


@pytest.mark.parametrize(
    "error",
    [
        ConflictingRequirementsError("it is wrong", where="there", why="two\nlines", hint="mend it"),
        FailureGroup([BuildError("one"), UsageError("two")]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_raised_again_and_leaves_it_alive(
    make: Callable[..., EnvironmentServer], error: FastenvError
) -> None:
    server = make()
    with pytest.raises(type(error)) as caught:
        server.ask("fail", error=error.to_json())
    assert (caught.value.exit_code, caught.value.diagnosis()) == (error.exit_code, error.diagnosis())
    pid = server.pid
    assert server.ask("echo")
    assert server.pid == pid


def test_death_is_told_and_the_next_question_starts_another(make: Callable[..., EnvironmentServer]) -> None:
    server = make()
    with pytest.raises(EnvironmentServerError, match=r"ended with exit code 5\n  why:   the last words\n  next:"):
        server.ask("die")
    assert server.pid is None
    assert server.ask("echo")


def test_killed_while_it_works(make: Callable[..., EnvironmentServer], tmp_path: Path) -> None:
    server = make()
    mark = tmp_path / "working"

    def kill() -> None:
        while not mark.exists():
            time.sleep(0.005)
        os.kill(server.pid or 0, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(EnvironmentServerError, match="was ended by signal 9"):
        server.ask("hang", mark=str(mark))
    killer.join()
    assert server.ask("echo")


def test_no_such_program(tmp_path: Path) -> None:
    server = EnvironmentServer((str(tmp_path / "absent"),), {}, str(tmp_path), {})
    with pytest.raises(EnvironmentServerError, match=r"does not start\n  where: .*absent"):
        server.ask("echo")


def test_not_the_program_that_was_meant(make: Callable[..., EnvironmentServer]) -> None:
    with pytest.raises(EnvironmentServerError, match="No module named 'nowhere'"):
        make("import nowhere").ask("echo")


def test_interrupted_while_waiting(make: Callable[..., EnvironmentServer], tmp_path: Path) -> None:
    """Ctrl-C reaches the one who asks; the process is ended by the end of its input, and has put its things away."""
    server = make()
    mark = tmp_path / "working"

    def interrupt() -> None:
        while not mark.exists():
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        server.ask("hang", mark=str(mark))
    interrupter.join()
    assert server.pid is None
    assert (tmp_path / "ended").read_text() == "ended\n"
    assert server.ask("echo")


#: Puts its things away when its input ends, which takes until it is told to go on.
SLOW_END = """\
import pathlib, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.stdin.readline()
print('{"ok": {}}', flush=True)
sys.stdin.readline()
print('{"ok": {}}', flush=True)
sys.stdin.read()
here = pathlib.Path(sys.argv[1])
here.with_name("ending").touch()
while not here.with_name("go").exists():
    time.sleep(0.005)
here.write_text("ended")
"""


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C reaches a whole console there")
@pytest.mark.parametrize("times", [1, 2])
def test_interrupted_while_it_puts_its_things_away(
    times: int, make: Callable[..., EnvironmentServer], tmp_path: Path
) -> None:
    """It keeps the time for that, whether somebody waits for it, or has asked twice to be let go."""
    server = make(SLOW_END)
    server.ask("anything")
    left = threading.Event()

    raised: list[float] = []

    def interrupted(_number: int, _frame: object) -> None:
        now = time.monotonic()
        # `Popen.wait` waits a quarter of a second before it lets the first one pass: until then a second one is lost.
        if not raised or (len(raised) < times and now > raised[0] + 1):
            raised.append(now)
            raise KeyboardInterrupt

    def interrupt() -> None:
        while not (tmp_path / "ending").exists():
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)
        if times == 1:
            (tmp_path / "go").touch()
        while times == 2 and not left.wait(0.005):
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, interrupted)
    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            server.close()
    finally:
        left.set()
        interrupter.join()
        signal.signal(signal.SIGINT, before)
    assert server.pid is None
    assert (tmp_path / "ended").exists() == (times == 1)
    (tmp_path / "go").touch()
    deadline = time.monotonic() + 20
    while not (tmp_path / "ended").exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert (tmp_path / "ended").read_text() == "ended"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork: there is none on Windows")
def test_a_forked_child_has_one_of_its_own(make: Callable[..., EnvironmentServer], tmp_path: Path) -> None:
    """And does not keep the parent's alive."""
    script = tmp_path / "forking.py"
    script.write_text(
        textwrap.dedent(
            f"""\
            import os, sys, time
            from pathlib import Path
            from pytest_fastenv.runtime.environment_server import EnvironmentServer
            server = EnvironmentServer((sys.executable, "-c", {PROGRAM!r}, sys.argv[1]), {{}}, ".", dict(os.environ))
            server.ask("echo")
            first = server.pid
            child = os.fork()
            if child == 0:
                assert server.pid is None
                server.ask("echo")
                assert server.pid != first
                server.close()
                while not Path(sys.argv[1]).read_text() == "ended\\nended\\n":
                    time.sleep(0.005)
                os._exit(0)
            Path(sys.argv[2]).write_text(str(child))
            os._exit(0)  # as after SIGKILL: nothing is closed in good order
            """
        )
    )
    words = [sys.executable, str(script), str(tmp_path / "ended"), str(tmp_path / "child")]
    subprocess.run(words, check=True, timeout=30)
    deadline = time.monotonic() + 20
    while (tmp_path / "ended").read_text() != "ended\nended\n" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert (tmp_path / "ended").read_text() == "ended\nended\n"


def test_threads_take_turns(make: Callable[..., EnvironmentServer]) -> None:
    server = make()
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(server.ask("echo", number=n)["asked"]["number"]))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == list(range(8))


def test_the_oldest_interpreter_can_use_it(tmp_path: Path, interpreters: list[tuple[tuple[int, ...], Path]]) -> None:
    """Compiled there, and run there as far as it does without pytest."""
    here = Path(EnvironmentServer.ask.__code__.co_filename).parent
    names = ["environment_server", "fixtures", "environment_in_test", "session_environment", "virtual_environment"]
    names += ["program", "unknown_options", "inside", "workers"]
    code = "import sys; [compile(open(p).read(), p, 'exec', 0, True) for p in sys.argv[1:]]"
    paths = [str(here / f"{name}.py") for name in names]
    subprocess.run([interpreters[0][1], "-I", "-c", code, *paths], check=True)
    package = tmp_path / "inside" / "runtime"
    package.mkdir(parents=True)
    for name in ("session", "environment", "environment_in_test", "session_environment", "program", "sealed"):
        (package / f"{name}.py").write_bytes((here / f"{name}.py").read_bytes())
    (package.parent / "errors.py").write_bytes((here.parent / "errors.py").read_bytes())
    for directory in (package, package.parent):
        (directory / "__init__.py").touch()
    script = (
        "import json, sys; sys.path.insert(0, sys.argv[1]);"
        "from inside.runtime.session_environment import session_environment;"
        "here = session_environment(list); print(json.dumps([here.python_version, str(here.prefix), here.plan,"
        " here.run(['python3', '-c', 'print(1)'], env={'PATH': '/usr/bin:/bin'}).stdout]))"
    )
    done = subprocess.run(
        [interpreters[0][1], "-I", "-c", script, tmp_path], check=True, capture_output=True, text=True
    )
    version, _, plan, one = json.loads(done.stdout)
    assert version.startswith(".".join(map(str, interpreters[0][0][:2])))
    assert (plan, one.strip()) == (None, "1")
