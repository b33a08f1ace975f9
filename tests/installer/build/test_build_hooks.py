from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from build_bench import Bench, Environment, process_ends, wait_for_file

from pytest_fastenv.errors import BuildError, BuildTimeoutError
from pytest_fastenv.filesystem import oslock
from pytest_fastenv.installer.build import backend_audit, guardian, log
from pytest_fastenv.installer.build.guardian import HAS_GUARDIAN
from pytest_fastenv.installer.build.hooks import HookAnswer
from pytest_fastenv.installer.build.pyproject import BuildSystem

ISOLATIONS = ["auto", "process"]
POSIX = pytest.mark.skipif(os.name == "nt", reason="process groups and inherited locks are POSIX")

both = pytest.mark.parametrize("isolation", ISOLATIONS)


def hook(body: str) -> str:
    """Return a build_wheel of which the body is given, indented by four."""
    return f"def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):\n{body}\n"


@both
def test_a_hook_returns_what_the_backend_returns(bench: Bench, isolation: str) -> None:
    bench.project()
    assert asyncio.run(bench.run(isolation=isolation)) == HookAnswer("demo-1.0-py3-none-any.whl")
    assert (bench.directory / "demo-1.0-py3-none-any.whl").is_file()


@both
def test_each_hook_has_a_fresh_process(bench: Bench, isolation: str) -> None:
    bench.project(
        "COUNT = []\n" + hook("    COUNT.append(1)\n    return f'{os.getpid()}-{len(COUNT)}'"),
    )

    async def twice() -> list[str]:
        servers = bench.servers(isolation=isolation)
        try:
            return [(await servers.call(bench.environment, intree(), bench.call())).value for _ in range(2)]
        finally:
            await servers.aclose()

    one, two = asyncio.run(twice())
    assert one != two
    assert one.endswith("-1")
    assert two.endswith("-1")


def intree() -> BuildSystem:
    return BuildSystem((), "intree_backend", (".",))


def test_a_hook_that_the_backend_does_not_have_is_missing_not_an_error(bench: Bench) -> None:
    bench.project(prepare=False)
    assert asyncio.run(bench.run("prepare_metadata_for_build_wheel")) == HookAnswer(None, missing=True)


@both
@pytest.mark.parametrize(
    ("body", "how"),
    [
        ("    os._exit(3)", "exited with status 3"),
        ("    raise SystemExit(4)", "exited with status 4"),
        ("    raise SystemExit('no compiler here')", "no compiler here"),
        ("    raise SystemExit", "exited with status 1"),
        ("    raise ValueError('wrong colour')", "ValueError: wrong colour"),
        ("    os.kill(os.getpid(), 11)", "signal 11 (SIGSEGV)"),
        ("    os.kill(os.getpid(), 9)", "signal 9 (SIGKILL)"),
    ],
)
def test_a_backend_that_dies_is_a_diagnosis(bench: Bench, body: str, how: str, isolation: str) -> None:
    bench.project(
        hook("    print('compiling everything')\n" + body.replace("    os._", "    sys_flush()\n    os._")) + FLUSH
    )
    with pytest.raises(BuildError) as caught:
        asyncio.run(bench.run(isolation=isolation))
    text = caught.value.diagnosis()
    assert how in text
    assert "demo 1.0: build_wheel failed" in text
    assert "compiling everything" in text
    assert str(bench.log) in text
    assert "compiling everything" in bench.log.read_text()


FLUSH = "\nimport sys\ndef sys_flush():\n    sys.stdout.flush()\n"


def test_a_backend_that_ends_without_a_result_is_a_diagnosis(bench: Bench) -> None:
    bench.project(hook("    os._exit(0)"))
    with pytest.raises(BuildError, match="ended without a result"):
        asyncio.run(bench.run())


def test_a_missing_import_hints_at_the_build_requirements(bench: Bench) -> None:
    bench.project(hook("    import numpy_of_no_kind"))
    with pytest.raises(BuildError, match=r"numpy_of_no_kind, which its build-system\.requires does not bring"):
        asyncio.run(bench.run())


