"""Real runs of tox with its environments made by the engine, over small projects and an index on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.archives import make_project, make_wheel
from kit.interpreters import Found, hide_interpreters
from kit.server import IndexServer
from kit.tox_project import HELD, Project

pytest.importorskip("tox")
pytestmark = pytest.mark.slow


def installs(output: str) -> list[str]:
    return re.findall(r"(install_\w+)>", output)


def make_mine(project: Project, *, needs: str = "", extras: str = "", dynamic: bool = False) -> None:
    """Write a project that says statically what it needs, or lets its backend say so."""
    requires = [needs] if needs else []
    options = {"extras": {"more": [extras]}} if extras else {}
    make_project(project.directory, "mine", requires=requires, **options)
    if not dynamic:
        more = f'[project.optional-dependencies]\nmore = ["{extras}"]\n' if extras else ""
        with open(project.directory / "pyproject.toml", "a", encoding="utf-8") as file:
            file.write(f'\n[project]\nname = "mine"\nversion = "1.0"\ndependencies = {json.dumps(requires)}\n{more}')


def test_the_second_run_of_what_did_not_change_installs_nothing(project: Project) -> None:
    make_wheel(project.artifacts, "alpha", requires=["beta"])
    make_wheel(project.artifacts, "beta")
    project.write(f"deps = alpha\ncommands = {HELD}")
    first = project.tox("run")
    assert project.held(first) == ["alpha-1.0", "beta-1.0"]
    assert "install_deps> fastenv pip install alpha" in first
    second = project.tox("run")
    assert installs(second) == []
    assert project.held(second) == ["alpha-1.0", "beta-1.0"]


def test_environments_lie_where_tox_has_them_and_have_pip(project: Project) -> None:
    project.write('package = skip\ncommands = python -c "import sys; print(sys.prefix)"\n  python -m pip --version')
    output = project.tox("run")
    assert f"\n{project.work / 'a'}\n" in output
    assert re.search(r"^pip \d", output, re.MULTILINE)
    described = project.tox("config", "-e", "a", "-k", "env_python", "runner", "install_command")
    assert f"env_python = {project.work / 'a' / 'bin' / 'python'}" in described
    assert "runner = fastenv" in described
    assert "install_command = fastenv pip install" in described


def test_the_runner_can_be_chosen_from_outside(project: Project) -> None:
    (project.directory / "tox.ini").write_text(
        "[tox]\nenv_list = a\n[testenv]\npackage = skip\ncommands = pip --version"
    )
    for words, variables in ((("run", "--runner", "fastenv"), {}), (("run",), {"TOX_DEFAULT_RUNNER": "fastenv"})):
        project.tox(*words, **variables)
        known = json.loads((project.work / "a" / ".tox-info.json").read_text())
        assert known["ToxEnv"]["type"] == "FastenvRunner"
    assert "env type changed" in project.tox("run")


@pytest.mark.parametrize("kind", ["wheel", "sdist", "sdist-wheel", "editable"])
def test_each_kind_of_package(project: Project, kind: str) -> None:
    make_wheel(project.artifacts, "alpha")
    make_wheel(project.artifacts, "beta")
    make_mine(project, needs="alpha", extras="beta")
    project.write(f"package = {kind}\nextras = more\ncommands = {HELD}")
    assert project.held(project.tox("run")) == ["alpha-1.0", "beta-1.0", "mine-1.0"]


def test_packages_of_other_kinds(project: Project) -> None:
    make_wheel(project.artifacts, "alpha")
    make_mine(project, needs="alpha")
    project.write(f"package = deps-only\ncommands = {HELD}")
    assert project.held(project.tox("run")) == ["alpha-1.0"]
    project.write(f"package = skip\ncommands = {HELD}")
    assert project.held(project.tox("run", "-r")) == []
    copied = (
        "python -c \"import shutil; shutil.copy('{tox_root}/../artifacts/mine-2.0-py3-none-any.whl', '{env_tmp_dir}')\""
    )
    make_wheel(project.artifacts, "mine", "2.0", requires=["alpha"])
    package = "[testenv:.pkg_external]\ndeps = alpha\npackage_glob = {env_tmp_dir}/*.whl\ncommands = " + copied
    project.write(f"package = external\ncommands = {HELD}", more=package)
    assert project.held(project.tox("run", "-r")) == ["alpha-1.0", "mine-2.0"]
    built = project.artifacts / "mine-2.0-py3-none-any.whl"
    project.write(f"commands = {HELD}")
    assert project.held(project.tox("run", "-r", "--installpkg", str(built))) == ["alpha-1.0", "mine-2.0"]


def test_use_develop_sees_edits(project: Project) -> None:
    make_mine(project)
    project.write('use_develop = true\ncommands = python -c "import mine; print(mine.__file__)"')
    assert f"\n{project.directory}" in project.tox("run")


def test_later_steps_are_resolved_together_with_the_first(project: Project) -> None:
    make_wheel(project.artifacts, "alpha", "1.0")
    make_wheel(project.artifacts, "alpha", "2.0")
    make_mine(project, needs="alpha<2")
    project.write(f"deps = alpha\ncommands = {HELD}")
    output = project.tox("run", "-vvv")
    assert project.held(output) == ["alpha-1.0", "mine-1.0"]
    assert "installed alpha-2.0" not in output


def test_where_the_package_contradicts_deps_it_has_the_last_word(project: Project) -> None:
    make_wheel(project.artifacts, "alpha", "1.0")
    make_wheel(project.artifacts, "alpha", "2.0")
    make_mine(project, needs="alpha<2")
    project.write(f"deps = alpha==2.0\ncommands = {HELD}")
    assert project.held(project.tox("run")) == ["alpha-1.0", "mine-1.0"]


def test_constraints_of_deps_hold_for_deps_alone_unless_they_are_to_hold_for_the_package(project: Project) -> None:
    for name in ("alpha", "beta"):
        make_wheel(project.artifacts, name, "1.0")
        make_wheel(project.artifacts, name, "2.0")
    make_mine(project, needs="beta")
    (project.directory / "c.txt").write_text("alpha<2\nbeta<2\n")
    project.write(f"deps =\n  alpha\n  -c c.txt\ncommands = {HELD}")
    assert project.held(project.tox("run")) == ["alpha-1.0", "beta-2.0", "mine-1.0"]
    project.write(f"deps =\n  alpha\n  -c c.txt\nconstrain_package_deps = true\ncommands = {HELD}")
    assert project.held(project.tox("run", "-r")) == ["alpha-1.0", "beta-1.0", "mine-1.0"]


def test_frozen_constraints(project: Project) -> None:
    make_wheel(project.artifacts, "alpha", "1.0")
    make_wheel(project.artifacts, "alpha", "2.0")
    make_mine(project, needs="alpha")
    frozen = "constrain_package_deps = true\nuse_frozen_constraints = true"
    project.write(f"deps = alpha<2\n{frozen}\ncommands = {HELD}")
    assert project.held(project.tox("run")) == ["alpha-1.0", "mine-1.0"]
    assert "alpha==1.0" in (project.work / "a" / "constraints.txt").read_text()


def test_deps_in_all_forms(project: Project, tmp_path: Path) -> None:
    for name in ("alpha", "beta", "gamma", "delta"):
        make_wheel(project.artifacts, name)
    make_project(tmp_path / "with blank" / "tree", "epsilon")
    (project.directory / "requirements.txt").write_text("alpha\n-r deep/more.txt\n")
    (project.directory / "deep").mkdir()
    (project.directory / "deep" / "more.txt").write_text("beta ; python_version >= '3'\n")
    local = f"{project.artifacts}/delta-1.0-py3-none-any.whl\n  {tmp_path}/with blank/tree"
    deps = f"-rrequirements.txt\n  a: gamma\n  b: missing\n  {local}"
    project.write(f"package = skip\ndeps =\n  {deps}\ncommands = {HELD}")
    assert project.held(project.tox("run")) == ["alpha-1.0", "beta-1.0", "delta-1.0", "epsilon-1.0", "gamma-1.0"]


def test_a_requirement_that_goes_makes_it_anew_and_one_that_comes_is_added(project: Project) -> None:
    make_wheel(project.artifacts, "alpha")
    make_wheel(project.artifacts, "beta")
    project.write(f"package = skip\ndeps = alpha\ncommands = {HELD}")
    project.tox("run")
    project.write(f"package = skip\ndeps =\n  alpha\n  beta\ncommands = {HELD}")
    added = project.tox("run")
    assert "recreate" not in added
    assert project.held(added) == ["alpha-1.0", "beta-1.0"]
    project.write(f"package = skip\ndeps = beta\ncommands = {HELD}")
    gone = project.tox("run")
    assert "recreate env because requirements removed: alpha" in gone
    assert project.held(gone) == ["beta-1.0"]


def test_dependency_groups_and_locks(project: Project) -> None:
    for name in ("alpha", "beta"):
        make_wheel(project.artifacts, name, "1.0")
        make_wheel(project.artifacts, name, "2.0")
    pyproject = project.directory / "pyproject.toml"
    pyproject.write_text('[dependency-groups]\nbase = ["beta<2"]\ntest = [{include-group = "base"}, "alpha"]\n')
    project.write(f"package = skip\ndependency_groups = test\ncommands = {HELD}")
    assert project.held(project.tox("run")) == ["alpha-2.0", "beta-1.0"]
    wheel = project.artifacts / "alpha-1.0-py3-none-any.whl"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = f'name = "alpha-1.0-py3-none-any.whl"\nurl = "{wheel.as_uri()}"\nhashes = {{sha256 = "{digest}"}}\n'
    head = 'lock-version = "1.0"\ncreated-by = "test"\n[[packages]]\nname = "alpha"\nversion = "1.0"\n'
    (project.directory / "pylock.toml").write_text(f"{head}[[packages.wheels]]\n{lock}")
    project.write(f"package = skip\npylock = pylock.toml\ncommands = {HELD}")
    output = project.tox("run", "-r")
    if "install_pylock" not in output:
        pytest.skip("this tox knows no pylock")
    assert project.held(output) == ["alpha-1.0"]
    (project.directory / "pylock.toml").write_text(f"{head}[[packages.wheels]]\n{lock.replace(digest, '0' * 64)}")
    assert "0000" in project.tox("run", "-r", code=4)


def test_settings_for_the_backend_and_a_packaging_environment_of_its_own(project: Project) -> None:
    make_mine(project)
    told = (
        "python -c \"import pathlib, mine; p = pathlib.Path(mine.__file__); print(*p.parents[1].glob('mine_config*'))\""
    )
    package = "[testenv:built]\nconfig_settings_build_wheel =\n  flavour=mint\n"
    project.write(
        f"package = wheel\nwheel_build_env = built\nchange_dir = {{env_tmp_dir}}\ncommands = {told}", more=package
    )
    output = project.tox("run")
    assert "mine_config_settings.json" in output
    assert (project.work / "built" / "pyvenv.cfg").is_file()


def test_an_interrupt_ends_what_runs_and_the_next_run_is_fine(project: Project, tmp_path: Path) -> None:
    log = tmp_path / "builds"
    make_project(tmp_path / "slow", "alpha", hold_s=60, build_log=str(log))
    project.write(f"package = skip\ndeps = {tmp_path}/slow\ncommands = {HELD}")
    running = subprocess.Popen(
        [sys.executable, "-m", "tox", "run"],
        cwd=project.directory,
        env=project.variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not log.exists() or "\n" not in log.read_text():
            assert running.poll() is None, running.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        (builder,) = re.findall(r"pid=(\d+)", log.read_text())
        running.send_signal(signal.SIGINT)
        output, _ = running.communicate(timeout=30)
    finally:
        running.kill()
    assert running.returncode != 0
    assert "Traceback" not in output
    with pytest.raises(ProcessLookupError):
        os.kill(int(builder), 0)
    make_project(tmp_path / "slow", "alpha")
    assert project.held(project.tox("run")) == ["alpha-1.0"]


def test_pre_releases(project: Project) -> None:
    make_wheel(project.artifacts, "alpha", "1.0")
    make_wheel(project.artifacts, "alpha", "2.0b1")
    project.write(f"package = skip\ndeps = alpha\npip_pre = true\ncommands = {HELD}")
    assert project.held(project.tox("run")) == ["alpha-2.0b1"]


def test_an_install_command_of_pip_is_carried_out_with_its_options(project: Project, tmp_path: Path) -> None:
    make_wheel(project.artifacts, "alpha", "1.0", requires=["beta"])
    make_wheel(project.artifacts, "alpha", "2.0b1", requires=["beta"])
    (tmp_path / "c.txt").write_text("alpha>=1\n")
    command = f"python -m pip install -q --pre --no-deps -i {project.url} -c {tmp_path}/c.txt {{opts}} {{packages}}"
    project.write(f"package = skip\ndeps = alpha\ninstall_command = {command}\ncommands = {HELD}")
    output = project.tox("run", PIP_INDEX_URL="http://127.0.0.1:9/simple/")
    assert project.held(output) == ["alpha-2.0b1"]
    assert output.count("install_command is carried out by fastenv") == 1


def test_another_install_command_is_run_as_it_stands_and_that_is_said(project: Project) -> None:
    make_wheel(project.artifacts, "alpha")
    make_wheel(project.artifacts, "beta")
    make_mine(project, needs="beta")
    command = "python -m pip install --retries 0 --report {env_tmp_dir}/r.json {packages}"
    project.write(f"deps = alpha\ninstall_command = {command}\ncommands = {HELD}")
    output = project.tox("run")
    assert project.held(output) == ["alpha-1.0", "beta-1.0", "mine-1.0"]
    said = "install_command is run as it stands, not by fastenv: --report is an option that fastenv has not"
    assert output.count(said) == 1


def test_what_the_base_has_can_be_seen_inside(project: Project) -> None:
    found = "any(p.startswith(sys.base_prefix) and p.endswith('-packages') for p in sys.path)"
    seen = f"python -c \"import sys; print('base', {found})\""
    project.write(f"package = skip\nsystem_site_packages = true\ncommands = {seen}")
    assert "base True" in project.tox("run")
    project.write(f"package = skip\ncommands = {seen}")
    assert "base False" in project.tox("run")


def test_the_result_lists_what_is_installed(project: Project) -> None:
    make_wheel(project.artifacts, "alpha")
    make_mine(project, needs="alpha")
    project.write(f"deps = alpha\ncommands = {HELD}")
    project.tox("run", "--result-json", "result.json")
    result = json.loads((project.directory / "result.json").read_text())["testenvs"]["a"]
    names = {line.partition("==")[0].partition(" @")[0] for line in result["installed_packages"]}
    assert {"alpha", "mine", "pip"} <= names
    assert result["setup"][0]["command"] == ["fastenv", "pip", "install", "alpha"]
    assert result["setup"][0]["retcode"] == 0


def test_the_result_lists_what_is_installed_without_a_pip_there(project: Project) -> None:
    make_wheel(project.artifacts, "alpha")
    project.write("package = skip\ndeps = alpha\n")
    project.tox("run", "--notest", "--result-json", "result.json", VIRTUALENV_NO_PIP="1", VIRTUALENV_NO_SETUPTOOLS="1")
    result = json.loads((project.directory / "result.json").read_text())["testenvs"]["a"]
    assert result["installed_packages"] == ["alpha==1.0"]


def test_notest_and_without_the_package(project: Project) -> None:
    make_wheel(project.artifacts, "alpha")
    make_wheel(project.artifacts, "beta")
    make_mine(project, needs="beta")
    project.write(f"deps = alpha\ncommands = {HELD}")
    output = project.tox("run", "--notest", "--skip-pkg-install")
    assert "held" not in output.replace(HELD, "")
    assert project.held(project.tox("run", "--skip-pkg-install")) == ["alpha-1.0"]


def test_exec_and_devenv(project: Project) -> None:
    make_wheel(project.artifacts, "alpha")
    make_mine(project)
    project.write("deps = alpha\ncommands = false")
    assert "alpha 1.0" in project.tox(
        "exec", "-e", "a", "--", "python", "-c", "import importlib.metadata as m; print('alpha', m.version('alpha'))"
    )
    project.tox("devenv", "-e", "a", "dev")
    python = project.directory / "dev" / "bin" / "python"
    done = subprocess.run([python, "-c", "import alpha, mine; print(mine.__file__)"], capture_output=True, text=True)
    assert done.stdout.startswith(str(project.directory)), done.stderr
    assert (project.directory / "dev" / "bin" / "activate").is_file()


def test_a_wrong_request_fails_with_its_diagnosis_and_not_with_a_traceback(project: Project) -> None:
    project.write(f"package = skip\ndeps = missing>=1\ncommands = {HELD}")
    output = project.tox("run", code=4)
    assert "missing" in output
    assert "FAIL code 4" in output
    make_wheel(project.artifacts, "missing")
    assert project.held(project.tox("run")) == ["missing-1.0"]


def test_a_wrong_variable_is_told(project: Project) -> None:
    project.write(f"package = skip\ncommands = {HELD}")
    output = project.tox("run", code=None, FASTENV_CONCURRENT="sideways")
    assert "FASTENV_CONCURRENT" in output
    assert "sideways" in output
    assert "a: failed with" in output
    assert "a: FAIL" in output


def test_what_was_half_made_is_made_again(project: Project) -> None:
    make_wheel(project.artifacts, "alpha")
    project.write(f"package = skip\ndeps = alpha\ncommands = {HELD}")
    environment = project.work / "a"
    for part in ("lib/python3/site-packages", "bin"):
        (environment / part).mkdir(parents=True)
    assert project.held(project.tox("run")) == ["alpha-1.0"]
    (environment / "bin" / "python").unlink()
    (environment / "bin" / "python").symlink_to(environment / "gone")
    output = project.tox("run")
    assert "recreate env because its interpreter is gone" in output
    assert project.held(output) == ["alpha-1.0"]


def test_parallel_environments_of_three_interpreters(project: Project, interpreters: list[Found]) -> None:
    make_wheel(project.artifacts, "alpha")
    make_mine(project, needs="alpha")
    chosen = [found for found in interpreters if found[0][:2] >= (3, 9)][-3:]
    names = [f"py{major}{minor}" for (major, minor, *_), _ in chosen]
    project.write(f"package = wheel\ncommands = {HELD}", names=",".join(names))
    discover = [word for _, path in chosen for word in ("--discover", str(path))]
    output = project.tox("run-parallel", "-p", "3", "--parallel-live", *discover)
    for name, (version, _) in zip(names, chosen, strict=True):
        assert f"{name}: OK" in output
        site = project.work / name / "lib" / f"python{version[0]}.{version[1]}" / "site-packages"
        assert (site / "alpha-1.0.dist-info").is_dir()
        assert (site / "mine-1.0.dist-info").is_dir()


def test_a_missing_interpreter_is_skipped_where_tox_would_skip(project: Project) -> None:
    project.write(f"package = skip\nbase_python = 3.99\ncommands = {HELD}", core="skip_missing_interpreters = true")
    output = project.tox("run", code=None)
    assert "SKIP" in output
    assert "could not find python interpreter" in output


def test_a_missing_interpreter_that_nobody_offers_is_a_failure(project: Project, unused_port: int) -> None:
    project.write(f"package = skip\nbase_python = 3.99\ncommands = {HELD}", core="skip_missing_interpreters = false")
    mirror = f"http://127.0.0.1:{unused_port}/"
    output = project.tox("run", code=None, FASTENV_PYTHON_MIRROR=mirror, FASTENV_OFFLINE="1")
    assert "could not find python interpreter" in output
    assert "3.99" in output


def test_an_interpreter_that_tox_does_not_find_is_downloaded_where_tox_would_fail(
    project: Project, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (version,) = re.findall(r"cpython-(\d+\.\d+)\.", archive.name)
    (tmp_path / "machine").mkdir()
    hide_interpreters(tmp_path / "machine", monkeypatch)
    code = "import sys; print(sys.base_prefix)"
    project.write(f'package = skip\nbase_python = {version}\ncommands = python -c "{code}"')
    assert "SKIP" in project.tox(
        "run", "--skip-missing-interpreters", "true", code=None, FASTENV_PYTHON_MIRROR=str(archive.parent)
    )
    project.tox("config", "-e", "a", "-k", "base_python", FASTENV_PYTHON_MIRROR=str(archive.parent))
    output = project.tox("run", FASTENV_PYTHON_MIRROR=str(archive.parent))
    assert f"\n{tmp_path / 'cache'}" in output


def test_nothing_is_downloaded_for_what_is_not_run(
    project: Project, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """tox looks at all environments to find out how each is packaged."""
    (version,) = re.findall(r"cpython-(\d+\.\d+)\.", archive.name)
    (tmp_path / "machine").mkdir()
    hide_interpreters(tmp_path / "machine", monkeypatch)
    make_mine(project)
    more = f"[testenv:b]\nbase_python = {version}\n"
    project.write(f"package = wheel\ncommands = {HELD}", more=more, names="a, b")
    project.tox("run", "-e", "a", FASTENV_PYTHON_MIRROR=str(archive.parent))
    assert not list((tmp_path / "cache").glob("pythons-*/*/*"))


@pytest.mark.network
@pytest.mark.nightly
def test_the_oldest_release_of_tox(project: Project, tmp_path: Path) -> None:
    make_wheel(project.artifacts, "alpha")
    make_mine(project, needs="alpha")
    root = Path(__file__).parents[3]
    (oldest,) = re.findall(r'^tox = \["tox>=([\d.]+)"\]$', (root / "pyproject.toml").read_text(), re.MULTILINE)
    python = tmp_path / "oldest" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "oldest"], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", root, f"tox=={oldest}.*"], check=True)
    for kind in ("wheel", "sdist", "editable"):
        project.write(f"package = {kind}\ndeps = alpha\ncommands = {HELD}")
        for _ in range(2):
            assert project.held(project.tox("run", python=str(python))) == ["alpha-1.0", "mine-1.0"]
    project.write("package = skip", more="[testenv:b]\nrunner = a-runner-of-nobody\n")
    migrate = [python.with_name("fastenv"), "migrate"]
    done = subprocess.run(migrate, cwd=project.directory, stdout=subprocess.PIPE, text=True, check=True)
    assert set(tomllib.loads(done.stdout)["tool"]["fastenv"]["envs"]) == {"a", "b"}


def test_a_warning_is_told_once_in_a_run_and_as_a_warning(
    project: Project, tmp_path: Path, index_server: Callable[..., IndexServer]
) -> None:
    """Each step resolves what the ones before it brought, too; two environments do the same."""
    for name in ("alpha", "beta"):
        make_wheel(project.artifacts, name, "1.0")
        make_wheel(tmp_path / "second", name, "2.0")
    second = index_server(tmp_path / "second")
    project.write("package = skip\ndeps = alpha\ndependency_groups = more\n", names="a, b")
    (project.directory / "pyproject.toml").write_text('[dependency-groups]\nmore = ["beta"]\n')
    output = project.tox("run", "--notest", PIP_EXTRA_INDEX_URL=second.url)
    assert output.count("install_dependency-groups> fastenv pip install beta") == 2
    assert output.count("would have given") == 1
    assert "a: warning: alpha 1.0: taken from" in output
