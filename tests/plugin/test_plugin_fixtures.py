"""The fixtures in real sessions: inside an environment, on several interpreters, in xdist workers, and without."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from kit.archives import make_project, make_wheel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conftest import Project

pytestmark = pytest.mark.slow

#: What tests do with the fixtures, for sessions of every kind.
SUITE = """\
import os
import subprocess
import sys
from pathlib import Path

import pytest


def test_session_environment(fastenv):
    assert fastenv.prefix == Path(sys.prefix)
    assert fastenv.run(["python", "-c", "import sys; print(sys.prefix)"]).stdout.strip() == sys.prefix
    assert fastenv.installed()["pytest"] == pytest.__version__
    assert fastenv.distributions()["pytest"].version == pytest.__version__
    assert fastenv.python_version == "{}.{}.{}".format(*sys.version_info[:3])


def test_empty(venv, tmp_path):
    assert venv.installed() == {}
    assert venv.prefix.parent == venv.workspace == tmp_path
    found = venv.run([venv.python, "-c", "import sys; print(sys.version_info[:2]); print(sys.prefix)"]).stdout
    assert found.splitlines() == [str(sys.version_info[:2]), str(venv.prefix)]


def test_what_programs_see(venv, monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "outside"))
    venv.env["FROM_TEST"] = "1"
    code = "import os; print({name: os.environ.get(name) for name in %r})"
    names = ["PYTHONPATH", "VIRTUAL_ENV", "FROM_TEST", "ONCE", "FASTENV_INSIDE"]
    seen = eval(venv.run(["python", "-c", code % names], env={"ONCE": "2"}).stdout)
    assert seen == {
        "PYTHONPATH": None,
        "VIRTUAL_ENV": str(venv.prefix),
        "FROM_TEST": "1",
        "ONCE": "2",
        "FASTENV_INSIDE": None,
    }
    path = venv.run(["python", "-c", "import os; print(os.environ['PATH'])"]).stdout.strip().split(os.pathsep)
    assert path[0] == str(venv.scripts)
    assert os.path.dirname(sys.executable) not in path or sys.prefix == sys.base_prefix
    assert venv.run(["python", "-c", "import os; print(os.getcwd())"]).stdout.strip() == str(tmp_path.resolve())
    assert venv.run("python -c 'raise SystemExit(3)'", check=False).returncode == 3
    with pytest.raises(subprocess.CalledProcessError, match="nothing good"):
        venv.run(["python", "-c", "import sys; sys.exit('nothing good')"])


def test_install(venv):
    venv.install("fastenvalpha<2")
    assert venv.installed() == {"fastenvalpha": "1.0"}
    assert venv.run(["fastenvalpha-tool"]).stdout.strip() == "1.0"
    venv.install("fastenvbeta")
    assert venv.installed() == {"fastenvalpha": "1.0", "fastenvbeta": "1.0"}
    with pytest.raises(venv.Error, match="fastenvgamma") as caught:
        venv.install("fastenvgamma")
    assert caught.value.exit_code == 4, str(caught.value)
    assert type(caught.value).__name__ == "ConflictingRequirementsError"
    assert venv.installed() == {"fastenvalpha": "1.0", "fastenvbeta": "1.0"}
    assert venv.run(["fastenvalpha-tool"]).stdout.strip() == "1.0"
    venv.install("fastenvalpha>=2")
    assert venv.run(["fastenvalpha-tool"]).stdout.strip() == "2.0"
    found = venv.distributions()
    assert found["fastenvalpha"].requested and found["fastenvalpha"].installer == "pytest-fastenv"


def test_upgrade(make_venv):
    venv = make_venv(["fastenvbeta"])
    assert venv.installed()["fastenvalpha"] == "2.0"
    older = make_venv("fastenvalpha==1.0", path="older")
    assert older.prefix.name == "older"
    older.install("fastenvbeta")
    assert older.installed() == {"fastenvalpha": "1.0", "fastenvbeta": "1.0"}
    free = make_venv()
    free.install("fastenvbeta", "fastenvalpha")
    assert free.installed()["fastenvalpha"] == "2.0"


def test_editable(venv, tmp_path):
    source = Path(PROJECT)
    venv.install(source, editable=True)
    one = venv.distributions()["demo"]
    assert one.editable and one.source == source.as_uri()
    assert str(source) in venv.run(["python", "-c", "import demo; print(demo.__file__)"]).stdout


@pytest.fixture(scope="module")
def shared(fastenv):
    return fastenv.make_venv("fastenvalpha")


def test_lasting(shared, fastenv, tmp_path):
    assert shared.installed() == {"fastenvalpha": "2.0"}
    assert fastenv.make_venv().workspace == shared.workspace != tmp_path


