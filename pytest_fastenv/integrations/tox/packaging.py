"""Environments in which tox builds packages: by a build backend, or by commands (``package = external``)."""

from __future__ import annotations

from collections.abc import Generator

from tox.tox_env.package import PackageToxEnv
from tox.tox_env.python.virtual_env.package.cmd_builder import VenvCmdBuilder
from tox.tox_env.python.virtual_env.package.pyproject import Pep517VenvPackager, Pep517VirtualEnvPackager
from tox.tox_env.runner import RunToxEnv

from pytest_fastenv.integrations.tox.environment import FastenvEnvironment


class FastenvPackager(Pep517VenvPackager, FastenvEnvironment):
    """Builds packages with the project's build backend, whose requirements the engine installs."""

    @staticmethod
    def id() -> str:
        """Return the name by which tox knows it."""
        return "fastenv-pep-517"


class FastenvCommandPackager(VenvCmdBuilder, FastenvEnvironment):
    """Builds packages with commands (``package = external``)."""

    @staticmethod
    def id() -> str:
        """Return the name by which tox knows it."""
        return "fastenv-cmd-builder"

    def register_run_env(self, run_env: RunToxEnv) -> Generator[tuple[str, str], PackageToxEnv, None]:
        """Ask tox for the environments that packaging needs; what reads an sdist's metadata is one of ours, too."""
        asked = super().register_run_env(run_env)
        try:
            name, kind = next(asked)
            while True:
                given = yield name, FastenvPackager.id() if kind == Pep517VirtualEnvPackager.id() else kind
                name, kind = asked.send(given)
        except StopIteration:
            return
