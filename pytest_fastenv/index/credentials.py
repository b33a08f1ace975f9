"""Credentials for package indexes, each bound to the index it was given for, and to its origin.

They come from three places, in this order: user information in a configured URL, netrc, and the ``keyring`` command
once a server has refused a request without it. They never appear in anything that is shown, kept or passed on.

Two indexes of one host may have a login each (project tokens; repositories of one artifact server). The login with
the longest URL that a request's URL begins with is the one for it. For files that lie elsewhere on the origin it is
the login whose URL has most in common with theirs; where that is refused, the others of the origin are tried. An index
that was configured without a login gets one of its origin only when it asks for one. Nothing goes to another origin.
"""

from __future__ import annotations

import asyncio
import base64
import json
import netrc
import os
import posixpath
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pytest_fastenv.index.urls import Login, WebOrigin, shown, split_login, web_origin
from pytest_fastenv.schedule.program import run_program

_KEYRING_TIMEOUT_S = 30.0
_IN_URL = "the URL itself"


@dataclass(frozen=True, slots=True)
class Sent:
    """A login that is sent with a request.

    :ivar origin: where it came from, for messages; without anything secret.
    """

    login: Login
    origin: str


@dataclass(frozen=True, slots=True)
class _Place:
    """A URL that was configured or asked for.

    :ivar url: without login.
    :ivar given: the login in it.
    """

    url: str
    path: str
    given: Sent | None

    def contains(self, path: str) -> bool:
        return path == self.path or path.startswith(self.path if self.path.endswith("/") else f"{self.path}/")


