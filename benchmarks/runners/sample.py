"""The project whose tests are run: a small library with a matrix, in each tool's own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from packaging.requirements import Requirement


@dataclass(frozen=True, slots=True)
class Needs:
    """What the project and its tests need.

    :ivar versions: the axis beside the interpreters: a name for each range of versions of click.
    :ivar attrs: the requirement that one of the runs changes, before and after.
    :ivar builds: what an index must have beside it, to build the project in any of the tools' ways.
    """

    versions: Mapping[str, str]
    attrs: tuple[str, str]
    dependencies: Sequence[str]
    tests: Sequence[str]
    builds: Sequence[str]

    @property
    def requirements(self) -> list[str]:
        """Everything that any of the runs may want from an index."""
        return [*self.dependencies, *self.tests, *self.attrs, *self.versions.values(), *self.builds]

    @property
    def compatible(self) -> list[list[str]]:
        """The same as sets that do not contradict themselves: of versions that exclude each other, one in each."""
        pairs = zip_longest(self.versions.values(), self.attrs)
        first, *others = [[wanted for wanted in pair if wanted] for pair in pairs]
        return [[*self.dependencies, *self.tests, *self.builds, *first], *others]


_CLICK = {"click81": "click>=8.1,<8.2", "click83": "click>=8.3"}
_ATTRS = ("attrs<26", "attrs<25")
#: What is measured.
FULL = Needs(
    _CLICK,
    _ATTRS,
    dependencies=("requests", "sqlalchemy>=2", "pydantic>=2"),
    tests=("pytest>=9", "pytest-mock", "jinja2", "rich"),
    builds=("flit_core>=3.11,<5", "setuptools", "wheel", "editables", "hatchling"),
)
#: As little as does, to see that all of it works.
SMALL = Needs(_CLICK, _ATTRS, dependencies=(), tests=("pytest>=9",), builds=("flit_core>=3.11,<5",))


@dataclass(frozen=True, slots=True)
class Sample:
    """Which environments the project has.

    :ivar pythons: versions such as ``3.12``; the first one is the one of the runs with a single environment.
    """

    pythons: Sequence[str]
    needs: Needs = FULL

    @property
    def first(self) -> str:
        """The name of the single environment."""
        return self.names[0]

    @property
    def names(self) -> list[str]:
        """The names of all environments."""
        return [f"py{python.replace('.', '')}-{version}" for python in self.pythons for version in self.needs.versions]

    def environments(self, ran: Sequence[str], attrs: str) -> list[str]:
        """Return the names of the environments in which the tests have run.

        :param ran: the files that the tests wrote: interpreter, click, attrs.
        :param attrs: the requirement that held; what ran with another version is named by all it had.
        """
        return sorted(self._name(file, attrs) or file for file in ran)

    def _name(self, file: str, wanted: str) -> str | None:
        python, click, attrs = file.split("_")
        fitting = [name for name, text in self.needs.versions.items() if Requirement(text).specifier.contains(click)]
        if python not in self.pythons or len(fitting) != 1 or not Requirement(wanted).specifier.contains(attrs):
            return None
        return f"py{python.replace('.', '')}-{fitting[0]}"

    def write(self, directory: Path, attrs: str) -> None:
        """Write the project; what is there is replaced. Its tests write into the directory ``ran`` beside it.

        :param attrs: the requirement that one of the runs changes.
        """
        files = {
            "pyproject.toml": self._pyproject(attrs),
            "tox.ini": self._tox(attrs),
            "noxfile.py": self._nox(attrs),
            "src/sample/__init__.py": '"""A sample."""\n\n__version__ = "1.0"\n',
            "tests/test_sample.py": _TESTS.format(
                imported=_listed([Requirement(text).name for text in self.needs.dependencies])
            ),
        }
        for name, text in files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def _pyproject(self, attrs: str) -> str:
        always, versions = _listed([attrs, *self.needs.tests]), self.needs.versions
        return _PYPROJECT.format(
            dependencies=_listed(self.needs.dependencies),
            tests=always,
            pythons=_listed(self.pythons),
            versions=", ".join(f'{name} = "{wanted}"' for name, wanted in versions.items()),
            names=_listed(list(versions)),
            overrides=", ".join(f'{{ value = "{wanted}", if = ["{name}"] }}' for name, wanted in versions.items()),
        )

    def _tox(self, attrs: str) -> str:
        pythons = ",".join(python.replace(".", "") for python in self.pythons)
        factors = "\n".join(f"    {name}: {wanted}" for name, wanted in self.needs.versions.items())
        always = "\n".join(f"    {wanted}" for wanted in [attrs, *self.needs.tests])
        return _TOX.format(pythons=pythons, names=",".join(self.needs.versions), factors=factors, always=always)

    def _nox(self, attrs: str) -> str:
        versions, tests = dict(self.needs.versions), [attrs, *self.needs.tests]
        return _NOX.format(pythons=list(self.pythons), versions=versions, tests=tests)


def _listed(words: Sequence[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)


_TESTS = """\
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import sample


@pytest.mark.parametrize("number", range(20))
def test_numbers(number):
    assert sample.__version__ == "1.0"


def test_of_this_environment():
    assert sample.__file__.startswith(sys.prefix) or "src" in sample.__file__
    for project in [{imported}]:
        __import__(project)
    name = "_".join(["%d.%d" % sys.version_info[:2], version("click"), version("attrs")])
    Path(__file__).parents[2].joinpath("ran", name).touch(exist_ok=False)  # outside: the project stays as it was
"""

_PYPROJECT = """\
[build-system]
requires = ["flit_core>=3.11,<5"]
build-backend = "flit_core.buildapi"

[project]
name = "sample"
version = "1.0"
description = "A sample"
requires-python = ">=3.11"
dependencies = [{dependencies}]

[tool.pytest.ini_options]
testpaths = ["tests"]

[tool.fastenv]
project = "wheel"
requirements = [{tests}]

[tool.fastenv.envs.tests]
commands = ["pytest -q"]

[tool.fastenv.envs.tests.matrix]
name = "{{python}}-{{click}}"
python = [{pythons}]
click = {{ {versions} }}

[tool.hatch.envs.py]
dependencies = [{tests}]

[[tool.hatch.envs.py.matrix]]
python = [{pythons}]
click = [{names}]

[tool.hatch.envs.py.overrides]
matrix.click.extra-dependencies = [{overrides}]

[tool.hatch.envs.py.scripts]
test = "pytest -q"
"""

_TOX = """\
[tox]
env_list = py{{{pythons}}}-{{{names}}}

[testenv]
package = wheel
wheel_build_env = .pkg
deps =
{factors}
{always}
commands = pytest -q
"""

_NOX = """\
import nox

VERSIONS = {versions!r}


@nox.session(python={pythons!r})
@nox.parametrize("click", sorted(VERSIONS))
def tests(session, click):
    session.install(VERSIONS[click], *{tests!r}, ".")
    session.run("pytest", "-q")
"""
