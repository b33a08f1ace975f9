"""The git command as a child process: never asks, never shows credentials, ends when its caller is cancelled."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit

from pytest_fastenv.errors import ProvideError
from pytest_fastenv.index.urls import Login, split_login
from pytest_fastenv.schedule.program import run_program

_TIMEOUT_S = 1800.0
#: A list of all branches and tags of a very large repository has some 10 MB.
_MOST_OUTPUT_BYTES = 64 * 1024 * 1024
_USER_INFO = re.compile(r"(?<=://)[^/\s@]+@")
#: Variables that would make git work on another repository than it is told to; set while a git hook runs, for example.
_FOREIGN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX")
_NOT_ANSWERED = ("could not read username", "terminal prompts disabled", "authentication failed", "permission denied")


class Git:
    """Runs git for one repository URL.

    :param url: with or without user information; git gets it by environment variables, never by its command line,
        where other users could read it.
    """

    def __init__(self, url: str, environ: Mapping[str, str]) -> None:
        self.url, login = split_login(url)
        self._secret = login.password if login else None
        self._environ = _environment(self.url, login, environ)
        self._program = shutil.which("git", path=environ.get("PATH"))

    async def run(self, *arguments: str, at: Path | None = None) -> str:
        """Return what git writes to its standard output, without the newline at the end.

        :param at: the repository's directory.
        :raises ProvideError: git is not there, fails or takes longer than half an hour; without credentials.
        """
        code, output, errors = await self._execute(arguments, at)
        if code:
            raise self._failure(arguments[0], errors)
        return output

    async def ask(self, *arguments: str, at: Path | None = None) -> str | None:
        """Return what git writes; ``None`` when its exit code says no. Else like `run`."""
        code, output, _ = await self._execute(arguments, at)
        return None if code else output

    async def _execute(self, arguments: Sequence[str], at: Path | None) -> tuple[int, str, str]:
        if self._program is None:
            raise ProvideError(f"git is needed for {self.url} and not installed", hint="install git")
        command = [self._program, *(("-C", str(at)) if at else ()), *arguments]
        ran = await run_program(
            command, self._environ, limit_s=_TIMEOUT_S, errors="apart", keep_bytes=_MOST_OUTPUT_BYTES
        )
        if ran.code is None or ran.code < 0:
            raise self._failure(arguments[0], ran.reason())
        if not ran.is_whole:
            raise self._failure(arguments[0], f"it wrote more than {_MOST_OUTPUT_BYTES} bytes")
        return ran.code, ran.output.decode(errors="surrogateescape").rstrip("\n"), ran.errors.decode(errors="replace")

    def _failure(self, command: str, text: str) -> ProvideError:
        text = _USER_INFO.sub("", text.replace(self._secret, "****") if self._secret else text).strip()
        hint = None
        if any(phrase in text.lower() for phrase in _NOT_ANSWERED):
            hint = "git was not allowed to ask: give credentials by URL, credential helper or ssh agent"
        return ProvideError(
            f"git {command} failed",
            where=self.url,
            why="\n".join(text.splitlines()[-8:]),
            hint=hint,
        )


def _environment(url: str, login: Login | None, environ: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in environ.items() if name not in _FOREIGN}
    kept |= {"GIT_TERMINAL_PROMPT": "0", "GCM_INTERACTIVE": "never", "LC_ALL": "C"}
    kept.setdefault("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
    settings = [
        ("http.lowSpeedLimit", "1000"),
        ("http.lowSpeedTime", "60"),
        ("advice.detachedHead", "false"),
        ("core.longpaths", "true"),
        ("gc.auto", "0"),
    ]
    if login is not None:
        parts = urlsplit(url)
        info = quote(login.username, safe="") + (f":{quote(login.password, safe='')}" if login.password else "")
        place = f"{parts.scheme}://{parts.netloc}/"
        settings.append((f"url.{parts.scheme}://{info}@{parts.netloc}/.insteadOf", place))
    first = int(kept.get("GIT_CONFIG_COUNT", "0") or "0")
    for number, (key, value) in enumerate(settings, first):
        kept[f"GIT_CONFIG_KEY_{number}"] = key
        kept[f"GIT_CONFIG_VALUE_{number}"] = value
    kept["GIT_CONFIG_COUNT"] = str(first + len(settings))
    return kept
