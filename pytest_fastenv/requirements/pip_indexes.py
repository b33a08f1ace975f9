"""Where projects come from, as pip's options on the command line say it: they are stronger than all else."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_fastenv.settings.values import Settings


def with_indexes(settings: Settings, options: argparse.Namespace, base: Path) -> Settings:
    """Return settings with the indexes of a command line.

    :param base: what relative paths are relative to.
    """
    changes: dict[str, Any] = {}
    if options.no_index:
        changes["index_url"] = None
    if options.index_url:
        changes["index_url"] = options.index_url
    if options.extra_index_url or options.index_url or options.no_index:
        changes["extra_index_urls"] = tuple(options.extra_index_url or ())
    if options.find_links:
        changes["find_links"] = tuple(_place(text, base) for text in options.find_links)
    if options.timeout:
        changes["http_timeout_s"] = options.timeout
    return replace(settings, **changes)


def _place(text: str, base: Path) -> str:
    return text if "://" in text else os.path.abspath(os.path.join(base, os.path.expanduser(text)))
