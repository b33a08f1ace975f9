"""Ask plugins and ``conftest.py`` files what else the environment has to hold, before there is one.

At that moment pytest has loaded no ``conftest.py``, and only the installed plugins that it found before this one.
What may implement the hook is recognised by its source text, so that nothing else is imported for it.
"""

from __future__ import annotations

import glob
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib.metadata import distributions
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pluggy import PluginValidationError

from pytest_fastenv.errors import UsageError
from pytest_fastenv.plugin.command_line import parse_known
from pytest_fastenv.plugin.request import Asked
from pytest_fastenv.runtime.options import words_of

HOOK = "pytest_fastenv_requirements"
_OUTCOMES = (pytest.skip.Exception, pytest.fail.Exception)  # of importorskip, for one; not derived from Exception


def asked_with_plugins(asked: Asked, config: pytest.Config, parser: pytest.Parser) -> Asked:
    """Add to a request what all implementations of the hook ask for, in a fixed order.

    Imports installed plugins that define the hook and are not loaded yet, for good, and ``conftest.py`` files that
    define it, for the time of this call.

    :raises UsageError: one of them cannot be imported here, fails, or returns something else than lines of text.
    """
    parsed = parse_known(config, parser, words_of(config))
    for name in _plugins_to_come(config, parsed):
        _load_plugin(config, name)
    with ExitStack() as stack:
        for path in initial_conftests(config, parsed):
            if _mentions_hook(path):
                stack.enter_context(_registered_conftest(config, path))
        hook = getattr(config.hook, HOOK)
        who = ", ".join(_shown(config, implementation.plugin_name) for implementation in hook.get_hookimpls())
        requested = tuple(sorted(_ask(config, hook, who)))
    if not requested:
        return asked
    return replace(asked, needs=replace(asked.needs, requested=requested, requested_by=f"{HOOK} of {who}"))


def _ask(config: pytest.Config, hook: Any, who: str) -> set[str]:
    try:
        answers = hook(config=config)
    except (Exception, *_OUTCOMES) as error:
        raise UsageError(f"{HOOK} failed", where=_place(error) or who, why=_text(error)) from error
    found: set[str] = set()
    for answer in answers:
        if isinstance(answer, str) or not isinstance(answer, Sequence) or not all(isinstance(x, str) for x in answer):
            raise UsageError(
                f"{HOOK} returned {answer!r}", where=who, why="expected a list of requirements as text, or None"
            )
        found.update(line.strip() for line in answer)
    return found


def _plugins_to_come(config: pytest.Config, parsed: Any) -> list[str]:
    """Return the names of plugins that pytest is going to load next and that define the hook."""
    candidates: dict[str, str] = {}
    if not os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD") and not getattr(parsed, "disable_plugin_autoload", False):
        for distribution in distributions():
            if "pytest11" in (distribution.read_text("entry_points.txt") or ""):
                for entry in distribution.entry_points.select(group="pytest11"):
                    candidates.setdefault(entry.name, entry.module)
    for name in filter(None, os.environ.get("PYTEST_PLUGINS", "").split(",")):
        candidates.setdefault(name, name)
    manager = config.pluginmanager
    loaded = manager.get_plugins()
    return [
        name
        for name, module in candidates.items()
        if not (manager.has_plugin(name) or manager.is_blocked(name) or sys.modules.get(module) in loaded)
        and (source := source_of(module)) is not None
        and _mentions_hook(source)
    ]


def _load_plugin(config: pytest.Config, name: str) -> None:
    try:
        config.pluginmanager.import_plugin(name, consider_entry_points=True)
    except (Exception, *_OUTCOMES) as error:
        cause = error.__cause__ or error  # pytest has an exception of its own around that of the import
        raise UsageError(
            f"the pytest plugin {name}, which defines {HOOK}, cannot be loaded before the environment exists",
            where=_place(cause),
            why=_text(cause),
            hint=f"-p no:{name} leaves it out",
        ) from error


