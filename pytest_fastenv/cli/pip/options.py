"""pip's options: how each is taken, or why it is not."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from typing import Any, NamedTuple

_DIRECTORY = "what is installed goes into an environment: name it with --python"
_TARGET = "an environment is for its own interpreter: name another one with --python"
_PIP = "it switches on parts of pip, which does not run here"
_SETUP_PY = "it is meant for setup.py commands: -C KEY=VALUE is what build backends understand"


class Refused(NamedTuple):
    """An option of pip that would change what happens, and that is not taken.

    :ivar takes_value: a word follows it.
    """

    names: tuple[str, ...]
    reason: str
    takes_value: bool = True


#: In every command.
REFUSED_EVERYWHERE = (
    Refused(("--isolated",), "pip's variables and files have a say here: unset those that are not to", False),
    Refused(("--cache-dir",), "the cache is chosen by the variable FASTENV_CACHE_DIR"),
    Refused(("--log",), "nothing is logged: --report of fastenv create writes what happened"),
    Refused(("--proxy",), "set the variable HTTPS_PROXY"),
    Refused(("--no-proxy-env",), "unset the variables of the proxies", False),
    Refused(("--cert",), "set the variable PIP_CERT"),
    Refused(("--client-cert",), "set the variable PIP_CLIENT_CERT"),
    Refused(("--keyring-provider",), "credentials are looked for in URLs, in netrc and in the keyring"),
    Refused(("--use-feature", "--use-deprecated"), _PIP),
    Refused(("--exists-action",), "nothing is checked out beside the environment"),
    Refused(("--user",), _DIRECTORY, False),
)
REFUSED_AT_INDEXES = (
    Refused(("--uploaded-prior-to",), "set the variable PIP_UPLOADED_PRIOR_TO"),
    Refused(("--refresh-package",), "-U asks the index now"),
)
REFUSED_IN_INSTALL = (
    Refused(("-t", "--target"), _DIRECTORY),
    Refused(("--prefix", "--root"), _DIRECTORY),
    Refused(("--platform", "--python-version", "--implementation", "--abi"), _TARGET),
    Refused(
        ("--no-build-isolation",),
        "builds are isolated: name what they need in build-system.requires",
        takes_value=False,
    ),
    Refused(("--check-build-dependencies", "--no-clean"), "builds are isolated, and made in the store", False),
    Refused(("-I", "--ignore-installed"), "nothing is overwritten: --force-reinstall replaces what is there", False),
    Refused(("--src",), "repositories are checked out into the store"),
    Refused(("--global-option", "--build-option", "--install-option"), _SETUP_PY),
    Refused(("--no-use-pep517",), "projects are built as PEP 517 tells", False),
    Refused(("--compile",), "Python compiles what it imports", False),
    Refused(("--only-deps",), "name what is to be installed in a requirements file", False),
    Refused(("--requirements-from-script",), "name the script to fastenv create, which reads its inline metadata"),
)
#: What speaks of pip's own output, of questions that are not asked, and of what holds here anyway: (flags, with value).
_SAY_NOTHING_HERE = (
    ("--disable-pip-version-check", "--no-color", "--no-input", "--require-virtualenv", "--require-venv", "--debug",
     "--no-python-version-warning", "--break-system-packages", "--no-warn-script-location", "--use-pep517",
     "--no-compile"),
    ("--progress-bar", "--root-user-action"),
)  # fmt: skip
#: What only makes a difference in speed or patience: said, and passed over.
_PASSED_OVER = {
    "--no-cache-dir": (False, "--no-cache-dir has no effect: what is fetched and built is kept in the store"),
    "--resume-retries": (True, "--resume-retries has no effect: transfers that break off are resumed three times"),
    "--retries": (True, "--retries has no effect: failed requests are tried again a fixed number of times"),
}


class _Refuse(argparse.Action):
    """Refuses an option, with the reason."""

    reason = ""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """End the program."""
        parser.error(f"{'/'.join(self.option_strings)} is not supported\n  next:  {self.reason}")


class _PassOver(argparse.Action):
    """Notes what is to be said of an option."""

    def __call__(self, _: Any, namespace: argparse.Namespace, __: Any, option_string: str | None = None) -> None:
        """Note it."""
        namespace.told = [*(namespace.told or ()), _PASSED_OVER[option_string or ""][1]]


class _Line(argparse.Action):
    """Takes an option as a line of a requirements file, in the order in which options are given."""

    def __call__(self, _: Any, namespace: argparse.Namespace, values: Any, option_string: str | None = None) -> None:
        """Note the line."""
        del option_string
        name = self.option_strings[-1]
        words = [name, *([] if self.nargs == 0 else [values])]
        namespace.lines = [*(namespace.lines or ()), shlex.join(words)]


def add_line_options(parser: argparse.ArgumentParser, options: Sequence[tuple[tuple[str, ...], str, str]]) -> None:
    """Add options that requirements files have, too: names, metavar (empty for flags) and help."""
    parser.set_defaults(lines=None)
    for names, metavar, text in options:
        kind: dict[str, Any] = {"metavar": metavar} if metavar else {"nargs": 0}
        parser.add_argument(*names, action=_Line, dest="lines", help=text, **kind)


def add_options_of_pip(parser: argparse.ArgumentParser, refused: Sequence[Refused] = ()) -> None:
    """Add what every command of pip has: what is passed over, and what is refused."""
    parser.set_defaults(told=None)
    for one in (*REFUSED_EVERYWHERE, *refused):
        action = parser.add_argument(
            *one.names, action=_Refuse, nargs=None if one.takes_value else 0, dest="refused", help=argparse.SUPPRESS
        )
        action.reason = one.reason  # type: ignore[attr-defined]
    flags, valued = _SAY_NOTHING_HERE
    parser.add_argument(*flags, action="store_true", dest="nothing", help=argparse.SUPPRESS)
    parser.add_argument(*valued, dest="nothing", help=argparse.SUPPRESS)
    for name, (takes_value, _) in _PASSED_OVER.items():
        parser.add_argument(
            name, action=_PassOver, nargs=None if takes_value else 0, dest="told", help=argparse.SUPPRESS
        )
    parser.add_argument("--timeout", "--default-timeout", metavar="SECONDS", type=float, help="of HTTP requests")
    parser.add_argument("-q", "--quiet", action="count", default=0, help="tell less")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="tell more")
