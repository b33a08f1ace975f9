"""Paths of ``file:`` URLs. `urllib.request` has a function for that, and costs more than all that is needed here."""

from __future__ import annotations

import os
from urllib.parse import unquote


def path_of(url_path: str) -> str:
    """Return the path that the path of a ``file:`` URL names, as `urllib.request.url2pathname` does."""
    if os.name == "nt":
        from urllib.request import url2pathname

        return url2pathname(url_path)
    return unquote(url_path)
