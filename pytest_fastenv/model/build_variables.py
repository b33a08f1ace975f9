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
from collections.abc import Iterable, Mapping, Sequence

from pytest_fastenv.model.digest import text_sha256

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
#: Words of a name between underscores, ends of such words, and what they may be part of.
_SECRET_WORDS = frozenset("KEYS PW PSW PASSIN PASSOUT LOGIN PRIVATE NETRC SIGNATURE OAUTH2".split())
_SECRET_ENDS = tuple("KEY AUTH PASS PASSWD PWD PAT COOKIE COOKIES PASSPHRASE".split())
_NO_SECRETS = frozenset("BYPASS COMPASS COMPAT HOTKEY MONKEY".split())
_SECRET_PARTS = ("TOKEN", "SECRET", "PASSWORD", "CREDENTIAL", "APIKEY", "ACCESSKEY")
#: How tokens of well-known services and private keys begin: anywhere in a value, ...
_SECRET_VALUES = ("ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "pypi-AgE", "npm_", "AKIA", "-----BEGIN", "Bearer ")
#: ... and, where names of directories may have the same letters inside, only at the beginning of a word.
_SECRET_BEGINNINGS = tuple(
    """
    ghu_ ghr_ glptt- gldt- glrt- xoxb- xoxp- xoxa- xoxr- xoxs- xapp- hf_ sk-proj- sk-ant- sk-svcacct- sk_live_ sk_test_
    rk_live_ dckr_pat_ dckr_oat_ nfp_ SG. AIzaSy ya29.
    """.split()
)
#: What a value may assign a secret to: ``-DUPLOAD_TOKEN=...``, ``{"apiKey": ...}``, ``Authorization: ...``.
_ASSIGNED = tuple(
    """
    token secret password passwd passphrase apikey api_key api-key accesskey access_key access-key accountkey
    secret_key secret-key private_key authorization
    """.split()
)
#: Hexadecimal digits of a digest that tell one value from the next.
_SHOWN_DIGITS = 16
_SWITCHES = frozenset(("", "on", "off", "0", "1", "true", "false", "yes", "no"))
_BETWEEN_WORDS = str.maketrans(dict.fromkeys("\"'=:,;(){}[]<>&?@", " "))
#: What looks like a URL with credentials, or is one but for its scheme, never reaches a build, whatever its name.
CREDENTIALS = re.compile(r"://[^/\s@]+@|^[^/\\\s@:=]+:[^/\\\s@]+@")


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


def digests(variables: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return by name what stands for each variable's value where it is kept: it shows which of them changed."""
    return {name: text_sha256(value)[:_SHOWN_DIGITS] for name, value in variables}


def names_of_changed(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Return the names of the variables whose digests differ, for people: ``CFLAGS, LDFLAGS``."""
    return ", ".join(name for name in sorted({*before, *after}) if before.get(name) != after.get(name))


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
        any(
            word in _SECRET_WORDS or (word.endswith(_SECRET_ENDS) and word not in _NO_SECRETS)
            for word in name.split("_")
        )
        or any(part in name for part in _SECRET_PARTS)
        or holds_secret(value)
    )


def holds_secret(value: str) -> bool:
    """Tell whether a value looks like a secret, or assigns one, as ``-DUPLOAD_TOKEN=...`` does."""
    return (
        CREDENTIALS.search(value) is not None
        or any(part in value for part in _SECRET_VALUES)
        or _has_secret_word(value)
        or _assigns_secret(value)
    )


def _has_secret_word(value: str) -> bool:
    words = value.translate(_BETWEEN_WORDS).split()
    return any(
        word.startswith(_SECRET_BEGINNINGS)
        or (word.startswith("eyJ") and word.count(".") == 2)  # a JSON Web Token
        or (word.lower() == "basic" and not following.startswith("-"))
        for word, following in zip(words, [*words[1:], "-"], strict=True)
    )


def _assigns_secret(value: str) -> bool:
    """Tell whether a word for secrets is followed by an assignment of something else than a switch."""
    text = value.lower()
    for word in _ASSIGNED:
        for rest in text.split(word)[1:]:
            behind = rest.lstrip("\"' ")
            is_assignment = behind.startswith("=") or (behind.startswith(":") and not behind.startswith(":/"))
            if is_assignment and behind[1:].strip("\"' ").partition(" ")[0] not in _SWITCHES:
                return True
    return False


def _compiled(patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(spelled(p)).replace(r"\*", ".*").replace(r"\?", ".") for p in patterns))
