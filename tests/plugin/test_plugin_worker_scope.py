"""``--fastenv-scope worker``: every worker of pytest-xdist is in an environment of its own, however it is asked for."""

from __future__ import annotations

import ensurepip
import os
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from kit.archives import make_wheel
from kit.links import CERTAIN

from pytest_fastenv.model.link import LinkMode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Project

pytestmark = pytest.mark.slow

SCOPE = ("--fastenv", "requirements.txt", "--fastenv-scope", "worker")

#: A suite that looks where it is, from Python and from what it starts.
AT_HOME = """\
    import json
    import os
    import subprocess
    import sys

    import library
    import pytest

    ASK = "import json, sys, library; print(json.dumps([sys.prefix, sys.executable, library.PREFIX]))"

    @pytest.mark.parametrize("n", range(4))
    @pytest.mark.xdist_group("one")
    def test_at_home(n, worker_id):
        handed = json.loads(os.environ["FASTENV_INSIDE"])
        assert handed["worker"] == worker_id
        assert handed["prefix"] == os.environ["VIRTUAL_ENV"] == library.PREFIX == sys.prefix
        assert {"server", "settings", "base"} <= set(handed) and not {"summary", "lease_fd"} & set(handed)
        scripts = os.path.dirname(sys.executable)
        assert os.path.dirname(scripts) == sys.prefix
        assert os.environ["PATH"].split(os.pathsep)[0] == scripts
        here = [path for path in sys.path if path.endswith("site-packages")]
        assert [path for path in here if not path.startswith(sys.prefix + os.sep)] == []
        for python in ("python", sys.executable):
            told = json.loads(subprocess.check_output([python, "-c", ASK], text=True))
            assert told == [sys.prefix, sys.executable, sys.prefix]
        assert os.path.dirname(subprocess.check_output(["which", "pytest"], text=True)) == scripts
        with open("prefixes", "a") as file:
            file.write(f"{worker_id} {sys.prefix}\\n")
"""


def fine(run, *, passed: int) -> str:
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{passed} passed" in run.stdout, run.stdout
    return run.stdout


def prefixes(project: Project) -> dict[str, str]:
    """Return the environment that each worker was in; check that it was always the same one."""
    lines = {line for line in (project.directory / "prefixes").read_text().splitlines() if line}
    found = dict(line.split(" ", 1) for line in lines)
    assert len(found) == len(lines), "a worker was in two environments"
    return found


@pytest.fixture
def at_home(project: Project) -> Project:
    project.write(test_inside__py=AT_HOME)
    return project


@pytest.mark.parametrize("module", [False, True])
def test_every_worker_is_at_home(at_home: Project, module: bool) -> None:
    output = fine(at_home.run(*SCOPE, "--tx", "3*popen", "--dist", "each", module=module), passed=12)
    assert re.search(r"^fastenv: 3 worker environments made in [\d.]+ m?s$", output, re.MULTILINE)
    found = prefixes(at_home)
    assert sorted(found) == ["gw0", "gw1", "gw2"]
    assert len(set(found.values())) == 3
    session = re.search(r"^fastenv: .*, (/.*?)( \(made anew.*)?$", output, re.MULTILINE)
    assert session is not None
    assert session[1] not in found.values()
    assert not [path for path in found.values() if os.path.exists(path)], "they were left behind"


@pytest.mark.parametrize("mode", ["load", "loadscope", "loadfile", "loadgroup", "worksteal"])
def test_ways_to_distribute(at_home: Project, mode: str) -> None:
    fine(at_home.run(*SCOPE, "-n", "2", "--dist", mode, "-q"), passed=4)
    assert set(prefixes(at_home)) <= {"gw0", "gw1"}


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (("-n", "auto"), 3),
        (("-n", "logical"), 3),
        (("-nauto", "--maxprocesses", "2"), 2),
        (("--numprocesses=1",), 1),
        (("--dist=load", "--tx", "2*popen//nice=1", "--tx", "popen//id=third"), 3),
    ],
)
def test_ways_to_ask_for_workers(at_home: Project, arguments: tuple[str, ...], count: int) -> None:
    at_home.variables["PYTEST_XDIST_AUTO_NUM_WORKERS"] = "3"
    output = fine(at_home.run(*SCOPE, *arguments), passed=4)
    assert f"fastenv: {count} worker environment{'' if count == 1 else 's'} made in " in output


@pytest.mark.parametrize("place", ["addopts", "variable", "ini"])
def test_words_from_elsewhere(at_home: Project, place: str) -> None:
    if place == "addopts":
        at_home.write(pytest__ini="[pytest]\naddopts = --fastenv requirements.txt --fastenv-scope worker -n 2\n")
    elif place == "variable":
        at_home.variables["PYTEST_ADDOPTS"] = "--fastenv requirements.txt --fastenv-scope=worker -n 2"
    else:
        at_home.write(pytest__ini="[pytest]\nfastenv = requirements.txt\nfastenv_scope = worker\naddopts = -n2\n")
    assert "fastenv: 2 worker environments made" in fine(at_home.run(), passed=4)


