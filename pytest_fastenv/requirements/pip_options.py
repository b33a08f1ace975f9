"""pip's options: how each is taken, or why it is not."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from typing import Any, NamedTuple

from pytest_fastenv.settings.naming import Naming

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
    Refused(("--cache-dir",), f"the cache is chosen by the variable {Naming('pip')('cache_dir')}"),
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
    "--compile": (False, "--compile has no effect: Python compiles what it imports"),
    "--no-cache-dir": (False, "--no-cache-dir has no effect: what is fetched and built is kept in the store"),
    "--resume-retries": (True, "--resume-retries has no effect: transfers that break off are resumed three times"),
    "--retries": (True, "--retries has no effect: failed requests are tried again a fixed number of times"),
}


FORMATS = (
    (("--no-binary",), "NAMES", "build these: names, :all: or :none:"),
    (("--only-binary",), "NAMES", "build none of these"),
    (("--pre",), "", "take pre-releases, too"),
    (("--all-releases",), "NAMES", "take pre-releases of these, too"),
    (("--only-final",), "NAMES", "take no pre-releases of these"),
    (("--prefer-binary",), "", "an older wheel is better than a newer source distribution"),
)
TRUSTED = (("--trusted-host",), "HOST", "a host whose certificate is not checked")
REQUIREMENT = (("-r", "--requirement"), "FILE", "a requirements file")
_LINES = (
    REQUIREMENT,
    (("-c", "--constraint"), "FILE", "a constraints file"),
    (("-e", "--editable"), "PATH", "a project, installed so that its sources stay where they are"),
    *FORMATS,
    (("--require-hashes",), "", "every requirement needs a --hash"),
    TRUSTED,
)


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


def add_index_options(parser: argparse.ArgumentParser) -> None:
    """Add where projects come from."""
    parser.add_argument("-i", "--index-url", "--pypi-url", metavar="URL", help="the index")
    parser.add_argument("--extra-index-url", action="append", metavar="URL", help="a further index")
    parser.add_argument("-f", "--find-links", action="append", metavar="PLACE", help="a directory or page of archives")
    parser.add_argument("--no-index", action="store_true", help="ask no index: find-links only")


def add_install_options(parser: argparse.ArgumentParser) -> None:
    """Add what ``pip install`` takes and what decides about what is installed, and what is refused."""
    parser.add_argument("words", nargs="*", metavar="REQUIREMENT", help="a requirement, a project's directory, a URL")
    add_line_options(parser, _LINES)
    add_index_options(parser)
    parser.add_argument("--group", action="append", metavar="[PATH:]NAME", help="a dependency group")
    parser.add_argument("-b", "--build-constraint", action="append", metavar="FILE", help="constraints for builds")
    parser.add_argument("-C", "--config-settings", "--config-setting", action="append", metavar="KEY=VALUE",
                        help="for the build backends of what is named here")  # fmt: skip
    parser.add_argument("-U", "--upgrade", action="store_true", help="take the newest version of what is named")
    parser.add_argument("--upgrade-strategy", choices=["only-if-needed", "eager"], default="only-if-needed",
                        help="what -U does with what they need")  # fmt: skip
    parser.add_argument("--no-deps", "--no-dependencies", action="store_true", help="leave out what they need")
    parser.add_argument("--force-reinstall", action="store_true", help="replace also what is there as it is wanted")
    parser.add_argument("--no-require-hashes", action="store_const", const=True, help=argparse.SUPPRESS)
    parser.add_argument("--ignore-requires-python", action="store_true", help="Requires-Python excludes nothing")
    add_options_of_pip(parser, (*REFUSED_AT_INDEXES, *REFUSED_IN_INSTALL))
