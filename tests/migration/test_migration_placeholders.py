"""Placeholders are found again in what tox has replaced."""

from __future__ import annotations

import pytest

from pytest_fastenv.migration.placeholders import Asked, text, words

P = "\x01posargs\x01"
E = "\x01env:NAME\x01"
PLACES = {"/place/env": "{env_dir}", "/place/env/tmp": "{env_tmp_dir}", "/project": "{root}"}


@pytest.mark.parametrize(
    ("marked", "plain", "restored"),
    [
        (["pytest", P], ["pytest"], ["pytest", "{posargs}"]),
        (["pytest", P, "-q"], ["pytest", "-q"], ["pytest", "{posargs}", "-q"]),
        (["pytest", P], ["pytest", "tests"], ["pytest", "{posargs:tests}"]),
        (["pytest", P], ["pytest", "tests", "-k", "a b"], ["pytest", "{posargs:tests -k 'a b'}"]),
        (["pytest", f"--cov={P}"], ["pytest", "--cov=src"], ["pytest", "--cov={posargs:src}"]),
        (["x", P, "y", P], ["x", "1", "y", "2"], ["x", "{posargs:1}", "y", "{posargs:2}"]),
        (["pytest", "/place/env/tmp/x"], ["pytest", "/place/env/tmp/x"], ["pytest", "{env_tmp_dir}/x"]),
        (["a", "/place/envy", "/projects"], ["a", "/place/envy", "/projects"], ["a", "/place/envy", "/projects"]),
        (["a", "{b}", "{ c }"], ["a", "{b}", "{ c }"], ["a", "\\{b\\}", "\\{ c \\}"]),
        (["a", P], ["a", "/project/tests"], ["a", "{posargs:{root}/tests}"]),
    ],
)
def test_words(marked: list[str], plain: list[str], restored: list[str]) -> None:
    assert words(Asked.of_words(marked, plain, plain), PLACES) == restored


@pytest.mark.parametrize(
    ("marked", "plain", "restored"),
    [
        (E, "", "{env:NAME}"),
        (f"a{E}b", "a1b", "a{env:NAME:1}b"),
        (E, "/place/env/tmp/x", "{env:NAME:{env_tmp_dir}/x}"),
        ("/project", "/project", "{root}"),
    ],
)
def test_texts(marked: str, plain: str, restored: str) -> None:
    assert text(Asked(marked, marked, plain), PLACES) == restored


def test_a_variable_in_a_default() -> None:
    asked = Asked.of_words(["pytest", P, "x"], ["pytest", "tests", E, "x"], ["pytest", "tests", "a", "x"])
    assert words(asked, PLACES) == ["pytest", "{posargs:tests {env:NAME:a}}", "x"]
    asked = Asked.of_words([E, "pytest", P], [E, "pytest", E], ["pytest"])
    assert words(asked, PLACES) == ["{env:NAME}", "pytest", "{posargs:{env:NAME}}"]