def test_variables_and_directory_of_a_gateway(at_home: Project) -> None:
    at_home.write(
        test_inside__py="""\
            import os
            import sys

            def test_it():
                assert os.environ["OF_THE_SPEC"] == "yes"
                assert os.environ["PATH"] == os.pathsep.join([os.path.dirname(sys.executable), "/of/the/spec"])
            """
    )
    spec = "popen//env:OF_THE_SPEC=yes//env:PATH=/of/the/spec"
    fine(at_home.run(*SCOPE, "--dist=load", "--tx", spec), passed=1)


@pytest.mark.parametrize("arguments", [(), ("-n", "0"), ("-p", "no:xdist")])
def test_no_workers(project: Project, arguments: tuple[str, ...]) -> None:
    output = fine(project.run(*SCOPE, *arguments), passed=1)
    assert "fastenv: --fastenv-scope worker: no workers (-n)" in output
    assert "made in" not in output.partition("test session starts")[2].partition("rootdir")[2]


def test_quiet(at_home: Project) -> None:
    assert "fastenv" not in fine(at_home.run(*SCOPE, "-n2", "-q"), passed=4)


def test_session_scope_shares(at_home: Project) -> None:
    at_home.write(
        test_inside__py="""\
            import json
            import os
            import sys

            def test_it():
                assert json.loads(os.environ["FASTENV_INSIDE"])["prefix"] == sys.prefix
                with open("prefixes", "a") as file:
                    file.write(f"{os.environ['PYTEST_XDIST_WORKER']} {sys.prefix}\\n")
            """
    )
    run = at_home.run("--fastenv", "requirements.txt", "--tx", "2*popen", "--dist", "each")
    assert "worker environment" not in fine(run, passed=2)
    found = prefixes(at_home)
    assert len(found) == 2
    assert len(set(found.values())) == 1


def test_paths_that_are_none_of_the_environments_stay(project: Project) -> None:
    """The project, ``pythonpath``, and plugins that a runner names with ``-p`` and PYTHONPATH."""
    outside = project.directory.parent / "runner"
    outside.mkdir()
    (outside / "runner_plugin.py").write_text("def pytest_configure(config):\n    config.of_the_runner = True\n")
    source = project.directory / "source"
    source.mkdir()
    (source / "of_the_project.py").touch()
    project.variables["PYTHONPATH"] = str(outside)
    project.write(
        pytest__ini="[pytest]\npythonpath = source\n",
        test_inside__py="""\
            def test_it(pytestconfig):
                import of_the_project
                assert pytestconfig.of_the_runner
            """,
    )
    fine(project.run(*SCOPE, "-p", "runner_plugin", "-n2"), passed=1)


def test_a_suite_in_the_environment(project: Project) -> None:
    """Tests that lie in site-packages are found where they are asked for, and have the same names for all workers."""
    make_wheel(
        project.directory,
        "shipped",
        files={
            "shipped/__init__.py": "",
            "shipped/test_shipped.py": "import sys\n\ndef test_it():\n    assert __file__.startswith(sys.prefix)\n",
        },
    )
    project.write(requirements__txt="library\n./shipped-1.0-py3-none-any.whl\n")
    fine(project.run("--fastenv", "requirements.txt", "--pyargs", "shipped"), passed=1)
    fine(project.run(*SCOPE, "-n2", "--pyargs", "shipped"), passed=1)


def test_last_failed(project: Project) -> None:
    project.write(test_inside__py="def test_one():\n    pass\n\ndef test_two():\n    assert not __file__\n")
    command = [word for word in project.command(*SCOPE, "-n2") if word not in ("-p", "no:cacheprovider")]
    assert "1 failed, 1 passed" in project.run_command(command).stdout
    assert re.search(r"= 1 failed in", project.run_command([*command, "--lf"]).stdout)


@pytest.mark.parametrize("option", ["-x", "--maxfail=1"])
def test_stopping(project: Project, option: str) -> None:
    project.write(
        test_inside__py="import pytest\n\n@pytest.mark.parametrize('n', range(50))\ndef test_it(n):\n    assert n < 0\n"
    )
    run = project.run(*SCOPE, "-n2", option, "--maxschedchunk=1")
    assert run.returncode == 2, run.stdout + run.stderr
    assert "stopping after 1 failures" in run.stdout


def test_requirements_that_bring_the_whole_plugin(at_home: Project) -> None:
    at_home.write(requirements__txt="library\npytest-fastenv\n")
    assert "fastenv: 2 worker environments made" in fine(at_home.run(*SCOPE, "-n2"), passed=4)


def test_other_plugins_hear_of_each_environment(at_home: Project) -> None:
    at_home.write(
        conftest__py="""\
            def pytest_fastenv_worker_environment(node, environment):
                ask = "import sys; print(sys.prefix)"
                done = environment.run(["python", "-c", ask], capture_output=True, text=True)
                with open("heard", "a") as file:
                    file.write(f"{node.gateway.id} {done.stdout}")
            """
    )
    fine(at_home.run(*SCOPE, "--tx", "2*popen", "--dist", "each"), passed=8)
    heard = (at_home.directory / "heard").read_text().splitlines()
    assert dict(line.split(" ", 1) for line in heard) == prefixes(at_home)


