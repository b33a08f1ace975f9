"""Which indexes are used, and how they are reached.

What is set for this package (``FASTENV_INDEX_URL``, ...) counts before options in requirements files, and those before
what pip would use. Where nothing says anything, the index is the one that distlib names by default, in its simple form.
"""

from __future__ import annotations

import fnmatch
import math
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pytest_fastenv.errors import UsageError, option
from pytest_fastenv.index.credentials import Credentials
from pytest_fastenv.index.pip_config import PipValue, read_pip_config
from pytest_fastenv.index.urls import file_url, is_url, local_path, shown, web_origin
from pytest_fastenv.model.request import IndexOptions
from pytest_fastenv.settings.parsers import MOST_SECONDS
from pytest_fastenv.settings.values import NamedIndex, Settings

_DEFAULT_TIMEOUT_S = Settings().http_timeout_s
_DEFAULT_RETRIES = 3
_IN_FILES = "a requirements file"

#: What stays of a variable in a requirements file that is not set; no URL has such letters.
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")

_Locations = tuple[tuple[str, str], ...]
"""Locations, each with what named it."""


@dataclass(frozen=True, slots=True)
class IndexChoice:
    """What was chosen for this run, stronger than requirements files and pip's configuration.

    :ivar indexes: those that some projects are taken from.
    :ivar mirror: of interpreters; its login, if it has one, is remembered with the others.
    :ivar timeout_s: how long a server may say nothing.
    :ivar upgrade: ask the indexes now, however fresh what is kept may be.
    :ivar max_age_s: how old a page may be at most that is used without asking, whatever its index says.
    """

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    indexes: tuple[NamedIndex, ...] = ()
    mirror: str | None = None
    timeout_s: float = _DEFAULT_TIMEOUT_S
    offline: bool = False
    upgrade: bool = False
    max_age_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Proxies:
    """Proxy URLs by scheme, as the environment or pip's ``proxy`` option gives them; may carry credentials.

    :ivar exceptions: the value of ``NO_PROXY``.
    :ivar source: where they were read, for messages.
    """

    http: str | None = field(default=None, repr=False)
    https: str | None = field(default=None, repr=False)
    exceptions: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Network:
    """How servers are reached.

    :ivar cert: certificate authorities to trust besides the system's, as a PEM file.
    :ivar client_cert: PEM file with a certificate and its key.
    :ivar trusted_hosts: ``host`` or ``host:port`` whose certificates are not checked.
    :ivar retries: further attempts after a failure that may pass.
    """

    cert: Path | None = None
    cert_source: str = ""
    client_cert: Path | None = None
    client_cert_source: str = ""
    proxies: Proxies = Proxies()
    trusted_hosts: tuple[str, ...] = ()
    timeout_s: float = _DEFAULT_TIMEOUT_S
    retries: int = _DEFAULT_RETRIES
    offline: bool = False


