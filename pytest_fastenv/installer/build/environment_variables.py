"""The part of the user's environment variables that a build backend sees.

A list of what is allowed, because what must stay out has no end: ``PYTHONPATH`` and ``PIP_*`` change what is built,
tokens must not leak into builds. A variable whose value looks like a URL with credentials stays out under any name.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pytest_fastenv.model.build_variables import CREDENTIALS, changes_result, spelled

_SURROUNDINGS = frozenset(
    """
    HOME USER LOGNAME SHELL LANG LANGUAGE TZ TERM XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME
    TMPDIR TEMP TMP
    SYSTEMROOT SYSTEMDRIVE WINDIR COMSPEC PATHEXT OS USERNAME USERPROFILE HOMEDRIVE HOMEPATH APPDATA LOCALAPPDATA
    ALLUSERSPROFILE PROGRAMDATA PROGRAMFILES PROGRAMFILES(X86) PROGRAMW6432 COMMONPROGRAMFILES
    COMMONPROGRAMFILES(X86) COMMONPROGRAMW6432 NUMBER_OF_PROCESSORS PROCESSOR_ARCHITECTURE PROCESSOR_ARCHITEW6432
    SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE NIX_SSL_CERT_FILE GIT_SSL_CAINFO CARGO_HTTP_CAINFO
    HTTP_PROXY HTTPS_PROXY ALL_PROXY FTP_PROXY NO_PROXY http_proxy https_proxy all_proxy ftp_proxy no_proxy
    CARGO_HOME RUSTUP_HOME CCACHE_DIR SCCACHE_DIR MAKEFLAGS MAX_JOBS CMAKE_BUILD_PARALLEL_LEVEL
    """.split()  # noqa: SIM905 - a list of so many is not read one by line
)


def backend_variables(environ: Mapping[str, str], scripts: Path) -> dict[str, str]:
    """Return the environment variables of a build backend.

    :param environ: the user's.
    :param scripts: the build environment's directory of scripts: first in ``PATH``.
    """
    passed = {name: value for name, value in environ.items() if _allowed(name) and not CREDENTIALS.search(value)}
    passed["PATH"] = os.pathsep.join(filter(None, (str(scripts), environ.get("PATH", os.defpath))))
    # A backend prompts for nothing, reads no packages of the user's own, and takes no lock in the user's repository.
    passed.update(PYTHONNOUSERSITE="1", GIT_TERMINAL_PROMPT="0", GIT_OPTIONAL_LOCKS="0")
    return passed


def _allowed(name: str) -> bool:
    compared = spelled(name)
    return compared in _SURROUNDINGS or compared.startswith("LC_") or changes_result(name)
