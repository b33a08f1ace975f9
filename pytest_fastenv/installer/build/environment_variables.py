"""What of the user's environment variables a build backend gets to see.

A list of what is allowed, because what must stay out has no end: ``PYTHONPATH`` and ``PIP_*`` change what is built,
tokens are nobody's business. What looks like a URL with credentials stays out, whatever its name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

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

_CHANGES_RESULT = frozenset(
    """
    CC CXX CPP LD AR AS RANLIB NM STRIP LDSHARED LDCXXSHARED FC F77 F90
    CFLAGS CXXFLAGS CPPFLAGS LDFLAGS ARFLAGS ARCHFLAGS FFLAGS RUSTFLAGS
    CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH LIBRARY_PATH LD_LIBRARY_PATH
    MACOSX_DEPLOYMENT_TARGET SDKROOT DEVELOPER_DIR _PYTHON_HOST_PLATFORM SOURCE_DATE_EPOCH
    CMAKE_ARGS CMAKE_GENERATOR CMAKE_PREFIX_PATH CMAKE_TOOLCHAIN_FILE RUSTUP_TOOLCHAIN CARGO_BUILD_TARGET
    CUDA_HOME CUDA_PATH JAVA_HOME CONDA_PREFIX CONDA_BUILD_SYSROOT
    INCLUDE LIB LIBPATH VCINSTALLDIR VCTOOLSINSTALLDIR VSINSTALLDIR WINDOWSSDKDIR WINDOWSSDKVERSION
    DISTUTILS_USE_SDK MSSDK
    SETUPTOOLS_USE_DISTUTILS SETUPTOOLS_ENABLE_FEATURES SETUPTOOLS_EXT_SUFFIX PBR_VERSION PDM_BUILD_SCM_VERSION
    """.split()  # noqa: SIM905 - a list of so many is not read one by line
)

_CHANGES_RESULT_PREFIXES = (
    "PKG_CONFIG",
    "SETUPTOOLS_SCM_PRETEND_VERSION",
    "HATCH_BUILD_",
    "NIX_CFLAGS_",
    "NIX_LDFLAGS",
    "VSCMD_ARG_",
)

_CREDENTIALS = re.compile(r"://[^/\s@]+@")


def backend_variables(environ: Mapping[str, str], scripts: Path) -> dict[str, str]:
    """Return the environment variables of a build backend.

    :param environ: the user's.
    :param scripts: the build environment's directory of scripts: first in ``PATH``.
    """
    passed = {name: value for name, value in environ.items() if _allowed(name) and not _CREDENTIALS.search(value)}
    passed["PATH"] = os.pathsep.join(filter(None, (str(scripts), environ.get("PATH", os.defpath))))
    # A backend asks nobody anything, reads no packages of the user's own, and takes no lock in the user's repository.
    passed.update(PYTHONNOUSERSITE="1", GIT_TERMINAL_PROMPT="0", GIT_OPTIONAL_LOCKS="0")
    return passed


def result_variables(environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the variables that change what a build gives, sorted: part of the key of what is built."""
    return tuple(
        sorted(
            (name, value) for name, value in environ.items() if _changes_result(name) and not _CREDENTIALS.search(value)
        )
    )


def _allowed(name: str) -> bool:
    spelled = _spelled(name)
    return spelled in _SURROUNDINGS or spelled.startswith("LC_") or _changes_result(name)


def _changes_result(name: str) -> bool:
    name = _spelled(name)
    return name in _CHANGES_RESULT or name.startswith(_CHANGES_RESULT_PREFIXES)


def _spelled(name: str) -> str:
    """Windows does not tell upper from lower case in names of variables."""
    return name.upper() if os.name == "nt" else name
