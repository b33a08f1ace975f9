from __future__ import annotations

import pytest

from pytest_fastenv.errors import RequirementsError
from pytest_fastenv.requirements.excerpt import Excerpt
from pytest_fastenv.requirements.options import OPTIONS, parse_line


def parse(text: str) -> tuple[str, list[tuple[str, str]]]:
    parsed = parse_line(Excerpt.of(text, "r.txt", 1))
    return parsed.requirement.text, [(given.option.name, given.value.text) for given in parsed.options]


@pytest.mark.parametrize(
    ("text", "requirement", "options"),
    [
        ("a>=1 ; os_name == 'nt'", "a>=1 ; os_name == 'nt'", []),
        ("a --hash=sha256:x --hash sha256:y", "a", [("--hash", "sha256:x"), ("--hash", "sha256:y")]),
        ("a-b_c", "a-b_c", []),
        ("a\t--hash=x", "a", [("--hash", "x")]),
        ("-r b.txt", "", [("--requirement", "b.txt")]),
        ("-rb.txt", "", [("--requirement", "b.txt")]),
        ("--requirement=b.txt", "", [("--requirement", "b.txt")]),
        ("-r 'my file.txt'", "", [("--requirement", "my file.txt")]),
        ("-f my\\ dir", "", [("--find-links", "my dir")]),
        ("--pypi-url x", "", [("--index-url", "x")]),
        ("--extra-index x", "", [("--extra-index-url", "x")]),
        ("--pre --prefer-binary --no-index", "", [("--pre", ""), ("--prefer-binary", ""), ("--no-index", "")]),
        ("-e .", "", [("--editable", ".")]),
        ("-e ./p ; os_name == 'nt'", "", [("--editable", "./p ; os_name == 'nt'")]),
        ("-e a @ git+https://h.invalid/a", "", [("--editable", "a @ git+https://h.invalid/a")]),
        ("-e './my p'[x] -C k=v", "", [("--editable", "./my p[x]"), ("--config-settings", "k=v")]),
        ("a -C k=v --config-setting 'k=a b'", "a", [("--config-settings", "k=v"), ("--config-settings", "k=a b")]),
    ],
)
def test_lines_are_split(text: str, requirement: str, options: list[tuple[str, str]]) -> None:
    assert parse(text) == (requirement, options)


@pytest.mark.parametrize(
    ("text", "column", "what", "hint"),
    [
        ("--use-feature x", 1, "--use-feature is not supported", "pip"),
        ("a --global-option=x", 3, "--global-option is not supported", "--config-settings"),
        ("a --install-option x", 3, "--install-option is not supported", "--config-settings"),
        ("--index-ulr x", 1, "no such option: --index-ulr", "did you mean --index-url?"),
        ("-x", 1, "no such option: -x", "known are"),
        ("--no", 1, "--no could be --no-binary or --no-index", ""),
        ("-r", 1, "--requirement needs a value", ""),
        ("--hash= ", 1, "--hash needs a value", ""),
        ("-i --pre", 1, "--index-url needs a value", ""),
        ("--pre=yes", 1, "--pre takes no value", ""),
        ("--pre a", 7, "unexpected text behind an option: 'a'", ""),
        ("-r 'b", 4, "a quote is not closed", ""),
        ("--hash=sha256:x", 1, "--hash stands alone", "on the line of the requirement"),
        ("a --pre", 3, "--pre stands behind a requirement", "a line of its own"),
        ("-e ''", 1, "--editable needs a value", ""),
        ("a -r b.txt", 3, "--requirement stands behind a requirement", "a line of its own"),
    ],
)
def test_what_is_not_understood_is_pointed_at(text: str, column: int, what: str, hint: str) -> None:
    with pytest.raises(RequirementsError) as caught:
        parse(text)
    assert caught.value.what.startswith(what)
    assert caught.value.where == f"r.txt:1:{column}"
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.scope == "unsupported"])
def test_unsupported_options_are_named(option: object) -> None:
    name = option.name  # type: ignore[attr-defined]
    with pytest.raises(RequirementsError, match=name):
        parse(f"a {name} value")
