"""Credentials for package indexes, each bound to the origin it was given for.

They come from three places, in this order: user information in a configured URL, netrc, and the ``keyring`` command
once a server has refused a request without it. They never appear in anything that is shown, kept or passed on.
"""

from __future__ import annotations

import base64
import json
import netrc
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from pytest_fastenv.index.urls import Login, WebOrigin, shown, split_login, web_origin
from pytest_fastenv.schedule.program import run_program

_KEYRING_TIMEOUT_S = 30.0


class Credentials:
    """Logins by origin. One instance per run; the netrc file is read once, when it is first asked for.

    :param environ: where ``NETRC``, ``HOME`` and ``PATH`` are taken from.
    :param keyring: whether the ``keyring`` command may be asked (pip's ``keyring-provider`` other than ``disabled``).
    """

    def __init__(self, environ: Mapping[str, str], *, keyring: bool = True) -> None:
        self._environ = environ
        self._by_origin: dict[WebOrigin, Login] = {}
        self._asked: dict[WebOrigin, Login | None] = {}
        self._command = shutil.which("keyring", path=environ.get("PATH")) if keyring else None
        self._keyring_wanted = keyring
        self._netrc: netrc.netrc | None = None
        self._netrc_state = ""

    def __repr__(self) -> str:
        return f"Credentials({len(self._by_origin)} origins)"

    def take(self, url: str) -> str:
        """Return the URL without its user information, which is remembered for its origin.

        A later, different login for the same origin does not replace the first one.
        """
        plain, login = split_login(url)
        if login is not None:
            self._by_origin.setdefault(web_origin(plain), login)
        return plain

    def login(self, url: str) -> Login | None:
        """Return the login for a URL's origin as known without a question to the ``keyring`` command, else ``None``."""
        place = web_origin(url)
        given = self._by_origin.get(place)
        if given is not None and given.password is not None:
            return given
        return self._asked.get(place) or self._from_netrc(place.host, given) or given

    def header(self, url: str) -> str | None:
        """Return the ``Authorization`` header for a URL (RFC 7617), else ``None``."""
        login = self.login(url)
        if login is None:
            return None
        pair = f"{login.username}:{login.password or ''}".encode()
        return f"Basic {base64.b64encode(pair).decode('ascii')}"

    async def ask_keyring(self, url: str) -> bool:
        """Ask the ``keyring`` command for a login, once per origin; true when it gave a new one.

        It is asked for the URL first, then for the host, without a terminal, and has 30 seconds to answer.
        """
        place = web_origin(url)
        if self._command is None or place in self._asked:
            return False
        known = self.login(url)
        self._asked[place] = None
        username = known.username if known else None
        for service in (shown(url), place.host):
            found = await self._keyring(service, username)
            if found is not None and found != known:
                self._asked[place] = found
                return True
        return False

    def searched(self, url: str) -> str:
        """Tell, for a diagnosis, where credentials for a URL were looked for and what was there; no secrets."""
        place = web_origin(url)
        given = self._by_origin.get(place)
        in_url = "in the URL: " + ("found" if given else "none")
        self._from_netrc(place.host, None)
        keyring = "keyring command: "
        if not self._keyring_wanted:
            keyring += "switched off"
        elif self._command is None:
            keyring += "not installed"
        else:
            keyring += "found" if self._asked.get(place) else "nothing for it"
        return "\n".join((in_url, f"netrc: {self._netrc_state}", keyring))

    def _from_netrc(self, host: str, given: Login | None) -> Login | None:
        if not self._netrc_state:
            self._read_netrc()
        if self._netrc is None:
            return None
        entry = self._netrc.authenticators(host)
        if entry is None:
            return None
        username, _, password = entry
        if given is not None and given.username != username:
            return None
        return Login(username, password)

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
            self._netrc_state = f"read {path}"
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
