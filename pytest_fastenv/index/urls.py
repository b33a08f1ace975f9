"""URLs as the package index uses them: origins, credentials taken off, local paths."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from pytest_fastenv.model.file_urls import path_of

_PORTS = {"http": 80, "https": 443}


class WebOrigin(NamedTuple):
    """Scheme, host and port: what credentials are bound to (RFC 6454)."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS.get(self.scheme) else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


class Login(NamedTuple):
    """A user name and, when known, a password. Its text form shows neither."""

    username: str
    password: str | None

    def __repr__(self) -> str:
        return "Login(...)"


def web_origin(url: str) -> WebOrigin:
    """Return the origin of an absolute URL; port 0 where the scheme has no well-known one.

    :raises ValueError: the port is not a number.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return WebOrigin(scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(scheme, 0))


def split_login(url: str) -> tuple[str, Login | None]:
    """Return the URL without user information, and what was taken off."""
    if "@" not in url:
        return url, None
    parts = urlsplit(url)
    info, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    username, colon, password = info.partition(":")
    login = Login(unquote(username), unquote(password) if colon else None)
    return urlunsplit(parts._replace(netloc=host)), login if username or colon else None


def shown(url: str) -> str:
    """Return a URL as it may be shown: no user information, no query (signed URLs carry secrets there), no fragment."""
    plain, _ = split_login(url)
    return plain.partition("#")[0].partition("?")[0]


def file_url(path: str | Path, *, directory: bool = False) -> str:
    """Return the ``file:`` URL of a local path, made absolute; with a trailing slash for a directory."""
    text = os.path.abspath(os.path.expanduser(os.fspath(path))).replace(os.sep, "/")
    text = text if text.startswith("/") else f"/{text}"  # a drive letter on Windows
    slash = "/" if directory and not text.endswith("/") else ""
    return f"file://{quote(text, safe='/:@!$&()*+,;=~')}{slash}"


def local_path(url: str) -> Path:
    """Return the path that a ``file:`` URL names.

    :raises ValueError: the URL names another host.
    """
    parts = urlsplit(url)
    host = "" if parts.netloc == "localhost" else parts.netloc
    if os.name == "nt":
        return Path(path_of(f"//{host}{parts.path}" if host else parts.path))
    if host:
        msg = f"{url} names the host {host}: a file URL needs three slashes"
        raise ValueError(msg)
    return Path(path_of(parts.path))


def is_url(text: str) -> bool:
    """Tell a URL from a path; a single letter before the colon is a drive on Windows."""
    scheme, colon, _ = text.partition(":")
    return bool(colon) and len(scheme) > 1 and scheme.isalnum() and scheme.lower() in {"http", "https", "file"}
