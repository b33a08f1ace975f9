"""Environment variables that change what a build gives: part of the key of everything that is built.

Standard library only: this module is on the warm path of requests that something is built for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

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

#: What looks like a URL with credentials never reaches a build, whatever its name.
CREDENTIALS = re.compile(r"://[^/\s@]+@")


def result_variables(environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the variables that change what a build gives, sorted: part of the key of what is built."""
    return tuple(
        sorted(
            (name, value) for name, value in environ.items() if changes_result(name) and not CREDENTIALS.search(value)
        )
    )


def changes_result(name: str) -> bool:
    """Tell whether a variable of this name changes what a build gives."""
    name = spelled(name)
    return name in _CHANGES_RESULT or name.startswith(_CHANGES_RESULT_PREFIXES)


def spelled(name: str) -> str:
    """Return a variable's name as it is compared: Windows does not tell upper from lower case in names of variables."""
    return name.upper() if os.name == "nt" else name
