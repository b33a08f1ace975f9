"""Options in the words of somebody who has a tox file."""

from __future__ import annotations

import pytest

pytest.importorskip("tox")

from pytest_fastenv.errors import PLACE, UsageError, option
from pytest_fastenv.integrations.tox.telling import diagnosis, in_words_of_tox
from pytest_fastenv.settings.options import OPTIONS


def test_an_error_names_keys_of_tox_and_variables() -> None:
    hint = f"name a newer one, such as {option('python', '>=3.9')}, or set {option('concurrent', '4')}"
    text = diagnosis(UsageError("Python 3.6 is too old", hint=hint))
    assert "such as base_python = >=3.9, or set FASTENV_CONCURRENT=4" in text


def test_every_option_has_a_name() -> None:
    for one in OPTIONS:
        assert in_words_of_tox(one.field)
        assert "Settings" not in in_words_of_tox(one.field, "x")
    assert in_words_of_tox("python", PLACE) == "the request"
    assert in_words_of_tox("something") == "something"
