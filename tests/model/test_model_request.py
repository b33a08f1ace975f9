"""Requests: joined, and as rules for builds."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from kit.examples import example

from pytest_fastenv.model.codec import members
from pytest_fastenv.model.request import Request, moment_of, uploaded_before


@pytest.mark.parametrize("name", [member.name for member in fields(Request)])
def test_nothing_is_lost_where_two_requests_are_joined(name: str) -> None:
    kind: Any = next(member.kind for member in members(Request) if member.name == name)
    asked = replace(Request(), **{name: example(kind)})
    assert asked != Request()
    assert asked.together_with(Request()) == asked == Request().together_with(asked)
    assert asked.together_with(asked) == (replace(asked, wanted=asked.wanted * 2) if name == "wanted" else asked)


def test_moments() -> None:
    assert uploaded_before("") is None
    assert uploaded_before("2026-03-01T00:00:00Z") == moment_of("2026-03-01T01:00:00+01:00")
    ago = uploaded_before("P7D")
    assert ago is not None
    assert ago < moment_of("9999-01-01")
    for text in ("P7H", "P-1D", "soon", "P9999999D"):
        with pytest.raises(ValueError, match=r"."):
            uploaded_before(text)
