"""``fastenv pip install``: projects come into an environment, as pip's words ask for them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_fastenv.cli.pip.check import misfits
from pytest_fastenv.cli.pip.chosen import chosen, content
from pytest_fastenv.cli.results import show
from pytest_fastenv.errors import UsageError, printable
from pytest_fastenv.filesystem.private_files import write
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.plan import Distribution, SdistSource, TreeSource, WheelSource
from pytest_fastenv.provisioning.changes import Changed, Wishes, install
from pytest_fastenv.report.progress import Progress
from pytest_fastenv.requirements.pip_indexes import with_indexes
from pytest_fastenv.requirements.pip_install import asks_for_something, lines_of, upgrade_of
from pytest_fastenv.settings.layers import Loaded
from pytest_fastenv.settings.naming import Naming
from pytest_fastenv.settings.values import current_directory
from pytest_fastenv.version import __version__
from pytest_fastenv.wheel.direct_url import direct_url_text

_DOOR = "fastenv pip install"


def run(options: argparse.Namespace, loaded: Loaded) -> int:
    """Install, and tell what was installed in pip's words."""
    for text in options.told or ():
        sys.stderr.write(f"WARNING: {text}\n")
    prefix = chosen(options, os.environ)
    if not asks_for_something(options):
        raise UsageError("a requirement is needed", hint=f"{_DOOR} NAME, or {_DOOR} -r FILE")
    lines = lines_of(options, current_directory(), _DOOR)
    wishes = Wishes(lines, upgrade=upgrade_of(options), reinstall=options.force_reinstall)
    settings = with_indexes(loaded.settings, options, current_directory())
    recorder = Recorder(Naming(options.door, loaded.origins))
    interactive, quiet = sys.stderr.isatty(), bool(options.quiet)
    with Progress(recorder, sys.stderr, quiet=quiet, interactive=interactive):
        changed = install(prefix, wishes, settings=settings, recorder=recorder, dry_run=options.dry_run)
    warnings = [*recorder.warnings("run"), *recorder.warnings("answer"), *changed.told]
    sys.stderr.writelines(f"WARNING: {printable(text)}\n" for text in dict.fromkeys(warnings))
    if not options.quiet:
        show("\n".join(_told(changed, prefix, dry_run=options.dry_run)))
    if options.report:
        _write_report(options.report, changed)
    if not options.dry_run and not options.no_warn_conflicts:
        _warn(prefix, changed)
    return 0


def _told(changed: Changed, prefix: Path, *, dry_run: bool) -> list[str]:
    """Return pip's lines about it: what was there, and what came."""
    brought = {one.name for one in changed.brought}
    lines = []
    for one in changed.plan.distributions:
        if one.requested and one.name not in brought:
            here = changed.before[one.name]
            place = prefix / os.path.dirname(here.dist_info)
            lines.append(f"Requirement already satisfied: {one.name} in {place} ({here.version})")
    if brought:
        names = sorted(f"{one.name}-{one.version}" for one in changed.brought)
        lines.append(f"{'Would install' if dry_run else 'Successfully installed'} {' '.join(names)}")
    return lines


def _warn(prefix: Path, changed: Changed) -> None:
    """Tell what does not fit together with what came."""
    affected = {one.name for one in changed.brought}
    for text in misfits(content(prefix), changed.plan.target.markers) if affected else ():
        words = text.rstrip(".").replace(",", " ").split()
        if affected.intersection(words):
            sys.stderr.write(f"WARNING: {printable(text)}\n")


def _write_report(path: str, changed: Changed) -> None:
    """Write pip's report (https://pip.pypa.io/en/stable/reference/installation-report/).

    Of the metadata it has name and version.
    """
    report = {
        "version": "1",
        "pip_version": f"pytest-fastenv {__version__}",
        "install": [_reported(one) for one in changed.brought],
        "environment": dict(changed.plan.target.markers),
    }
    text = f"{json.dumps(report, indent=2)}\n"
    if path == "-":
        sys.stdout.write(text)
        return
    try:
        write(path, text.encode())
    except OSError as error:
        raise UsageError(f"the report cannot be written to {path}", why=error.strerror) from error


def _reported(one: Distribution) -> Mapping[str, Any]:
    return {
        "download_info": _download(one),
        "is_direct": one.direct_url is not None,
        "is_yanked": False,
        "requested": one.requested,
        "metadata": {"name": one.name, "version": one.version},
    }


def _download(one: Distribution) -> Any:
    if one.direct_url is not None:
        return json.loads(direct_url_text(one.direct_url, None))
    match one.source:
        case WheelSource(artifact) | SdistSource(artifact):
            return {"url": artifact.url, "archive_info": {"hashes": {"sha256": artifact.hashes.sha256}}}
        case TreeSource() as tree:
            return {"url": tree.path.as_uri(), "dir_info": {"editable": True} if tree.editable else {}}