@dataclass(frozen=True, slots=True)
class IndexConfig:
    """Where projects are looked for. All URLs are without credentials; those are in `credentials`.

    :ivar index_urls: in the order in which they are asked; each ends with a slash.
    :ivar named: indexes that some projects are taken from, and from no other.
    :ivar find_links: URLs of directories (``file:``) and pages whose artifacts are added to what an index lists.
    :ivar upgrade: ask the indexes now, however fresh what is kept may be.
    :ivar max_age_s: how old a page may be at most that is used without asking.
    """

    index_urls: tuple[str, ...]
    find_links: tuple[str, ...] = ()
    named: tuple[NamedIndex, ...] = ()
    network: Network = Network()
    upgrade: bool = False
    max_age_s: float = math.inf
    credentials: Credentials = field(default_factory=lambda: Credentials({}), repr=False, compare=False)

    @classmethod
    def load(cls, choice: IndexChoice, options: IndexOptions, environ: Mapping[str, str]) -> IndexConfig:
        """Combine what was chosen, options of the request's files, and pip's configuration; reads small files only.

        A main index takes the place of everything weaker places say about indexes, extra ones included; where only
        extra indexes or find-links are given in requirements files they add to pip's configuration. Both as for pip.

        :raises UsageError: a value is not accepted; the text names the file or variable.
        """
        pip = read_pip_config(environ)
        credentials = Credentials(environ, keyring=_text(pip, "keyring-provider") != "disabled")
        indexes, links = _locations(choice, options, pip)
        config = cls(
            index_urls=tuple(dict.fromkeys(credentials.take(_index(t), of, index=True) for t, of in indexes)),
            find_links=tuple(dict.fromkeys(credentials.take(_link(t), of, index=True) for t, of in links)),
            named=tuple(
                one._replace(url=credentials.take(_index(one.url), f"the index {one.name}", index=True))
                for one in (choice.indexes if indexes else ())
            ),
            network=_network(choice, options, pip, environ),
            upgrade=choice.upgrade,
            max_age_s=choice.max_age_s,
            credentials=credentials,
        )
        _take_login_of_mirror(choice.mirror or "", credentials)
        return config

    def named_for(self, project: str) -> tuple[NamedIndex, ...]:
        """Return the named indexes that a project is taken from, in the order written; mostly there is none.

        :param project: normalized name.
        """
        return tuple(one for one in self.named if any(fnmatch.fnmatchcase(project, pattern) for pattern in one.only))

    def urls_for(self, project: str) -> tuple[str, ...]:
        """Return the indexes that may be asked for a project, in their order."""
        return tuple(dict.fromkeys(one.url for one in self.named_for(project))) or self.index_urls


def _take_login_of_mirror(mirror: str, credentials: Credentials) -> None:
    """Remember the login of the mirror for interpreters: they come through the same client, by URLs without it."""
    # A value that is no URL is refused where an interpreter is needed, and only there.
    with suppress(ValueError):
        if is_url(mirror):
            credentials.take(mirror, option("python_mirror"))


def _locations(
    choice: IndexChoice, options: IndexOptions, pip: Mapping[str, PipValue]
) -> tuple[_Locations, _Locations]:
    """Return index locations in order, and find-links locations."""
    main, extra, links = option("index_url"), option("extra_index_urls"), option("find_links")
    find_links = _of(choice.find_links, links) or (*_words(pip, "find-links"), *_of(options.find_links, _IN_FILES))
    switched_off = pip["no-index"].flag() if "no-index" in pip else False
    if choice.index_url is None and (options.no_index or switched_off):
        return (), find_links
    chosen = _of(choice.extra_index_urls, extra)
    if choice.index_url is not None:
        return ((choice.index_url, main), *chosen), find_links
    in_files = _of(options.extra_index_urls, _IN_FILES)
    if options.index_url is not None:
        indexes: _Locations = ((options.index_url, _IN_FILES), *in_files)
    else:
        first = _text(pip, "index-url") or _default_index(), pip["index-url"].source if "index-url" in pip else ""
        indexes = (first, *_words(pip, "extra-index-url"), *in_files)
    return (indexes[0], *chosen) if chosen else indexes, find_links


def _of(texts: Iterable[str], source: str) -> _Locations:
    return tuple((text, source) for text in texts)


def _network(
    choice: IndexChoice, options: IndexOptions, pip: Mapping[str, PipValue], environ: Mapping[str, str]
) -> Network:
    timeout_s = choice.timeout_s
    if timeout_s == _DEFAULT_TIMEOUT_S and not environ.get("FASTENV_HTTP_TIMEOUT") and "timeout" in pip:
        timeout_s = pip["timeout"].number() or timeout_s
    cert, cert_source = _certificates(pip, environ)
    client_cert = pip.get("client-cert")
    return Network(
        cert=cert,
        cert_source=cert_source,
        client_cert=Path(os.path.expanduser(client_cert.text)) if client_cert else None,
        client_cert_source=client_cert.source if client_cert else "",
        proxies=_proxies(pip, environ),
        trusted_hosts=tuple(
            dict.fromkeys((*(host for host, _ in _words(pip, "trusted-host")), *options.trusted_hosts))
        ),
        timeout_s=min(timeout_s, MOST_SECONDS),
        retries=int(pip["retries"].number()) if "retries" in pip else _DEFAULT_RETRIES,
        offline=choice.offline,
    )


