"""``fastenv pip uninstall``: projects go, whichever program installed them, in pip's words."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pytest_fastenv.cli.pip.chosen import chosen
from pytest_fastenv.cli.results import show
from pytest_fastenv.errors import UsageError
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.provisioning.amendment import Installed, files_of, installed
from pytest_fastenv.provisioning.changes import target_of, uninstall
from pytest_fastenv.provisioning.question import store_of
from pytest_fastenv.requirements.lines import Lines, read_lines
from pytest_fastenv.settings.layers import Loaded
from pytest_fastenv.settings.values import current_directory

_DOOR = "fastenv pip uninstall"


def run(options: argparse.Namespace, loaded: Loaded) -> int:
    """Ask, uninstall, and tell it."""
    for text in options.told or ():
        sys.stderr.write(f"WARNING: {text}\n")
    prefix = chosen(options, os.environ)
    names = _names(options)
    here = installed(prefix, target_of(prefix, store_of(loaded.settings, Recorder())))
    for name in names:
        if name not in here:
            sys.stderr.write(f"WARNING: Skipping {name} as it is not installed.\n")
    going = [here[name] for name in names if name in here]
    if not options.yes:
        going = [one for one in going if _confirmed(prefix, one)]
    uninstall(prefix, [one.name for one in going], settings=loaded.settings)
    if not options.quiet:
        for one in going:
            release = f"{one.name}-{one.version}"
            show(
                f"Found existing installation: {one.name} {one.version}\n"
                f"Uninstalling {release}:\n  Successfully uninstalled {release}"
            )
    return 0


def _names(options: argparse.Namespace) -> Sequence[str]:
    if not (options.words or options.lines):
        raise UsageError("a project is needed", hint=f"{_DOOR} -y NAME, or {_DOOR} -y -r FILE")
    request = read_lines(Lines((*(options.lines or ()), *options.words), current_directory(), _DOOR), os.environ)
    nameless = [wanted for wanted in request.wanted if wanted.name is None]
    if nameless:
        hint = f"name the project that it is: {_DOOR} NAME"
        raise UsageError(f"{nameless[0].text} does not name a project", where=str(nameless[0].location), hint=hint)
    return list(dict.fromkeys(wanted.name for wanted in request.wanted if wanted.name))


def _confirmed(prefix: Path, one: Installed) -> bool:
    show(f"Uninstalling {one.name}-{one.version}:\n  Would remove:")
    show("\n".join(f"    {path}" for path in sorted(files_of(prefix, one)) if not path.endswith(".pyc")))
    try:
        return input("Proceed (Y/n)? ").strip().lower() in {"", "y", "yes"}
    except EOFError:
        hint = "-y removes without asking"
        raise UsageError("nobody answers on standard input, so nothing is removed", hint=hint) from None