@pytest.mark.parametrize(
    ("backend", "path", "part"),
    [
        ("no_such_backend", (), "No module named 'no_such_backend'"),
        ("no_such_package.backend", (), "No module named 'no_such_package'"),
        ("json:no.such", (), "has no attribute 'no'"),
        ("json", (".",), "which is not below backend-path"),
    ],
)
def test_a_backend_that_is_not_there_is_a_diagnosis_with_a_hint(
    bench: Bench, backend: str, path: tuple[str, ...], part: str
) -> None:
    bench.project()

    async def run() -> None:
        servers = bench.servers()
        try:
            await servers.call(bench.environment, BuildSystem((), backend, path), bench.call())
        finally:
            await servers.aclose()

    with pytest.raises(BuildError) as caught:
        asyncio.run(run())
    assert part in caught.value.diagnosis()
    assert caught.value.hint


def test_an_operation_that_is_not_supported_says_why(bench: Bench) -> None:
    bench.project(
        "class UnsupportedOperation(Exception):\n    pass\n" + hook("    raise UnsupportedOperation('not on Mondays')")
    )
    with pytest.raises(BuildError, match="not on Mondays"):
        asyncio.run(bench.run())


@both
def test_a_hook_that_hangs_is_ended_with_all_it_started(bench: Bench, isolation: str) -> None:
    marker = bench.directory / "pids"
    bench.project(
        hook(
            "    import subprocess, sys, time\n"
            "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
            f"    _append({str(marker)!r}, f'{{os.getpid()}} {{child.pid}}')\n"
            "    print('now I hang', flush=True)\n"
            "    time.sleep(60)"
        )
    )
    lock = oslock.try_lock(bench.directory / "lock")
    assert lock is not None
    start = time.monotonic()
    with pytest.raises(BuildTimeoutError) as caught:
        asyncio.run(bench.run(locks=[lock.fileno()] if HAS_GUARDIAN else [], isolation=isolation, timeout_s=2.5))
    assert time.monotonic() - start < 20  # the hook would take 60
    assert "within 2.5 s" in caught.value.diagnosis()
    assert "now I hang" in caught.value.diagnosis()
    backend, child = marker.read_text().split()
    assert process_ends(int(backend))
    assert process_ends(int(child))
    lock.release()
    again = oslock.try_lock(bench.directory / "lock")
    assert again is not None
    again.release()


@both
def test_cancelling_ends_the_hook_before_it_passes(bench: Bench, isolation: str) -> None:
    marker = bench.directory / "pid"
    bench.project(hook(f"    _append({str(marker)!r}, str(os.getpid()))\n    time.sleep(60)"))

    async def run() -> None:
        task = asyncio.create_task(bench.run(isolation=isolation))
        await asyncio.to_thread(wait_for_file, marker)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert process_ends(int(marker.read_text()), within_s=0)

    asyncio.run(run())


def test_a_flood_of_output_is_kept_at_both_ends_and_memory_stays_flat(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "LIMIT_BYTES", 1 << 20)
    bench.project(
        hook(
            "    import sys\n"
            "    print('the first line')\n"
            "    chunk = 'x' * 99 + '\\n'\n"
            "    for _ in range(400):\n"
            "        sys.stdout.write(chunk * 1000)\n"
            "    print('the last line')\n"
            "    sys.stdout.flush()\n"
            f"    with open('/proc/{{}}/status'.format(os.getppid())) as file:\n"
            f"        _append({str(bench.directory / 'status')!r}, file.read())\n"
            "    raise SystemExit('stopped')"
        )
    )
    with pytest.raises(BuildError) as caught:
        asyncio.run(bench.run())
    assert "the last line\nstopped" in (caught.value.why or "")
    text = bench.log.read_text()
    assert text.startswith("the first line\n")
    assert text.endswith("the last line\nstopped\n")
    assert "40000037 bytes in all" in text
    assert bench.log.stat().st_size < (1 << 20) + 200
    if sys.platform == "linux":
        status = dict(line.split(":", 1) for line in (bench.directory / "status").read_text().splitlines())
        assert int(status["VmHWM"].split()[0]) < 40_000  # the supervisor's peak in KiB


