"""Projects whose suites are run by the real command, in environments made from an index on loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from kit.archives import make_wheel
from kit.installed import wheel_of
from kit.server import IndexServer

import pytest_fastenv

#: What the suites inside need; the wheels are made of what is installed here.
_SUITE = ("pytest", "pluggy", "iniconfig", "packaging", "pygments", "pytest-xdist", "execnet", "pytest-cov", "coverage")


def _add_plugins(directory: Path) -> None:
    make_wheel(
        directory,
        "pytest-only-inside",
        files={
            "pytest_only_inside.py": textwrap.dedent(
                """\
                def pytest_addoption(parser):
                    parser.addoption("--only-inside", metavar="WORD", help="an option of the inside")

                def pytest_report_header(config):
                    return f"only inside: {config.getoption('--only-inside')}"
                """
            )
        },
        dist_info_files={"entry_points.txt": "[pytest11]\nonly_inside = pytest_only_inside\n"},
    )
    make_wheel(
        directory,
        "early-plugin",
        files={"early_plugin.py": "def pytest_report_header(config):\n    return 'early plugin is here'\n"},
    )
    # This project itself, as a requirement: without what it requires, which only the outside uses.
    package = Path(pytest_fastenv.__file__).parent
    make_wheel(
        directory,
        "pytest-fastenv",
        pytest_fastenv.__version__,
        files={
            f"pytest_fastenv/{path.relative_to(package).as_posix()}": path.read_bytes()
            for path in package.rglob("*.py")
        },
        dist_info_files={"entry_points.txt": "[pytest11]\nfastenv = pytest_fastenv.plugin.hooks\n"},
    )
    make_wheel(directory, "library", files={"library.py": "import sys\nPREFIX = sys.prefix\n"})


@dataclass
class Project:
    """A directory with a suite, and how pytest is started in it.

    :ivar variables: added to (or, with ``None``, taken from) the environment variables of the outer pytest.
    """

    directory: Path
    variables: dict[str, str | None] = field(default_factory=dict)
    script: Path = Path(sys.executable).with_name("pytest")

    def write(self, **files: str) -> None:
        """Write files; ``__`` in a name stands for the dot before its ending."""
        for name, text in files.items():
            path = self.directory / name.replace("__", ".")
            path.write_text(textwrap.dedent(text), encoding="utf-8")

    @property
    def environ(self) -> dict[str, str]:
        """The outer pytest's environment variables."""
        outside = ("PYTEST_", "COV_", "COVERAGE_", "FASTENV_INSIDE")
        found = {name: value for name, value in os.environ.items() if not name.startswith(outside)}
        for name, value in self.variables.items():
            found.pop(name, None)
            if value is not None:
                found[name] = value
        return found

    def command(self, *arguments: str, module: bool = False, flags: tuple[str, ...] = ()) -> list[str]:
        """Return the words of a pytest command in one of its two forms."""
        program = ["-m", "pytest"] if module else [str(self.script)]
        return [sys.executable, *flags, *program, "-p", "no:cacheprovider", *arguments]

    def run(
        self, *arguments: str, module: bool = False, flags: tuple[str, ...] = (), cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run pytest and wait for it."""
        return self.run_command(self.command(*arguments, module=module, flags=flags), cwd=cwd)

    def run_command(self, command: list[str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command with the project's variables."""
        return subprocess.run(
            command,
            cwd=cwd or self.directory,
            env=self.environ,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="session")
def suite_index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IndexServer]:
    """An index that has pytest, its usual companions, and a few projects of the tests' own."""
    directory = tmp_path_factory.mktemp("suite-artifacts")
    for project in _SUITE:
        wheel_of(project, directory)
    _add_plugins(directory)
    with IndexServer(directory) as server:
        yield server


@pytest.fixture(scope="session")
def suite_variables(suite_index: IndexServer, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Variables of runs that share one store: the first one fills it."""
    home = tmp_path_factory.mktemp("suite-home")
    (home / "pip.conf").touch()
    return {
        "FASTENV_INDEX_URL": suite_index.url,
        "FASTENV_CACHE_DIR": str(home / "store"),
        "PIP_CONFIG_FILE": str(home / "pip.conf"),
    }


@pytest.fixture
def project(tmp_path: Path, suite_variables: Mapping[str, str]) -> Project:
    """A project that requires ``library``, which is not installed here, with one test that uses it."""
    directory = tmp_path / "project"
    directory.mkdir()
    made = Project(directory, dict(suite_variables))
    made.write(
        requirements__txt="library\n",
        test_inside__py="""\
            import sys
            import library

            def test_inside():
                assert library.PREFIX == sys.prefix
            """,
    )
    assert shutil.which(str(made.script)), "the tests need pytest's script beside the interpreter"
    return made
