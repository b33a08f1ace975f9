"""Environment variables that change what a build gives: part of the key of everything that is built.

The rules stand here, and for people in ``docs/reference/build-variables.md``. Each package makes up its own names, so
what is allowed are families: beginnings, ends and parts of names that packages and build tools keep to, and the
user's own patterns. What looks like a secret is in no family, nor is what belongs to a session, a CI job or another
tool: that would make every key new, or lead a build astray (``GIT_DIR``, ``PYTHONHOME``).

Standard library only: this module is on the warm path of requests that something is built for. Texts are compared
without regular expressions, which would take longer to compile than everything else here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

# ruff: noqa: SIM905 - lists of so many are not read one by line
#: What programs need to work, and what changes how fast they do.
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
    """.split()
)
_NAMES = frozenset(
    """
    CC CXX CPP LD AR AS RANLIB NM STRIP LDSHARED LDCXXSHARED FC F77 F90 NVCC MPICC MPICXX SWIG PROTOC
    CFLAGS CXXFLAGS CPPFLAGS LDFLAGS ARFLAGS ARCHFLAGS FFLAGS FCFLAGS
    CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH LIBRARY_PATH LD_LIBRARY_PATH
    MACOSX_DEPLOYMENT_TARGET SDKROOT _PYTHON_HOST_PLATFORM SOURCE_DATE_EPOCH CIBUILDWHEEL
    MKLROOT TBBROOT QTDIR MSSDK CL _CL_ LINK _LINK_ INCLUDE LIB LIBPATH
    VCINSTALLDIR VCTOOLSINSTALLDIR VSINSTALLDIR WINDOWSSDKDIR WINDOWSSDKVERSION
    """.split()
)
#: Of build tools and of packages; they count also where other names that begin alike are another tool's.
_BEGINNINGS = tuple(
    """
    PKG_CONFIG CMAKE_ SKBUILD_ MESON CARGO_ RUST PYO3_ MATURIN_ CYTHON_ MYPYC_ DISTUTILS_ SETUPTOOLS_ HATCH_BUILD_
    PDM_BUILD_ FLIT_ PBR_ VERSIONEER_ POETRY_DYNAMIC_VERSIONING NIX_CFLAGS_ NIX_LDFLAGS VSCMD_ARG_ CONDA_PREFIX
    CONDA_BUILD_SYSROOT LLVM CLANG_ LIBCLANG_ CUDA CUDNN_ NVCC_ ROCM_ HIP_ TORCH_ OPENBLAS BLAS LAPACK ATLAS NPY_
    NUMPY_ SCIPY_ SKLEARN_ HDF5_ H5PY_ NETCDF GDAL_ GEOS_ PYARROW_ GRPC_ PYCURL_ OPENSSL_ CRYPTOGRAPHY_ SODIUM_
    BCRYPT_ MYSQLCLIENT_ PG_ LIBXML2_ LIBXSLT_ CFFI_ ZMQ_ PYZMQ_ LIBUV_ UVLOOP_ GEVENTSETUP_ CASS_DRIVER_ OPENCV_
    BOOST_ FFTW_ MPI_ VCPKG_ WRAPT_ AIOHTTP_ PYYAML_ FLASH_ATTENTION_ DS_BUILD_ COVERAGE_DISABLE_EXTENSION FORCE_ USE_
    WITH_ WITHOUT_ ENABLE_ DISABLE_ REQUIRE_ STATIC_ SKIP_CYTHON SKIP_CUDA
    """.split()
)
_ENDS = tuple(
    """
    _CONFIG _DIR _DIRS _ROOT _HOME _PREFIX _FLAGS _CFLAGS _CXXFLAGS _LDFLAGS _INCLUDE _INCLUDES _LIB _LIBS _LIBDIR
    _LIBRARY _LIBRARIES _INCLUDE_PATH _LIBRARY_PATH _EXTENSION _EXTENSIONS _SPEEDUPS _CEXT _CYTHON _MYPYC _PURE
    _PURE_PYTHON _PUREPYTHON _PRETEND_VERSION
    """.split()
)
_PARTS = ("_WITH_", "_WITHOUT_", "_ENABLE_", "_DISABLE_", "_USE_", "_FORCE_", "_REQUIRE_", "_CMAKE_")
_OTHERS = tuple(
    """
    PYTHON Python PIP_ PIPX_ PIPENV_ UV_ POETRY_ PDM_ HATCH_ RYE_ TWINE_ TOX_ NOX_ PYTEST_ COVERAGE_ COV_CORE_ PYENV_
    FASTENV_ CONDA_ MAMBA_ VIRTUAL_ENV DYLD_ GIT_ SSH_ XDG_ DBUS_ GNOME_ KDE_ VSCODE_ PYCHARM_ CI_ GITHUB_ GITLAB_
    RUNNER_ AGENT_ SYSTEM_ BUILD_ BUILDKITE_ CIRCLE_ TRAVIS_ JENKINS_ HUDSON_ TEAMCITY_ APPVEYOR_ BITBUCKET_ DOCKER_
    KUBERNETES_ AWS_ AZURE_ GOOGLE_ GCLOUD_ CLOUDSDK_ NPM_ npm_
    """.split()
)
_SECRET_WORDS = frozenset(
    "KEY KEYS AUTH PASS PASSWD PWD PAT COOKIE COOKIES LOGIN PRIVATE NETRC SIGNATURE PASSPHRASE".split()
)
_SECRET_PARTS = ("TOKEN", "SECRET", "PASSWORD", "CREDENTIAL", "APIKEY", "ACCESSKEY")
#: How tokens of well-known services and private keys begin.
_SECRET_VALUES = ("ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "pypi-AgE", "npm_", "AKIA", "-----BEGIN", "Bearer ")
#: What looks like a URL with credentials never reaches a build, whatever its name.
CREDENTIALS = re.compile(r"://[^/\s@]+@")


def result_variables(environ: Mapping[str, str], patterns: Sequence[str] = ()) -> tuple[tuple[str, str], ...]:
    """Return the variables that change what a build gives, sorted: part of the key of what is built.

    :param patterns: the user's own: names, in which ``*`` stands for any text and ``?`` for one character. What is
        named in full passes whatever the name; a pattern does not match what looks like a secret.
    """
    own = _compiled(patterns) if patterns else None
    return tuple(
        sorted(
            (name, value)
            for name, value in environ.items()
            if not CREDENTIALS.search(value)
            and (
                name in patterns
                or (
                    (_is_member(spelled(name)) or (own and own.fullmatch(spelled(name))))
                    and not _is_secret(name, value)
                )
            )
        )
    )


def surrounds(name: str) -> bool:
    """Tell whether a variable of this name reaches builds, but makes no difference to what they give."""
    name = spelled(name)
    return name in _SURROUNDINGS or name.startswith("LC_")


def spelled(name: str) -> str:
    """Return a variable's name as it is compared: Windows does not tell upper from lower case in names of variables."""
    return name.upper() if os.name == "nt" else name


def _is_member(name: str) -> bool:
    """Tell whether a name is in a family."""
    if name in _NAMES:
        return True
    if name in _SURROUNDINGS:
        return False
    if name.startswith(_BEGINNINGS):
        return name != "FORCE_COLOR"
    ends_so = name.endswith(_ENDS) or any(part in name for part in _PARTS)
    return ends_so and not name.startswith(_OTHERS)


def _is_secret(name: str, value: str) -> bool:
    name = name.upper()
    return (
        not _SECRET_WORDS.isdisjoint(name.split("_"))
        or any(part in name for part in _SECRET_PARTS)
        or any(part in value for part in _SECRET_VALUES)
    )


def _compiled(patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(spelled(p)).replace(r"\*", ".*").replace(r"\?", ".") for p in patterns))
