"""What a key covers: every field of the values that decide, but for those that are only shown to people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from kit.examples import example

from pytest_fastenv.environment.fingerprint import distribution_identity
from pytest_fastenv.environment.request_cache import RequestKey
from pytest_fastenv.environment.skeleton import SkeletonKey
from pytest_fastenv.interpreter.discovery import SearchKey
from pytest_fastenv.interpreter.probe import InterpreterIdentity
from pytest_fastenv.interpreter_downloads.identity import DownloadedIdentity
from pytest_fastenv.model.build import Build, Recipe
from pytest_fastenv.model.codec import members
from pytest_fastenv.model.digest import key_of
from pytest_fastenv.model.plan import DirectUrl, Distribution
from pytest_fastenv.model.request import FormatControl, ReleaseControl, Request, Wanted
from pytest_fastenv.provisioning.build_environments import BuildEnvironmentKey
from pytest_fastenv.provisioning.question import SessionNeeds
from pytest_fastenv.provisioning.resolutions import ResolutionKey

KEYS = [
    RequestKey,
    SkeletonKey,
    SearchKey,
    InterpreterIdentity,
    DownloadedIdentity,
    BuildEnvironmentKey,
    Recipe,
    Build,
    ResolutionKey,
]
PARTS = [Request, Wanted, FormatControl, ReleaseControl, Distribution, DirectUrl]
#: Fields that no key covers. To add one here, say in its class why it decides nothing.
SHOWN_ONLY = {
    "Build.subject",
    "Distribution.extras",
    "Distribution.required_by",
    "Request.pip_settings",
    "Request.warnings",
    "Wanted.location",
    "Wanted.text",
}


def variations(value: Any) -> Iterator[tuple[str, bool, Any]]:
    """Yield a value with one field after the other changed: the field, whether it is only shown, the value."""
    for member in members(type(value)):
        before = getattr(value, member.name)
        others = (example(member.kind, number) for number in range(1, 4))
        other = next(one for one in others if one != before)
        yield f"{type(value).__name__}.{member.name}", member.is_shown_only, replace(value, **{member.name: other})


@pytest.mark.parametrize("kind", [*KEYS, *PARTS])
def test_every_field_that_decides_is_in_the_key(kind: Any) -> None:
    value = example(kind)
    key = key_of(value)
    assert key_of(example(kind)) == key
    for name, is_shown_only, changed in variations(value):
        assert (key_of(changed) == key) == is_shown_only == (name in SHOWN_ONLY), name


def test_fields_that_are_only_shown_are_listed() -> None:
    found = {f"{kind.__name__}.{m.name}" for kind in (*KEYS, *PARTS) for m in members(kind) if m.is_shown_only}
    assert found == SHOWN_ONLY


def test_every_field_of_a_distribution_is_in_its_identity() -> None:
    """Its source answers for itself: it is known by its bytes, wherever they come from."""
    value = example(Distribution)
    identity = distribution_identity(value)
    for name, is_shown_only, changed in variations(value):
        if name != "Distribution.source":
            assert (distribution_identity(changed) == identity) == is_shown_only, name


def test_what_a_session_needs_is_in_the_key_of_its_request() -> None:
    """Its runtime by digest, and without the names of those who ask, which messages are for."""
    needs = {member.name for member in members(SessionNeeds)}
    assert needs - {"requested_by"} <= {member.name for member in members(RequestKey)}