def source_of(module: str) -> Path | None:
    """Find a module's file; nothing is imported for it, no package around it either (as `find_spec` would)."""
    name, *below = module.split(".")
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not below:
        return Path(spec.origin) if spec.has_location and spec.origin else None
    for place in spec.submodule_search_locations or ():
        path = os.path.join(place, *below)
        for file in (path + ".py", os.path.join(path, "__init__.py")):
            if os.path.isfile(file):
                return Path(file)
    return None


def _mentions_hook(path: Path) -> bool:
    try:
        return HOOK.encode() in path.read_bytes()
    except OSError:  # not there, or in an archive
        return False


def initial_conftests(config: pytest.Config, parsed: Any) -> list[Path]:
    """Return where pytest looks for the ``conftest.py`` files that it loads before it collects, outer ones first."""
    if parsed.noconftest:
        return []
    invoked = config.invocation_params.dir
    given = [os.path.join(invoked, path.partition("::")[0]) for path in parsed.file_or_dir]
    if not given and invoked == config.rootpath:
        given = [path for pattern in config.getini("testpaths") for path in sorted(glob.glob(pattern, recursive=True))]
    anchors = [Path(os.path.abspath(os.path.join(invoked, path))) for path in given if os.path.exists(path)]
    places: dict[Path, None] = {}
    above = _cut(config, parsed).parents
    for anchor in anchors or [invoked]:
        directory = anchor if anchor.is_dir() else anchor.parent
        below = [path for path in sorted(anchor.glob("test*")) if path.is_dir()] if anchor.is_dir() else []
        around = [place for place in reversed((directory, *directory.parents)) if place not in above]
        places.update(dict.fromkeys([*around, *below]))
    return [place / "conftest.py" for place in places]


def _cut(config: pytest.Config, parsed: Any) -> Path:
    """Return the directory above which pytest looks for no ``conftest.py``."""
    if parsed.confcutdir:
        return Path(os.path.abspath(config.invocation_params.dir / parsed.confcutdir))
    return config.inipath.parent if config.inipath is not None else config.rootpath


@contextmanager
def _registered_conftest(config: pytest.Config, path: Path) -> Iterator[None]:
    """Register the hook of a ``conftest.py`` and nothing else of it, until it was asked.

    Inside it is imported again, by its own name. Its directory is on ``sys.path`` as it is for tests, and no bytecode
    is left beside it.
    """
    plugin = ModuleType(str(path))
    name = f"_pytest_fastenv_conftest_{id(plugin)}"
    path_before, bytecode_before = list(sys.path), sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(path.parent))
    try:
        try:
            module = _import(name, path)
            if hasattr(module, HOOK):
                setattr(plugin, HOOK, getattr(module, HOOK))
                config.pluginmanager.register(plugin, str(path))
        except (Exception, *_OUTCOMES) as error:
            raise UsageError(
                f"{path.name} defines {HOOK}, but cannot be imported before the environment exists",
                where=_place(error) or str(path),
                why=_text(error),
                hint="import what only the environment has inside the functions that use it, or move "
                f"{HOOK} into a plugin",
            ) from error
        yield
    finally:
        if config.pluginmanager.is_registered(plugin):
            config.pluginmanager.unregister(plugin)
        sys.modules.pop(name, None)
        sys.path[:] = path_before
        sys.dont_write_bytecode = bytecode_before


def _import(name: str, path: Path) -> ModuleType:
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        msg = f"no loader for {path}"
        raise ImportError(msg)
    module = module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and alike look for it
    spec.loader.exec_module(module)
    return module


def _shown(config: pytest.Config, plugin_name: str) -> str:
    """Name a ``conftest.py`` by its path from the root directory, a plugin by its name."""
    if os.path.isabs(plugin_name):
        return os.path.relpath(plugin_name, config.rootpath)
    return plugin_name


def _place(error: BaseException) -> str | None:
    """Return file and line where an exception was raised, in the code that was asked or imported."""
    if isinstance(error, PluginValidationError):
        return None
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    frames = [frame for frame in frames if frame.filename != __file__]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None


def _text(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(error)).strip()
