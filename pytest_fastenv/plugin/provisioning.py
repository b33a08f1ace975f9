"""From a session that asks for an environment to the same session in it; everything that fails becomes an exit code."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_fastenv.errors import FastenvError, unforeseen
from pytest_fastenv.report.standard_streams import complete, tell
from pytest_fastenv.runtime.launch import Launch, own_path, read_launch
from pytest_fastenv.runtime.unfollowed import unfollowed

if TYPE_CHECKING:
    from pytest_fastenv.environment.places import Ready
    from pytest_fastenv.errors import Naming
    from pytest_fastenv.matrix.declaration import NamedEnvironment
    from pytest_fastenv.plugin.inner_command import Invocation
    from pytest_fastenv.plugin.request import Asked
    from pytest_fastenv.runtime.session import Handed
    from pytest_fastenv.settings.layers import Origin

#: What the engine imports besides the standard library.
REQUIRED_MODULES = frozenset({
    "backports", "distlib", "filelock", "httpx", "installer", "isal", "nab_resolver", "packaging", "pbs_installer",
    "platformdirs", "pyreqwest", "python_discovery", "rich", "truststore", "virtualenv",
})  # fmt: skip
_INTERRUPTED = 130
_TERMINATED = 143


class Terminated(BaseException):
    """SIGTERM arrived; like `KeyboardInterrupt` it ends what is going on."""


def begin(config: pytest.Config, parser: pytest.Parser) -> Callable[[], int]:
    """Run the session inside its environment.

    Does not return where this process is the pytest command itself. For a caller of `pytest.main` the work is left
    for later: call what is returned, which gives the exit code, when pytest has no use for this process's own plugins
    any more; what only the environment has is not missed until then.

    :raises SystemExit: with the exit code, of the session or of the failure to provide for it.
    """
    launch = read_launch()
    arguments = [os.fspath(word) for word in config.invocation_params.args]
    main_thread = threading.current_thread() is threading.main_thread()
    if launch.is_pytest(arguments) and not config.invocation_params.plugins and main_thread:
        complete()
        raise SystemExit(_run(config, parser, launch, replace=True))
    config.getini("required_plugins").clear()
    return partial(_run, config, parser, launch, replace=False)


def _run(config: pytest.Config, parser: pytest.Parser, launch: Launch, *, replace: bool) -> int:
    origins: Mapping[str, Origin] = {}
    with undisturbed(config):
        try:
            with termination():
                with _own_imports():
                    from pytest_fastenv.plugin.handover import Entrance, hand_over
                    from pytest_fastenv.plugin.inner_command import read_invocation
                    from pytest_fastenv.plugin.request import read_named_requests, read_request, with_needs_of
                    from pytest_fastenv.plugin.requirement_hooks import asked_with_plugins
                    from pytest_fastenv.plugin.rootdir import joined_command

                    if replace and (again := joined_command(config, parser, launch)) is not None:
                        return hand_over(again, replace=True)
                    asked = read_request(config, parser)
                    origins = asked.loaded.origins
                    requests = read_named_requests(config, parser) if asked.settings.environments else []
                # Plugins and conftest files import what the project has.
                asked = asked_with_plugins(asked, config, parser)
                requests = [(named, with_needs_of(one, asked)) for named, one in requests]
                invocation = read_invocation(config, launch, inherit_pythonpath=asked.settings.inherit_pythonpath)
                only: dict[str, list[str]] = {}
                if requests:
                    from pytest_fastenv.plugin.node_ids import without_names  # only with environments by name

                    invocation, only = without_names(invocation, [named.name for named, _ in requests], config)
                if len(requests) > 1:
                    with _own_imports():
                        from pytest_fastenv.plugin.named import refuse_copies
                        from pytest_fastenv.runtime.options import starts_workers, words_of

                        if starts_workers(words_of(config)):
                            refuse_copies(requests)
                        return _enter_several(requests, invocation, only, replace=replace)
                named, asked = requests[0] if requests else (None, asked)
                origins = asked.loaded.origins
                with _own_imports(), unfollowed():
                    ready = _provide(asked, _naming(origins), named)
            with _own_imports():
                from pytest_fastenv.plugin.handover import enter

                if not asked.shows_header:
                    tell("".join(f"{line}\n" for line in ready.summary.warning_lines))
                return enter(Entrance(invocation, asked, only, replace=replace), ready, named)
        except (Exception, KeyboardInterrupt, SystemExit, Terminated) as ended:  # noqa: BLE001 - each has its code
            return _exit_code(ended, origins, verbose=config.known_args_namespace.verbose > 0)


def _exit_code(ended: BaseException, origins: Mapping[str, Origin], *, verbose: bool) -> int:
    """Tell what went wrong, and return the exit code for it."""
    match ended:
        case SystemExit(code=code):  # the engine puts its things away itself when a signal ends it
            return code if isinstance(code, int) else 1
        case KeyboardInterrupt():
            text, code = "interrupted", _INTERRUPTED
        case Terminated():
            text, code = "terminated", _TERMINATED
        case pytest.UsageError():
            raise ended
        case _:
            error = ended if isinstance(ended, FastenvError) else unforeseen(ended, traceback=verbose)
            text, code = f"error: {error.diagnosis(_naming(origins))}", error.exit_code
    tell(f"fastenv: {text}\n")
    return code


def _naming(origins: Mapping[str, Origin]) -> Naming:
    def name(option: str, value: str) -> str:
        from pytest_fastenv.settings import naming  # only for a text that names an option

        return naming.Naming("pytest", origins)(option, value)

    return name


def _provide(asked: Asked, naming: Naming, named: NamedEnvironment | None) -> Ready:
    """Return the environment: an existing one, found by standard library alone, or a new one."""
    from pytest_fastenv.provisioning.story import answer, reuse

    settings = asked.settings
    ready = reuse(settings, base=asked.base, root=asked.root, needs=asked.needs, environ=os.environ, naming=naming)
    if ready is not None:
        return ready
    from pytest_fastenv.model.events import Recorder
    from pytest_fastenv.provisioning.question import Question
    from pytest_fastenv.report.progress import Progress
    from pytest_fastenv.settings.layers import given_besides

    name = named.name if named is not None else ""
    question = Question.of(settings, asked.base, asked.root, asked.needs, None, os.environ, name)
    recorder = Recorder(naming)
    interactive = sys.stderr.isatty() and not os.environ.get("CI")
    with Progress(recorder, sys.stderr, quiet=asked.verbosity < 0, interactive=interactive):
        return answer(dataclasses.replace(question, besides=given_besides(asked.loaded.origins)), recorder)


def _enter_several(
    requests: Sequence[tuple[NamedEnvironment, Asked]],
    invocation: Invocation,
    only: Mapping[str, Sequence[str]],
    *,
    replace: bool,
) -> int:
    """Enter the first of several environments that can be had, as the controller of a session over all of them."""
    from pytest_fastenv.plugin.handover import Entrance, enter_several
    from pytest_fastenv.plugin.named import provided

    environments = provided(requests, quiet=requests[0][1].verbosity < 0)
    try:
        asked = next(asked for named, asked in requests if named.name == environments.home)
        return enter_several(Entrance(invocation, asked, only, replace=replace), environments)
    finally:
        environments.close()


def tables_ask(directory: Path) -> bool:
    """Say whether a project's own files ask for an environment; also where they are wrong: the request tells how."""
    with _own_imports():
        from pytest_fastenv.settings.tables import tables
    try:
        return not {"sources", "environments"}.isdisjoint(tables(directory))
    except FastenvError:
        return True