class Credentials:
    """Logins by URL. One instance per run; the netrc file is read once, when it is first asked for.

    :param environ: where ``NETRC``, ``HOME`` and ``PATH`` are taken from.
    :param keyring: whether the ``keyring`` command may be asked (pip's ``keyring-provider`` other than ``disabled``).
    """

    def __init__(self, environ: Mapping[str, str], *, keyring: bool = True) -> None:
        self._environ = environ
        self._places: dict[WebOrigin, list[_Place]] = {}
        #: What was found since a server refused: by keyring for a place's URL or an origin, by trial for a directory.
        self._asked: dict[str, Sent | None] = {}
        self._instead: dict[str, list[Sent]] = {}
        self._lock = asyncio.Lock()
        self._command = shutil.which("keyring", path=environ.get("PATH")) if keyring else None
        self._keyring_wanted = keyring
        self._netrc: netrc.netrc | None = None
        self._netrc_path = ""
        self._netrc_state = ""

    def __repr__(self) -> str:
        return f"Credentials({len(self._places)} origins)"

    def take(self, url: str, source: str = _IN_URL, *, index: bool = False) -> str:
        """Return the URL without its user information, which is remembered for it.

        A later login for the same URL does not replace the first one.

        :param source: what gave the URL, for messages.
        :param index: it is an index or a location of links: what lies below it is its own, with a login or without.
        """
        plain, login = split_login(url)
        if login is None and not index:
            return plain
        places = self._places.setdefault(web_origin(plain), [])
        path = _path(plain)
        known = next((n for n, place in enumerate(places) if place.path == path), None)
        given = Sent(login, f"{shown(plain)} in {source}" if source != _IN_URL else source) if login else None
        if known is None:
            places.append(_Place(shown(plain), path, given))
        elif places[known].given is None:
            places[known] = _Place(shown(plain), path, given)
        return plain

    def login(self, url: str) -> Sent | None:
        """Return the login to send with a request, as known without a question to the ``keyring`` command."""
        place, is_below = self._place(url)
        given = place.given if place else None
        tried = self._instead.get(_service(place, url) if is_below else _directory(url))
        if tried:
            return tried[-1]
        if given is not None and given.login.password is not None:
            return given
        found = self._asked.get(_service(place, url)) or self._from_netrc(web_origin(url).host, given)
        return found or given

    def header(self, url: str) -> str | None:
        """Return the ``Authorization`` header for a URL (RFC 7617), else ``None``."""
        sent = self.login(url)
        return None if sent is None else authorization(sent)

    async def is_refused(self, url: str, sent: Sent | None, status: int) -> bool:
        """Take note that a server refused a request; tell whether another login is to be tried.

        The ``keyring`` command is asked once per index, for its URL and then for the host, without a terminal; it has
        30 seconds to answer.

        :param sent: the login that the request had.
        :param status: 401 or 403.
        """
        async with self._lock:  # others that were refused meanwhile wait for what is found out for the first one
            if self.login(url) != sent:
                return True
            if status == 401 and await self._ask_keyring(url, sent):
                return True
            return self._try_another(url, sent, status)

    async def _ask_keyring(self, url: str, sent: Sent | None) -> bool:
        place, _ = self._place(url)
        service = _service(place, url)
        if self._command is None or service in self._asked:
            return False
        self._asked[service] = None
        for name in (service if place else shown(url), web_origin(url).host):
            found = await self._keyring(name, sent.login.username if sent else None)
            if found is not None and (sent is None or found != sent.login):
                self._asked[service] = Sent(found, f"the keyring command, for {name}")
                return self.login(url) != sent
        return False

    def _try_another(self, url: str, sent: Sent | None, status: int) -> bool:
        """Go on to another login of the origin, where a URL has none of its own."""
        place, is_below = self._place(url)
        if is_below and (status != 401 or (place and place.given)):
            return False
        tried = self._instead.setdefault(_service(place, url) if is_below else _directory(url), [])
        others = [one.given for one in self._places.get(web_origin(url), ()) if one.given]
        another = next((one for one in others if one != sent and one not in tried), None)
        if another is None or (is_below and tried):
            return False
        tried += [sent, another] if sent and not tried else [another]
        return True

    def _place(self, url: str) -> tuple[_Place | None, bool]:
        """Return what a URL belongs to, and whether it lies below that."""
        places, path = self._places.get(web_origin(url), []), _path(url)
        above = [place for place in places if place.contains(path)]
        if above:
            return max(above, key=lambda place: len(place.path)), True
        givers = [place for place in places if place.given]
        return max(givers, key=lambda place: _in_common(place.path, path), default=None), False

    def searched(self, url: str) -> str:
        """Tell, for a diagnosis, which login was sent and where others were looked for; no secrets."""
        sent = self.login(url)
        place, _ = self._place(url)
        self._from_netrc(web_origin(url).host, None)
        keyring = "keyring command: "
        if not self._keyring_wanted:
            keyring += "switched off"
        elif self._command is None:
            keyring += "not installed"
        else:
            keyring += "found" if self._asked.get(_service(place, url)) else "nothing for it"
        with_login = "one" if place and place.given else "none"
        told = f"sent: the login of {sent.origin}" if sent else "sent: no login"
        return "\n".join((told, f"in the URL: {with_login}", f"netrc: {self._netrc_state}", keyring))

    def _from_netrc(self, host: str, given: Sent | None) -> Sent | None:
        if not self._netrc_state:
            self._read_netrc()
        if self._netrc is None:
            return None
        entry = self._netrc.authenticators(host)
        if entry is None:
            return None
        username, _, password = entry
        if given is not None and given.login.username != username:
            return None
        return Sent(Login(username, password), f"{self._netrc_path}, for {host}")

    def _read_netrc(self) -> None:
        home = self._environ.get("HOME") or self._environ.get("USERPROFILE") or os.path.expanduser("~")
        named = self._environ.get("NETRC")
        places = [Path(named)] if named else [Path(home) / name for name in (".netrc", "_netrc")]
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            self._netrc_state = f"no file {' or '.join(map(str, places))}"
            return
        try:
            self._netrc = netrc.netrc(str(path))
            self._netrc_state, self._netrc_path = f"read {path}", str(path)
        except netrc.NetrcParseError as error:
            self._netrc_state = f"{path} cannot be read: {error.msg} in line {error.lineno}"
        except (OSError, UnicodeError) as error:
            self._netrc_state = f"{path} cannot be read: {type(error).__name__}"

    async def _keyring(self, service: str, username: str | None) -> Login | None:
        if self._command is None:
            return None
        if username:
            answer = await self._run(self._command, "get", service, username)
            return Login(username, answer) if answer else None
        answer = await self._run(self._command, "--mode", "creds", "--output", "json", "get", service)
        try:
            found = json.loads(answer) if answer else {}
        except ValueError:
            return None  # a keyring older than --mode
        if isinstance(found, dict) and isinstance(found.get("username"), str) and found.get("password"):
            return Login(found["username"], str(found["password"]))
        return None

    async def _run(self, *command: str) -> str:
        """Return the command's first line of output; empty when it fails or takes too long."""
        ran = await run_program(command, self._environ, limit_s=_KEYRING_TIMEOUT_S, errors="dropped")
        return ran.output.decode(errors="replace").strip("\r\n") if ran.code == 0 else ""


def authorization(sent: Sent) -> str:
    """Return the ``Authorization`` header of a login (RFC 7617)."""
    pair = f"{sent.login.username}:{sent.login.password or ''}".encode()
    return f"Basic {base64.b64encode(pair).decode('ascii')}"


def _path(url: str) -> str:
    """Return a URL's path as a server would take it: without dots, a slash at its end kept."""
    path = urlsplit(url).path or "/"
    return posixpath.normpath(path) + ("/" if path.endswith("/") and posixpath.normpath(path) != "/" else "")


def _directory(url: str) -> str:
    return shown(url).rpartition("/")[0]


def _service(place: _Place | None, url: str) -> str:
    return place.url if place else str(web_origin(url))


def _in_common(one: str, other: str) -> int:
    """Return how many directories two paths begin with together."""
    pairs = zip(one.split("/"), other.split("/"), strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(one.count("/"), other.count("/")))