def test_same_place_twice(make_venv):
    first = make_venv()
    with pytest.raises(make_venv.Error, match="is there already"):
        make_venv(path=first.prefix)
    second = make_venv()
    assert first.prefix != second.prefix
    first.delete()
    assert not first.prefix.exists()


@pytest.mark.fastenv(requirements=["fastenvalpha<2"])
class TestMarked:
    def test_from_class(self, venv):
        assert venv.installed() == {"fastenvalpha": "1.0"}

    @pytest.mark.fastenv(requirements=["fastenvbeta"], system_site_packages=True)
    def test_nearest(self, venv):
        assert set(venv.installed()) == {"fastenvalpha", "fastenvbeta"}
        code = "import sys, sysconfig as s; print(s.get_paths(vars={'base': sys.base_prefix})['purelib'] in sys.path)"
        assert venv.run(["python", "-c", code]).stdout.strip() == "True"
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheels for the tests' environments, beside the index that has what the sessions need."""
    directory = tmp_path_factory.mktemp("fixture-wheels")
    for version in ("1.0", "2.0"):
        code = f"def main():\n    print({version!r})\n"
        make_wheel(
            directory,
            "fastenvalpha",
            version,
            files={"fastenvalpha.py": code},
            entry_points={"fastenvalpha-tool": "fastenvalpha:main"},
        )
    make_wheel(directory, "fastenvbeta", requires=["fastenvalpha"])
    make_wheel(directory, "fastenvgamma", requires=["fastenvalpha>=2"])
    return directory


@pytest.fixture
def suite(project: Project, wheels: Path) -> Project:
    """The project with the suite above in it."""
    demo = make_project(project.directory / "demo", "demo")
    project.variables["FASTENV_FIND_LINKS"] = str(wheels)
    project.write(test_venvs__py=SUITE.replace("PROJECT", repr(str(demo))), conftest__py="collect_ignore = ['demo']\n")
    return project


def fine(run: subprocess.CompletedProcess[str], passed: int) -> str:
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{passed} passed" in run.stdout
    return run.stdout


COUNT = SUITE.count("def test_")


def test_without_an_environment(suite: Project) -> None:
    fine(suite.run("test_venvs.py"), COUNT)


def test_inside(suite: Project) -> None:
    fine(suite.run("--fastenv", "requirements.txt", "test_venvs.py"), COUNT)


def test_in_workers_each_has_its_own_server(suite: Project) -> None:
    suite.write(
        test_pids__py="""\
            import os
            from pathlib import Path

            import pytest

            @pytest.mark.parametrize("number", range(4))
            def test_pid(venv, number):
                Path("pids", "%s-%s" % (os.getpid(), venv._server.pid)).touch()
            """
    )
    (suite.directory / "pids").mkdir()
    fine(suite.run("--fastenv", "requirements.txt", "-n2", "--dist=each", "test_pids.py"), 8)
    pairs = [tuple(map(int, path.name.split("-"))) for path in (suite.directory / "pids").iterdir()]
    assert len(pairs) == len({worker for worker, _ in pairs}) == len({process for _, process in pairs}) == 2
    assert not [process for pair in pairs for process in pair if is_alive(process)]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def ended(pid: int, within_s: float = 20.0) -> bool:
    """Wait until a process that is not our child has ended."""
    deadline = time.monotonic() + within_s
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_alive(pid)


