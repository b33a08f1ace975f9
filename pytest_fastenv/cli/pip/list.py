"""``fastenv pip list``: what is installed, as a table, as requirements or as JSON, as pip writes them."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from pytest_fastenv.cli.pip.chosen import chosen
from pytest_fastenv.cli.pip.freeze import among
from pytest_fastenv.cli.results import show
from pytest_fastenv.environment.frozen import pinned
from pytest_fastenv.environment.held import Held
from pytest_fastenv.errors import UsageError
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.provisioning.changes import target_of
from pytest_fastenv.provisioning.newest import Newest, newest
from pytest_fastenv.provisioning.question import store_of
from pytest_fastenv.requirements.lines import Lines
from pytest_fastenv.requirements.pip_indexes import with_indexes
from pytest_fastenv.schedule.event_loop import run_briefly
from pytest_fastenv.settings.layers import Loaded
from pytest_fastenv.settings.values import Settings, current_directory


class _Row(NamedTuple):
    one: Held
    newest: Newest | None = None


def run(options: argparse.Namespace, loaded: Loaded) -> int:
    """Print them."""
    if options.outdated and options.uptodate:
        raise UsageError("--outdated and --uptodate exclude each other")
    if options.outdated and options.format == "freeze":
        raise UsageError("--format freeze does not go with --outdated: it has no column for the newer version")
    rows = [_Row(one) for one in _chosen(options, loaded.settings)]
    if options.outdated or options.uptodate:
        rows = _compared(rows, options, loaded.settings)
    if options.format == "json":
        print(json.dumps([_as_json(row, options) for row in rows]))
    elif options.format == "freeze":
        for row in rows:
            show(pinned(row.one) + (f" ({row.one.location})" if options.verbose else ""))
    elif rows:
        show("\n".join(_columns(rows, options)))
    return 0


def _chosen(options: argparse.Namespace, settings: Settings) -> list[Held]:
    found = among(options)
    if options.not_required:
        target = target_of(chosen(options, os.environ), store_of(settings, Recorder()))
        needed = {canonicalize_name(need.name) for one in found for need in one.needs(target.markers)}
        found = [one for one in found if one.key not in needed]
    return [one for one in found if not options.editable or one.editable_location]


def _compared(rows: Sequence[_Row], options: argparse.Namespace, settings: Settings) -> list[_Row]:
    """Return the rows that have, or have not, a newer version at the index."""
    settings = with_indexes(settings, options, current_directory())
    store = store_of(settings, Recorder())
    target = target_of(chosen(options, os.environ), store)
    texts = (*(options.lines or ()), *(["--no-index"] if options.no_index else []))
    lines = Lines(texts, current_directory(), "fastenv pip list")
    found = run_briefly(newest([row.one.key for row in rows], target, lines, settings, store, os.environ))
    compared = [_Row(row.one, found.get(row.one.key)) for row in rows]
    return [
        row
        for row in compared
        if row.newest is not None and (_is_newer(row.newest.version, row.one.version)) == options.outdated
    ]


def _is_newer(version: str, than: str) -> bool:
    try:
        return Version(version) > Version(than)
    except InvalidVersion:
        return True


def _as_json(row: _Row, options: argparse.Namespace) -> Mapping[str, Any]:
    one = row.one
    told: dict[str, Any] = {"name": one.name, "version": pinned(one).rpartition("=")[2]}
    if options.verbose:
        told |= {"location": one.location, "installer": one.installer}
    if options.outdated and row.newest is not None:
        told |= {"latest_version": row.newest.version, "latest_filetype": row.newest.kind}
    if place := one.editable_location:
        told["editable_project_location"] = place
    return told


def _build_tag(one: Held) -> str:
    wheel = one.wheel
    return str(wheel.get("Build") or "") if wheel is not None else ""


def _columns(rows: Sequence[_Row], options: argparse.Namespace) -> list[str]:
    tags = [_build_tag(row.one) for row in rows]
    places = [row.one.editable_location or "" for row in rows]
    columns: list[tuple[str, list[str]]] = [
        ("Package", [row.one.name for row in rows]),
        ("Version", [row.one.version for row in rows]),
    ]
    if options.outdated:
        columns.append(("Latest", [row.newest.version if row.newest else "" for row in rows]))
        columns.append(("Type", [row.newest.kind if row.newest else "" for row in rows]))
    columns += [("Build", tags)] if any(tags) else []
    columns += [("Editable project location", places)] if any(places) else []
    if options.verbose:
        columns.append(("Location", [row.one.location for row in rows]))
        columns.append(("Installer", [row.one.installer for row in rows]))
    widths = [max(map(len, (title, *cells))) for title, cells in columns]
    lines = [[title for title, _ in columns], ["-" * width for width in widths]]
    lines += [list(cells) for cells in zip(*(cells for _, cells in columns), strict=True)]
    return [" ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
