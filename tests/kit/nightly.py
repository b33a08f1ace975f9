"""Further members of a kind, that are tried at night: each change tries the first one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest


def first_and_at_night(*values: Any, by_day: int = 1) -> Sequence[Any]:
    """Return the values for ``parametrize``; those behind the first ones are marked ``nightly``.

    :param values: tuples where several parameters have a value each.
    :param by_day: how many each change tries.
    """
    further = [value if isinstance(value, tuple) else (value,) for value in values[by_day:]]
    return [*values[:by_day], *(pytest.param(*value, marks=pytest.mark.nightly) for value in further)]