def handed_to_itself(config: pytest.Config) -> Handed:
    """Return what stands for `Handed` in a session that runs where it was started: for environments that tests make.

    :raises UsageError: a setting has a value that is not accepted.
    """
    with _own_imports():
        from pytest_fastenv.plugin.handover import ENVIRONMENT_SERVER
        from pytest_fastenv.plugin.request import parsed_settings
        from pytest_fastenv.runtime.session import Handed
        from pytest_fastenv.settings.layers import origins_to_json
        from pytest_fastenv.settings.values import to_json

    loaded = parsed_settings(config)
    return Handed(
        sys.prefix,
        server=ENVIRONMENT_SERVER,
        settings=to_json(loaded.settings),
        origins=origins_to_json(loaded.origins),
        base=str(config.rootpath),
    )


@contextmanager
def undisturbed(config: pytest.Config) -> Iterator[None]:
    """Keep pytest's arrangements for tests away from the engine.

    Its warning filters (``error`` is a common one) are for the code under test, and its import hook would look at,
    and without a bytecode cache compile anew, every module of ours for the sake of ``assert`` statements in tests.
    """
    finders = list(sys.meta_path)
    hook: object = config.pluginmanager.rewrite_hook
    sys.meta_path[:] = [finder for finder in finders if finder is not hook]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.meta_path[:] = finders


@contextmanager
def _own_imports() -> Iterator[None]:
    """Let the engine import what belongs to it, whatever names the project's modules have.

    ``python -m pytest``, ``PYTHONPATH`` and ``pythonpath`` put the project's directories before the standard library.
    What a plugin has imported from there under the name of a module that the engine uses is put aside meanwhile.
    """
    theirs = list(sys.path)
    own = sys.path[:] = own_path()
    below = tuple(os.path.join(entry, "") for entry in own)
    hidden = {name: module for name, module in list(sys.modules.items()) if _is_shadow(name, module, below)}
    for name in hidden:
        del sys.modules[name]
    try:
        yield
    finally:
        sys.path[:] = theirs
        if hidden:
            shadowed = {name.partition(".")[0] for name in hidden}
            for name in [name for name in sys.modules if name.partition(".")[0] in shadowed]:
                del sys.modules[name]
            sys.modules.update(hidden)


def _is_shadow(name: str, module: object, below: tuple[str, ...]) -> bool:
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or file.startswith(below):
        return False
    top = name.partition(".")[0]
    return top in REQUIRED_MODULES or top in sys.stdlib_module_names


@contextmanager
def termination() -> Iterator[None]:
    """Let SIGTERM end what is done here in good order, as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def terminate(_number: int, _frame: object) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
