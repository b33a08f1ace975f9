"""Modules are compiled while tests begin to import them: which, from which end, how they are stamped, and when not."""

from __future__ import annotations

import importlib.util
import json
import marshal
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from kit.archives import make_wheel
from kit.server import IndexServer

from pytest_fastenv.environment.places import Ready
from pytest_fastenv.provisioning import ahead
from pytest_fastenv.provisioning.ahead import compile_ahead
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.runtime.summary import Summary
from pytest_fastenv.settings.values import Settings

SERIAL = {"concurrent": 1, "concurrent_downloads": 1, "concurrent_builds": 1, "concurrent_installs": 1}
PROGRAM = Path(ahead.__file__).with_name("ahead_program.py")


@pytest.fixture
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ahead_program_under_test", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(root: Path, **sources: str) -> Path:
    """Write modules by their names (``a__b`` for ``a.b``; ``init`` makes a package), older than this second."""
    for name, source in sources.items():
        path = root.joinpath(*name.split("__")).with_suffix(".py")
        path = path.with_name("__init__.py") if path.name == "init.py" else path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        os.utime(path, (time.time() - 100, time.time() - 100))
    return root


IMPORTS = [
    ("import a", ["a"]),
    ("import a.b, c as d", ["a.b", "c"]),
    ("from a import b, c as d  # x", ["a", "a.b", "a.c"]),
    ("from a import (\n    b,  # x\n    c,\n)\nimport d", ["a", "a.b", "a.c", "d"]),
    ("from . import x", ["p.q", "p.q.x"]),
    ("from .m import x", ["p.q.m", "p.q.m.x"]),
    ("from ..m import *", ["p.m"]),
    ("from .... import x", []),
    ("try:\n    import a\nexcept ImportError:\n    import b", ["a", "b"]),
    ("if TYPE_CHECKING:\n    import a\nimport b", ["b"]),
    ("if typing.TYPE_CHECKING:\n    import a\nelse:\n    import b", ["b"]),
    ("if sys.version_info >= (3, 9):\n    from a import b", ["a", "a.b"]),
    ("def f():\n    import a\nclass C:\n    import b\nasync def g():\n    import c", []),
    ("if x:\n        import too_deep", []),
    ("'''\nimport in_a_text_is_harmless\n'''", ["in_a_text_is_harmless"]),
    ("important = 1\nfromage = 2", []),
    ("", []),
]


@pytest.mark.parametrize(("source", "names"), IMPORTS, ids=[source for source, _ in IMPORTS])
def test_what_a_module_imports_when_it_is_imported(source: str, names: list[str], program: ModuleType) -> None:
    assert list(program.imports(source.encode(), "p.q")) == names


def test_the_last_imports_come_first(tmp_path: Path, program: ModuleType) -> None:
    write(
        tmp_path,
        first="import common",
        second__init="from . import x, y\nimport common",
        second__x="",
        second__y="import far",
        common="",
        far="",
        unused="",
    )
    names = [
        Path(path).relative_to(tmp_path).with_suffix("").as_posix()
        for path in program.Ahead([str(tmp_path)]).sources(["first", "second", "missing"])
    ]
    assert names == ["second/__init__", "common", "second/y", "far", "second/x", "first"]


def test_the_projects_own_files_tell_what_is_imported(tmp_path: Path, program: ModuleType) -> None:
    write(
        tmp_path,
        tests__test_b="import bee",
        tests__conftest="import fixtures",
        tests__test_a="import ant",
        src__own__init="from lib import x",
        node_modules__odd="import no",
        build__lib="import no",
    )
    write(tmp_path / ".hidden", x="import no")
    write(tmp_path / "env", x="import no")
    (tmp_path / "env" / "pyvenv.cfg").touch()
    assert program.project_imports(str(tmp_path), lambda: True) == ["lib", "lib.x", "fixtures", "ant", "bee"]


def test_a_large_project_is_not_read_to_its_end(
    tmp_path: Path, program: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, **{f"test_{number}": f"import m{number}" for number in range(9)})
    monkeypatch.setattr(program, "MOST_FILES", 3)
    assert program.project_imports(str(tmp_path), lambda: True) == ["m0", "m1", "m2"]


@pytest.mark.parametrize("kind", ["fifo", "device", "sparse", "directory", "dangling", "circle"])
def test_what_is_no_module_is_not_read(kind: str, tmp_path: Path, program: ModuleType) -> None:
    """A pipe would never end, a device neither, and a file of some gigabytes is no source."""
    write(tmp_path, test_it="import mod")
    odd = tmp_path / "odd.py"
    match kind:
        case "fifo":
            os.mkfifo(odd)
        case "device":
            odd.symlink_to("/dev/zero")
        case "sparse":
            odd.touch()
            os.truncate(odd, 5 << 30)
        case "directory":
            odd.mkdir()
        case "dangling":
            odd.symlink_to("nowhere")
        case "circle":
            odd.symlink_to("odd.py")
    assert program.project_imports(str(tmp_path), lambda: True) == ["mod"]
    assert program.read(str(odd)) == b""


