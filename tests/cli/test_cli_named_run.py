"""``fastenv run -e NAME``: what environments declare to be run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kit.archives import make_sdist, make_wheel
from kit.server import IndexServer

pytestmark = pytest.mark.slow
PROGRAM = Path(sys.executable).with_name("fastenv")
TOOL = """
import os, sys

def main():
    print("tool", *sys.argv[1:], flush=True)
    return int(os.environ.get("CODE", 0))
"""
WAITING_CHILD = "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def project(
    artifacts: Path,
    index_server: Callable[..., IndexServer],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    store: Path,
) -> Path:
    make_wheel(artifacts, "app", entry_points={"tool": "app:main"}, files={"app.py": TOOL})
    monkeypatch.setenv("FASTENV_INDEX_URL", index_server().url)
    monkeypatch.setenv("FASTENV_CACHE_DIR", str(store))
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    directory = tmp_path / "project"
    directory.mkdir()
    return directory


@pytest.fixture
def run(project: Path) -> Run:
    def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [str(PROGRAM), "run", *words]
        environ = {**os.environ, **variables}
        return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120, env=environ)

    return run


def _declare(project: Path, text: str) -> None:
    (project / "fastenv.toml").write_text(f"project = 'none'\nrequirements = ['app']\n{text}")


def _python(code: str) -> str:
    """Return a command, as TOML has it, that runs some Python."""
    return json.dumps(["python", "-c", code])


def _lines(text: str) -> list[str]:
    return [re.sub(r"\d+(\.\d+)? (ms|s)\b", "T", line) for line in text.splitlines()]


def test_all_parts_are_run_in_their_order(project: Path, run: Run) -> None:
    _declare(
        project,
        "[envs.a]\ncommands-pre = ['tool pre']\ncommands = ['- tool {posargs:none}', '! tool {env_name}', 'tool end']\n"
        "commands-post = ['tool post']\nset-env.CODE = '0'\n",
    )
    found = run("-e", "a", "--", "x y", "z")
    assert found.returncode == 1, "! asks for a failure"
    assert found.stdout.splitlines() == ["tool pre", "tool x y z", "tool a", "tool post"]
    assert "fastenv: a: tool 'x y' z" in found.stderr
    assert _lines(found.stderr)[-1] == ("fastenv: a: FAILED with exit code 1 in T (environment T, commands T): tool a")


def test_a_failure_ends_its_environment_but_for_what_comes_after(project: Path, run: Run) -> None:
    _declare(
        project,
        "[envs.a]\ncommands = ['tool 1', 'tool 2']\ncommands-post = ['tool post', 'tool post 2']\nset-env.CODE = '7'\n"
        "[envs.b]\ncommands-pre = ['tool pre']\ncommands = ['tool 1']\ncommands-post = ['tool post']\n"
        "set-env.CODE = '5'\n",
    )
    found = run("-e", "a")
    assert (found.returncode, found.stdout.splitlines()) == (7, ["tool 1", "tool post", "tool post 2"])
    found = run("-e", "b")
    assert (found.returncode, found.stdout.splitlines()) == (5, ["tool pre", "tool post"])
    assert run("-e", "a,b").returncode == 1, "several failed"


def test_one_after_the_other_they_keep_their_order(project: Path, run: Run) -> None:
    _declare(
        project,
        "[envs.first]\nrequirements = ['app', 'other']\ncommands = ['tool {env_name}']\n"
        "[envs.nowhere]\nrequirements = ['app==7']\n[envs.last]\nextends = 'first'\nrequirements = ['app']\n",
    )
    make_wheel(project.parent / "artifacts", "other")
    assert run("-e", "last").returncode == 0  # it is there, so it could begin before the others
    assert run("-e", "all").stdout == "tool first\ntool last\n"
    assert run("-e", "last,first").stdout == "tool last\ntool first\n"


def test_one_command_takes_the_place_of_this_process(project: Path, run: Run) -> None:
    _declare(project, "[envs.a]\ncommands = ['tool {posargs}']\n[envs.none]\n")
    found = run("-e", "a", "--", "x", CODE="3")
    assert (found.returncode, found.stdout) == (3, "tool x\n")
    code = "import os; print(os.getppid())"
    found = run("-e", "a", "--exec", "--", "python", "-c", code)
    assert found.stdout == f"{os.getpid()}\n"
    assert run("-e", "none", "--", "tool", "y").stdout == "tool y\n"
    found = run("-e", "none", "-q")
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_words_that_reach_no_command_are_told(project: Path, run: Run) -> None:
    _declare(project, "[envs.a]\ncommands = ['tool']\n[envs.b]\ncommands = ['tool', 'tool']\n")
    for name in "ab":
        found = run("-e", name, "--", "x")
        assert found.returncode == 0
        assert f"fastenv: warning: {name}: no command has {{posargs}}" in found.stderr


def test_where_commands_begin_and_what_they_see(project: Path, run: Run) -> None:
    (project / "docs").mkdir()
    code = (
        "import json, os, sys; print(json.dumps([os.getcwd(), sys.prefix, os.environ.get('SECRET'), os.environ['A'], "
        "os.environ['FASTENV_ENV_NAME'], os.environ['PATH'].split(os.pathsep)[-1], sys.argv[1:]]))"
    )
    words = json.dumps(["python", "-c", code, "{env_dir}", "{root}", "{env_tmp_dir}"])
    _declare(
        project,
        "[envs.a]\nchange-dir = 'docs'\npass-env = ['OTHER']\n"
        "set-env = { A = 'a {env:OTHER}', PATH = '{env:PATH}:/x' }\n"
        f"commands = [{words}]\n",
    )
    found = run("-e", "a", SECRET="1", OTHER="2", FASTENV_ENV_NAME="of another run around this one")
    assert found.returncode == 0, found.stderr
    directory, prefix, secret, a, name, path, (env_dir, root, temporary) = json.loads(found.stdout)
    assert (directory, secret, a, name, path, root) == (str(project / "docs"), None, "a 2", "a", "/x", str(project))
    assert env_dir == prefix
    assert not Path(temporary).exists(), "it goes with the run"


def test_programs_outside_have_to_be_allowed(project: Path, run: Run) -> None:
    script = project / "own.sh"
    script.write_text("#!/bin/sh\necho own\n")
    script.chmod(0o755)
    _declare(
        project,
        "[envs.a]\ncommands = ['sh -c \"echo hello\"']\n"
        "[envs.b]\nextends = 'a'\nallowlist = ['s?']\n"
        "[envs.c]\ncommands = ['./own.sh']\n"
        "[envs.d]\nextends = 'c'\nallowlist = ['{root}/*']\n"
        "[envs.e]\ncommands = ['surprise']\n",
    )
    found = run("-e", "a")
    assert found.returncode == 4
    assert "the environment has no sh" in found.stderr
    assert "commands of environment a" in found.stderr
    assert 'allowlist = ["sh"]' in found.stderr
    assert run("-e", "b").stdout == "hello\n"
    assert run("-e", "c").returncode == 4
    assert run("-e", "d").stdout == "own\n"
    found = run("-e", "a,e")
    assert found.returncode == 1
    assert "there is no program 'surprise'" in found.stderr


@pytest.mark.parametrize(
    ("text", "words", "told"),
    [
        ("commands = ['tool {oops}']", ("-e", "a"), "{oops} stands for nothing"),
        ("requirements = [\n 'x ='\n]\ncommands = ['tool']", ("-e", "a"), "fastenv.toml:4"),
        ("set-env.A = ''\nset-env.B = '{oops}'\ncommands = ['tool']", ("-e", "a"), "fastenv.toml:4 (set-env"),
        ("commands = ['tool']\nset-env.A = '{oops}'", ("-e", "a"), "set-env of environment a"),
        ("commands = ['tool']\nchange-dir = '{oops}'", ("-e", "a"), "change-dir of environment a"),
        ("commands = ['tool']\nchange-dir = 'gone'", ("-e", "a"), "there is no directory gone"),
        ("commands = ['tool']", ("-e", "a", "--json", "gone/r.json"), "there is no such directory"),
        ("commands = ['tool']", ("-e", "a", "--json", ""), "expected the name of a file"),
        ("commands = ['tool']", ("-e", "b"), "no environment is called b"),
        ("commands = ['tool']", ("-e", "a", "app"), "exclude each other"),
        ("commands = ['tool']", ("-e", "a", "--exec"), "--exec needs a command"),
        ("commands = ['tool']", ("-e", "a", "-j", "0"), "-j 0 is not accepted"),
        ("commands = ['tool']", ("--exec", "app", "--", "tool"), "-e NAME"),
    ],
)
def test_a_wrong_request(text: str, words: tuple[str, ...], told: str, project: Path, run: Run) -> None:
    _declare(project, f"[envs.a]\n{text}\n")
    found = run(*words)
    assert found.returncode == 4
    assert found.stdout == ""
    assert told in found.stderr
    assert found.stdout == ""


def test_several_at_once_are_shown_as_blocks(project: Path, run: Run) -> None:
    ready = project / "ready"
    (project / "wait.py").write_text(
        f"import os, time\nprint(1, flush=True)\nwhile not os.path.exists({str(ready)!r}): time.sleep(0.01)\nprint(2)"
    )
    touch = f"import sys; sys.stderr.write('said'); open({str(ready)!r}, 'w')"
    _declare(project, f"[envs.a]\ncommands = ['python wait.py']\n[envs.b]\ncommands = [{_python(touch)}]\n")
    found = run("-e", "all", "-j", "auto" if (os.cpu_count() or 1) > 1 else "2", GITHUB_ACTIONS="true")
    assert found.returncode == 0, found.stderr
    blocks = sorted(block.splitlines() for block in found.stdout.split("::endgroup::\n"))
    blocks = [[line for line in _lines("\n".join(block)) if not line.startswith("fastenv: ")] for block in blocks]
    assert blocks == [
        [],
        ["::group::a: OK in T (environment T, commands T)", "1", "2"],
        ["::group::b: OK in T (environment T, commands T)", "said"],
    ]
    assert "fastenv: 2 OK in T" in _lines(found.stderr)


def test_several_at_once_are_shown_live(project: Path, run: Run) -> None:
    _declare(project, "[envs.a]\ncommands = ['tool 1']\n[envs.b]\ncommands = ['tool 2']\n")
    assert sorted(run("-e", "all", "-j", "2", "-o").stdout.splitlines()) == ["a: tool 1", "b: tool 2"]


def test_the_result_for_programs(project: Path, run: Run) -> None:
    _declare(
        project,
        "[envs.a]\ncommands = ['tool 1']\n"
        "[envs.b]\ncommands = ['tool']\nset-env.CODE = '9'\nallow-failure = true\n"
        "[envs.c]\nrequirements = ['missing']\n"
        "[envs.d]\npython = '3.6'\nallow-missing-python = true\n",
    )
    found = run("-e", "all", "--json", "r.json", FASTENV_PYTHON_DOWNLOADS="never")
    assert found.returncode == 4, found.stderr
    result = json.loads((project / "r.json").read_text())
    assert (result["version"], result["exit_code"]) == (1, 4)
    a, b, c, d = result["environments"]
    assert [one["name"] for one in (a, b, c, d)] == ["a", "b", "c", "d"]
    assert [one["outcome"] for one in (a, b, c, d)] == ["ok", "failed", "not provided", "skipped"]
    assert [one["exit_code"] for one in (a, b, c, d)] == [0, 9, 4, 0]
    assert a["environment"]["installed"] == {"app": "1.0"}
    command = dict(a["commands"][0])
    assert command.pop("seconds") > 0
    assert command == {"part": "commands", "words": ["tool", "1"], "exit_code": 0, "passed": True}
    assert c["environment"] is None
    assert c["error"]["class"] == "UnknownProjectError"
    assert "which is allowed" in found.stderr
    assert run("-e", "a,b,d", FASTENV_PYTHON_DOWNLOADS="never").returncode == 0
    found = run("-e", "d", FASTENV_PYTHON_DOWNLOADS="never")
    assert found.returncode == 4, "nothing was run"


def test_the_first_failure_ends_the_run_where_that_is_asked_for(project: Path, run: Run) -> None:
    wait = "import time; time.sleep(60)"
    _declare(
        project,
        f"[envs.a]\ncommands = [{_python(wait)}, 'tool']\ncommands-post = ['tool']\n"
        "[envs.b]\ncommands = ['tool']\nset-env.CODE = '6'\n[envs.c]\ncommands = ['tool']\n",
    )
    run("-e", "c")
    found = run("-e", "b,c", "--fail-fast")
    assert (found.returncode, found.stdout) == (6, "tool\n")
    assert "fastenv: c: stopped" in found.stderr
    found = run("-e", "a,b", "-j", "2", "--fail-fast")
    assert found.returncode == 6
    assert "fastenv: a: stopped" in found.stderr


def test_what_commands_leave_behind_is_ended(project: Path, run: Run) -> None:
    note = project / "pid"
    leave = f"import subprocess, sys; {WAITING_CHILD}; open({str(note)!r}, 'w').write(str(child.pid))"
    _declare(project, f"[envs.a]\ncommands-pre = [{_python(leave)}]\ncommands = [{_python(_alive(note))}]\n")
    for words in ((), ("-j", "2")):
        found = run("-e", "a", *words)
        assert found.returncode == 0, found.stderr
        assert "left processes behind" in found.stderr
        assert not _lives(int(note.read_text()))


@pytest.fixture
def started(project: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        command = [str(PROGRAM), "run", *words]
        process = subprocess.Popen(
            command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("words", [(), ("-j", "2")])
def test_a_signal_ends_all_commands_and_what_they_started(
    number: signal.Signals,
    code: int,
    words: tuple[str, ...],
    project: Path,
    started: Callable[..., subprocess.Popen[str]],
) -> None:
    wait = (
        f"import subprocess, sys, time, os; {WAITING_CHILD}; "
        "open(sys.argv[1], 'w').write('%d %d' % (os.getpid(), child.pid)); "
        "os.rename(sys.argv[1], sys.argv[1] + '.pids'); time.sleep(60)"
    )
    command = json.dumps(["python", "-c", wait, "{root}/{env_name}"])
    both = f"commands = [{command}, 'tool']\ncommands-post = ['tool']\n"
    _declare(project, f"[envs.a]\n{both}[envs.b]\n{both}")
    process = started("-e", "all", *words)
    _wait_for(lambda: len(list(project.glob("*.pids"))) == (2 if words else 1))
    notes = list(project.glob("*.pids"))
    process.send_signal(number)
    said, told = process.communicate(timeout=30)
    assert process.returncode == code
    assert "tool" not in said, "nothing begins afterwards"
    assert told.count("stopped") >= 2
    for note in notes:
        assert not any(_lives(int(pid)) for pid in note.read_text().split())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_while_another_environment_is_made(
    number: signal.Signals,
    code: int,
    project: Path,
    artifacts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    started: Callable[..., subprocess.Popen[str]],
) -> None:
    monkeypatch.setenv("FASTENV_CACHE_DIR", str(tmp_path / "own"))
    log = tmp_path / "builds"
    make_sdist(artifacts, "slow", build_log=log, hold_s=60)
    wait = json.dumps(["python", "-c", "import time; open('begun', 'w'); time.sleep(60)"])
    _declare(project, f"[envs.a]\ncommands = [{wait}]\n[envs.b]\nrequirements = ['app', 'slow']\n")
    process = started("-e", "all")
    _wait_for(lambda: (project / "begun").exists() and log.exists())
    process.send_signal(number)
    _, told = process.communicate(timeout=30)
    assert process.returncode == code, told
    assert "stopped" in told


def test_ctrl_c_twice_ends_what_does_not_listen(project: Path, started: Callable[..., subprocess.Popen[str]]) -> None:
    deaf = (
        "import signal, sys, time, os; signal.signal(signal.SIGINT, signal.SIG_IGN); "
        "open(sys.argv[1], 'w').write(str(os.getpid())); os.rename(sys.argv[1], sys.argv[1] + '.pid'); time.sleep(60)"
    )
    command = json.dumps(["python", "-c", deaf, "{root}/a"])
    _declare(project, f"[envs.a]\ncommands = [{command}, 'tool']\n")
    process = started("-e", "a")
    note = project / "a.pid"
    _wait_for(note.exists)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while "interrupted" not in process.stderr.readline():
        pass
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - began < 8, "not after the patience for those that listen"
    assert not _lives(int(note.read_text()))


def _alive(note: Path) -> str:
    return f"import os; os.kill(int(open({str(note)!r}).read()), 0)"


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


def _wait_for(happens: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("manner", ["--quiet", "--live"])
def test_nobody_reads_the_output(project: Path, started: Callable[..., subprocess.Popen[str]], manner: str) -> None:
    chatter = _python("print('x' * 100000)")
    _declare(project, f"[envs.a]\ncommands = [{chatter}, {chatter}]\n[envs.b]\ncommands = [{chatter}]\n")
    process = started("-e", "all", "-j", "2", manner)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    told = process.stderr.read()
    assert process.wait(60) == 141, told
    assert "defect" not in told
    assert "Traceback" not in told


def test_a_terminal_has_a_line_of_what_runs(project: Path) -> None:
    pty = pytest.importorskip("pty")
    wait = _python("import time; time.sleep(0.7)")
    _declare(project, f"[envs.a]\ncommands = [{wait}]\n[envs.b]\ncommands = [{wait}]\n")
    leader, follower = pty.openpty()
    environ = {name: value for name, value in os.environ.items() if name != "CI"}
    command = [str(PROGRAM), "run", "-e", "all", "-j", "2"]
    process = subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL, stderr=follower, env=environ)
    os.close(follower)
    said = b""
    try:
        while piece := os.read(leader, 4096):
            said += piece
    except OSError:  # Linux: the other end is closed
        pass
    os.close(leader)
    assert process.wait(60) == 0, said
    assert re.search(rb"fastenv: (a|b) \d+ s, (a|b) \d+ s; 0 done\r\x1b\[K", said), said


def test_forty_environments(project: Path, run: Run) -> None:
    tables = "".join(f"[envs.e{number}]\ncommands = ['tool {number}']\n" for number in range(40))
    _declare(project, tables)
    found = run("-e", "all", "-j", "8", "-q")
    assert (found.returncode, found.stderr) == (0, "")
    said = [line for line in found.stdout.splitlines() if line.startswith("tool ")]
    assert sorted(said) == sorted(f"tool {number}" for number in range(40))


def test_a_command_in_an_environment_that_is_there_begins_without_the_rest(project: Path, run: Run) -> None:
    _declare(project, "[envs.a]\ncommands = ['tool']\n")
    run("-e", "a")
    found = run("-e", "a", "-q", PYTHONPROFILEIMPORTTIME="1")
    ours = found.stderr.partition("import time: self")[2].partition("import time: self")[0]  # before the command's own
    imported = {line.rpartition("|")[2].strip() for line in ours.splitlines()}
    assert "pytest_fastenv.commands.sequence" in imported
    rest = {"asyncio", "httpx", "importlib.metadata", "packaging", "pytest", "rich", "shutil", "subprocess", "tempfile"}
    rest |= {"virtualenv", "pytest_fastenv.commands.execution", "pytest_fastenv.provisioning.cold_path"}
    assert imported & rest == set()


def test_without_words_what_is_run_by_default(project: Path, run: Run) -> None:
    _declare(project, "[envs.a]\ncommands = ['tool a']\n[envs.b]\nrun-by-default = false\ncommands = ['tool b']\n")
    found = run()
    assert (found.returncode, found.stdout) == (0, "tool a\n")
    assert run("-e", "b").stdout == "tool b\n"
    _declare(project, "")
    assert run().returncode == 4
