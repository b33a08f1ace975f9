"""Archives as they are read where isal is not to be had."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator

import pytest

from pytest_fastenv.archive import decompress, inflate


@pytest.fixture
def without_isal() -> Iterator[None]:
    """Let the modules that would like to have isal be imported without it, for one test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "isal", None)
        for module in (decompress, inflate):
            importlib.reload(module)
        yield
    for module in (decompress, inflate):
        importlib.reload(module)
