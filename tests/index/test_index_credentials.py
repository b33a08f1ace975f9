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


def test_a_login_goes_to_its_origin_alone(tmp_path: Path) -> None:
    credentials = make(tmp_path)
    assert credentials.take("https://u:p%20q@h.invalid/simple/") == URL
    assert credentials.header("https://h.invalid/elsewhere") == basic("u:p q")
    for other in ("http://h.invalid/", "https://h.invalid:8443/", "https://sub.h.invalid/"):
        assert credentials.header(other) is None
    credentials.take("https://x:y@h.invalid/simple/")
    assert credentials.header(URL) == basic("u:p q"), "the first one stays"


@pytest.mark.parametrize(
    ("path", "login"),
    [
        ("/a/simple/", "a:1"),
        ("/a/simple/x/", "a:1"),
        ("/a/simple/deep/simple/x/", "d:4"),
        ("/b/simple/x/?y=/a/simple/", "b:2"),
        ("/a/simple/../../b/simple/x/", "b:2"),
        ("/b/files/x.whl", "b:2"),
        ("/a/files/x.whl", "a:1"),
        ("/elsewhere/x.whl", "a:1"),
        ("/a/simpler/", "a:1"),
        ("/open/simple/x/", None),
        ("/open/x.whl", "a:1"),
        ("/one.whl", "o:5"),
    ],
)
def test_the_login_of_the_longest_url_counts(path: str, login: str | None, tmp_path: Path) -> None:
    credentials = make(tmp_path)
    for text in ("a:1@h.invalid/a/simple", "b:2@h.invalid/b/simple/", "d:4@h.invalid/a/simple/deep/"):
        credentials.take(f"https://{text}", "somewhere", index=True)
    credentials.take("https://h.invalid/open/simple/", "somewhere", index=True)
    credentials.take("https://o:5@h.invalid/one.whl")
    assert credentials.header(f"https://h.invalid{path}") == (basic(login) if login else None)


def test_which_logins_are_tried_where_one_is_refused(tmp_path: Path) -> None:
    async def tried(path: str, status: int) -> list[str | None]:
        credentials = make(tmp_path)
        for text in ("a:1@h.invalid/a/", "b:2@h.invalid/b/", "c:3@h.invalid/c/", "h.invalid/open/"):
            credentials.take(f"https://{text}", "somewhere", index=True)
        url, found = f"https://h.invalid{path}", []
        while True:
            sent = credentials.login(url)
            found.append(sent.login.username if sent else None)
            if not await credentials.is_refused(url, sent, status):
                return found

    assert asyncio.run(tried("/b/x/", 401)) == ["b"], "an index's own login is the only one for it"
    assert asyncio.run(tried("/files/x.whl", 403)) == ["a", "b", "c"]
    assert asyncio.run(tried("/open/x/", 401)) == [None, "a"], "it asked for one"
    assert asyncio.run(tried("/open/x/", 403)) == [None]


def test_what_others_found_out_meanwhile_is_tried(tmp_path: Path) -> None:
    async def run() -> None:
        credentials = make(tmp_path)
        for text in ("a:1@h.invalid/a/", "b:2@h.invalid/b/"):
            credentials.take(f"https://{text}", "somewhere", index=True)
        one, other = "https://h.invalid/files/1.whl", "https://h.invalid/files/2.whl"
        sent = credentials.login(other)
        assert await credentials.is_refused(one, sent, 403)
        assert await credentials.is_refused(other, sent, 403)
        assert credentials.header(other) == basic("b:2")
        assert not await credentials.is_refused(other, credentials.login(other), 403)

    asyncio.run(run())


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


def test_which_login_was_sent(tmp_path: Path) -> None:
    credentials = make(tmp_path)
    assert "sent: no login" in credentials.searched(URL)
    credentials.take("https://user:secret@h.invalid/simple/", "pip.conf")
    assert credentials.searched(f"{URL}x/").startswith(f"sent: the login of {URL} in pip.conf\nin the URL: one\n")
    netrc(tmp_path / ".netrc", "machine n.invalid login user password secret\n")
    assert f"sent: the login of {tmp_path}/.netrc, for n.invalid\n" in make(tmp_path).searched("https://n.invalid/")
    assert "secret" not in credentials.searched(URL)
    assert "user" not in credentials.searched(URL)


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
        assert await credentials.is_refused(URL, None, 401)
        assert credentials.header(URL) == basic("k:r")
        assert not await credentials.is_refused(URL, credentials.login(URL), 401)
        assert "keyring command: found" in credentials.searched(URL)

    asyncio.run(run())
    mode = "--mode creds --output json get"
    assert keyring.read_text().splitlines() == [f"{mode} {URL}", f"{mode} h.invalid"]


def test_keyring_is_told_the_user(tmp_path: Path, keyring: Path) -> None:
    async def run() -> None:
        credentials = make(tmp_path, keyring=True)
        credentials.take("https://u@h.invalid/")
        assert await credentials.is_refused(URL, credentials.login(URL), 401)
        assert credentials.header(URL) == basic("u:for u")

    asyncio.run(run())
    assert keyring.read_text().splitlines() == ["get https://h.invalid/ u", "get h.invalid u"]


def test_many_that_are_refused_wait_for_one_answer(tmp_path: Path, keyring: Path) -> None:
    async def run() -> None:
        credentials = make(tmp_path, keyring=True)
        credentials.take(URL, "somewhere", index=True)
        urls = [f"{URL}{name}/" for name in "abc"]
        assert all(await asyncio.gather(*(credentials.is_refused(url, None, 401) for url in urls)))
        assert {credentials.header(url) for url in urls} == {basic("k:r")}

    asyncio.run(run())
    mode = "--mode creds --output json get"
    assert keyring.read_text().splitlines() == [f"{mode} {URL}", f"{mode} h.invalid"]


def test_no_keyring(tmp_path: Path) -> None:
    assert not asyncio.run(make(tmp_path, keyring=True).is_refused(URL, None, 401))
