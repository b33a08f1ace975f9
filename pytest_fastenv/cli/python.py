"""``fastenv python find|list|install``: the interpreters of this machine, and interpreters that can be downloaded."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_fastenv.cli.results import show
from pytest_fastenv.cli.settings import add_options
from pytest_fastenv.errors import FastenvError, printable
from pytest_fastenv.settings.layers import Loaded
from pytest_fastenv.settings.values import Settings, current_directory, store_root

if TYPE_CHECKING:
    from pytest_fastenv.interpreter.search import Found
    from pytest_fastenv.interpreter_downloads.offer import Offer
    from pytest_fastenv.model.events import Recorder
    from pytest_fastenv.model.target import Target
    from pytest_fastenv.provisioning.interpreters import Installed
    from pytest_fastenv.provisioning.run import Run
    from pytest_fastenv.store.store import Store

_SPEC = "3.12, 3.12.4, >=3.11,<3.14, 3.13t, pypy3.10, a path"


class _Row(NamedTuple):
    """A line of the list: an interpreter that is there, or an offer."""

    implementation: str
    version: str
    free_threaded: bool
    where: str
    path: str | None
    url: str | None = None

    @property
    def name(self) -> str:
        family = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalPy"}.get(self.implementation)
        return f"{family or self.implementation} {self.version}{'t' if self.free_threaded else ''}"


def add_arguments(python: argparse.ArgumentParser) -> None:
    """Say what ``fastenv python`` takes."""
    python.description = "The interpreters of this machine, and those that can be downloaded."
    kinds = python.add_subparsers(metavar="COMMAND", required=True)
    _add_find(kinds)
    _add_list(kinds)
    _add_install(kinds)


def _add_find(kinds: Any) -> None:
    find = kinds.add_parser(
        "find",
        help="print the path of an interpreter on this machine",
        description="Print the path of the interpreter that --python SPEC means. Nothing is downloaded.",
        allow_abbrev=False,
    )
    find.add_argument("spec", nargs="?", metavar="SPEC", help=f"{_SPEC} (default: the running one)")
    find.add_argument("-v", "--verbose", action="store_true", help="say what it is, and what it was found by")
    add_options(find, "find")
    find.set_defaults(run=_find)


def _add_list(kinds: Any) -> None:
    listing = kinds.add_parser(
        "list",
        help="list what is on this machine, and what can be downloaded",
        description="List interpreters, those on this machine first: what each is, what it was found by, where it is.",
        allow_abbrev=False,
    )
    listing.add_argument("spec", nargs="?", metavar="SPEC", help="those that fit only")
    add = listing.add_argument
    add("--all", action="store_true", help="all that can be downloaded, not the newest of each minor version only")
    which = listing.add_mutually_exclusive_group()
    which.add_argument("--found", action="store_true", help="what is on this machine only")
    which.add_argument("--downloadable", action="store_true", help="what can be downloaded only")
    add("--json", action="store_true", help="for programs: a list of objects")
    add_options(listing, "list")
    listing.set_defaults(run=_list)


def _add_install(kinds: Any) -> None:
    install = kinds.add_parser(
        "install",
        help="download interpreters that are not on this machine",
        description="Make sure that there is an interpreter for each SPEC; what is missing is downloaded, in parallel.",
        allow_abbrev=False,
    )
    install.add_argument("words", nargs="+", metavar="SPEC", help=_SPEC)
    add_options(install, "install")
    install.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")
    install.set_defaults(run=_install)


def _store(settings: Settings, recorder: Recorder) -> Store:
    from pytest_fastenv.provisioning.question import store_of  # the parser needs none

    return store_of(settings, recorder)


def _run(settings: Settings, recorder: Recorder) -> Run:
    from pytest_fastenv.provisioning.run import Run  # what only looks on this machine does without

    return Run.of(settings, _store(settings, recorder), os.environ)


def _find(options: argparse.Namespace, loaded: Loaded) -> int:
    from pytest_fastenv.interpreter.discovery import find
    from pytest_fastenv.model.events import Recorder

    where, target = find(options.spec, _store(loaded.settings, Recorder()))
    print(target.python)
    if options.verbose:
        libc = target.externals.get("libc")
        print(f"  {target.short} for {target.platform}{f', {libc}' if libc else ''}")
        print(f"  {_FOUND_BY.get(where, f'installed by {where}')}")
    return 0


_FOUND_BY = {
    "running": "the interpreter that runs fastenv, or its base",
    "path": "named by its path",
    "PATH": "found on PATH",
    "registry": "found in the registry",
    "downloaded": "downloaded by fastenv",
}


def _list(options: argparse.Namespace, loaded: Loaded) -> int:
    from pytest_fastenv.model.events import Recorder

    settings, recorder = loaded.settings, Recorder()
    failure: FastenvError | None = None
    rows: list[_Row] = []
    if not options.downloadable:
        from pytest_fastenv.interpreter.discovery import list_found

        rows += map(_row_of_found, list_found(options.spec, _store(settings, recorder)))
        rows.sort(key=_order, reverse=True)
    if not options.found:
        try:
            offers = _offers(options.spec, settings, recorder)
        except FastenvError as error:  # what is on this machine is shown all the same
            failure, offers = error, []
        rows += _newest_of_each(offers) if not options.all else map(_row_of_offer, offers)
    if options.json:
        print(json.dumps([row._asdict() for row in rows], indent=2))
    else:
        _print_table((row.name, row.where, row.path or _filename(row.url)) for row in rows)
    if failure is not None:
        raise failure
    if not rows:
        sys.stderr.write(f"fastenv: no interpreter{f' fits {options.spec!r}' if options.spec else ''}\n")
    return 0


def _offers(spec: str | None, settings: Settings, recorder: Recorder) -> list[Offer]:
    from pytest_fastenv.interpreter_downloads.selection import Selection
    from pytest_fastenv.provisioning.interpreters import downloadable
    from pytest_fastenv.schedule.event_loop import run_to_end

    wanted = Selection.parse(spec) if spec else None
    if spec and wanted is None:
        return []
    offers = run_to_end(downloadable(_run(settings, recorder)))
    return [offer for offer in offers if wanted is None or wanted.fits(offer)]


def _newest_of_each(offers: Iterable[Offer]) -> list[_Row]:
    """Return the newest offer of each minor version and kind of build; a pre-release where there is nothing else."""
    newest: dict[tuple[object, ...], Offer] = {}
    for offer in sorted(offers, key=lambda offer: not offer.version.replace(".", "").isdigit()):
        newest.setdefault((offer.implementation, offer.version_info, offer.free_threaded), offer)
    return sorted(map(_row_of_offer, newest.values()), key=_order, reverse=True)


def _row_of_found(found: Found) -> _Row:
    target = found.target
    return _Row(target.implementation, target.version, target.free_threaded, found.where, target.python)


def _row_of_offer(offer: Offer) -> _Row:
    return _Row(offer.implementation, offer.version, offer.free_threaded, "can be downloaded", None, offer.url)


def _order(row: _Row) -> tuple[object, ...]:
    """Newest last; of one version CPython, and the ordinary build."""
    release, *pre_release = re.split(r"(?=a|b|rc)", row.version.partition("+")[0], maxsplit=1)
    numbers = [int(part) for part in re.findall(r"\d+", release)]
    level = [(word, int(number)) for word, number in re.findall(r"(a|b|rc)(\d+)", "".join(pre_release))]
    return (numbers, level or [("release", 0)], row.implementation == "cpython", not row.free_threaded)


def _filename(url: str | None) -> str:
    return (url or "").rpartition("/")[2].replace("%2B", "+")


def _print_table(rows: Iterable[tuple[str, str, str]]) -> None:
    lines = list(rows)
    widths = [max((len(line[column]) for line in lines), default=0) for column in (0, 1)]
    for name, where, place in lines:
        show(f"{name:<{widths[0]}}  {where:<{widths[1]}}  {place}")


def _install(options: argparse.Namespace, loaded: Loaded) -> int:
    from pytest_fastenv.model.events import Recorder
    from pytest_fastenv.provisioning.interpreters import install_all
    from pytest_fastenv.report.failure import failure_reported
    from pytest_fastenv.report.files import write_report
    from pytest_fastenv.report.progress import Progress
    from pytest_fastenv.schedule import system_limits
    from pytest_fastenv.schedule.descriptors import raised
    from pytest_fastenv.schedule.event_loop import run_to_end
    from pytest_fastenv.schedule.outcome import together
    from pytest_fastenv.store.diagnosis import unexpected

    begun = time.monotonic()
    settings, recorder = loaded.settings, Recorder()
    reports = [current_directory() / path for path in settings.reports]
    with (
        Progress(recorder, sys.stderr, quiet=options.quiet, interactive=sys.stderr.isatty()),
        failure_reported(reports, recorder),
        raised(),
    ):
        system_limits.check()
        try:
            outcomes = run_to_end(install_all(options.words, _run(settings, recorder)))
        except OSError as error:
            raise unexpected(error, store_root(settings)) from error
    sys.stderr.writelines(f"fastenv: warning: {printable(text)}\n" for text in recorder.warnings("run"))
    failures = [outcome for outcome in outcomes if isinstance(outcome, FastenvError)]
    for outcome in outcomes:
        if not options.quiet and not isinstance(outcome, FastenvError):
            show(_said(outcome))
    summary: dict[str, object] = {"seconds": time.monotonic() - begun, "interpreters": len(outcomes) - len(failures)}
    if failures:
        summary["error"] = together(failures).diagnosis(recorder.naming, whole=True)
    for path in reports:
        write_report(path, recorder.spans, summary)
    if failures:
        raise together(failures)
    return 0


def _said(outcome: Installed) -> str:
    target: Target = outcome.target
    how = "installed" if outcome.where is None else "already there"
    return f"{target.short}  {how}  {target.python}"
