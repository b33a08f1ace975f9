"""The line that says what an environment is and how it came about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_fastenv.runtime.header import header_line


def line(summary: Mapping[str, Any]) -> str:
    """Return the line, without a line break; the same one that pytest's header shows inside.

    It is made from plain values, because inside an environment nothing but the runtime is there to make it.

    :param summary: see `pytest_fastenv.runtime.header.header_line`; what is missing is left out.
    """
    return header_line(summary)
