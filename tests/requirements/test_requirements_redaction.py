from __future__ import annotations

import pytest

from pytest_fastenv.requirements.redaction import masked


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://me:secret@h.invalid/x", "https://me:******@h.invalid/x"),
        ("git+https://token@h.invalid/x", "git+https://*****@h.invalid/x"),
        ("git+ssh://git@h.invalid/x", "git+ssh://git@h.invalid/x"),
        ("https://${USER}:${PASS}@h.invalid/x", "https://${USER}:${PASS}@h.invalid/x"),
        ("https://${TOKEN}@h.invalid/x", "https://${TOKEN}@h.invalid/x"),
        ("a @ https://h.invalid/x@1", "a @ https://h.invalid/x@1"),
        ("a @ https://h.invalid/x?sig=ab#sha256=cd", "a @ https://h.invalid/x?******#sha256=cd"),
        ("a @ https://u:p@h.invalid/x?t=${TOKEN} ; b", "a @ https://u:*@h.invalid/x?********** ; b"),
        ("is it https://h.invalid/x ?", "is it https://h.invalid/x ?"),
        ('a --config-settings="k=se cret" --hash x', 'a --config-settings="k=*******" --hash x'),
        ("a --config-setting k=secret", "a --config-setting k=******"),
        ("-C k=${SECRET} b=c", "-C k=${SECRET} b=c"),
        ("x https://a:b@c d https://e:f@g", "x https://a:*@c d https://e:*@g"),
    ],
)
def test_credentials_are_masked_in_place(text: str, expected: str) -> None:
    assert masked(text) == expected
    assert len(masked(text)) == len(text)
