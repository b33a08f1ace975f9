"""What one environment's commands come to: programs, arguments, variables and a directory, with all substituted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from pytest_fastenv.commands.programs import declared_program, program
from pytest_fastenv.errors import Naming, UsageError
from pytest_fastenv.matrix.declaration import Command, NamedEnvironment
from pytest_fastenv.matrix.substitutions import VALUES
from pytest_fastenv.matrix.variables import NAME_VARIABLE, SetVariables, passed, placeholder_values
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.settings.layers import Loaded

Part = Literal["commands-pre", "commands", "commands-post"]
IGNORED_WORDS = "no command has {posargs}, so what stands behind -- reaches none"
"""What is told where words are given in vain."""
_TEMPORARY = "env_tmp_dir"


class Asked(NamedTuple):
    """What is asked of every environment that is run.

    :ivar root: the project's directory.
    :ivar environ: the variables outside.
    :ivar words: what stands behind ``--``; ``None`` where that is not there.
    :ivar is_command: they are a command, in place of those that the environments declare.
    :ivar is_terminal: the commands' output goes to a terminal.
    """

    root: Path
    environ: Mapping[str, str]
    words: tuple[str, ...] | None = None
    is_command: bool = False
    is_terminal: bool = False

    def replaces(self, named: NamedEnvironment) -> bool:
        """Tell whether the words are the command that is run in an environment, in place of its own."""
        return bool(self.words) and (self.is_command or not named.commands)


class Wanted(NamedTuple):
    """An environment that is wanted.

    :ivar loaded: its settings.
    :ivar naming: how its errors name options.
    """

    named: NamedEnvironment
    loaded: Loaded
    naming: Naming


class Step(NamedTuple):
    """One command.

    :ivar words: as it was written, with all substituted.
    :ivar succeeds: see `Command`.
    :ivar is_declared: the environment declares it, so that it may start no program outside that is not allowed.
    """

    part: Part
    words: tuple[str, ...]
    succeeds: Literal["must", "must not", "may"] = "must"
    is_declared: bool = True

    def passes(self, code: int) -> bool:
        """Tell whether an exit code is the one that is wanted."""
        return self.succeeds == "may" or (code == 0) == (self.succeeds == "must")


class CommandSequence:
    """The commands of an environment that stands, ready to be run.

    :param inherit_pythonpath: let ``PYTHONPATH`` reach them.
    :ivar steps: in their order.
    :ivar directory: where they begin.
    :ivar variables: all of their environment variables.
    :ivar ignores_words: words stand behind ``--``, and no command has a place for them.
    :raises UsageError: something cannot be substituted, or the directory is not there.
    """

    def __init__(
        self, named: NamedEnvironment, environment: Environment, asked: Asked, *, inherit_pythonpath: bool = False
    ) -> None:
        self._named = named
        self._environment = environment
        self._temporary: str | None = None
        replaces = asked.replaces(named)
        variables = SetVariables(
            named,
            asked.environ,
            placeholder_values(named, environment, asked.root, self._temporary_directory),
            root=asked.root,
            posargs=None if replaces else asked.words,
            is_terminal=asked.is_terminal,
        )
        self._substitutions = variables.substitutions
        try:
            self.variables = self._process_variables(asked, variables.all(), inherit_pythonpath=inherit_pythonpath)
            self.directory = self._directory(asked.root)
            self.steps = self._given(asked.words or ()) if replaces else tuple(self._declared())
            self._allowlist = [self._text(pattern, "allowlist") for pattern in named.allowlist]
        except BaseException:
            self.close()
            raise
        self.ignores_words = bool(asked.words) and not replaces and not self._substitutions.uses_posargs

    def argv(self, step: Step) -> list[str]:
        """Return the command line of a step; its program may have been made by an earlier one.

        :raises UsageError: the program is not there, or it is outside and not allowed.
        """
        name = step.words[0]
        if step.is_declared:
            where = self._named.place(step.part)
            path = declared_program(
                name, self._environment, self.variables, self._allowlist, directory=self.directory, where=where
            )
        else:
            path = program(name, self._environment, self.variables).path
        return [path, *step.words[1:]]

    def close(self) -> None:
        """Remove the temporary directory, if there is one."""
        if self._temporary is not None:
            import shutil  # as above

            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None

    def _temporary_directory(self) -> str:
        """Return a directory of this run of this environment, made when it is first asked for."""
        if self._temporary is None:
            import tempfile  # most commands ask for none

            self._temporary = tempfile.mkdtemp(prefix=f"fastenv-{self._named.name[:40]}-")
        return self._temporary

    def _process_variables(self, asked: Asked, own: dict[str, str], *, inherit_pythonpath: bool) -> dict[str, str]:
        outside = passed(asked.environ, self._named.pass_env)
        if "PATH" in own:  # the environment's programs come before it
            outside["PATH"] = own.pop("PATH")
        variables = self._environment.variables(outside, inherit_pythonpath=inherit_pythonpath)
        return {**variables, **own, NAME_VARIABLE: self._named.name}

    def _directory(self, root: Path) -> Path:
        written = self._text(self._named.change_dir or "", "change-dir")
        directory = Path(os.path.abspath(root / os.path.expanduser(written)))
        if not os.path.isdir(directory):
            what = f"there is no directory {written}" if not os.path.exists(directory) else f"{written} is no directory"
            raise UsageError(what, where=str(self._named.place("change-dir")))
        return directory

    def _given(self, words: tuple[str, ...]) -> tuple[Step, ...]:
        return (Step("commands", words, is_declared=False),)

    def _declared(self) -> Iterator[Step]:
        for part, command in _commands(self._named):
            where = self._named.place(part)
            words = tuple(self._substitutions.words(command, where))
            if not words or not words[0]:
                raise UsageError(f"a command is empty: {' '.join(command.words)}", where=str(where))
            yield Step(part, words, command.succeeds)

    def _text(self, text: str, key: str) -> str:
        return self._substitutions.text(text, self._named.place(key))


def check(named: NamedEnvironment, asked: Asked) -> bool:
    """Refuse what can be refused before an environment is there.

    :return: whether a temporary directory has to be put away when its commands have ended.
    :raises UsageError: something in it cannot be substituted.
    """
    made: list[str] = []

    def temporary() -> str:
        made.append(_TEMPORARY)
        return _TEMPORARY

    values: dict[str, str | Callable[[], str]] = {**{name: name for name in VALUES}, _TEMPORARY: temporary}
    variables = SetVariables(named, asked.environ, values, root=asked.root, posargs=asked.words)
    variables.all()
    for part, command in _commands(named):
        variables.substitutions.words(command, named.place(part))
    variables.substitutions.text(named.change_dir or "", named.place("change-dir"))
    for pattern in named.allowlist:
        variables.substitutions.text(pattern, named.place("allowlist"))
    return bool(made)


def _commands(named: NamedEnvironment) -> Iterator[tuple[Part, Command]]:
    yield from (("commands-pre", command) for command in named.commands_pre)
    yield from (("commands", command) for command in named.commands)
    yield from (("commands-post", command) for command in named.commands_post)