def test_a_project_of_many_directories_is_left_when_the_session_has_ended(tmp_path: Path, program: ModuleType) -> None:
    for number in range(50):
        write(tmp_path, **{f"d{number:02}__test_it": f"import m{number:02}"})
    asked: list[int] = []

    def is_wanted() -> bool:
        asked.append(1)
        return len(asked) < 10

    assert len(program.project_imports(str(tmp_path), is_wanted)) == 8


@pytest.mark.parametrize(
    "source", [b"from a import (\n" * 200_000, b"from " + b"." * 500_000, b"import " + b"a," * 500_000], ids=len
)
def test_odd_sources_take_no_time(source: bytes, program: ModuleType) -> None:
    """What grew with the square took minutes for these."""
    begun = time.process_time()
    for _ in program.imports(source, "a"):
        pass
    assert time.process_time() - begun < 20


def test_it_is_stamped_as_python_does(tmp_path: Path, program: ModuleType) -> None:
    source = write(tmp_path, mod="VALUE = 3\n") / "mod.py"
    assert program.compile_one(str(source)) is True
    content = Path(importlib.util.cache_from_source(str(source))).read_bytes()
    status = source.stat()
    assert content[:4] == importlib.util.MAGIC_NUMBER
    assert struct.unpack("<III", content[4:16]) == (0, int(status.st_mtime), status.st_size)
    space: dict[str, Any] = {}
    code = marshal.loads(content[16:])
    exec(code, space)
    assert (space["VALUE"], code.co_filename) == (3, str(source))
    check = "import sys, mod; assert mod.__cached__; print(mod.VALUE)"
    command = [sys.executable, "-v", "-c", check]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "matches" in ran.stderr
    assert program.compile_one(str(source)) is False
    assert sorted(path.name for path in (tmp_path / "__pycache__").iterdir()) == [
        Path(importlib.util.cache_from_source("mod.py")).name
    ]


def test_what_is_edited_while_it_is_compiled_is_left_to_python(
    tmp_path: Path, program: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path, mod="VALUE = 3\n") / "mod.py"
    read = program.read

    def edited(path: str) -> bytes:
        content: bytes = read(path)
        source.write_text("VALUE = 4\n")
        return content

    monkeypatch.setattr(program, "read", edited)
    assert program.compile_one(str(source)) is False
    assert not list(tmp_path.glob("__pycache__/*"))


def test_what_the_session_has_compiled_meanwhile_stays(
    tmp_path: Path, program: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path, mod="VALUE = 3\n") / "mod.py"
    target = Path(importlib.util.cache_from_source(str(source)))
    dumps = marshal.dumps

    def slowly(code: Any) -> bytes:
        target.write_bytes(b"by the session")
        return dumps(code)

    monkeypatch.setattr(program.marshal, "dumps", slowly)
    assert program.compile_one(str(source)) is False
    assert [path.read_bytes() for path in target.parent.iterdir()] == [b"by the session"]


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="no alarm")
def test_an_alarm_in_the_middle_leaves_nothing_half_written(
    tmp_path: Path, program: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path, mod="VALUE = 3\n") / "mod.py"
    there: list[str] = []

    def replace(draft: str, _target: str) -> None:
        there.append(draft)
        assert os.path.exists(draft)
        signal.raise_signal(signal.SIGALRM)

    monkeypatch.setattr(program.os, "replace", replace)
    before = signal.signal(signal.SIGALRM, program.end)
    try:
        with pytest.raises(SystemExit):
            program.compile_one(str(source))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert len(there) == 1
    assert list((tmp_path / "__pycache__").iterdir()) == []


def test_what_was_removed_meanwhile_stays_away(
    tmp_path: Path, program: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path, package__mod="VALUE = 3\n") / "package" / "mod.py"
    monkeypatch.setattr(os, "mkdir", removing(os.mkdir, source.parent))
    assert program.compile_one(str(source)) is False
    assert not source.parent.exists()


def removing(mkdir: Callable[..., None], directory: Path) -> Callable[..., None]:
    """Remove a directory just before another one is made in it."""

    def make(*given: Any, **named: Any) -> None:
        shutil.rmtree(directory)
        mkdir(*given, **named)

    return make


@pytest.mark.parametrize("content", [b"def (:\n", b"\xff\xfe nonsense", b"x = '\x00'", b"(" * 5000])
def test_what_cannot_be_compiled_is_left_out(content: bytes, tmp_path: Path, program: ModuleType) -> None:
    source = tmp_path / "mod.py"
    source.write_bytes(content)
    os.utime(source, (1e9, 1e9))
    assert program.compile_one(str(source)) is False
    assert not list(tmp_path.glob("__pycache__/*"))


def test_what_was_written_within_this_second_is_compiled_in_the_next_one(tmp_path: Path, program: ModuleType) -> None:
    source = tmp_path / "mod.py"
    source.write_text("VALUE = 3\n")
    assert program.compile_one(str(source)) is True
    assert time.time() >= int(source.stat().st_mtime) + 1