#: Every worker changes its environment; then all meet; then each one looks at what it has.
CHANGING = """\
    import glob
    import os
    import socket
    import subprocess
    import sys
    from importlib.metadata import version
    from pathlib import Path

    import changing

    WORKERS = [f"gw{n}" for n in range(4)]
    SITE = Path(changing.__file__).parent
    SCRIPTS = Path(sys.executable).parent

    def meet():
        with socket.create_connection(("127.0.0.1", int(os.environ["MEETING_PORT"])), timeout=60) as connection:
            assert connection.recv(1) == b"!"

    def pip_install(requirement):
        (wheel,) = glob.glob(os.path.join(os.environ["BUNDLED_PIP"], "pip-*.whl"))
        command = [sys.executable, os.path.join(wheel, "pip"), "install", "--no-index", "--no-cache-dir", "-q"]
        subprocess.run([*command, "--disable-pip-version-check", "-f", os.getcwd(), requirement], check=True)

    def test_apart(worker_id):
        others = [name for name in WORKERS if name != worker_id]
        assert version("kept-apart") == "0.0"
        assert changing.WHO == "nobody"
        assert not list(SITE.glob("added*")) and not list(SCRIPTS.glob("tool*"))
        assert sorted(path.stem for path in SITE.glob("gw*.py")) == WORKERS
        meet()
        pip_install(f"kept-apart=={worker_id[2:]}.1")
        (SITE / "added").mkdir()
        (SITE / "added" / "__init__.py").write_text(f"WHO = {worker_id!r}")
        (SITE / "changing.new").write_text(f"WHO = {worker_id!r}")
        os.replace(SITE / "changing.new", SITE / "changing.py")
        os.remove(SITE / f"{worker_id}.py")
        (SCRIPTS / f"tool-{worker_id}").write_text("#!/bin/sh\\nexec python -c 'import sys; print(sys.prefix)'\\n")
        (SCRIPTS / f"tool-{worker_id}").chmod(0o755)
        meet()
        look = "import added, changing, kept_apart; print(added.WHO, changing.WHO, kept_apart.__version__)"
        seen = subprocess.check_output(["python", "-c", look], text=True).split()
        assert seen == [worker_id, worker_id, f"{worker_id[2:]}.1"]
        assert version("kept-apart") == f"{worker_id[2:]}.1"
        assert sorted(path.stem for path in SITE.glob("gw*.py")) == others
        assert [path.name for path in SCRIPTS.glob("tool*")] == [f"tool-{worker_id}"]
        assert subprocess.check_output([f"tool-{worker_id}"], text=True).strip() == sys.prefix
        meet()
"""


@pytest.fixture
def meeting_port() -> Iterator[int]:
    """A port where each client waits until all four are there, again and again."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:

        def serve() -> None:
            while True:
                with ExitStack() as stack:
                    for _ in range(4):
                        try:
                            arrived = stack.enter_context(server.accept()[0])
                        except OSError:  # the test is over
                            return
                        stack.callback(arrived.sendall, b"!")

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


#: What every worker finds, in a run after that.
UNCHANGED = """\
    from importlib.metadata import version
    from pathlib import Path

    import changing
    import kept_apart

    def test_unchanged():
        site = Path(changing.__file__).parent
        assert (changing.WHO, kept_apart.__version__, version("kept-apart")) == ("nobody", "0.0", "0.0")
        assert not list(site.glob("added*")) and len(list(site.glob("gw*.py"))) == 4
"""


@pytest.mark.parametrize("link", CERTAIN)
def test_changes_stay_where_they_are_made(project: Project, meeting_port: int, link: LinkMode) -> None:
    for number in ("0.0", "0.1", "1.1", "2.1", "3.1"):
        make_wheel(project.directory, "kept-apart", number, files={"kept_apart.py": f"__version__ = {number!r}\n"})
    files: Mapping[str, str] = {"changing.py": "WHO = 'nobody'\n", **{f"gw{n}.py": "" for n in range(4)}}
    make_wheel(project.directory, "changing", files=files)
    wheels = "./kept_apart-0.0-py3-none-any.whl\n./changing-1.0-py3-none-any.whl\n"
    project.write(requirements__txt=wheels, test_inside__py=CHANGING)
    project.variables |= {
        "MEETING_PORT": str(meeting_port),
        "BUNDLED_PIP": str(Path(ensurepip.__file__).parent / "_bundled"),
    }
    command = (*SCOPE, "--tx", "4*popen", "--dist", "each", "--fastenv-link", link)
    assert "edited in place" not in fine(project.run(*command), passed=4)
    project.write(test_inside__py=UNCHANGED)
    assert "reused" in fine(project.run(*command), passed=4)
