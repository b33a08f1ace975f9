from __future__ import annotations

import asyncio
import base64
import os
import sys
from pathlib import Path

import pytest

from pytest_fastenv.index.credentials import Credentials

URL = "https://h.invalid/simple/"


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def make(home: Path, *, keyring: bool = False, **environ: str) -> Credentials:
    return Credentials({"HOME": str(home), "PATH": str(home / "bin"), **environ}, keyring=keyring)


def netrc(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


def test_a_login_belongs_to_its_origin(tmp_path: Path) -> None:
    credentials = make(tmp_path)
    assert credentials.take("https://u:p%20q@h.invalid/simple/") == URL
    assert credentials.header("https://h.invalid/elsewhere") == basic("u:p q")
    for other in ("http://h.invalid/", "https://h.invalid:8443/", "https://sub.h.invalid/"):
        assert credentials.header(other) is None
    credentials.take("https://x:y@h.invalid/")
    assert credentials.header(URL) == basic("u:p q"), "the first one stays"


def test_netrc(tmp_path: Path) -> None:
    netrc(tmp_path / ".netrc", "machine h.invalid login n password m\n")
    assert make(tmp_path).header(URL) == basic("n:m")
    assert make(tmp_path).header("https://other.invalid/") is None
    netrc(tmp_path / "own", "default login d password e\n")
    assert make(tmp_path, NETRC=str(tmp_path / "own")).header(URL) == basic("d:e")


def test_netrc_completes_the_user_in_the_url_only(tmp_path: Path) -> None:
    netrc(tmp_path / ".netrc", "machine h.invalid login n password m\n")
    same, another = make(tmp_path), make(tmp_path)
    same.take("https://n@h.invalid/")
    another.take("https://z@h.invalid/")
    assert same.header(URL) == basic("n:m")
    assert another.header(URL) == basic("z:")


def test_where_was_looked(tmp_path: Path) -> None:
    assert f"netrc: no file {tmp_path}/.netrc" in make(tmp_path).searched(URL)
    assert "keyring command: switched off" in make(tmp_path).searched(URL)
    assert "keyring command: not installed" in make(tmp_path, keyring=True).searched(URL)
    netrc(tmp_path / ".netrc", "machine h.invalid\nnonsense secret\n")
    text = make(tmp_path).searched(URL)
    assert f"{tmp_path}/.netrc cannot be read" in text


@pytest.fixture
def keyring(tmp_path: Path) -> Path:
    """A command that notes how it was called and answers for one service."""
    if os.name == "nt":
        pytest.skip("needs an executable script")
    script = tmp_path / "bin" / "keyring"
    script.parent.mkdir()
    script.write_text(
        f"#!{sys.executable} -IS\n"
        "import json, pathlib, sys\n"
        "with pathlib.Path(__file__).with_name('calls').open('a') as calls:\n"
        "    calls.write(' '.join(sys.argv[1:]) + '\\n')\n"
        "if 'h.invalid' not in sys.argv: sys.exit(1)\n"
        "print(json.dumps({'username': 'k', 'password': 'r'}) if '--mode' in sys.argv else 'for ' + sys.argv[-1])\n"
    )
    script.chmod(0o755)
    return script.with_name("calls")


def test_keyring_is_asked_once(tmp_path: Path, keyring: Path) -> None:
    async def run() -> None:
        credentials = make(tmp_path, keyring=True)
        assert credentials.header(URL) is None
        assert await credentials.ask_keyring(URL)
        assert not await credentials.ask_keyring(URL)
        assert credentials.header(URL) == basic("k:r")
        assert "keyring command: found" in credentials.searched(URL)

    asyncio.run(run())
    mode = "--mode creds --output json get"
    assert keyring.read_text().splitlines() == [f"{mode} {URL}", f"{mode} h.invalid"]


def test_keyring_is_told_the_user(tmp_path: Path, keyring: Path) -> None:
    async def run() -> None:
        credentials = make(tmp_path, keyring=True)
        credentials.take("https://u@h.invalid/")
        assert await credentials.ask_keyring(URL)
        assert credentials.header(URL) == basic("u:for u")

    asyncio.run(run())
    assert keyring.read_text().splitlines() == [f"get {URL} u", "get h.invalid u"]


def test_no_keyring(tmp_path: Path) -> None:
    assert not asyncio.run(make(tmp_path, keyring=True).ask_keyring(URL))
