"""What a session asks for, from all the places where it may be said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_fastenv.errors import UsageError
from pytest_fastenv.plugin.request import Asked, read_request
from pytest_fastenv.runtime import options


class Probe:
    """Reads the request of a pytest run that does nothing else."""

    asked: Asked
    error: UsageError | None = None

    def pytest_addoption(self, parser: pytest.Parser) -> None:
        options.register(parser)
        self.parser = parser

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: pytest.Config, args: list[str]) -> None:
        try:
            self.asked = read_request(early_config, self.parser)
        except UsageError as error:
            self.error = error
        args[:] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self) -> int:
        return 0


def ask(*arguments: str) -> Asked:
    probe = Probe()
    assert pytest.main(["-p", "no:fastenv", *arguments], plugins=[probe]) == 0
    if probe.error:
        raise probe.error
    return probe.asked


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    (project / "pytest.ini").write_text("[pytest]\n")
    return project


def write(directory: Path, **files: str) -> None:
    for name, text in files.items():
        (directory / name.replace("__", ".")).write_text(text)


def test_command_line(directory: Path) -> None:
    asked = ask(
        "--fastenv", "a.txt", "--fastenv=b.txt", "--fastenv-link=copy", "--fastenv-offline", "--fastenv-max-age=1h"
    )
    assert asked.settings.sources == ("a.txt", "b.txt")
    assert asked.settings.link == "copy"
    assert asked.settings.offline
    assert asked.settings.max_age_s == 3600
    assert asked.base == directory


def test_ini_values_are_relative_to_their_file(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        directory, pytest__ini="[pytest]\nfastenv =\n  a.txt\n  django<5\nfastenv_dir = envs\nfastenv_report = t.json\n"
    )
    below = directory / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    asked = ask("..")
    assert asked.settings.sources == ("a.txt", "django<5")
    assert asked.base == directory
    assert asked.settings.dir == directory / "envs"
    assert asked.settings.reports == (directory / "t.json",)


def test_command_line_wins(directory: Path) -> None:
    write(directory, pytest__ini="[pytest]\nfastenv = a.txt\nfastenv_link = copy\nfastenv_offline = true\n")
    settings = ask("--fastenv=b.txt", "--fastenv-link=symlink").settings
    assert settings.sources == ("b.txt",)
    assert settings.link == "symlink"
    assert settings.offline


def test_tool_table_is_the_weakest(directory: Path) -> None:
    write(
        directory,
        pyproject__toml="[tool.fastenv]\nlink = 'copy'\nmax-age = '2h'\noffline = true\ndir = 'envs'\n",
        pytest__ini="[pytest]\nfastenv_link = symlink\n",
    )
    settings = ask("--fastenv=a.txt").settings
    assert (settings.link, settings.max_age_s, settings.offline) == ("symlink", 7200, True)
    assert settings.dir == directory / "envs"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.fastenv]\nlnik = 'copy'\n", r"\[tool\.fastenv\] of pyproject\.toml has an unknown key: lnik"),
        ("fastenv = 1\nfastenv = 2\n", "pyproject.toml cannot be read"),
        ("[tool]\nfastenv = 'requirements.txt'\n", "tool.fastenv of pyproject.toml is not a table"),
    ],
)
def test_wrong_tool_table(directory: Path, text: str, message: str) -> None:
    """With an ini file in use pytest itself does not look into pyproject.toml."""
    (directory / "other.ini").write_text("[pytest]\n")
    write(directory, pyproject__toml=text)
    with pytest.raises(UsageError, match=message):
        ask("--fastenv=a.txt", "-c", "other.ini")


def test_addopts_of_the_ini_file_come_first_and_from_its_directory(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "a.txt django .[test] group:test"
    addopts = " ".join(f"--fastenv {word}" for word in words.split())
    write(directory, pytest__ini=f"[pytest]\naddopts = {addopts}\n", a__txt="")
    below = directory / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    monkeypatch.setenv("PYTEST_ADDOPTS", "--fastenv b.txt")
    asked = ask("..", "--fastenv=c.txt")
    group = f"group:{directory / 'pyproject.toml'}:test"
    own = (str(directory / "a.txt"), "django", f"{directory}[test]", group)
    assert asked.settings.sources == (*own, "b.txt", "c.txt")
    assert asked.base == below
    monkeypatch.delenv("PYTEST_ADDOPTS")
    asked = ask("..")
    assert asked.settings.sources == tuple(words.split())
    assert asked.base == directory


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ((), False),
        (("-n", "2"), True),
        (("-n2",), True),
        (("-nauto",), True),
        (("-n=auto",), True),
        (("-fv",), True),
        (("--looponfail",), True),
        (("--", "-n2"), False),
        (("--numprocesses=2",), True),
        (("--tx", "2*popen"), True),
        (("--dist=load",), True),
        (("-d",), True),
        (("--max-worker-restart=0",), True),
        (("--maxschedchunk", "1"), True),
        (("--no-loadscope-reorder",), True),
        (("-k", "note"), False),
        (("-rN",), False),
        (("--no-header",), False),
    ],
)
def test_xdist_is_needed_when_its_options_are_used(directory: Path, arguments: tuple[str, ...], wanted: bool) -> None:
    needs = ask("--fastenv=a.txt", *arguments).needs.requirements
    assert needs[0] == f"pytest=={pytest.__version__}"
    assert any(need.startswith("pytest-xdist==") for need in needs) is wanted


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ((), False),
        (("--cov",), True),
        (("--cov=mine",), True),
        (("--cov", "mine"), True),
        (("--cov-report=xml:a b.xml",), True),
        (("--cov-branch",), True),
        (("--no-cov",), True),
        (("--no-cov-on-fail",), True),
        (("-k", "cov"), False),
        (("--coverage",), False),
    ],
)
def test_coverage_is_needed_when_its_options_are_used(
    directory: Path, arguments: tuple[str, ...], wanted: bool
) -> None:
    needs = ask("--fastenv=a.txt", "-p", "no:cov", *arguments).needs.requirements
    assert any(need.startswith("pytest-cov==") for need in needs) is wanted


def test_runtime_is_needed(directory: Path) -> None:
    assert "pytest_fastenv_runtime/runtime/inside.py" in ask("--fastenv=a.txt").needs.runtime


def test_quiet(directory: Path) -> None:
    assert ask("--fastenv=a.txt", "-q").verbosity < 0 <= ask("--fastenv=a.txt").verbosity


def test_response_file(directory: Path) -> None:
    write(directory, arguments="--fastenv=a.txt\n")
    assert ask("@arguments").settings.sources == ("a.txt",)


def test_variables_count(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "FASTENV_OFFLINE", "1")
    assert ask("--fastenv=a.txt").settings.offline


def test_named_ini_file_below_the_project(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest takes its directory for the root directory; the project lies around it."""
    config, below = directory / "config", directory / "below"
    for place in (config, below):
        place.mkdir()
    write(config, pytest__ini="[pytest]\n")
    assert ask("--fastenv=a.txt", "-c", "config/pytest.ini").root == config, "there is no project at all"
    write(directory, pyproject__toml="[tool.fastenv]\nlink = 'copy'\n")
    for place, ini in ((directory, "config/pytest.ini"), (below, "../config/pytest.ini")):
        monkeypatch.chdir(place)
        asked = ask("--fastenv=a.txt", "-c", ini)
        assert (asked.root, asked.settings.link) == (directory, "copy")
        assert ask("--fastenv=a.txt", "-c", ini, f"--rootdir={config}").root == config
    write(config, setup__py="")
    assert ask("--fastenv=a.txt", "-c", "../config/pytest.ini").root == config


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("--fastenv-pyhton=3.12", "--fastenv-python"),
        ("--fastenv-group", "--fastenv-groups"),
        ("--fastenv-ofline", "--fastenv-offline"),
    ],
)
def test_a_misspelled_option_is_told_before_anything_is_made(directory: Path, written: str, meant: str) -> None:
    """Inside, an environment later, pytest would say no more than that it does not know it."""
    with pytest.raises(UsageError, match=f"{written.partition('=')[0]} is no option") as told:
        ask("--fastenv", "six", written)
    assert told.value.hint == f"did you mean {meant}?"


def test_an_option_of_another_plugin_is_left_to_it(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(directory)
    write(directory, mine__py="def pytest_addoption(parser): parser.addoption('--fastenv-group')\n")
    assert ask("-p", "mine", "--fastenv", "six", "--fastenv-group=x", "--fastenv-nothing-like-that").settings.sources
    assert ask("--fastenv", "six", "--", "--fastenv-pyhton").settings.sources
