"""What all of tox's environments that the engine makes have in common, for running and for packaging."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tox.config.main import Config
from tox.config.types import Command
from tox.execute.api import Execute
from tox.execute.request import ExecuteRequest
from tox.tox_env.errors import Fail, Recreate
from tox.tox_env.python.pip.pip_install import Pip
from tox.tox_env.python.virtual_env.api import VirtualEnv
from tox.tox_env.runner import RunToxEnv

from pytest_fastenv.errors import FastenvError
from pytest_fastenv.integrations.tox.choice import LOOKING_ONLY
from pytest_fastenv.integrations.tox.execution import Executor, Work
from pytest_fastenv.integrations.tox.pip_command import ENGINE_COMMAND, NotUnderstoodError, is_freeze, read_command
from pytest_fastenv.integrations.tox.telling import diagnosis, explained, in_words_of_tox, warn
from pytest_fastenv.model.link import LinkMode
from pytest_fastenv.settings.layers import settings_from_variables
from pytest_fastenv.settings.values import Settings

if TYPE_CHECKING:
    from argparse import Namespace

    from tox.tox_env.api import ToxEnvCreateArgs

    from pytest_fastenv.requirements.lines import Lines

#: Variables that tell virtualenv to put other things into an environment than it does by itself.
_SEED_VARIABLES = tuple(
    f"VIRTUALENV_{name}"
    for name in (
        *("PIP", "SETUPTOOLS", "WHEEL", "NO_PIP", "NO_SETUPTOOLS", "NO_WHEEL", "NO_SEED", "SEEDER"),
        *("EXTRA_SEARCH_DIR", "CREATOR", "PROMPT", "ACTIVATORS"),
    )
)


class EngineInstaller(Pip):
    """tox's installer with tox's memory of what it installed; the command that it runs is carried out by the engine."""

    def default_install_command(self, conf: Config, env_name: str | None) -> Command:
        """Return the command that tox shows, and that is run where nobody chose another one."""
        del conf, env_name
        return Command([*ENGINE_COMMAND, "{opts}", "{packages}"])


class FastenvEnvironment(VirtualEnv):
    """A virtual environment in tox's place for it, laid out from a skeleton and filled by the engine."""

    def __init__(self, create_args: ToxEnvCreateArgs) -> None:
        self._engine_installer: EngineInstaller | None = None
        self._engine_executor: Executor | None = None
        self._supplied: str | None = None
        self._searched = False
        self._since_ns = time.time_ns()
        super().__init__(create_args)

    @property
    def installer(self) -> Pip:
        """What tox asks to install things."""
        if self._engine_installer is None:
            self._engine_installer = EngineInstaller(self)
        return self._engine_installer

    @property
    def executor(self) -> Execute:
        """What runs commands."""
        if self._engine_executor is None:
            self._engine_executor = Executor(self.options.is_colored, self._carried_out_here)
        return self._engine_executor

    def early_requirements(self, run_id: str) -> tuple[str, ...]:
        """Return what may be installed together with a step; nothing where that is not known."""
        del run_id
        return ()

    def _default_pass_env(self) -> list[str]:
        return [*super()._default_pass_env(), "FASTENV_*"]

    # -- interpreters and the empty environment

    def virtualenv_env_vars(self) -> dict[str, str]:
        """Return what tells virtualenv how an environment looks, and where to look for its interpreter, too."""
        variables = super().virtualenv_env_vars()
        if not self._searched:
            self._searched = True
            self._supplied = self._supply()
        if self._supplied is not None:
            first = variables.get("VIRTUALENV_TRY_FIRST_WITH", "")
            variables["VIRTUALENV_TRY_FIRST_WITH"] = os.pathsep.join(filter(None, [first, self._supplied]))
        return variables

    def _supply(self) -> str | None:
        from pytest_fastenv.integrations.tox.interpreters import supplied

        return supplied(self.conf["base_python"], self._settings(), download=self._may_download())

    def _may_download(self) -> bool:
        """Tell whether a missing interpreter is downloaded: where tox would fail without it, and not skip."""
        if self.options.command in LOOKING_ONLY or getattr(self.options, "show_config", False):
            return False
        # tox looks at all environments to find how each is packaged, also at those that are not to be run.
        chosen = [str(name) for name in getattr(self.options, "env", None) or ()]
        if chosen and "ALL" not in chosen and isinstance(self, RunToxEnv) and self.conf.name not in chosen:
            return False
        return not (self.conf if "skip_missing_interpreters" in self.conf else self.core)["skip_missing_interpreters"]

    def ensure_python_env(self) -> None:
        """Make the environment where there is none, and anew where its interpreter is gone."""
        made = (self.env_dir / "pyvenv.cfg").exists()
        super().ensure_python_env()
        if made and not os.path.exists(self.env_python()):
            raise Recreate("its interpreter is gone")

    def create_python_env(self) -> None:
        """Make the empty environment: from a skeleton, or with virtualenv where it is to be a special one."""
        if self._is_special():
            super().create_python_env()
            return
        from pytest_fastenv.integrations.tox.creation import make_environment

        try:
            python, settings = str(self.base_python.extra["executable"]), self._settings()
            with explained():
                make_environment(self.env_dir, python, settings, since_ns=self._since_ns)
        except FastenvError as error:
            raise Fail(diagnosis(error)) from error

    def _is_special(self) -> bool:
        keys = ("system_site_packages", "always_copy", "download")
        variables = self.environment_variables
        return (
            any(self.conf[key] for key in keys)
            or bool(self._of_newer_tox("virtualenv_spec"))
            or any(variables.get(name) for name in _SEED_VARIABLES)
        )

    def _of_newer_tox(self, key: str) -> object:
        """Return the value of a key that older releases of tox have not."""
        return self.conf[key] if key in self.conf else None  # noqa: SIM401 - a ConfigSet is no mapping

    # -- what tox would start pip for

    def _carried_out_here(self, request: ExecuteRequest) -> Work | None:
        """Return the work of an installing command, or ``None``: then a process is started for it."""
        if request.run_id == "freeze" and is_freeze(request.cmd) and not self._has_pip():
            return self._freeze
        if not request.run_id.startswith("install_"):
            return None
        command = self.conf["install_command"].args
        try:
            asked = read_command(request.cmd)
        except NotUnderstoodError as reason:
            warn(f"install_command is run as it stands, not by fastenv: {reason}")
            return None
        if tuple(command[: len(ENGINE_COMMAND)]) != ENGINE_COMMAND:
            warn("install_command is carried out by fastenv, with the options it has, and not by pip")
        for text in asked.told or ():
            warn(text)
        if self.conf["pip_pre"] and "--pre" not in (asked.lines or ()):
            asked.lines = [*(asked.lines or ()), "--pre"]
        return partial(self._install_with_engine, asked, request)

    def _has_pip(self) -> bool:
        return (self.env_site_package_dir() / "pip").is_dir()

    def _freeze(self) -> str:
        from pytest_fastenv.environment.frozen import frozen
        from pytest_fastenv.environment.held import held

        return "".join(f"{line}\n" for one in held([str(self.env_site_package_dir())]) for line in frozen(one))

    def _install_with_engine(self, asked: Namespace, request: ExecuteRequest) -> str:
        from pytest_fastenv.errors import NoSolutionError
        from pytest_fastenv.requirements.pip_install import lines_of

        lines = lines_of(asked, Path(request.cwd), f"{self.conf.name}: {request.run_id}")
        early = self.early_requirements(request.run_id) if not lines.no_deps else ()
        if early:
            try:
                return self._install_lines(replace(lines, texts=(*lines.texts, *early)), asked, request)
            except NoSolutionError:
                pass  # tox lets the package's requirements replace what deps brought: one step after the other
        return self._install_lines(lines, asked, request)

    def _install_lines(self, lines: Lines, asked: Namespace, request: ExecuteRequest) -> str:
        from pytest_fastenv.model.events import Recorder
        from pytest_fastenv.provisioning.changes import Wishes, install
        from pytest_fastenv.requirements.pip_indexes import with_indexes
        from pytest_fastenv.requirements.pip_install import upgrade_of
        from pytest_fastenv.resolve.other_indexes import subject_of

        recorder = Recorder(in_words_of_tox)
        wishes = Wishes(lines, upgrade=upgrade_of(asked), reinstall=asked.force_reinstall)
        settings = with_indexes(self._settings(), asked, Path(request.cwd))
        with explained():
            changed = install(self.env_dir, wishes, settings=settings, environ=request.env, recorder=recorder)
        for notice in recorder.notices:
            if notice.level == "warning":
                warn(notice.text, subject_of(notice.text))
        brought = " ".join(f"{one.name}-{one.version}" for one in changed.brought)
        return "".join(f"{line}\n" for line in (*changed.told, f"installed {brought}" if brought else "nothing to do"))

    def _settings(self) -> Settings:
        """Return what ``FASTENV_`` variables say, those that tox passes or sets."""
        try:
            settings = settings_from_variables(self.environment_variables)
        except FastenvError as error:
            raise Fail(diagnosis(error)) from error
        # Nothing tells the store that an environment of tox needs what its links lead to.
        return replace(settings, link=LinkMode.AUTO) if settings.link is LinkMode.SYMLINK else settings