def _certificates(pip: Mapping[str, PipValue], environ: Mapping[str, str]) -> tuple[Path | None, str]:
    if "cert" in pip:
        return Path(os.path.expanduser(pip["cert"].text)), pip["cert"].source
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        if environ.get(variable):
            return Path(environ[variable]), variable
    return None, ""


def _proxies(pip: Mapping[str, PipValue], environ: Mapping[str, str]) -> Proxies:
    """Lower-case variables win, as for curl; ``HTTP_PROXY`` does not count in a CGI script (``REQUEST_METHOD``)."""
    exceptions = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if "proxy" in pip:
        return Proxies(_proxy(pip["proxy"].text), _proxy(pip["proxy"].text), exceptions, pip["proxy"].source)
    if "no-proxy-env" in pip and pip["no-proxy-env"].flag():
        return Proxies()
    found: dict[str, tuple[str, str]] = {}
    for scheme in ("http", "https"):
        names = [f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"]
        if scheme == "http" and "REQUEST_METHOD" in environ:
            names.remove("HTTP_PROXY")
        name = next((name for name in names if environ.get(name)), None)
        if name:
            found[scheme] = (_proxy(environ[name]), name)
    sources = dict.fromkeys(name for _, name in found.values())
    urls = {scheme: url for scheme, (url, _) in found.items()}
    return Proxies(urls.get("http"), urls.get("https"), exceptions, ", ".join(sources))


def _proxy(text: str) -> str:
    return text if "://" in text else f"http://{text}"


def _text(pip: Mapping[str, PipValue], name: str) -> str | None:
    return pip[name].text.strip() if name in pip else None


def _words(pip: Mapping[str, PipValue], name: str) -> _Locations:
    return _of(pip[name].words(), pip[name].source) if name in pip else ()


def _index(text: str) -> str:
    url = _sound(text, "index") if is_url(text) else _from_path(text, "index")
    return url if url.endswith("/") else f"{url}/"


def _link(text: str) -> str:
    url = _sound(text, "find-links location") if is_url(text) else _from_path(text, "find-links location")
    if url.startswith("file:") and not url.endswith("/") and os.path.isdir(local_path(url)):
        return f"{url}/"
    return url


def _sound(url: str, what: str) -> str:
    """Return a URL that can be taken apart."""
    if reference := _VARIABLE.search(url):
        why = f"the variable {reference[1]} is not set (variables are replaced in requirements files only)"
        raise UsageError(f"{url.rpartition('@')[2]} cannot be used as {what}", why=why)
    try:
        place = web_origin(url)
        reason = None if place.host or place.scheme == "file" else "it names no host"
    except ValueError as error:
        reason = str(error)
    if reason is None:
        return url
    raise UsageError(f"{url.rpartition('@')[2]} cannot be used as {what}", why=reason)  # a login is not to be shown


def _from_path(text: str, what: str) -> str:
    if "://" in text:
        raise UsageError(
            f"{shown(text)} cannot be used as {what}", why="only http, https and file URLs and local paths are known"
        )
    path = Path(os.path.abspath(os.path.expanduser(text)))
    return file_url(path, directory=os.path.isdir(path))


def _default_index() -> str:
    from distlib.index import DEFAULT_INDEX  # not needed where an index is configured

    parts = urlsplit(str(DEFAULT_INDEX))
    return urlunsplit((parts.scheme, parts.netloc, "/simple/", "", ""))
