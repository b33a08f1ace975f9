"""What was sealed comes back, and nothing else does."""

from __future__ import annotations

import pytest

from pytest_fastenv.runtime.sealed import seal, unseal


@pytest.mark.parametrize("text", ["", "[1]", "two\nlines\n"])
def test_what_was_sealed_comes_back(text: str) -> None:
    assert unseal(seal(text.encode())) == text.encode()


def test_every_flipped_bit_and_every_cut_is_noticed() -> None:
    whole = seal(b'{"a": [1, 2]}')
    for position in range(len(whole)):
        for bit in range(8):
            changed = bytearray(whole)
            changed[position] ^= 1 << bit
            with pytest.raises(ValueError, match="digest"):
                unseal(bytes(changed))
        with pytest.raises(ValueError, match="digest"):
            unseal(whole[:position])


def test_what_was_never_sealed_is_refused() -> None:
    with pytest.raises(ValueError, match="digest"):
        unseal(b'{"a": 1}')