@POSIX
@both
@pytest.mark.parametrize("daemon", [False, True], ids=["child", "daemon"])
def test_what_a_hook_leaves_behind_is_ended_and_told(bench: Bench, daemon: bool, isolation: str) -> None:
    """A child that holds the standard output would stall the supervisor, which reads to its end."""
    marker = bench.directory / "pid"
    detach = "        os.setsid()\n        if os.fork():\n            os._exit(0)\n" if daemon else ""
    bench.project(
        hook(
            "    if not os.fork():\n"
            f"{detach}"
            f"        _append({str(marker)!r}, str(os.getpid()))\n"
            "        time.sleep(30)\n"
            "        os._exit(0)\n"
            f"    while not os.path.exists({str(marker)!r}):\n        time.sleep(0.002)\n"
            "    return 'done'"
        )
    )
    start = time.monotonic()
    assert asyncio.run(bench.run(isolation=isolation)).value == "done"
    assert time.monotonic() - start < 2
    assert process_ends(int(marker.read_text()), within_s=0)
    (notice,) = bench.recorder.notices
    assert notice.level == "warning"
    assert "demo 1.0: build_wheel left processes running" in notice.text
    assert marker.read_text() in notice.text


def test_a_child_that_ends_by_itself_soon_is_no_warning(bench: Bench) -> None:
    bench.project(
        hook(
            "    import subprocess, sys\n"
            "    subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(0.05)'])\n"
            "    return 'done'"
        )
    )
    assert asyncio.run(bench.run()).value == "done"
    assert bench.recorder.notices == []


@both
def test_a_backend_sees_an_allowed_environment_only(bench: Bench, isolation: str) -> None:
    bench.project(hook("    import json, sys\n    return json.dumps([dict(os.environ), sys.path, os.getcwd()])"))
    environ = {
        **os.environ,
        "PYTHONPATH": str(bench.directory),
        "PIP_INDEX_URL": "https://example.invalid/simple",
        "GITHUB_TOKEN": "secret",
        "HTTPS_PROXY": "http://user:secret@proxy.example.invalid",
        "CFLAGS": "-O1",
    }
    answer = asyncio.run(bench.run(isolation=isolation, environ=environ))
    seen, path, directory = json.loads(answer.value)
    assert not {"PYTHONPATH", "PIP_INDEX_URL", "GITHUB_TOKEN", "HTTPS_PROXY"} & set(seen)
    assert "secret" not in str(seen)
    assert seen["CFLAGS"] == "-O1"
    assert seen["PATH"].split(os.pathsep)[0] == str(bench.environment.scripts)
    assert seen["TMPDIR"] == str(bench.directory / "scratch" / "tmp")
    assert str(bench.directory) not in path
    assert not any(entry.endswith("installer/build") for entry in path)
    assert os.path.realpath(directory) == os.path.realpath(bench.tree)


@both
@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "en_US.ISO-8859-1"])
def test_any_output_in_any_locale_is_taken(bench: Bench, locale: str, isolation: str) -> None:
    bench.project(
        hook(
            "    print('Gr\\u00fc\\u00dfe \\u2603 \\ud800')\n"
            "    os.write(1, b'\\xff\\xfe raw\\n')\n"
            "    raise SystemExit(1)"
        )
    )
    with pytest.raises(BuildError) as caught:
        asyncio.run(bench.run(isolation=isolation, environ={**os.environ, "LC_ALL": locale}))
    assert "raw" in caught.value.diagnosis()
    assert "UnicodeEncodeError" not in caught.value.diagnosis()


@POSIX
@both
def test_lock_files_stay_locked_until_the_hook_has_ended(bench: Bench, isolation: str) -> None:
    bench.project(
        hook(
            "    import fcntl\n"
            f"    with open({str(bench.directory / 'lock')!r}) as file:\n"
            "        try:\n"
            "            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
            "        except BlockingIOError:\n"
            "            return 'locked'\n"
            "    return 'free'"
        )
    )
    lock = oslock.try_lock(bench.directory / "lock")
    assert lock is not None

    async def run() -> str:
        servers = bench.servers(isolation=isolation)
        call = asyncio.create_task(servers.call(bench.environment, intree(), bench.call(locks=[lock.fileno()])))
        await asyncio.sleep(0)  # the call has sent its descriptors when it waits for the first time
        await asyncio.sleep(0)
        lock.release()
        try:
            return str((await call).value)
        finally:
            await servers.aclose()

    assert asyncio.run(run()) == "locked"
    again = oslock.try_lock(bench.directory / "lock")
    assert again is not None
    again.release()


