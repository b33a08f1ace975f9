"""What the words of a ``pip install`` ask for; `pytest_fastenv.requirements.pip_options` has the options."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pytest_fastenv.errors import UsageError
from pytest_fastenv.model.request import ConfigSettings, config_settings
from pytest_fastenv.requirements.lines import Lines

Upgrade = Literal["none", "only-if-needed", "eager"]


def asks_for_something(options: argparse.Namespace) -> bool:
    """Tell whether there is anything to install."""
    return bool(options.words or options.lines or options.group)


def lines_of(options: argparse.Namespace, base: Path, written_in: str) -> Lines:
    """Return the request.

    :param base: what relative paths are relative to.
    :param written_in: where the words stand, for messages.
    :raises UsageError: a setting for build backends is no ``KEY=VALUE``.
    """
    flags = {"--no-index": options.no_index, "--no-require-hashes": options.no_require_hashes}
    return Lines(
        (*(options.lines or ()), *(flag for flag, given in flags.items() if given), *options.words),
        base,
        written_in,
        groups=tuple(options.group or ()),
        build_constraints=tuple(options.build_constraint or ()),
        rules=("ignore-requires-python",) if options.ignore_requires_python else (),
        no_deps=options.no_deps,
        config_settings=_config_settings(options.config_settings or (), written_in),
    )


def upgrade_of(options: argparse.Namespace) -> Upgrade:
    """Return which of what is installed gives way to newer releases."""
    if not options.upgrade:
        return "none"
    return "eager" if options.upgrade_strategy == "eager" else "only-if-needed"


def _config_settings(texts: Iterable[str], written_in: str) -> ConfigSettings:
    values: dict[str, str | list[str]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"{text!r} is no KEY=VALUE", where=written_in, hint="write -C KEY=VALUE")
        earlier = values.get(key)
        values[key] = value if earlier is None else [*([earlier] if isinstance(earlier, str) else earlier), value]
    return config_settings(values)
