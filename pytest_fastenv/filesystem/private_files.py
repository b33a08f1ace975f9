"""Files that may hold a secret are for their owner's eyes.

A URL may carry a login, or a signature in its query (`?token=`, `?sig=`); a config setting may be a password. Where
records and reports need them they have the mode 0600. Others keep the mode that the process's umask gives, so that a
store that one user has filled serves another one.
"""

from __future__ import annotations

import os
import re
import stat

_OWNERS = 0o600
_USUAL = 0o666
#: Config settings that are not empty, as `model.codec` writes them.
_CONFIG_SETTINGS = re.compile(rb"config[_-]settings\"?\s*[:=]\s*[\[{]\s*[^\]}\s]")
_WORD = re.compile(rb"[^\s\"'<>\\]+")


def may_hold_secrets(content: bytes) -> bool:
    """Tell whether a text has a place where a secret may stand: in a URL, or in config settings.

    In time that grows with its length alone: what is written may come from anywhere.
    """
    if b"://" in content and any(_is_telling(word[0]) for word in _WORD.finditer(content) if b"://" in word[0]):
        return True
    return _CONFIG_SETTINGS.search(content) is not None


def _is_telling(word: bytes) -> bool:
    """Tell whether a word has a URL with user information or a query in it."""
    for url in word.split(b"://")[1:]:
        path, _, _ = url.partition(b"#")
        place, _, query = path.partition(b"?")
        if query or b"@" in place.partition(b"/")[0]:
            return True
    return False


def write(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file, or over one, that nobody else may read where its content may hold a secret.

    :raises OSError: it cannot be written.
    """
    is_private = may_hold_secrets(content)
    fd = os.open(path, _FLAGS, _OWNERS if is_private else _USUAL)
    with open(fd, "wb") as file:
        if is_private and hasattr(os, "fchmod") and stat.S_ISREG(os.fstat(fd).st_mode):
            os.fchmod(fd, _OWNERS)  # one that was there may have had another mode
        file.write(content)


_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
