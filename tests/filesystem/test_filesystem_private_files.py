"""What may hold a secret is for its owner alone; what holds none keeps the usual mode."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_fastenv.filesystem.private_files import may_hold_secrets, write
from pytest_fastenv.model.codec import encode
from pytest_fastenv.model.plan import DirectUrl
from pytest_fastenv.store.sealed import to_bytes

SECRETS = [
    b'{"url": "https://h/x.whl?sig=abc"}',
    b'{"url": "https://user:password@h/x.whl"}',
    b'{"url": "git+https://token@h/x"}',
    b'{"config_settings": [["key", ["value"]]]}',
    b'{"config_settings":{"key":"value"}}',
]
NONE = [
    b'{"url": "https://h/x.whl#sha256=abc", "config_settings": [], "other": ["x"]}',
    b'{"url": "https://h/x?", "mail": "somebody@h"}',
    b'{"config_settings": {}}',
]


@pytest.fixture
def usual() -> Iterator[int]:
    before = os.umask(0o022)
    yield 0o644
    os.umask(before)


@pytest.mark.skipif(sys.platform == "win32", reason="modes")
def test_the_mode_follows_the_content(tmp_path: Path, usual: int) -> None:
    path = tmp_path / "record.json"
    for content in (*NONE, *SECRETS):
        path.unlink(missing_ok=True)
        write(path, content)
        assert path.read_bytes() == content
        assert stat.S_IMODE(path.stat().st_mode) == (0o600 if content in SECRETS else usual), content
    path.chmod(0o644)
    write(path, SECRETS[0])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_records_are_made_of_is_known() -> None:
    """Values as the store writes them: a name of a field that changes shows here."""
    from pytest_fastenv.model.artifact import Artifact
    from pytest_fastenv.model.plan import SdistSource

    plain = SdistSource(Artifact("a", "1", "a-1.tar.gz", "https://h/a-1.tar.gz"))
    assert not may_hold_secrets(to_bytes(plain))
    assert may_hold_secrets(to_bytes(SdistSource(plain.artifact, config_settings=(("key", ("value",)),))))
    signed = SdistSource(Artifact("a", "1", "a-1.tar.gz", "https://h/a-1.tar.gz?sig=x"))
    assert may_hold_secrets(to_bytes(signed))
    assert may_hold_secrets(repr(encode(DirectUrl("https://h/a-1.tar.gz?sig=x"))).encode())


@pytest.mark.skipif(sys.platform == "win32", reason="pipes")
def test_what_is_no_file_keeps_its_mode(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o644)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        before = pipe.stat().st_mode
        write(pipe, SECRETS[0])
        assert pipe.stat().st_mode == before
        assert os.read(reader, 1000) == SECRETS[0]
    finally:
        os.close(reader)


@pytest.mark.parametrize("piece", [b"x", b"://", b"a:// ", b"config_settings: "])
def test_no_content_takes_longer_than_its_length(piece: bytes) -> None:
    """It ends: what takes the square of this length in steps does not, while anybody waits."""
    assert not may_hold_secrets(piece * ((1 << 20) // len(piece)))
