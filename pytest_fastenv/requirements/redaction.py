"""Keep credentials out of what is shown, with every other character in its column."""

from __future__ import annotations

import re

_USERINFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<user>[^\s/@:]*)(?P<password>:[^\s/@]*)?@")
_REFERENCE = re.compile(r":?\$\{[A-Z0-9_]+\}")


def masked(text: str) -> str:
    """Replace passwords, and user names of http that stand alone (tokens), by stars, one for each character.

    ``${NAME}`` references stay: they tell nothing, and a reader needs them.
    """
    return _USERINFO.sub(_mask, text)


def _mask(match: re.Match[str]) -> str:
    scheme, user, password = match["scheme"], match["user"], match["password"] or ""
    is_token = not password and "http" in scheme.lower()
    if is_token and not _REFERENCE.fullmatch(user):
        user = "*" * len(user)
    if password and not _REFERENCE.fullmatch(password):
        password = ":" + "*" * (len(password) - 1)
    return f"{scheme}{user}{password}@"
