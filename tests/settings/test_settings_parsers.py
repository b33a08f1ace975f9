"""From what was given to a setting's value."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from pytest_fastenv.model.codec import decode, encode
from pytest_fastenv.model.link import LinkMode
from pytest_fastenv.settings.options import OPTIONS
from pytest_fastenv.settings.parsers import parse
from pytest_fastenv.settings.values import Settings

ROWS = {option.field: option for option in OPTIONS}
A_VALUE = {
    "text": "x", "path": "x", "number": "3", "seconds": "90m", "age": "forever", "flag": "yes", "size": "20GB",
    "lines": "x\ny z", "reports": "x.html", "words": "x y", "names": "X_y z",
    "variables": "X_* Y", "overlaps": "x y/*", "constraints": "x y\nz",
    "indexes": {"name": {"url": "x", "only": ["y"]}},
}  # fmt: skip


@pytest.mark.parametrize("field", ROWS)
def test_a_value_is_of_its_settings_type(field: str) -> None:
    """What the codec takes back is of the type that the field has."""
    option = ROWS[field]
    value = parse(option, option.choices[-1] if option.choices else A_VALUE[option.kind])
    settings = Settings(**{field: value})
    assert decode(Settings, encode(settings)) == settings
    assert type(getattr(decode(Settings, encode(settings)), field)) is type(value)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("0", 0), ("90", 90), (90, 90), ("90s", 90), ("90m", 5400), ("24h", 86400), ("2d", 172800), ("forever", math.inf)],
)
def test_ages(given: Any, seconds: float) -> None:
    assert parse(ROWS["max_age_s"], given) == seconds


@pytest.mark.parametrize(
    ("field", "given", "value"),
    [
        ("link", "copy", LinkMode.COPY),
        ("sources", "a.txt\n\n django<5 \n", ("a.txt", "django<5")),
        ("sources", ["a b"], ("a b",)),
        ("dir", "~", Path.home()),
        ("reports", ["a.json", "b.html"], (Path("a.json"), Path("b.html"))),
        ("unchecked_records", ["Foo_b", "c"], frozenset({"foo-b", "c"})),
        ("find_links", "a b", ("a", "b")),
        ("groups", "Type_Check docs", frozenset({"type-check", "docs"})),
        ("constraints", "c.txt\ndjango < 5\n", ("c.txt", "django < 5")),
        ("allow_overlaps", "opencv-python google/_upb/*", ("opencv-python", "google/_upb/*")),
        ("build_variables", "VENDOR_* A", ("VENDOR_*", "A")),
        ("build_variables", ["VENDOR_*", "A"], ("VENDOR_*", "A")),
        ("offline", "", False),
        ("concurrent", 3, 3),
    ],
)
def test_values(field: str, given: Any, value: Any) -> None:
    assert parse(ROWS[field], given) == value


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("concurrent", "0"),
        ("concurrent", "²"),
        ("allow_overlaps", "../k*"),
        ("allow_overlaps", "k/../*"),
        ("allow_overlaps", "./k*"),
        ("allow_overlaps", "/usr/*"),
        ("allow_overlaps", "tests/"),
        ("allow_overlaps", "tests\\*"),
        ("allow_overlaps", ["tests", ""]),
        ("build_variables", ["VENDOR-DIR"]),
        ("build_variables", ["A=1"]),
        ("build_variables", [""]),
        ("build_variables", 3),
        ("concurrent", True),
        ("concurrent_builds", "-2"),
        ("concurrent_downloads", "many"),
        ("concurrent_installs", 1.5),
        ("lock_timeout_s", "0"),
        ("build_timeout_s", "soon"),
        ("http_timeout_s", "4000d"),
        ("max_age_s", -1),
        ("offline", "perhaps"),
        ("build_isolation", "none"),
        ("link", "glue"),
        ("link", ["copy"]),
        ("python", 3.12),
        ("python", " "),
        ("dir", 5),
        ("dir", ["a", "b"]),
        ("reports", [5]),
        ("reports", "x.txt"),
        ("sources", [1]),
        ("unchecked_records", 1),
        ("extras", "docs,test"),
        ("groups", ["docs test"]),
        ("groups", ["-x"]),
    ],
)
def test_refused(field: str, given: Any) -> None:
    with pytest.raises(ValueError, match=r"^expected |^the ending decides"):
        parse(ROWS[field], given)
