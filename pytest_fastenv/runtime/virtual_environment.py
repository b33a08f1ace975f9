"""Fresh environments for tests: the environment server makes and changes them, and each belongs to one test."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Sequence, Union

from ..errors import FastenvError
from .environment import Environment
from .environment_in_test import EnvironmentInTest, outside_variables
from .environment_server import EnvironmentServer, environment_server

if TYPE_CHECKING:
    import pytest

Source = Union[str, "os.PathLike[str]"]
"""What can be installed: as for ``--fastenv``, or a path."""
Sources = Union[Source, Sequence[Source]]

_NAME = ".venv"


class VirtualEnvironment(EnvironmentInTest):
    """A virtual environment that belongs to one test.

    Programs that are run in it see nothing of the session's own environment: not its programs on ``PATH``, and no
    ``PYTHONPATH`` unless there is one in `env`. They run in `workspace`, the directory that the environment lies in.
    """

    #: What `install` raises, for tests in environments that have no ``pytest_fastenv`` to import it from.
    Error = FastenvError

    def __init__(self, environment: Environment, process: EnvironmentServer, asked: dict[str, Any]) -> None:
        super().__init__(environment, environment.prefix.parent)
        self._server = process
        self._asked = asked

    def install(self, *requirements: Source, editable: bool = False, upgrade: bool = False) -> None:
        """Install into the environment.

        Everything that was ever asked for in it is resolved together; where a project was asked for several times, the
        last time counts. What is installed stays as it is where that is possible, also what pip put there.
        Distributions of which another version is needed are replaced.

        :param requirements: each as for ``--fastenv``: a requirement, a project's directory, an archive, a
            requirements file, ... Relative paths are relative to pytest's root directory.
        :param editable: local projects are installed so that their sources are used where they lie (PEP 660).
        :param upgrade: take the newest versions of the projects named now, and ask the index for them.
        :raises FastenvError: it cannot be done; the environment is as it was.
        """
        __tracebackhide__ = True
        new = [[source, editable] for source in _texts(requirements)]
        wishes = [*self._asked["wishes"], new]
        asked = {**self._asked, "wishes": wishes, "path": str(self.prefix), "upgrade": upgrade}
        self._server.ask("install", **asked)
        self._asked["wishes"] = wishes

    def delete(self) -> None:
        """Remove the environment; without that it goes when pytest removes the test's temporary directory."""
        shutil.rmtree(self.prefix)

    def _variables(self) -> dict[str, str]:
        return outside_variables()


class MakeVenv:
    """Makes environments for one test.

    :param directory: where they lie if no other place is chosen.
    """

    #: What making one raises; see `VirtualEnvironment.Error`.
    Error = FastenvError

    def __init__(self, config: pytest.Config, directory: Path) -> None:
        self._config = config
        self._directory = directory

    def __call__(
        self,
        requirements: Sources = (),
        *,
        python: Source | None = None,
        project: str | None = None,
        path: Source | None = None,
        system_site_packages: bool = False,
    ) -> VirtualEnvironment:
        """Make an environment.

        The first one of a kind has its requirements resolved, fetched and built as far as need be; the plan stands as
        long as the session lasts, so further ones of that kind are only linked.

        :param requirements: what it holds; see `VirtualEnvironment.install`.
        :param python: its interpreter: ``3.12``, ``>=3.11``, a path, ...; default: the session's.
        :param project: how the project in pytest's root directory is installed into it: ``auto``, ``editable``,
            ``wheel``, ``sdist``; default: ``none``.
        :param path: where it is to lie, a directory that does not exist or is empty; relative to the test's temporary
            directory. Default: ``.venv`` there, or ``.venv-2``, ...
        :param system_site_packages: let it see the packages of its base interpreter.
        :raises FastenvError: it cannot be had; nothing is left of it.
        """
        __tracebackhide__ = True
        root = str(self._config.rootpath)
        sources = [requirements] if isinstance(requirements, (str, os.PathLike)) else requirements
        asked = {
            "wishes": [[[source, False] for source in _texts(sources)]],
            "python": None if python is None else os.fspath(python),
            "project": project,
            "base": root,
            "root": root,
        }
        place = self._directory / path if path is not None else self._free()
        process = environment_server(self._config)
        made = process.ask("venv", path=str(place), system_site_packages=system_site_packages, **asked)
        return VirtualEnvironment(Environment.from_json(made), process, asked)

    def _free(self) -> Path:
        place, number = self._directory / _NAME, 1
        while os.path.lexists(place):
            number += 1
            place = self._directory / "{}-{}".format(_NAME, number)
        return place


def _texts(sources: Sequence[Source]) -> list[str]:
    return [os.fspath(source) for source in sources]
