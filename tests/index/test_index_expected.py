"""What came is compared with what was demanded, and the diagnosis holds both."""

from __future__ import annotations

import pytest

from pytest_fastenv.errors import HashError, SizeMismatchError
from pytest_fastenv.index.expected import Downloaded, Expected, check, check_hashes
from pytest_fastenv.model.artifact import Hashes

GOT = {"sha256": "a" * 64, "sha512": "b" * 128}


def test_what_was_not_met_is_named_with_what_came() -> None:
    met, unmet = Hashes.one_of([("sha256", "a" * 64)]), Hashes.one_of([("sha512", "c" * 128), ("sha256", "d" * 64)])
    with pytest.raises(HashError) as caught:
        check_hashes(GOT, met & unmet, "x.whl")
    assert caught.value.what == "x.whl is not the file that was announced"
    assert str(caught.value.why).splitlines() == [
        f"expected sha256 {'d' * 64}",
        f"expected sha512 {'c' * 128}",
        f"got      sha256 {'a' * 64}",
        f"got      sha512 {'b' * 128}",
    ]
    check_hashes(GOT, met, "x.whl")


def test_a_length_is_compared_first_and_no_login_is_shown() -> None:
    came = Downloaded(GOT, 3)
    check(came, Expected(size_bytes=3), "https://h.invalid/x")
    with pytest.raises(SizeMismatchError) as caught:
        check(came, Expected(Hashes.of({"sha256": "0" * 64}), 4), "https://u:secret@h.invalid/x")
    assert caught.value.what == "https://h.invalid/x has 3 bytes, 4 were announced"
