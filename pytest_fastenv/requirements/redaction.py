"""Keep credentials out of what is shown, with every other character in its column."""

from __future__ import annotations

import re

_USERINFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,30}://)(?P<user>[^\s/@:]*)(?P<password>:[^\s/@]*)?@")
_QUERY = re.compile(r"(?P<before>[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s?#\"'<>]{0,4000}\?)(?P<value>[^\s#\"'<>]+)")
_OPTION = r"(?P<before>(?:--config-settings?(?:=|\s+)|-C\s*)"
_SETTINGS = (
    re.compile(_OPTION + r"\"[^=\"]+=)(?P<value>[^\"]+)"),
    re.compile(_OPTION + r"'[^=']+=)(?P<value>[^']+)"),
    re.compile(_OPTION + r"[^\s=\"']+=)(?P<value>\"[^\"]*\"|'[^']*'|[^\s\"']+)"),
)
_REFERENCE = re.compile(r":?\$\{[A-Z0-9_]+\}")


def masked(text: str) -> str:
    """Replace what may be secret by stars, one for each character.

    That is: passwords, user names of http that stand alone (tokens), queries of URLs (signatures), values of config
    settings. ``${NAME}`` references stay: they tell nothing, and a reader needs them.
    """
    for secret in (_QUERY, *_SETTINGS):
        text = secret.sub(_mask_value, text)
    return _USERINFO.sub(_mask, text)


def _mask_value(match: re.Match[str]) -> str:
    value = match["value"]
    return match["before"] + (value if _REFERENCE.fullmatch(f":{value}") else "*" * len(value))


def _mask(match: re.Match[str]) -> str:
    scheme, user, password = match["scheme"], match["user"], match["password"] or ""
    is_token = not password and "http" in scheme.lower()
    if is_token and not _REFERENCE.fullmatch(user):
        user = "*" * len(user)
    if password and not _REFERENCE.fullmatch(password):
        password = ":" + "*" * (len(password) - 1)
    return f"{scheme}{user}{password}@"
