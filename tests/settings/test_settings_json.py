"""Settings as JSON, for another process of the same run."""

from __future__ import annotations

import json

import pytest

from pytest_fastenv.settings.values import Settings, from_json, load, to_json


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"sources": ["a", "b c"], "link": "copy", "max_age_s": "forever", "dir": "/x y", "reports": ["a.html"]},
        {"max_age_s": "0", "unchecked_records": "Foo_b", "concurrent": 1},
        {"max_age_s": "90m", "concurrent_builds": 3, "offline": True},
    ],
)
def test_settings_come_back_as_they_were(given: dict[str, object]) -> None:
    settings = load(given, {"FASTENV_FIND_LINKS": "one two", "FASTENV_LOCK_TIMEOUT": "1.5"}, {})
    assert from_json(json.loads(json.dumps(to_json(settings)))) == settings


def test_what_is_at_its_default_is_not_written() -> None:
    assert to_json(Settings()) == {}
