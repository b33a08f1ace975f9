"""Workers that crash, environments that cannot be had, and gateways that none can be made for."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Project

pytestmark = pytest.mark.slow

SCOPE = ("--fastenv", "requirements.txt", "--fastenv-scope", "worker")


def is_diagnosis(run: subprocess.CompletedProcess[str], code: int, *texts: str) -> None:
    assert run.returncode == code, run.stdout + run.stderr
    assert run.stderr.count("fastenv: error: ") == 1, run.stderr
    for text in texts:
        assert text in run.stderr
    assert "Traceback" not in run.stdout + run.stderr
    assert "INTERNALERROR" not in run.stdout + run.stderr


CRASHING = """\
    import ctypes
    import os
    import signal
    import sys
    from pathlib import Path

    import library
    import pytest

    MARK = Path(library.__file__).with_name("left_behind.py")

    @pytest.mark.parametrize("n", range(6))
    def test_it(n, worker_id):
        assert not MARK.exists()
        assert library.PREFIX == sys.prefix == os.environ["VIRTUAL_ENV"]
        with open("prefixes", "a") as file:
            file.write(f"{worker_id} {sys.prefix}\\n")
        if n == 2:
            MARK.touch()
            os.remove(library.__file__)
            {crash}
"""


@pytest.mark.parametrize(
    "crash",
    ["os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)", "ctypes.string_at(0)"],
    ids=["exit", "kill", "fault"],
)
def test_a_crashed_worker_is_replaced_in_an_environment_as_good_as_new(project: Project, crash: str) -> None:
    project.write(test_inside__py=CRASHING.replace("{crash}", crash))
    run = project.run(*SCOPE, "-n1")
    assert run.returncode == 1, run.stdout + run.stderr
    assert "worker 'gw0' crashed while running 'test_inside.py::test_it[2]'" in run.stdout
    assert "1 failed, 5 passed" in run.stdout
    lines = (project.directory / "prefixes").read_text().splitlines()
    found = dict(line.split(" ", 1) for line in lines)
    assert sorted(found) == ["gw0", "gw1"]
    assert found["gw0"] != found["gw1"]


def test_restarts_end_where_they_are_told_to(project: Project) -> None:
    project.write(
        test_inside__py="""\
            import os
            import pytest

            @pytest.mark.parametrize("n", range(9))
            def test_it(n):
                os._exit(1)
            """
    )
    run = project.run(*SCOPE, "-n1", "--max-worker-restart=1")
    assert run.returncode == 1, run.stdout + run.stderr
    assert "maximum crashed workers reached: 1" in run.stdout
    assert run.stdout.count("replacing crashed worker") == 1


def test_a_worker_that_never_starts_ends_the_run(project: Project) -> None:
    """pytest-xdist alone would start four times as many, and one after the other."""
    project.write(
        conftest__py="""\
            import os

            if "PYTEST_XDIST_WORKER" in os.environ:
                os._exit(7)
            """
    )
    run = project.run(*SCOPE, "-n2")
    is_diagnosis(run, 3, "does not start in its environment, and neither did the one before it")
    assert run.stdout.count("replacing crashed worker") <= 2


def damaging(hook: str) -> str:
    """Return a conftest whose hook, in the controller, breaks the environment that the workers' are copies of."""
    return f"""\
        import os
        import sys

        import pytest

        class Damaging:
            @pytest.hookimpl(tryfirst=True, optionalhook=True)
            def {hook}(self):
                os.remove(sys.executable)
                os.symlink("/nowhere/python", sys.executable)

        def pytest_configure(config):
            if "PYTEST_XDIST_WORKER" not in os.environ:
                config.pluginmanager.register(Damaging())
        """


def test_environments_that_do_not_start(project: Project) -> None:
    """This is found before pytest-xdist gets them."""
    project.write(conftest__py=damaging("pytest_sessionstart"))
    run = project.run(*SCOPE, "-n2")
    is_diagnosis(run, 3)
    assert "node down" not in run.stdout
    assert "workers [" not in run.stdout


def test_a_replacement_that_does_not_start(project: Project) -> None:
    project.write(
        conftest__py=damaging("pytest_testnodedown"), test_inside__py="import os\n\ndef test_it():\n    os._exit(1)\n"
    )
    run = project.run(*SCOPE, "-n1")
    is_diagnosis(run, 3)
    assert "replacing crashed worker" not in run.stdout


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (("--tx", "ssh=host.example.invalid"), ("--tx ssh=host.example.invalid", "'ssh' leads to another machine")),
        (("--tx", "2*socket=192.0.2.1:8888"), ("--tx socket=192.0.2.1:8888", "'socket' leads to another machine")),
        (("--tx", "popen", "--tx", "popen//via=proxy"), ("--tx popen//via=proxy", "'via'")),
        (("--tx", "popen", "--px", "id=proxy//ssh=host.example.invalid"), ("--px id=proxy//ssh=host.example.invalid",)),
        (("--tx", "2*popen//python=python3"), ("--tx popen//python=python3", "--fastenv-python")),
        (("--tx", "popen//id=a//id=b"), ("--tx popen//id=a//id=b cannot be read", "duplicate key")),
    ],
)
def test_gateways_that_no_environment_can_be_made_for(
    project: Project, arguments: tuple[str, ...], texts: tuple[str, ...]
) -> None:
    run = project.run(*SCOPE, "--dist=load", *arguments)
    is_diagnosis(run, 4, *texts)
    assert "worker environment" not in run.stdout


@pytest.mark.parametrize("gateway", ["popen//python=python3.8", "2*popen//id=a//python=/usr/bin/python3"])
def test_another_interpreter_is_refused_in_a_shared_environment_as_well(project: Project, gateway: str) -> None:
    run = project.run("--fastenv", "requirements.txt", "--dist=load", "--tx", gateway)
    is_diagnosis(run, 4, f"--tx {gateway.removeprefix('2*')}: the worker's interpreter", "--fastenv-python")
    assert "passed" not in run.stdout


def test_pdb_is_refused_by_xdist(project: Project) -> None:
    run = project.run(*SCOPE, "-n2", "--pdb")
    assert run.returncode == 4
    assert "--pdb is incompatible with distributing tests" in run.stderr
    assert "worker environment" not in run.stdout


def test_pdb_with_a_number_that_xdist_may_choose(project: Project) -> None:
    run = project.run(*SCOPE, "-n", "auto", "--pdb")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "the tests run in the session's environment" in run.stdout


def test_collection_alone_makes_nothing(project: Project) -> None:
    run = project.run(*SCOPE, "-n2", "--collect-only", "-q")
    assert run.returncode == 0, run.stdout + run.stderr
    assert not list(workers_directories(project))


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_interrupted(project: Project) -> None:
    """Ctrl-C reaches controller and workers; nothing is left behind."""
    project.write(
        test_inside__py="""\
            import os
            import signal
            import threading

            def test_it():
                os.killpg(os.getpgrp(), signal.SIGINT)
                threading.Event().wait(60)
            """
    )
    command = project.command(*SCOPE, "-n1")
    with subprocess.Popen(
        command,
        cwd=project.directory,
        env=project.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        output = process.communicate(timeout=60)[0]
    assert process.returncode == signal.SIGINT, output
    assert re.search(r"! .*Interrupt", output)
    assert not list(workers_directories(project))


def workers_directories(project: Project) -> list[Path]:
    """Return the environments for workers that are there, of all processes."""
    workers = Path(str(project.variables["FASTENV_CACHE_DIR"])) / "environments" / ".workers"
    return [path for path in workers.glob("*/*") if path.is_dir()] if workers.exists() else []
