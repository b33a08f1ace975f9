"""``fastenv pip freeze``: what is installed, as lines of a requirements file, as pip writes them."""

from __future__ import annotations

import argparse
import os

from packaging.utils import canonicalize_name

from pytest_fastenv.cli.pip.chosen import chosen, content
from pytest_fastenv.cli.results import show
from pytest_fastenv.environment.frozen import frozen
from pytest_fastenv.environment.held import Held, held, is_below
from pytest_fastenv.errors import UsageError
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.provisioning.changes import target_of
from pytest_fastenv.provisioning.question import store_of
from pytest_fastenv.settings.layers import Loaded


def run(options: argparse.Namespace, loaded: Loaded) -> int:
    """Print them."""
    if options.requirement:
        hint = "fastenv lock writes versions beside what was asked for"
        raise UsageError("-r/--requirement is not supported by fastenv pip freeze", hint=hint)
    skipped = frozenset() if options.all else _of_every_environment(options, loaded)
    for one in among(options):
        if one.key not in skipped:
            show("\n".join(frozen(one)))
    return 0


def among(options: argparse.Namespace) -> list[Held]:
    """Return what is to be listed, in the order of its names."""
    prefix = None if options.path else chosen(options, os.environ)
    found = content(prefix) if prefix is not None else held(options.path)
    left_out = {canonicalize_name(name) for name in options.exclude}
    return [
        one
        for one in found
        if one.key not in left_out
        if not (options.exclude_editable and one.editable_location)
        if not (options.local and prefix is not None and not is_below(one.location, prefix))
    ]


def _of_every_environment(options: argparse.Namespace, loaded: Loaded) -> frozenset[str]:
    """Return the names of what an environment has before anything is installed in it, as pip knows them."""
    target = target_of(chosen(options, os.environ), store_of(loaded.settings, Recorder()))
    return frozenset({"pip"} | ({"setuptools", "distribute", "wheel"} if target.version_info < (3, 12) else set()))
