"""The tools that run tests in clean environments, and the commands that do so."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.runners.sample import Sample
from benchmarks.tools import bare_variables

OURS = ("fastenv-pytest", "fastenv-run", "tox-fastenv")


@dataclass(frozen=True, slots=True)
class Runner:
    """A tool.

    :ivar program: what is started.
    :ivar single: the words behind it for one environment, by name.
    :ivar matrix: those for all of them, as much at once as the tool can.
    :ivar distributions: what it is made of, for the report.
    """

    name: str
    program: Path
    single: Callable[[Sample], Sequence[str]]
    matrix: Callable[[Sample], Sequence[str]]
    distributions: Sequence[str]

    @property
    def versions(self) -> str:
        """What it is made of, each with its version.

        :raises BenchmarkError: it is not there.
        """
        command = [str(self.program.with_name("python")), "-c", _VERSIONS, *self.distributions]
        try:
            ran = subprocess.run(command, capture_output=True, text=True, check=True, env=bare_variables())
        except (OSError, subprocess.CalledProcessError) as error:
            why = getattr(error, "stderr", None) or error
            raise BenchmarkError(f"{self.name} does not work: {str(why).strip().splitlines()[-1]}") from None
        return str(ran.stdout).strip()

    def command(self, sample: Sample, *, matrix: bool) -> list[str]:
        """Return the command that runs the tests in one environment, or in all."""
        return [str(self.program), *(self.matrix if matrix else self.single)(sample)]

    def shown(self, sample: Sample, *, matrix: bool) -> str:
        """Return that command as a reader would type it."""
        program, *words = self.command(sample, matrix=matrix)
        return shlex.join([Path(program).name, *words])


_VERSIONS = "import sys, importlib.metadata as m; print(', '.join(f'{n} {m.version(n)}' for n in sys.argv[1:]))"


def environment(cache: Path, index_url: str, programs: Sequence[Path]) -> dict[str, str]:
    """Return all variables of a run: one index is all that any tool is told of, and each has caches of its own.

    :param programs: directories of interpreters, for ``PATH``: not all of the tools find others.
    """
    bare = bare_variables()
    return {
        **bare,
        "PATH": os.pathsep.join([*map(str, programs), bare.get("PATH", os.defpath)]),
        "PIP_INDEX_URL": index_url,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_CACHE_DIR": str(cache / "pip"),
        "UV_DEFAULT_INDEX": index_url,
        "UV_CACHE_DIR": str(cache / "uv"),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_CONFIG": "1",
        "VIRTUALENV_OVERRIDE_APP_DATA": str(cache / "virtualenv"),
        "FASTENV_CACHE_DIR": str(cache / "fastenv"),
        "HATCH_DATA_DIR": str(cache / "hatch"),
        "HATCH_CACHE_DIR": str(cache / "hatch-cache"),
    }


def known_runners(places: Mapping[str, Path]) -> dict[str, Runner]:
    """Return the tools by name.

    :param places: the directory of each tool's programs; ``fastenv``'s has pytest, fastenv, tox and pytest-xdist.
    """

    def program(tool: str, name: str) -> Path:
        return places[tool] / name

    def tox(name: str, place: str, distributions: Sequence[str], *runner: str) -> Runner:
        return Runner(
            name,
            program(place, "tox"),
            lambda sample: ["run", "-q", *runner, "-e", sample.first],
            lambda sample: ["run-parallel", "-q", *runner, "-p", "auto", "-e", ",".join(sample.names)],
            distributions,
        )

    runners = [
        Runner(
            "fastenv-pytest",
            program("fastenv", "pytest"),
            lambda sample: ["-q", "--fastenv-env", sample.first],
            lambda _sample: ["-q", "--fastenv-env", "all"],
            ["pytest-fastenv", "pytest"],
        ),
        Runner(
            "fastenv-run",
            program("fastenv", "fastenv"),
            lambda sample: ["run", "-q", "-e", sample.first],
            lambda _sample: ["run", "-q", "-e", "all", "-j", "auto"],
            ["pytest-fastenv"],
        ),
        tox("tox-fastenv", "fastenv", ["tox", "pytest-fastenv"], "--runner", "fastenv"),
        tox("tox", "tox", ["tox", "virtualenv"]),
        tox("tox-uv", "tox-uv", ["tox", "tox-uv", "uv"]),
        Runner(
            "nox",
            program("nox", "nox"),
            lambda sample: ["-r", "-s", _nox_session(sample.first)],
            lambda _sample: ["-r", "-s", "tests"],
            ["nox", "virtualenv"],
        ),
        Runner(
            "hatch",
            program("hatch", "hatch"),
            lambda sample: ["run", f"py.{sample.first.replace('py3', 'py3.')}:test"],
            lambda _sample: ["run", "py:test"],
            ["hatch", "virtualenv"],
        ),
    ]
    return {runner.name: runner for runner in runners}


def _nox_session(name: str) -> str:
    python, _, version = name.removeprefix("py3").partition("-")
    return f"tests-3.{python}(click='{version}')"
