"""pytest's command line, at a moment when pytest has not loaded all its plugins yet."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest


def parse_known(config: pytest.Config, parser: pytest.Parser, words: Sequence[str]) -> Any:
    """Parse what is known by now; options of plugins that come later, or that only an environment has, are skipped.

    :raises pytest.UsageError: a known option is used in a wrong way.
    """
    return parser.parse_known_args(list(words), namespace=copy.copy(config.option))
