"""Node ids on a command line that carry the name of an environment, as reports show them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import pytest

from pytest_fastenv.plugin.inner_command import Invocation
from pytest_fastenv.runtime.node_names import name_of


def without_names(
    invocation: Invocation, names: Sequence[str], config: pytest.Config
) -> tuple[Invocation, dict[str, list[str]]]:
    """Take the names of environments from node ids, and return which ids were asked for in which ones alone.

    :param names: of the environments of the session.
    :return: ids as pytest knows them: relative to its root directory.
    """
    only: dict[str, list[str]] = {}
    words: list[str] = []
    for word in invocation.arguments:
        name = name_of(word, names) if "::" in word and not word.startswith("-") else ""
        plain = word[: -len(name) - 2] if name else word
        if name:
            only.setdefault(plain, []).append(name)
        if not name or plain not in words:
            words.append(plain)
    for word in invocation.arguments:
        only.pop(word, None)  # asked for in all of them, too
    return replace(invocation, arguments=tuple(words)), {_known(plain, config): only[plain] for plain in only}


def _known(nodeid: str, config: pytest.Config) -> str:
    path, colons, rest = nodeid.partition("::")
    whole = os.path.join(config.invocation_params.dir, path)
    return os.path.relpath(whole, config.rootpath).replace(os.sep, "/") + colons + rest
