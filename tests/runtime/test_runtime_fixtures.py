"""What the fixtures give, in this process: running programs, distributions, markers."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_fastenv
from pytest_fastenv.errors import FastenvError
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.runtime.environment_in_test import CommandError, EnvironmentInTest, outside_variables
from pytest_fastenv.runtime.session_environment import SessionEnvironment, session_environment
from pytest_fastenv.runtime.virtual_environment import MakeVenv, VirtualEnvironment


@pytest.fixture
def here() -> SessionEnvironment:
    """The environment that runs these tests."""

    def nothing() -> MakeVenv:
        raise AssertionError

    return session_environment(nothing)


@pytest.fixture
def description(tmp_path: Path) -> Environment:
    site = tmp_path / "site"
    site.mkdir()
    scripts = tmp_path / "bin"
    return Environment(tmp_path, scripts / "python", scripts, site, site, "", "3.12.1", "CPython 3.12.1", "")


@pytest.fixture
def described(description: Environment) -> EnvironmentInTest:
    """An environment that is only described."""
    return EnvironmentInTest(description)


@pytest.mark.slow
def test_run_captures(here: SessionEnvironment) -> None:
    done = here.run([Path(sys.executable), "-c", "import sys; print(input()); sys.stderr.write('e')"], input="ü\n")
    assert (done.stdout, done.stderr, done.returncode) == ("ü\n", "e", 0)
    assert here.run([sys.executable, "-c", "print(1)"], stdout=subprocess.DEVNULL).stdout is None
    assert here.run(f"{sys.executable} -c 'print(1)'").stdout == "1\n"
    with pytest.raises(FileNotFoundError):
        here.run(["no-such-program"])
    with pytest.raises(subprocess.TimeoutExpired):
        here.run([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, timeout=0.01)


@pytest.mark.slow
def test_run_lets_through(here: SessionEnvironment, capfd: pytest.CaptureFixture[str]) -> None:
    assert here.run([sys.executable, "-c", "print('through')"], capture=False).stdout is None
    assert capfd.readouterr().out == "through\n"


@pytest.mark.slow
def test_a_failing_program_shows_what_it_said(here: SessionEnvironment) -> None:
    code = "import sys; print('\\n'.join(map(str, range(100)))); sys.exit('the end')"
    with pytest.raises(CommandError) as caught:
        here.run([sys.executable, "-c", code])
    text = str(caught.value)
    assert "returned non-zero exit status 1" in text
    assert text.endswith("           99\n         standard error:\n           the end")
    assert "60\n" in text
    assert "59\n" not in text
    assert isinstance(caught.value, here.CommandError)
    assert caught.value.stdout.startswith("0\n1\n")


def test_errors_are_those_of_the_package() -> None:
    assert VirtualEnvironment.Error is MakeVenv.Error is pytest_fastenv.FastenvError
    assert VirtualEnvironment.CommandError is pytest_fastenv.CommandError


def test_a_failing_program_is_an_error_of_both_kinds() -> None:
    """Who knows `subprocess` catches its class, and who wants any error of this package catches that."""
    error = CommandError(7, ["true", "a b"], "said", b"complained")
    assert isinstance(error, subprocess.CalledProcessError)
    assert isinstance(error, FastenvError)
    for same in (error, pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(same) is CommandError
        assert (same.returncode, same.cmd, same.stdout, same.stderr) == (7, ["true", "a b"], "said", b"complained")
        assert str(same) == same.diagnosis()
        assert same.diagnosis().splitlines()[1:] == [
            "  why:   standard output:",
            "           said",
            "         standard error:",
            "           complained",
        ]
        assert "returned non-zero exit status 7" in same.what
    assert CommandError(7, "true").why is None


@pytest.mark.slow
def test_variables_in_order_of_strength(here: SessionEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "process")
    monkeypatch.setenv("B", "process")
    here.env.update(B="env", C="env")
    code = "import json, os; print(json.dumps([os.environ.get(name) for name in 'ABC']))"
    assert json.loads(here.run([sys.executable, "-c", code], env={"C": "call"}).stdout) == ["process", "env", "call"]


def test_outside_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    own = os.path.join(sys.prefix, "bin")
    monkeypatch.setenv("PATH", os.pathsep.join((own, "/usr/bin", sys.prefix + "-other")))
    monkeypatch.setenv("PYTHONPATH", "/outside")
    monkeypatch.setenv("FASTENV_INSIDE", "{}")
    found = outside_variables()
    assert not {"PYTHONPATH", "FASTENV_INSIDE"} & found.keys()
    if sys.prefix != sys.base_prefix:
        assert found["PATH"] == os.pathsep.join(("/usr/bin", sys.prefix + "-other"))


def test_distributions(described: EnvironmentInTest, tmp_path: Path) -> None:
    for name, files in {
        "Zope.Interface-7.0": {"INSTALLER": "pip\n"},
        "demo-1.0": {
            "INSTALLER": "pytest-fastenv\n",
            "REQUESTED": "",
            "direct_url.json": json.dumps({"url": "file:///demo", "dir_info": {"editable": True}}),
        },
        "odd-2": {"direct_url.json": "{"},
    }.items():
        directory = tmp_path / "site" / f"{name}.dist-info"
        directory.mkdir()
        project, _, version = name.partition("-")
        (directory / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n")
        for file, text in files.items():
            (directory / file).write_text(text)
    found = described.distributions()
    assert list(found) == ["demo", "odd", "zope-interface"]
    assert found["zope-interface"] == ("zope-interface", "7.0", tmp_path / "site", "pip", False, None, False)
    assert found["demo"][1:] == ("1.0", tmp_path / "site", "pytest-fastenv", True, "file:///demo", True)
    assert found["odd"].source is None
    assert described.installed() == {"demo": "1.0", "odd": "2", "zope-interface": "7.0"}


def test_plan(description: Environment, tmp_path: Path) -> None:
    """As the model writes it, with a wheel, a source distribution and a directory."""
    from pytest_fastenv.environment import manifest
    from pytest_fastenv.model.artifact import Artifact, Hashes
    from pytest_fastenv.model.plan import Distribution, Plan, SdistSource, TreeSource, WheelSource
    from pytest_fastenv.model.target import Target

    def lasting() -> MakeVenv:
        raise AssertionError

    target = Target("/python", "cpython", "3.12.1", (), {}, "", "linux", False, {}, "", {})
    wheel = Artifact(
        "a", "1", "a-1-py3-none-any.whl", "https://example.invalid/a.whl", hashes=Hashes.of({"sha256": "0" * 64})
    )
    sdist = Artifact("b", "1", "b-1.tar.gz", "https://example.invalid/b.tar.gz")
    distributions = (
        Distribution("a", "1", WheelSource(wheel), requested=True, required_by=("requirements.txt:1",)),
        Distribution("b", "1", SdistSource(sdist), required_by=("a 1 >=1",)),
        Distribution("c", "1", TreeSource(tmp_path, "digest", editable=True)),
    )
    manifest.write_plan(tmp_path, Plan(target, distributions))
    session = SessionEnvironment(Environment.from_json(description.to_json()), lasting)
    assert session.plan == (
        ("a", "1", True, "https://example.invalid/a.whl", "0" * 64, False, ("requirements.txt:1",)),
        ("b", "1", False, "https://example.invalid/b.tar.gz", None, True, ("a 1 >=1",)),
        ("c", "1", False, tmp_path.as_uri(), None, True, ()),
    )


@pytest.mark.slow
def test_markers_are_merged(pytester: pytest.Pytester) -> None:
    """The nearest one that names a thing counts; a fixture of that name in the suite hears of it."""
    pytester.makepyfile(
        """\
        import pytest

        pytestmark = pytest.mark.fastenv(python="3.1", requirements=["module"])

        @pytest.fixture
        def make_venv():
            return lambda **options: options

        @pytest.mark.fastenv(requirements=["class"])
        class TestIt:
            def test_class(self, venv):
                assert venv == {"python": "3.1", "requirements": ["class"]}

            @pytest.mark.fastenv(python=["3.2", ">=3.3"], project="wheel")
            def test_function(self, venv, request):
                assert venv.pop("python") == request.node.callspec.id
                assert venv == {"requirements": ["class"], "project": "wheel"}

        def test_module(venv):
            assert venv == {"python": "3.1", "requirements": ["module"]}
        """
    )
    pytester.runpytest("--strict-markers", "-W", "error").assert_outcomes(passed=4)
    pytester.runpytest("--markers").stdout.fnmatch_lines(["@pytest.mark.fastenv(requirements=(), python=None,*"])


@pytest.mark.slow
def test_they_can_be_left_out(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(venv):\n    pass\n")
    pytester.runpytest("-p", "no:fastenv-fixtures").assert_outcomes(errors=1)
    pytester.makeconftest("import pytest\n\n@pytest.fixture\ndef venv():\n    return 1\n")
    pytester.runpytest().assert_outcomes(passed=1)