def test_it_ends_with_the_session(tmp_path: Path) -> None:
    write(tmp_path / "project", test_it="import mod")
    write(tmp_path / "site", mod="")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    order = {
        "prefix": str(tmp_path),
        "sites": [str(tmp_path / "site")],
        "root": str(tmp_path / "project"),
        "session": ended.pid,
    }
    command = [sys.executable, "-I", "-S", "-B", "-c", _WHOLE.format(program=str(PROGRAM)), json.dumps(order)]
    subprocess.run(command, check=True)
    assert not (tmp_path / "site" / "__pycache__").exists()
    order["session"] = os.getpid()
    subprocess.run([*command[:-1], json.dumps(order)], check=True)
    assert (tmp_path / "site" / "__pycache__").exists()


#: The program without leaving a process behind.
_WHOLE = "import os, runpy; os.fork = lambda: 0; runpy.run_path({program!r}, run_name='__main__')"


def some_ready(prefix: Path, **summary: Any) -> Ready:
    schemes = {"purelib": "lib", "platlib": "lib", "scripts": "bin"}
    interpreter = {"version": "3.11.7", "short": "CPython 3.11.7", "identity": "x", "schemes": schemes}
    return Ready(Environment.at(prefix, "f" * 64, interpreter), Summary(**summary))


@pytest.mark.parametrize(
    ("summary", "settings", "cores", "started"),
    [
        ({"fetched": 1}, {}, {0, 1}, 1),
        ({"built": 1}, {}, {0, 1}, 1),
        ({"cached": 5}, {}, {0, 1}, 0),
        ({"fetched": 1, "reused": True}, {}, {0, 1}, 0),
        ({"fetched": 1}, {"bytecode": "own"}, {0, 1}, 0),
        ({"fetched": 1}, SERIAL, {0, 1}, 0),
        ({"fetched": 1}, {}, {0}, 0),
    ],
    ids=["fetched", "built", "all cached", "reused", "own bytecode", "serial", "one core"],
)
def test_when_it_is_begun(
    summary: dict[str, Any],
    settings: dict[str, Any],
    cores: set[int],
    started: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[Any] = []
    monkeypatch.setattr(ahead, "start_apart", lambda *given: begun.append(given))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores, raising=False)
    compile_ahead(Settings(**settings), some_ready(tmp_path, **summary), tmp_path)
    assert len(begun) == started


_COMMAND = """\
import importlib.util, os, pathlib, sys, time

site = next(pathlib.Path(path) for path in sys.path if path.endswith("site-packages"))
compiled = {name: pathlib.Path(importlib.util.cache_from_source(str(site / name))) for name in (
    "app/__init__.py", "lib/__init__.py", "lib/unused.py",
)}
until = time.monotonic() + 60
while not (compiled["app/__init__.py"].exists() and compiled["lib/__init__.py"].exists()):
    assert time.monotonic() < until
    time.sleep(0.01)
assert not compiled["lib/unused.py"].exists()
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("no child")
"""


@pytest.mark.parametrize("variable", ["PYTHONPYCACHEPREFIX", "PYTHONOPTIMIZE"])
def test_it_is_not_begun_where_python_looks_elsewhere(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Any] = []
    monkeypatch.setattr(ahead, "start_apart", lambda *given: begun.append(given))
    monkeypatch.setenv(variable, "1")
    compile_ahead(Settings(), some_ready(tmp_path, fetched=1), tmp_path)
    assert begun == []


@pytest.mark.slow
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="nothing is compiled ahead on one core")
@pytest.mark.parametrize(
    "words", [["run", "-q", "app", "--"], ["run", "-q", "-e", "one", "--exec", "--"]], ids=["run", "named"]
)
def test_it_is_done_while_the_command_runs(
    words: list[str], tmp_path: Path, artifacts: Path, index_server: Callable[..., IndexServer]
) -> None:
    """The command itself compiles nothing, waits for what is compiled, and has no child that it does not know of."""
    make_wheel(artifacts, "app", requires=["lib"], files={"app/__init__.py": b"import lib\n"})
    make_wheel(artifacts, "lib", files={"lib/__init__.py": b"", "lib/unused.py": b""})
    project = tmp_path / "project"
    write(project, test_it="import app")
    (project / "fastenv.toml").write_text("[envs.one]\nrequirements = ['app']\n")
    (project / "command.py").write_text(_COMMAND)
    shared = {"FASTENV_BYTECODE": "shared", "PYTHONDONTWRITEBYTECODE": "1"}
    environ = {**os.environ, "FASTENV_INDEX_URL": index_server().url, **shared}
    command = [sys.executable, "-m", "pytest_fastenv.cli.main", *words, "python", "command.py"]
    program = "import sys; from pytest_fastenv.cli.main import main; sys.exit(main())"
    command[1:3] = ["-c", program]
    ran = subprocess.run(command, cwd=project, env=environ, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.strip()) == (0, "no child"), ran.stderr
