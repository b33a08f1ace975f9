"""``fastenv pip check``: whether what is installed fits together, in pip's words."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from packaging.requirements import Requirement
from packaging.tags import parse_tag
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from pytest_fastenv.cli.pip.chosen import chosen, content
from pytest_fastenv.cli.results import show
from pytest_fastenv.environment.held import Held
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.target import Target
from pytest_fastenv.provisioning.changes import target_of
from pytest_fastenv.provisioning.question import store_of
from pytest_fastenv.settings.layers import Loaded


def run(options: argparse.Namespace, loaded: Loaded) -> int:
    """Tell what does not fit.

    :return: 1 where something does not.
    """
    prefix = chosen(options, os.environ)
    target = target_of(prefix, store_of(loaded.settings, Recorder()))
    found = content(prefix)
    faults = [*misfits(found, target.markers), *_unsupported(found, target)]
    show("\n".join(faults) if faults else "No broken requirements found.")
    return 1 if faults else 0


def misfits(found: Iterable[Held], markers: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each requirement that is not fulfilled: first what is missing, then what is another version.

    :param markers: the environment's (PEP 508).
    """
    here = {one.key: one for one in found}
    for one in here.values():
        for need in _in_order(one, markers):
            if canonicalize_name(need.name) not in here:
                yield f"{one.key} {one.version} requires {canonicalize_name(need.name)}, which is not installed."
    for one in here.values():
        for need in _in_order(one, markers):
            other = here.get(canonicalize_name(need.name))
            if other is not None and not _fits(need, other.version):
                yield (f"{one.key} {one.version} has requirement {need}, but you have {other.key} {other.version}.")


def _in_order(one: Held, markers: Mapping[str, str]) -> list[Requirement]:
    return sorted({str(need): need for need in one.needs(markers)}.values(), key=str)


def _fits(need: Requirement, version: str) -> bool:
    try:
        return need.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return not need.specifier


def _unsupported(found: Iterable[Held], target: Target) -> Iterator[str]:
    supported = frozenset(target.tags)

    @cache
    def fits(tag: str) -> bool:
        return any(str(one) in supported for one in parse_tag(tag))

    for one in found:
        wheel = one.wheel
        tags = wheel.get_all("Tag", []) if wheel is not None else []
        if wheel is not None and not any(map(fits, tags)):
            yield f"{one.name} {one.version} is not supported on this platform"
