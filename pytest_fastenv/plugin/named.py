"""Environments by name for one session: found, or provided by a process that goes on when the session has begun."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

from pytest_fastenv.environment.places import Ready
from pytest_fastenv.errors import (
    EnvironmentServerError,
    FailureGroup,
    FastenvError,
    Naming,
    UsageError,
    error_from_json,
)
from pytest_fastenv.matrix.declaration import NamedEnvironment
from pytest_fastenv.plugin.request import Asked
from pytest_fastenv.provisioning.named_states import state_of
from pytest_fastenv.provisioning.story import reuse
from pytest_fastenv.report.standard_streams import tell
from pytest_fastenv.runtime.environment import Environment
from pytest_fastenv.runtime.summary import Summary
from pytest_fastenv.runtime.unfollowed import unfollowed
from pytest_fastenv.settings.layers import origins_to_json
from pytest_fastenv.settings.naming import Naming as OptionNaming
from pytest_fastenv.settings.values import to_json

#: Without the working directory on its path (-P): the project's modules may be named like ours or the library's.
_SERVER = (sys.executable, "-P", "-m", "pytest_fastenv.environment_server.named")
_PATIENCE_S = 20.0
_OUT_OF_REACH: dict[str, Any] = (  # of the terminal's Ctrl-C: it is told by its standard input
    {"start_new_session": True} if os.name == "posix" else {"creationflags": 0x00000200}  # CREATE_NEW_PROCESS_GROUP
)


@dataclass(slots=True)
class NamedEnvironments:
    """What is known of a session's environments; what is not is on its way.

    :ivar names: in the order in which they were asked for.
    :ivar home: the environment of the session's controller: the first one that can be had.
    """

    names: tuple[str, ...]
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    leases: dict[str, int] = field(default_factory=dict)
    home: str = ""
    _process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> Environment:
        """The home environment."""
        return Environment.from_json(self.states[self.home]["environment"])

    @property
    def summary(self) -> Summary:
        """How the home environment came about."""
        return Summary.from_json(self.states[self.home]["summary"])

    def handed(self) -> tuple[dict[str, Any], list[int]]:
        """Return `Handed.matrix`, and the descriptors that the session has to inherit for it."""
        # A file without a name: what is known of many environments may be too long for a variable.
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the session reads it
        file.write(json.dumps(self.states).encode())
        file.flush()
        known = os.dup(file.fileno())
        file.close()
        matrix: dict[str, Any] = {"names": list(self.names), "known": known, "leases": list(self.leases.values())}
        keep = [known, *self.leases.values()]
        if self._process is not None and self._process.stdout is not None and self._process.stdin is not None:
            matrix |= {"answers": self._process.stdout.fileno(), "life": self._process.stdin.fileno()}
            keep += [matrix["answers"], matrix["life"]]
        return matrix, keep

    def provide(self, requests: Mapping[str, tuple[NamedEnvironment, Asked]], *, quiet: bool) -> None:
        """Look for all of them, begin to make those that are not there, and wait for the home environment.

        :raises FastenvError: none can be had.
        """
        # One report is about all of them, so one process looks at all.
        reports = any(asked.settings.reports for _, asked in requests.values())
        missing = [name for name, (named, asked) in requests.items() if reports or not self._find(named, asked)]
        if missing:
            self._start({name: requests[name] for name in missing}, quiet=quiet)
        for name in self.names:
            while name not in self.states:
                self._read()
            if "environment" in self.states[name]:
                self.home = name
                return
        raise self._none()

    def _none(self) -> FastenvError:
        """Return the error that tells of each environment, in their order, why it cannot be had."""
        errors: list[FastenvError] = []
        for name in self.names:
            state = self.states[name]
            if "error" not in state:
                continue
            error = error_from_json(state["error"])
            for failure in error.failures if isinstance(error, FailureGroup) else (error,):
                failure.what = f"environment {name}: {failure.what}"
                errors.append(failure)
        if not errors:
            return UsageError(
                "no environment can be had: the interpreter of each is missing, and each allows that",
                where=", ".join(self.names),
                why="\n".join(dict.fromkeys(str(self.states[name]["skipped"]) for name in self.names)),
                hint="install an interpreter, or ask for an environment whose interpreter is here",
            )
        return errors[0] if len(errors) == 1 else FailureGroup(errors)

    def close(self) -> None:
        """Let go of all that is held, and end what is on its way. Idempotent."""
        while self.leases:
            os.close(self.leases.popitem()[1])
        process, self._process = self._process, None
        if process is None or process.stdin is None or process.stdout is None:
            return
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def _find(self, named: NamedEnvironment, asked: Asked) -> bool:
        """Look for an environment that may be used as it is; tell whether it is known what becomes of it."""
        naming: Naming = OptionNaming("pytest", asked.loaded.origins)
        result: Ready | FastenvError | None
        try:
            result = reuse(
                asked.settings,
                base=asked.base,
                root=asked.root,
                needs=asked.needs,
                environ=os.environ,
                naming=naming,
            )
        except FastenvError as error:
            result = error
        if result is None:
            return False
        same = ""
        if isinstance(result, Ready):
            prefix = str(result.environment.prefix)
            others = (name for name, state in self.states.items() if _prefix(state) == prefix)
            same = next(others, "")
            if result.lease_fd is not None:
                self.leases[named.name] = result.lease_fd
        self.states[named.name] = state_of(
            named, result, root=asked.root, environ=os.environ, same_as=same, naming=naming
        )
        return True

    def _start(self, missing: Mapping[str, tuple[NamedEnvironment, Asked]], *, quiet: bool) -> None:
        environments = {
            name: {
                "settings": to_json(asked.settings),
                "origins": origins_to_json(asked.loaded.origins),
                "base": str(asked.base),
                "requirements": asked.needs.requirements,
                "requested": asked.needs.requested,
                "requested_by": asked.needs.requested_by,
            }
            for name, (_, asked) in missing.items()
        }
        root = str(next(iter(missing.values()))[1].root)
        line = json.dumps({"environments": environments, "root": root, "quiet": quiet})
        try:
            with unfollowed():
                self._process = subprocess.Popen(
                    _SERVER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, **_OUT_OF_REACH
                )
        except OSError as error:
            raise EnvironmentServerError(
                "the process that provides environments does not start",
                where=_SERVER[0],
                why=error.strerror or str(error),
            ) from error
        content = memoryview(line.encode() + b"\n")
        stdin = cast("Any", self._process.stdin)
        with suppress(BrokenPipeError):  # its end is noticed where it is read from
            while content:
                content = content[stdin.write(content) :]

    def _read(self) -> None:
        """Take one line of the process that provides what is missing."""
        process = self._process
        line = b"" if process is None or process.stdout is None else process.stdout.readline()
        if not line.endswith(b"\n"):
            error = EnvironmentServerError(
                "the process that provides environments ended before it was done", hint="run again"
            )
            for name in self.names:
                self.states.setdefault(name, {"error": error.to_json()})
            return
        answer = json.loads(line)
        if "name" in answer:
            self.states[answer["name"]] = answer["state"]
        elif "told" in answer:
            tell(answer["told"])


def refuse_copies(requests: Sequence[tuple[NamedEnvironment, Asked]]) -> None:
    """Refuse an environment for each worker where the workers are spread over several environments.

    :raises UsageError: one of the environments asks for it.
    """
    for named, asked in requests:
        if asked.settings.scope == "worker":
            raise UsageError(
                "--fastenv-scope worker: workers that are spread over several environments share those",
                where=f"the environment {named.name}",
                hint="ask for one environment (--fastenv-env NAME), or for --fastenv-scope session",
            )


def provided(requests: Sequence[tuple[NamedEnvironment, Asked]], *, quiet: bool) -> NamedEnvironments:
    """Return a session's environments, as soon as the first one in their order that can be had is there.

    :raises FastenvError: none can be had.
    """
    environments = NamedEnvironments(tuple(named.name for named, _ in requests))
    try:
        environments.provide({named.name: (named, asked) for named, asked in requests}, quiet=quiet)
    except BaseException:
        environments.close()
        raise
    return environments


def _prefix(state: Mapping[str, Any]) -> str:
    return str(state.get("environment", {}).get("prefix", ""))
