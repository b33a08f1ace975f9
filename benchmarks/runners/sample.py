"""The project whose tests are run: a small library with a matrix, in each tool's own words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: The axis beside the interpreters: a name for each range of versions.
VERSIONS = {"click81": "click>=8.1,<8.2", "click83": "click>=8.3"}
#: What one changed requirement is, in the run that has it.
UNCHANGED, CHANGED = "attrs<26", "attrs<25"
BUILD_REQUIREMENTS = ("flit_core>=3.11,<5", "setuptools", "wheel", "editables", "hatchling")
DEPENDENCIES = ("requests", "sqlalchemy>=2", "pydantic>=2")
TEST_REQUIREMENTS = ("pytest>=9", "pytest-mock", "jinja2", "rich")


def requirements() -> list[str]:
    """Return everything that any of the runs may want from an index."""
    return [*DEPENDENCIES, *TEST_REQUIREMENTS, UNCHANGED, CHANGED, *VERSIONS.values(), *BUILD_REQUIREMENTS]


@dataclass(frozen=True, slots=True)
class Sample:
    """Which environments the project has.

    :ivar pythons: versions such as ``3.12``; the first one is the one of the runs with a single environment.
    """

    pythons: Sequence[str]

    @property
    def first(self) -> str:
        """The name of the single environment."""
        return f"py{self.pythons[0].replace('.', '')}-{next(iter(VERSIONS))}"

    @property
    def names(self) -> list[str]:
        """The names of all environments."""
        return [f"py{python.replace('.', '')}-{version}" for python in self.pythons for version in VERSIONS]

    def write(self, directory: Path, changed: str = UNCHANGED) -> None:
        """Write the project; what is there is replaced.

        :param changed: the requirement that one of the runs changes.
        """
        files = {
            "pyproject.toml": self._pyproject(changed),
            "tox.ini": self._tox(changed),
            "noxfile.py": self._nox(changed),
            "src/sample/__init__.py": '"""A sample."""\n\n__version__ = "1.0"\n',
            "tests/test_sample.py": _TESTS,
        }
        for name, text in files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def _pyproject(self, changed: str) -> str:
        always = _listed([changed, *TEST_REQUIREMENTS])
        return _PYPROJECT.format(
            dependencies=_listed(DEPENDENCIES),
            tests=always,
            pythons=_listed(self.pythons),
            versions=", ".join(f'{name} = "{wanted}"' for name, wanted in VERSIONS.items()),
            names=_listed(VERSIONS),
            overrides=", ".join(f'{{ value = "{wanted}", if = ["{name}"] }}' for name, wanted in VERSIONS.items()),
        )

    def _tox(self, changed: str) -> str:
        pythons = ",".join(python.replace(".", "") for python in self.pythons)
        factors = "\n".join(f"    {name}: {wanted}" for name, wanted in VERSIONS.items())
        always = "\n".join(f"    {wanted}" for wanted in [changed, *TEST_REQUIREMENTS])
        return _TOX.format(pythons=pythons, names=",".join(VERSIONS), factors=factors, always=always)

    def _nox(self, changed: str) -> str:
        return _NOX.format(pythons=list(self.pythons), versions=VERSIONS, tests=[changed, *TEST_REQUIREMENTS])


def _listed(words: Sequence[str] | dict[str, str]) -> str:
    return ", ".join(f'"{word}"' for word in words)


_TESTS = """\
import sys

import attrs
import click
import pydantic
import pytest
import requests
import sqlalchemy

import sample


@pytest.mark.parametrize("number", range(20))
def test_numbers(number):
    assert sample.__version__ == "1.0"


def test_of_this_environment():
    assert sample.__file__.startswith(sys.prefix) or "src" in sample.__file__
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
