"""Which variables an environment's commands and tests see: what ``pass-env`` lets through, and what ``set-env`` says.

Standard library only: this module is on the warm path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import translate
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_fastenv.errors import UsageError
from pytest_fastenv.matrix.declaration import NamedEnvironment
from pytest_fastenv.matrix.substitutions import Substitutions
from pytest_fastenv.model.regular_files import read_regular

if TYPE_CHECKING:
    from pytest_fastenv.runtime.environment import Environment

ALWAYS_PASSED = (
    # where things are, and who asks
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TEMP", "TMP", "XDG_CACHE_HOME", "XDG_CONFIG_HOME",
    # what language and what terminal
    "LANG", "LANGUAGE", "LC_*", "TZ", "TERM", "TERMINFO", "COLORTERM", "COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR",
    # how the network is reached
    "http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE", "NETRC", "SSH_AGENT_PID", "SSH_AUTH_SOCK", "PIP_*", "FASTENV_*",
    # how is compiled, and what libraries are found
    "CC", "CXX", "CCSHARED", "CFLAGS", "CPPFLAGS", "LDFLAGS", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PKG_CONFIG_PATH",
    "NIX_LD", "NIX_LD_LIBRARY_PATH", "PYTHON_GIL",
    # what no program on Windows starts without
    "APPDATA", "COMSPEC", "LOCALAPPDATA", "MSYSTEM", "NUMBER_OF_PROCESSORS", "PATHEXT", "PROCESSOR_ARCHITECTURE",
    "PROGRAMDATA", "PROGRAMFILES*", "SYSTEMDRIVE", "SYSTEMROOT", "USERPROFILE", "WINDIR",
)  # fmt: skip
"""Variables that reach an environment whatever its ``pass-env`` says."""
NAME_VARIABLE = "FASTENV_ENV_NAME"
"""Tells programs and tests which environment they run in."""
FILE = "file"
"""The key of ``set-env`` that names a file with further variables."""


def passed(environ: Mapping[str, str], patterns: Iterable[str] | None) -> dict[str, str]:
    """Return the variables that reach an environment: those of `ALWAYS_PASSED`, and those that match a pattern.

    :param patterns: of ``pass-env``, in either case of letters; ``None``: all variables do.
    """
    if patterns is None:
        return dict(environ)
    wanted = re.compile(pattern_of(patterns), re.IGNORECASE)
    return {name: value for name, value in environ.items() if wanted.match(name)}


def pattern_of(patterns: Iterable[str]) -> str:
    """Return the regular expression, for either case of letters, of the variables that ``pass-env`` lets through."""
    return "|".join(map(translate, (*ALWAYS_PASSED, *patterns)))


def placeholder_values(
    named: NamedEnvironment, environment: Environment, root: Path, temporary: Callable[[], str]
) -> dict[str, str | Callable[[], str]]:
    """Return what placeholders stand for in an environment that stands; see `Substitutions`.

    :param root: the project's directory.
    :param temporary: makes an empty directory, and returns it; called where it is needed.
    """
    return {
        "env_name": named.name,
        "env_dir": str(environment.prefix),
        "env_python": str(environment.python),
        "env_bin_dir": str(environment.scripts),
        "env_site_packages_dir": str(environment.purelib),
        "env_tmp_dir": temporary,
        "root": str(root),
    }


class SetVariables:
    """What ``set-env`` of an environment says, with everything substituted.

    A placeholder ``{env:NAME}`` means what ``set-env`` says, else what the variable is outside; in the value of a
    variable its own name means what it is outside.

    :param environ: the variables outside, whether they are passed or not.
    :param values: see `Substitutions`.
    :param root: the project's directory.
    :ivar substitutions: for the rest of what the environment declares.
    """

    def __init__(
        self,
        named: NamedEnvironment,
        environ: Mapping[str, str],
        values: Mapping[str, str | Callable[[], str]],
        *,
        root: Path,
        posargs: Sequence[str] | None = None,
        is_terminal: bool = False,
    ) -> None:
        self.substitutions = Substitutions(
            values, self._value, posargs=posargs, is_terminal=is_terminal, root=str(root)
        )
        self._where = named.place("set-env")
        self._environ = environ
        self._texts = {name: text for name, text in named.set_env.items() if name != FILE}
        self._going: list[str] = []
        self._known: dict[str, str] = {}
        if FILE in named.set_env:
            self._known = self._of_file(root / self.substitutions.text(named.set_env[FILE], self._where))

    def all(self) -> dict[str, str]:
        """Return all of them.

        :raises UsageError: a placeholder is not known, or variables need each other.
        """
        for name in tuple(self._texts):
            self._value(name)
        return dict(self._known)

    def _value(self, name: str) -> str | None:
        text = self._texts.get(name)
        if text is None:
            return self._known.get(name, self._environ.get(name))
        if name in self._going:
            if self._going[-1] == name:
                return self._environ.get(name)
            circle = " -> ".join([*self._going[self._going.index(name) :], name])
            raise UsageError(f"variables need each other: {circle}", where=str(self._where))
        self._going.append(name)
        try:
            value = self.substitutions.text(text, self._where)
        finally:
            self._going.pop()
        del self._texts[name]
        self._known[name] = value
        return value

    def _of_file(self, path: Path) -> dict[str, str]:
        try:
            lines = read_regular(path).decode("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise UsageError(f"{path} cannot be read", where=str(self._where), why=why) from None
        found: dict[str, str] = {}
        for number, line in enumerate(lines, 1):
            stripped = re.sub(r"^export\s+", "", line.strip())
            if not stripped or stripped.startswith("#"):
                continue
            name, equals, value = stripped.partition("=")
            if not equals or not name.strip():
                raise UsageError("a line is no NAME=VALUE", where=f"{path}:{number}", why=line)
            value = value.strip()
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
            found[name.strip()] = value[1:-1] if quoted else value
        return found