@pytest.mark.parametrize("inside", [False, True])
def test_no_environment_server_without_need(suite: Project, inside: bool) -> None:
    suite.write(
        test_lazy__py="""\
            import sys

            def test_it(request):
                names = [name for name in sys.modules if name.startswith("pytest_fastenv")]
                assert not [name for name in names if name.endswith((".environment_server", ".virtual_environment"))]
            """
    )
    arguments = ["--fastenv", "requirements.txt"] if inside else []
    fine(suite.run(*arguments, "test_lazy.py"), 1)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_session_that_is_ended_leaves_nothing(suite: Project, number: signal.Signals, tmp_path: Path) -> None:
    """While the environment server works: it builds a project whose backend waits until it is killed."""
    held = make_project(tmp_path / "held", "held", hold_s=600, build_log=tmp_path / "log", static=True)
    suite.write(
        test_held__py=f"""\
            from pathlib import Path

            def test_it(venv):
                Path("pid").write_text(str(venv._server.pid))
                venv.install({str(held)!r})
            """
    )
    with subprocess.Popen(
        suite.command("-s", "--fastenv", "requirements.txt", "test_held.py"),
        cwd=suite.directory,
        env=suite.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as session:
        deadline = time.monotonic() + 60
        while not (tmp_path / "log").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        backend = int(re.search(r"pid=(\d+)", (tmp_path / "log").read_text())[1])  # type: ignore[index]
        server = int((suite.directory / "pid").read_text())
        assert is_alive(server)
        session.send_signal(number)
        output, _ = session.communicate(timeout=60)
    assert ended(server), output
    assert ended(backend), output
    assert "INTERNALERROR" not in output
    if number == signal.SIGINT:
        assert session.returncode == 2, output
        assert "KeyboardInterrupt" in output


def test_an_environment_server_that_is_killed_is_replaced(suite: Project) -> None:
    suite.write(
        test_killed__py="""\
            import os
            import signal

            def test_it(make_venv):
                first = make_venv()
                pid = first._server.pid
                os.kill(pid, signal.SIGKILL)
                first._server._process.wait()
                first.install("fastenvalpha<2")
                assert first._server.pid != pid
                assert first.installed() == {"fastenvalpha": "1.0"}
            """
    )
    fine(suite.run("test_killed.py"), 1)


def test_offline(suite: Project) -> None:
    """What the store has is enough for an environment; what it lacks is named, and no connection is made."""
    suite.write(
        test_offline__py="""\
            import pytest

            def test_it(venv):
                venv.install("library")
                with pytest.raises(venv.Error, match="early-plugin.* the network is not to be used"):
                    venv.install("early-plugin")
                assert list(venv.installed()) == ["library"]
            """
    )
    suite.variables["FASTENV_FIND_LINKS"] = None
    suite.variables["FASTENV_CACHE_DIR"] = str(suite.directory.parent / "store-of-its-own")
    suite.write(test_first__py="def test_it(venv):\n    venv.install('library')\n")
    fine(suite.run("test_first.py"), 1)
    suite.variables["FASTENV_OFFLINE"] = "1"
    fine(suite.run("test_offline.py"), 1)


def test_one_run_for_each_interpreter(suite: Project, interpreters: list[tuple[tuple[int, ...], Path]]) -> None:
    found = {".".join(map(str, version[:2])): str(path) for version, path in (interpreters[0], interpreters[-1])}
    suite.write(
        test_pythons__py=f"""\
            import pytest

            @pytest.mark.fastenv(requirements=["fastenvalpha"], python={list(found.values())!r})
            def test_it(venv):
                assert venv.run(["fastenvalpha-tool"]).stdout.strip() == "2.0"
                assert venv.python_version.rpartition(".")[0] in {list(found)!r}
            """
    )
    output = fine(suite.run("-v", "test_pythons.py"), len(found))
    for path in found.values():
        assert f"test_it[{path}]" in output


@pytest.mark.parametrize(
    ("marker", "complaint"),
    [
        ("fastenv(pyhton='3.12')", r"test_it: the marker fastenv does not take pyhton; it takes requirements, python"),
        ("fastenv('fastenvalpha')", r"test_it: the marker fastenv does not take 'fastenvalpha'"),
    ],
)
def test_wrong_marker(suite: Project, marker: str, complaint: str) -> None:
    suite.write(
        test_wrong__py=f"""\
            import pytest

            @pytest.mark.{marker}
            def test_it(venv):
                pass
            """
    )
    run = suite.run("--strict-markers", "test_wrong.py")
    assert run.returncode == pytest.ExitCode.INTERRUPTED
    assert re.search(complaint, run.stdout), run.stdout
    assert "_manager.py" not in run.stdout


def test_a_failure_reads_like_a_diagnosis(suite: Project) -> None:
    suite.write(
        test_failing__py="""\
            import pytest

            @pytest.mark.fastenv(requirements=["fastenvalpha>=7"])
            def test_it(venv):
                pass

            @pytest.mark.fastenv(requirements=["fastenvalpha >< 7"])
            def test_unreadable(venv):
                pass

            @pytest.mark.fastenv(project="wheeled")
            def test_project(venv):
                pass

            @pytest.mark.fastenv(python="3.99")
            def test_python(venv):
                pass
            """
    )
    suite.variables["FASTENV_PYTHON_DOWNLOADS"] = "never"
    run = suite.run("test_failing.py")
    assert run.returncode == 1, run.stdout
    assert "4 errors" in run.stdout
    assert "no release of fastenvalpha fits fastenvalpha>=7, which this test asks for" in run.stdout
    assert "project='wheeled' is not accepted" in run.stdout
    assert "3.99" in run.stdout
    assert "has a defect" not in run.stdout
    assert "process.ask" not in run.stdout


def test_settings_of_the_session_hold(suite: Project) -> None:
    """Without ``--fastenv`` too: options of the command line and the ini file."""
    suite.write(
        test_link__py="""\
            def test_it(venv):
                venv.install("fastenvalpha")
                assert (venv.site_packages / "fastenvalpha.py").is_symlink()
            """
    )
    fine(suite.run("--fastenv-link", "symlink", "test_link.py"), 1)
    suite.write(pytest__ini="[pytest]\nfastenv_link = symlink\n")
    fine(suite.run("test_link.py"), 1)
    fine(suite.run("--fastenv", "requirements.txt", "test_link.py"), 1)


def test_project_of_the_root_directory(suite: Project) -> None:
    make_project(suite.directory, "rooted")
    suite.write(
        test_rooted__py="""\
            from pathlib import Path

            import pytest

            @pytest.mark.parametrize("how", ["editable", "wheel", "auto"])
            def test_it(make_venv, how, request):
                venv = make_venv(project=how)
                one = venv.distributions()["rooted"]
                assert one.editable == (how != "wheel")
                assert venv.installed() == {"rooted": "1.0"}

            def test_relative(venv):
                venv.install("demo")
                assert venv.installed() == {"demo": "1.0"}
            """
    )
    (suite.directory / "below").mkdir()
    fine(suite.run("../test_rooted.py", cwd=suite.directory / "below"), 4)


def test_pip_by_hand_is_respected(suite: Project, wheels: Path) -> None:
    """What another installer put there is kept where it fits, and replaced whole where it does not."""
    import importlib.metadata

    from kit.installed import wheel_of

    try:
        importlib.metadata.distribution("pip")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("needs pip beside the tests")
    links = suite.directory / "links"
    links.mkdir()
    wheel_of("pip", links)
    suite.write(
        test_pip__py=f"""\
            def test_it(venv):
                venv.install({str(next(links.glob("pip-*")))!r})
                pip = ["python", "-m", "pip", "-q", "install", "--no-index", "--find-links", {str(wheels)!r}]
                venv.run([*pip, "fastenvalpha==1.0"])
                venv.install("fastenvbeta")
                found = venv.distributions()
                assert (found["fastenvalpha"].version, found["fastenvalpha"].installer) == ("1.0", "pip")
                venv.install("fastenvalpha>1")
                found = venv.distributions()
                assert (found["fastenvalpha"].version, found["fastenvalpha"].installer) == ("2.0", "pytest-fastenv")
                assert venv.run(["fastenvalpha-tool"]).stdout.strip() == "2.0"
                venv.run([*pip, "--force-reinstall", "fastenvalpha==1.0"])
                assert venv.run(["fastenvalpha-tool"]).stdout.strip() == "1.0"
            """
    )
    fine(suite.run("test_pip.py"), 1)


def test_the_session_knows_its_plan(suite: Project) -> None:
    suite.write(
        test_plan__py="""\
            def test_it(fastenv):
                plan = {one.name: one for one in fastenv.plan}
                assert plan["library"].requested and not plan["library"].built
                assert plan["library"].url.endswith("/library-1.0-py3-none-any.whl")
                assert len(plan["library"].sha256) == 64
                assert plan["library"].required_by[0].startswith("requirements.txt:1")
            """
    )
    fine(suite.run("--fastenv", "requirements.txt", "test_plan.py"), 1)
    suite.write(test_plan__py="def test_it(fastenv):\n    assert fastenv.plan is None\n")
    fine(suite.run("test_plan.py"), 1)


@pytest.mark.network  # an old interpreter needs an old pytest, which is not installed here
def test_inside_on_the_oldest_and_the_newest(suite: Project, interpreters: list[tuple[tuple[int, ...], Path]]) -> None:
    suite.variables.update(FASTENV_INDEX_URL=None, PIP_CONFIG_FILE=os.environ.get("PIP_CONFIG_FILE"))
    for _, path in (interpreters[0], interpreters[-1]):
        fine(suite.run("--fastenv", "pytest", "--fastenv-python", str(path), "test_venvs.py"), COUNT)


def test_in_workers_with_environments_of_their_own(suite: Project) -> None:
    suite.write(
        test_scoped__py="""\
            import sys
            from pathlib import Path

            import pytest

            @pytest.mark.parametrize("number", range(4))
            def test_it(fastenv, venv, number, worker_id):
                assert fastenv.prefix == Path(sys.prefix)
                assert fastenv.prefix.name.startswith(worker_id)
                assert "library" in [one.name for one in fastenv.plan]
                venv.install("library")
                assert str(venv.prefix) in venv.run(["python", "-c", "import library; print(library.__file__)"]).stdout
            """
    )
    fine(suite.run("--fastenv", "requirements.txt", "--fastenv-scope", "worker", "-n2", "test_scoped.py"), 4)


def test_with_the_whole_plugin_inside(suite: Project) -> None:
    """Where requirements bring this project along, the environment server is still the one outside."""
    suite.write(
        test_whole__py="""\
            import importlib.util

            def test_it(fastenv, venv):
                assert importlib.util.find_spec("pytest_fastenv") and not importlib.util.find_spec("httpx")
                assert "pytest-fastenv" in [one.name for one in fastenv.plan]
                venv.install("library")
                assert list(venv.installed()) == ["library"]
            """
    )
    fine(suite.run("--fastenv", "pytest-fastenv", "test_whole.py"), 1)
