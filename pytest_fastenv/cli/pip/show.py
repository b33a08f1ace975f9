"""``fastenv pip show``: what the metadata of installed projects says, as pip writes it."""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Iterator, Mapping, Sequence

from packaging.utils import canonicalize_name

from pytest_fastenv.cli.pip.chosen import chosen, content
from pytest_fastenv.cli.results import show
from pytest_fastenv.environment.held import Held
from pytest_fastenv.errors import UsageError, printable
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.provisioning.changes import target_of
from pytest_fastenv.provisioning.question import store_of
from pytest_fastenv.settings.layers import Loaded


def run(options: argparse.Namespace, loaded: Loaded) -> int:
    """Print it.

    :return: 1 where none of them is installed.
    """
    if not options.words:
        raise UsageError("a project is needed", hint="fastenv pip show NAME")
    prefix = chosen(options, os.environ)
    markers = target_of(prefix, store_of(loaded.settings, Recorder())).markers
    found = {one.key: one for one in content(prefix)}
    missing = sorted(name for name in options.words if canonicalize_name(name) not in found)
    if missing:
        sys.stderr.write(printable(f"WARNING: Package(s) not found: {', '.join(missing)}") + "\n")
    asked = [found[key] for key in map(canonicalize_name, options.words) if key in found]
    texts = ["\n".join(_lines(one, list(found.values()), markers, options)) for one in asked]
    if texts:
        show("\n---\n".join(texts))
    return 0 if texts else 1


def _lines(
    one: Held, all_of_them: Sequence[Held], markers: Mapping[str, str], options: argparse.Namespace
) -> Iterator[str]:
    fields = one.metadata
    yield f"Name: {one.name}"
    yield f"Version: {one.version}"
    yield f"Summary: {fields.get('Summary', '')}"
    yield f"Home-page: {_home_page(one)}"
    yield f"Author: {fields.get('Author', '')}"
    yield f"Author-email: {fields.get('Author-email', '')}"
    expression = fields.get("License-Expression", "")
    yield f"License-Expression: {expression}" if expression else f"License: {fields.get('License', '')}"
    yield f"Location: {one.location}"
    if place := one.editable_location:
        yield f"Editable project location: {place}"
    needs = {need.name for need in one.needs(markers)}
    needing = {other.name for other in all_of_them if one.key in map(_key, (n.name for n in other.needs(markers)))}
    yield f"Requires: {', '.join(sorted(needs, key=str.lower))}"
    yield f"Required-by: {', '.join(sorted(needing, key=str.lower))}"
    if options.verbose:
        yield f"Metadata-Version: {fields.get('Metadata-Version', '')}"
        yield f"Installer: {one.installer}"
        yield from _listed("Classifiers:", fields.get_all("Classifier", []))
        yield from _listed("Entry-points:", (one.text("entry_points.txt") or "").splitlines())
        yield from _listed("Project-URLs:", fields.get_all("Project-URL", []))
    if options.files:
        files = _files(one)
        yield from _listed("Files:", files) if files is not None else ("Cannot locate RECORD or installed-files.txt",)


def _key(name: str) -> str:
    return canonicalize_name(name)


def _listed(title: str, entries: Sequence[str]) -> Iterator[str]:
    yield title
    yield from (f"  {entry.strip()}" for entry in entries)


def _home_page(one: Held) -> str:
    """Return its own field, or the URL that is labelled so, since newer metadata has that alone."""
    page = str(one.metadata.get("Home-page", ""))
    for text in one.metadata.get_all("Project-URL", []) if not page else ():
        label, _, url = text.partition(",")
        if "".join(letter for letter in label.lower() if letter.isalnum()) == "homepage":
            return str(url.strip())
    return page


def _files(one: Held) -> list[str] | None:
    record = one.text("RECORD")
    if record is None:
        return None
    return sorted(row[0] for row in csv.reader(record.splitlines()) if row)
