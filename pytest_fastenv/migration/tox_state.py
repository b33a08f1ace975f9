"""tox's state of a project, made in this process: what tox says meanwhile is kept, and not printed."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from types import SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tox.session.state import State

#: tox's own runner: what its plugins make of an environment, such as one of uv's, is not asked.
_RUNNER = "virtualenv"
#: What tox would be told of the interpreter of each environment, which decides nothing that is asked for here.
_ANY_INTERPRETER = SimpleNamespace(
    implementation="CPython", impl_lower="cpython", version_info=sys.version_info, free_threaded=False, debug=False,
    version=sys.version, version_dot="{}.{}".format(*sys.version_info), version_no_dot="{}{}".format(*sys.version_info),
)  # fmt: skip
#: What replaces references: where it warns, a value is left as it is written.
_REFERENCES = "tox.config.loader"


class Said(logging.Handler):
    """What tox, its plugins and virtualenv say while a project is read.

    :ivar warnings: each text once, in order.
    :ivar errors: what is wrong with the configuration, though tox goes on.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.warnings: list[str] = []
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a text."""
        is_error = record.levelno >= logging.ERROR or record.name.startswith(_REFERENCES)
        texts = self.errors if is_error else self.warnings
        if (text := record.getMessage()) not in texts:
            texts.append(text)


@contextmanager
def tox_state(words: Sequence[str], said: Said) -> Iterator[State]:
    """Give tox's state for a command line, for a block in which nothing that tox says is printed.

    Environments whose runner belongs to a plugin that is not installed are there, too. No interpreter is looked for:
    tox would start those on ``PATH`` again for each environment.

    :param words: without the options that say how much is told.
    :raises ImportError: tox is not installed.
    :raises SystemExit: tox does not understand the words.
    """
    from tox.run import setup_state  # an extra

    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    printed = io.StringIO()
    try:
        with redirect_stdout(printed), redirect_stderr(printed):
            told = [*words[:1], "--runner", _RUNNER, "--colored", "no", *words[1:]]
            _have_all_runners(setup_state(told))
            state = setup_state(told)  # the first one is used up: what was asked of it cannot be said in another way
            root.handlers[:] = [said]  # tox puts its own there, which prints
            with _without_interpreters():
                yield state
    except SystemExit as end:
        raise SystemExit(printed.getvalue().strip() or end.code) from end
    finally:
        root.handlers[:] = before
        root.setLevel(level)


@contextmanager
def _without_interpreters() -> Iterator[None]:
    """Give the environments of a state, which are made when asked for, an interpreter that nobody looks for."""
    from tox.tox_env.python.api import Python
    from tox.tox_env.register import REGISTER

    runners = [REGISTER.runner(name) for name in REGISTER.env_runners]
    told = {"base_python": property(lambda _: _ANY_INTERPRETER)}
    for runner in runners:
        if issubclass(runner, Python):
            REGISTER.add_run_env(type(runner.__name__, (runner,), told))
    try:
        yield
    finally:
        for runner in runners:
            REGISTER.add_run_env(runner)


def _have_all_runners(state: State) -> None:
    """Let tox know each runner that the project names: an environment without one would be left out."""
    from tox.tox_env.python.virtual_env.runner import VirtualEnvRunner
    from tox.tox_env.register import REGISTER

    asked = getattr(state.conf.options, "env", None) or ()
    for name in dict.fromkeys([*state.conf, *asked]):
        settings = state.conf.get_env(name)
        settings.add_config("runner", of_type=str, default=_RUNNER, desc="the runner that is asked for")
        runner = settings["runner"]
        try:
            REGISTER.runner(runner)
        except KeyError:
            REGISTER.add_run_env(type("StandIn", (VirtualEnvRunner,), {"id": staticmethod(lambda name=runner: name)}))