@POSIX
def test_a_supervisor_that_is_killed_takes_the_hook_with_it(bench: Bench) -> None:
    marker = bench.directory / "pids"
    bench.project(hook(f"    _append({str(marker)!r}, f'{{os.getpid()}} {{os.getppid()}}')\n    time.sleep(60)"))

    async def run() -> None:
        task = asyncio.create_task(bench.run())
        await asyncio.to_thread(wait_for_file, marker)
        hook_pid, supervisor = map(int, marker.read_text().split())
        os.kill(supervisor, signal.SIGKILL)
        with pytest.raises(BuildError, match="the process that looks after build_wheel died"):
            await task
        assert process_ends(hook_pid)

    asyncio.run(run())


@pytest.fixture
def package(tmp_path: Path) -> Any:
    """Make a module that can be imported in an environment of its own, and return that environment."""
    from virtualenv import cli_run

    def make(code: str) -> Environment:
        prefix = tmp_path / "venv"
        cli_run([str(prefix), "--without-pip", "--no-download", "--no-periodic-update", "--app-data", str(tmp_path)])
        environment = Environment.at(prefix)
        (site,) = prefix.glob("[Ll]ib*/**/site-packages")
        (site / "installed_backend.py").write_text(code)
        return environment

    return make


INSTALLED = BuildSystem((), "installed_backend", ())
BACKEND = (
    "import os, sys, threading, time\nIMPORTED_IN = os.getpid()\n"
    + hook("    return f'{os.getpid()} {IMPORTED_IN}'")
)  # fmt: skip
THREADED = BACKEND + "threading.Thread(target=time.sleep, args=(2,), daemon=True).start()\n"
#: A hook's process has no part in its command line any more.
DEADLY = BACKEND + "if 'serve' in sys.argv:\n    os._exit(5)\n"


@pytest.mark.slow
@POSIX
@pytest.mark.parametrize(
    ("isolation", "code", "shared"),
    [
        ("auto", BACKEND, True),
        ("process", BACKEND, False),
        ("auto", THREADED, False),
        ("auto", DEADLY, False),
    ],
    ids=["forked", "new interpreter", "threads", "import ends the server"],
)
def test_the_server_imports_the_backend_once_where_that_is_safe(
    bench: Bench, package: Any, isolation: str, code: str, shared: bool
) -> None:
    bench.project()
    environment = package(code)

    async def run() -> list[list[str]]:
        servers = bench.servers(isolation=isolation)
        try:
            return [(await servers.call(environment, INSTALLED, bench.call())).value.split() for _ in range(2)]
        finally:
            await servers.aclose()

    answers = asyncio.run(run())
    assert all((pid != imported_in) == shared for pid, imported_in in answers)
    assert (answers[0][1] == answers[1][1]) == shared


@pytest.mark.slow
@POSIX
def test_what_a_known_backend_imports_in_its_hooks_is_imported_once(bench: Bench, package: Any) -> None:
    bench.project()
    environment = package("")
    (site,) = environment.scripts.parent.glob("[Ll]ib*/**/site-packages")
    code = "import importlib\n" + hook(
        "    return str(importlib.import_module('hatchling.builders.wheel').IMPORTED_IN)"
    )
    files = {"build": code, "builders/wheel": "import os\nIMPORTED_IN = os.getpid()\n", "bridge/app": ""}
    for name, text in files.items():
        path = site / "hatchling" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    async def run() -> set[str]:
        servers = bench.servers()
        try:
            system = BuildSystem((), "hatchling.build", ())
            return {(await servers.call(environment, system, bench.call())).value for _ in range(2)}
        finally:
            await servers.aclose()

    assert len(asyncio.run(run())) == 1


@pytest.mark.slow
@POSIX
def test_a_backend_whose_import_hangs_times_out(bench: Bench, package: Any) -> None:
    bench.project()
    environment = package("import time\ntime.sleep(60)\n")

    async def run() -> None:
        servers = bench.servers(timeout_s=0.3)
        try:
            with pytest.raises(BuildTimeoutError):
                await servers.call(environment, INSTALLED, bench.call())
        finally:
            start = time.monotonic()
            await servers.aclose()
            assert time.monotonic() - start < 2

    asyncio.run(run())


