"""``runner = fastenv``: environments that run commands."""

from __future__ import annotations

from pathlib import Path

from tox.tox_env.python.runner import PythonRun

from pytest_fastenv.integrations.tox.early import early_requirements
from pytest_fastenv.integrations.tox.environment import FastenvEnvironment
from pytest_fastenv.integrations.tox.packaging import FastenvCommandPackager, FastenvPackager

_PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")


class FastenvRunner(FastenvEnvironment, PythonRun):
    """A virtual environment that pytest-fastenv makes and fills."""

    @staticmethod
    def id() -> str:
        """Return the name by which tox knows it."""
        return "fastenv"

    @property
    def default_pkg_type(self) -> str:
        """Return what is done with the project where nothing is said: a directory without a project has no package."""
        root: Path = self.core["tox_root"]
        return super().default_pkg_type if any((root / name).exists() for name in _PROJECT_FILES) else "skip"

    @property
    def _package_tox_env_type(self) -> str:
        return FastenvPackager.id()

    @property
    def _external_pkg_tox_env_type(self) -> str:
        return FastenvCommandPackager.id()

    def early_requirements(self, run_id: str) -> tuple[str, ...]:
        """Return what later steps will ask for, so that it can be resolved together with this one."""
        return early_requirements(self) if run_id == "install_deps" else ()
