"""``fastenv lock``: what environments hold, in lock files."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_fastenv.cli.provided import asks
from pytest_fastenv.cli.results import show
from pytest_fastenv.cli.settings import add_options, read_settings
from pytest_fastenv.errors import UsageError
from pytest_fastenv.settings.layers import Loaded
from pytest_fastenv.settings.naming import Naming, errors_named
from pytest_fastenv.settings.values import current_directory

if TYPE_CHECKING:
    from packaging.pylock import Pylock

_DIFFERENT = 1


class _Wanted(NamedTuple):
    """A lock file that is to be written, or compared.

    :ivar name: of the environment; empty for sources.
    """

    name: str
    loaded: Loaded
    file: Path
    base: Path


def add_arguments(lock: argparse.ArgumentParser) -> None:
    """Say what ``fastenv lock`` takes."""
    lock.usage = "fastenv lock [OPTIONS] [-e NAME... | SOURCE... -o FILE]"
    lock.description = (
        "Write a lock file (PEP 751) for each environment that is named, without -e for all that have one set, or for "
        "sources. What an earlier one locks is kept where it still satisfies what is asked for."
    )
    lock.add_argument("words", nargs="*", metavar="SOURCE", help="requirements.txt, a project, a requirement, ...")
    lock.add_argument(
        "-e", "--env", dest="environments", action="append", metavar="NAME", help="a name, a pattern, tag:NAME, all"
    )
    lock.add_argument("-o", "--output", metavar="FILE", help="default: the environment's lock, else pylock.NAME.toml")
    lock.add_argument("--check", action="store_true", help="write nothing; exit code 1 where something would change")
    lock.add_argument(
        "--upgrade-package", action="append", default=[], metavar="NAME", help="let one project move (multi-allowed)"
    )
    lock.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors and warnings")
    add_options(lock, "lock")
    lock.set_defaults(run=_run)


def _run(options: argparse.Namespace, loaded: Loaded) -> int:
    different = False
    for wanted in _all_wanted(options, loaded):
        different |= _one(wanted, options)
    return _DIFFERENT if different and options.check else 0


def _all_wanted(options: argparse.Namespace, loaded: Loaded) -> list[_Wanted]:
    from pytest_fastenv.requirements.places import LOCK_NAME

    here = current_directory()
    if options.output == "":
        raise UsageError("-o needs the name of a file", hint="it is called pylock.toml, or pylock.NAME.toml")
    if options.words and options.environments:
        hint = f"{options.words[0]} is a source: declare it, or leave -e out"
        raise UsageError("sources and environments by name exclude each other", hint=hint)
    if options.words:
        return [_Wanted("", loaded, here / (options.output or "pylock.toml"), here)]
    from pytest_fastenv.matrix.selection import declared, select

    known = declared(here)
    if options.environments:
        selected = select(known, options.environments)
    else:
        selected = tuple(one for one in known.values() if "lock" in one.layer)
    if not selected and asks(loaded):
        base = loaded.directory_of("sources", here)
        return [_Wanted("", loaded, here / (options.output or loaded.settings.lock or "pylock.toml"), base)]
    if not selected:
        there = [name for name in sorted(os.listdir(here)) if LOCK_NAME.fullmatch(name)]
        why = f"{', '.join(there)} is here, and no environment names it with lock" if there else None
        hint = f"fastenv lock requirements.txt -o {there[0] if there else 'pylock.toml'}, or fastenv lock -e NAME"
        raise UsageError("it is not said what is to be locked", why=why, hint=hint)
    if options.output and len(selected) > 1:
        raise UsageError("-o names one file, and several environments are to be locked", hint="set lock for each")
    found = []
    for named in selected:
        own = read_settings(options, {}, named.layer)
        file = here / (options.output or own.settings.lock or f"pylock.{_file_part(named.name)}.toml")
        found.append(_Wanted(named.name, own, file, own.directory_of("sources", here)))
    _check_apart(found)
    return found


def _file_part(name: str) -> str:
    return name.replace(".", "-")  # PEP 751: no dot in the middle of a lock file's name


def _check_apart(some: Iterable[_Wanted]) -> None:
    """Refuse one file for two environments: each would take away what the other one wrote."""
    seen: dict[Path, str] = {}
    for wanted in some:
        other = seen.setdefault(wanted.file, wanted.name)
        if other != wanted.name:
            what = f"{other} and {wanted.name} have one lock file"
            hint = "set another one for one of them, or name only one of them: fastenv lock -e NAME"
            raise UsageError(what, where=str(wanted.file), hint=hint)


def _one(wanted: _Wanted, options: argparse.Namespace) -> bool:
    """Write one lock file, or compare it; tell whether it was not what it is to be."""
    from pytest_fastenv.provisioning.lock_text import differences, text_of
    from pytest_fastenv.requirements.documents import Documents
    from pytest_fastenv.requirements.lock_file import parse_lock
    from pytest_fastenv.requirements.places import LOCK_NAME

    shown = os.path.relpath(wanted.file, current_directory())
    if not LOCK_NAME.fullmatch(wanted.file.name):
        what = f"{wanted.file.name} is no name of a lock file"
        raise UsageError(what, hint="it is called pylock.toml, or pylock.NAME.toml without a dot in NAME (PEP 751)")
    there = parse_lock(wanted.file, shown, Documents()) if wanted.file.exists() else None
    made = _locked(wanted, there, options)
    changes = differences(there, made) if there is not None else []
    label = f"{wanted.name}: {shown}" if wanted.name else shown
    if options.check:
        if there is None:
            show(f"{label} is not there")
        elif changes:
            show("\n".join([f"{label} is not what it is to be:", *(f"  {line}" for line in changes)]))
        return there is None or bool(changes)
    text = text_of(made).encode("utf-8")
    same = wanted.file.exists() and wanted.file.read_bytes() == text
    if not same:
        _write(wanted.file, text)
    if not options.quiet:
        told = "as it was" if same else f"{len(made.packages)} package{'s' * (len(made.packages) != 1)}"
        show("\n".join([f"fastenv: {label}: {told}", *(f"  {line}" for line in changes)]))
        if wanted.name and not wanted.loaded.settings.lock:
            show(f'  to use it, set lock = "{shown}" in [tool.fastenv.envs.{wanted.name}]')
    return not same


def _locked(wanted: _Wanted, there: Pylock | None, options: argparse.Namespace) -> Pylock:
    from pytest_fastenv.schedule import system_limits

    system_limits.check()  # before the imports
    from pytest_fastenv.model.events import Recorder
    from pytest_fastenv.provisioning.locking import Kept, lock
    from pytest_fastenv.provisioning.question import Question
    from pytest_fastenv.provisioning.story import diagnosed, interpreter_of
    from pytest_fastenv.report.failure import failure_reported
    from pytest_fastenv.report.files import write_report
    from pytest_fastenv.report.progress import Progress
    from pytest_fastenv.schedule.descriptors import raised
    from pytest_fastenv.schedule.event_loop import run_to_end

    settings = wanted.loaded.settings
    kept = Kept.of(None if settings.upgrade else there, options.upgrade_package)
    settings = replace(settings, lock=None, upgrade=settings.upgrade or bool(options.upgrade_package))
    if options.words:
        settings = replace(settings, sources=tuple(options.words))
    if not wanted.name and "project" not in wanted.loaded.origins:
        settings = replace(settings, project="none")
    asked = Question.of(settings, wanted.base, current_directory(), None, None, os.environ)
    naming = Naming("lock", wanted.loaded.origins)
    recorder = Recorder(naming)
    reports = [asked.base / path for path in settings.reports]
    with (
        errors_named(naming),
        Progress(recorder, sys.stderr, quiet=options.quiet, interactive=sys.stderr.isatty()),
        failure_reported(reports, recorder),
        diagnosed(asked),
        raised(),
    ):
        store = asked.store(recorder)
        made = run_to_end(lock(asked, store, interpreter_of(asked, store), wanted.file.parent, kept))
    for path in reports:
        write_report(path, recorder.spans, {"lock": str(wanted.file), "packages": len(made.packages)})
    made.validate()
    return made


def _write(file: Path, content: bytes) -> None:
    """Write a file whole: what was there stays where the disk is full."""
    from pytest_fastenv.filesystem.private_files import write

    new = file.with_name(f".{file.name}.new")
    try:
        write(new, content)
        os.replace(new, file)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}", hint="name another place with -o") from error
    finally:
        new.unlink(missing_ok=True)