def test_without_fork_each_hook_has_a_supervisor_of_its_own(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guardian, "HAS_GUARDIAN", False)
    bench.project("def build_editable(*args, **kwargs):\n    time.sleep(60)\n")
    assert asyncio.run(bench.run(isolation="process")) == HookAnswer("demo-1.0-py3-none-any.whl")
    with pytest.raises(BuildTimeoutError):
        asyncio.run(bench.run("build_editable", isolation="process", timeout_s=0.3))


def test_an_environment_without_interpreter_is_a_diagnosis(bench: Bench) -> None:
    bench.project()
    bench.environment = Environment(bench.directory / "gone" / "python", bench.directory)
    with pytest.raises(BuildError, match="interpreter does not start"):
        asyncio.run(bench.run())


@pytest.mark.skipif(not HAS_GUARDIAN, reason="there are no servers")
def test_idle_servers_beyond_the_limit_are_dismissed(bench: Bench) -> None:
    above = "open(f'/proc/{os.getppid()}/stat').read().rpartition(')')[2].split()[1]"  # the supervisor's parent
    bench.project(hook(f"    return int({above})"))

    async def run() -> None:
        servers = bench.servers(keep=1)
        used = []
        try:
            for flags in ("-O0", "-O1", "-O2"):
                servers.environ = {**os.environ, "CFLAGS": flags}
                used.append((await servers.call(bench.environment, intree(), bench.call())).value)
            first, *later = used
            assert process_ends(first)
            assert [process_ends(one, within_s=0) for one in later] == [False, False]
        finally:
            await servers.aclose()

    asyncio.run(run())


def test_a_failing_build_names_what_was_held_back_and_how_it_gets_in(bench: Bench) -> None:
    bench.project(hook("    return open(os.environ['VENDOR_SDK']).read()"))
    environ = {**os.environ, "VENDOR_SDK": "/nowhere", "VENDOR_OTHER": "x"}
    with pytest.raises(BuildError) as caught:
        asyncio.run(bench.run(environ=environ))
    assert "held back from builds: VENDOR_SDK" in (caught.value.why or "")
    assert (caught.value.hint or "").endswith("lets variables through that are named there: VENDOR_SDK")
    assert "VENDOR_OTHER" not in caught.value.diagnosis()
    with pytest.raises(BuildError, match="FileNotFoundError"):
        asyncio.run(bench.run(environ=environ, variables=("VENDOR_SDK",)))


def test_a_variable_with_a_login_in_it_is_not_advised_to_be_named(bench: Bench) -> None:
    bench.project(hook("    return os.environ['VENDOR_SDX'] + os.environ['VENDOR_B']"))
    environ = {**os.environ, "VENDOR_SDX": "https://u:p@h.invalid/x"}
    with pytest.raises(BuildError) as caught:
        asyncio.run(bench.run(environ=environ, variables=("VENDOR_SDX",)))
    assert "held back from builds: VENDOR_SDX" in (caught.value.why or "")
    only = "VENDOR_SDX holds a URL with a login, which no setting lets through: set it without the login"
    assert (caught.value.hint or "").endswith(only)
    assert "lets variables through" not in (caught.value.hint or "")
    environ["VENDOR_B"] = "1"
    with pytest.raises(BuildError) as caught:
        asyncio.run(bench.run(environ=environ, variables=("VENDOR_SDX",)))
    assert f"lets variables through that are named there: VENDOR_B\n{only}" in (caught.value.hint or "")
    assert "u:p" not in caught.value.diagnosis()


@pytest.mark.parametrize(("place", "is_told"), [("/dev/shm", True), ("/dev", False)])
def test_a_project_may_lie_where_devices_are(place: str, is_told: bool, tmp_path: Path) -> None:
    """In memory: what hooks read there counts. Devices themselves do not."""
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("there is no /dev/shm")
    with tempfile.NamedTemporaryFile(dir="/dev/shm", suffix=".txt") as file:
        name = file.name if is_told else "/dev/null"
        program = (
            f"import sys; sys.path.insert(0, {str(Path(backend_audit.__file__).parent)!r})\n"
            "from backend_audit import Audit\n"
            "audit = Audit([], [])\n"
            "audit.begin()\n"
            f"open({name!r}).close()\n"
            f"print({name!r} in audit.end()['read'])\n"
        )
        ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (name.startswith(place), ran.stdout.strip()) == (True, str(is_told))
