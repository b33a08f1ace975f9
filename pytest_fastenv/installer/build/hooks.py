"""Call hooks of build backends (PEP 517, PEP 660), each in a fresh process that cannot outlive its call.

What is promised of every call: bounded in time; when it has ended, for any reason, no process that it started is
left, and the lock files handed to it are closed in all of them; its output lies in a log of bounded size, of which only
the end is ever in memory. See `backend_server` for the processes.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_fastenv.errors import BuildError, BuildTimeoutError, option
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.installer.build import log
from pytest_fastenv.installer.build.channel import ChannelClosedError
from pytest_fastenv.installer.build.environment_variables import backend_variables, held_back
from pytest_fastenv.installer.build.guardian import FORKS_HOOKS, Guardians, ServerSpec
from pytest_fastenv.installer.build.own_trees import left_as_it_is
from pytest_fastenv.installer.build.policy import BackendPolicy
from pytest_fastenv.installer.build.pyproject import BuildSystem
from pytest_fastenv.installer.build.seen import Seen
from pytest_fastenv.model.build_variables import CREDENTIALS
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.protocols import BuildEnvironment
from pytest_fastenv.model.regular_files import read_regular

#: Without it CMake builds with make one file after the other.
CMAKE_CORES = "CMAKE_BUILD_PARALLEL_LEVEL"
#: Imported along with a backend because its hooks always import them; where one is missing the rest is left out.
_COMPANIONS = {
    "setuptools.build_meta": (
        "setuptools.command.egg_info",
        "setuptools.command.build_py",
        "setuptools.command.install_lib",
        "setuptools.command.dist_info",
        "setuptools.command.bdist_wheel",
    ),
    "hatchling.build": ("hatchling.builders.wheel", "hatchling.bridge.app"),
}


@dataclass(frozen=True, slots=True)
class HookCall:
    """One call of one hook.

    :ivar hook: its name, such as ``build_wheel``.
    :ivar arguments: in PEP 517's order, as backends name them freely; what JSON can hold.
    :ivar subject: the distribution, for messages.
    :ivar tree: the project's directory: where the hook runs.
    :ivar scratch: a private directory for the result and for temporary files.
    :ivar log: file that the output is appended to.
    :ivar shown_at: what messages call the tree.
    :ivar locks: descriptors of lock files that must stay locked until all of the hook's processes have ended.
    :ivar copy: where in the scratch directory the copy of a tree lies, if one was made.
    :ivar journal: where changes to a user's own tree are taken down, which are changed back at the hook's end.
    :ivar cores: how many there are for its compilers; 1 says nothing to them.
    """

    hook: str
    arguments: Sequence[Any]
    subject: str
    tree: Path
    scratch: Path
    log: Path
    shown_at: Path
    locks: tuple[int, ...] = ()
    copy: Path | None = None
    journal: Path | None = None
    cores: int = 1


@dataclass(frozen=True, slots=True)
class HookAnswer:
    """What came of a call.

    :ivar value: what the hook returned.
    :ivar missing: the backend does not have this hook.
    :ivar seen: what it was seen to read.
    """

    value: Any = None
    missing: bool = False
    seen: Seen = field(default=Seen(), compare=False)


@dataclass(slots=True)
class BackendServers:
    """Calls hooks; keeps a server with the backend imported for each build environment that was used lately.

    For one event loop. Use as an async context manager, or call `aclose` at the end.

    :param environ: the user's environment variables.
    """

    recorder: Recorder
    environ: Mapping[str, str]
    policy: BackendPolicy
    _guardians: Guardians = field(init=False)

    def __post_init__(self) -> None:
        self._guardians = Guardians(self.policy.keep)

    async def aclose(self) -> None:
        """End all servers. Idempotent."""
        await self._guardians.aclose()

    async def call(self, environment: BuildEnvironment, system: BuildSystem, call: HookCall) -> HookAnswer:
        """Call a hook in a fresh process and return what it returned.

        Cancelling ends the hook's processes, and passes when they have ended.

        :raises BuildTimeoutError: it did not return in time; its processes have been ended.
        :raises BuildError: it failed, its process died, or the backend cannot be imported.
        """
        spec, request = self._spec(environment, system), hook_request(system, call)
        left: list[str] = []
        try:
            async with asyncio.timeout(self.policy.timeout_s):
                report = await self._report(spec, call, request, left)
        except TimeoutError:
            raise self._timed_out(call, left) from None
        except asyncio.CancelledError:
            if left:
                self.recorder.notice("warning", f"{call.subject}: {call.hook}: {_told(left)}", of="run")
            raise
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE}:
                raise
            raise BuildError(
                f"{call.subject}: the build environment's interpreter does not start",
                where=str(environment.python),
                why=str(error),
            ) from None
        if report["left"]:
            self.recorder.notice(
                "warning",
                f"{call.subject}: {call.hook} left processes running, which were ended: {', '.join(report['left'])}",
                of="run",
            )
        if report["stays"]:
            self.recorder.notice("warning", f"{call.subject}: {left_as_it_is(report['stays'])}")
        if report["status"]:
            raise await self._failed(call, report)
        return _answer(call, system, report)

    def _spec(self, environment: BuildEnvironment, system: BuildSystem) -> ServerSpec:
        forks = FORKS_HOOKS and self.policy.isolation == "auto"
        module = system.backend.partition(":")[0]
        # A backend inside the source tree is another one in each tree.
        preload = (module, *_COMPANIONS.get(module, ())) if forks and not system.backend_path else ()
        variables = backend_variables(self.environ, environment.scripts, self.policy.variables)
        return ServerSpec(environment.python, tuple(sorted(variables.items())), ",".join(preload), not forks)

    async def _report(
        self, spec: ServerSpec, call: HookCall, request: Mapping[str, Any], left: list[str]
    ) -> dict[str, Any]:
        try:
            return await self._converse(spec, call, request, left)
        except ChannelClosedError as closed:
            if closed.started:
                raise _lost(call, left) from None
        # The server did not come to it: importing the backend has ended it. The hook's own process will tell more.
        try:
            return await self._converse(spec.plain(), call, request, left)
        except ChannelClosedError:
            raise _lost(call, left) from None

    async def _converse(
        self, spec: ServerSpec, call: HookCall, request: Mapping[str, Any], left: list[str]
    ) -> dict[str, Any]:
        """Talk to a supervisor; what is left of its hook in the end is added to a list."""
        channel = None
        try:
            async with self._guardians.channel(spec, call.locks) as channel:
                return await channel.converse(request)
        finally:
            left += channel.left if channel is not None else ()

    async def _failed(self, call: HookCall, report: Mapping[str, Any]) -> BuildError:
        """Return the error for a hook that ended with a status; variables that it may have missed are named."""
        output = report["tail"]
        how = log.describe_status(report["status"])
        why, hint = [f"the build backend {how}; its last output:", log.last_lines(output)], log.hint_from(output)
        held = await in_thread(held_back, self.environ, self.policy.variables, call.tree, output)
        if held:
            why.append(f"variables that are set, and mentioned there, but held back from builds: {', '.join(held)}")
            hint = "\n".join(filter(None, (hint, *_how_they_get_in(held, self.environ))))
        what = f"{call.subject}: {call.hook} failed"
        return BuildError(what, where=str(call.log), why="\n".join(filter(None, why)), hint=hint)

    def _timed_out(self, call: HookCall, left: Sequence[str]) -> BuildTimeoutError:
        limit = f"{call.subject}: {call.hook} did not finish within {self.policy.timeout_s:g} s"
        hint = f"{option('build_timeout_s')} sets how long a build may take"
        return BuildTimeoutError(
            f"{limit}; {_told(left) or 'its processes were ended'}",
            where=str(call.log),
            why=_end_of(call.log),
            hint=f"{_END_THEM}; {hint}" if left else hint,
        )


_END_THEM = "end them yourself: as long as they are there, locks of the build may be held"


def _told(left: Sequence[str]) -> str:
    """Say which of a hook's processes could not be ended; empty where there are none."""
    return f"these of its processes could not be ended: {', '.join(left)}" if left else ""


def hook_request(system: BuildSystem, call: HookCall) -> dict[str, Any]:
    """Return what `backend_server` is told of a call, and make room for what it writes."""
    temporary = call.scratch / "tmp"
    temporary.mkdir(exist_ok=True)
    _result_file(call).unlink(missing_ok=True)
    return {
        "hook": call.hook,
        "arguments": list(call.arguments),
        "backend": system.backend,
        "backend_path": [os.path.join(call.tree, path) for path in system.backend_path],
        "cwd": str(call.tree),
        "environ": {
            **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary)),
            **({"PYTHONDONTWRITEBYTECODE": "1"} if call.journal else {}),
            **({CMAKE_CORES: str(call.cores)} if call.cores > 1 else {}),
        },
        "result": str(_result_file(call)),
        "log": str(call.log),
        "log_limit_bytes": log.LIMIT_BYTES,
        "ignored": [str(call.scratch)],
        "heeded": [str(call.copy)] if call.copy else [],
        "journal": str(call.journal or ""),
    }


def _answer(call: HookCall, system: BuildSystem, report: Mapping[str, Any]) -> HookAnswer:
    output = report["tail"]
    try:
        result = json.loads(read_regular(_result_file(call)))
    except (OSError, ValueError):
        raise BuildError(
            f"{call.subject}: {call.hook} ended without a result",
            where=str(call.log),
            why=log.last_lines(output) or "the build backend ended its process with status 0 and printed nothing",
        ) from None
    if "unavailable" in result:
        raise _unavailable(call, system, result["unavailable"])
    if "unsupported" in result:
        raise BuildError(
            f"{call.subject}: the build backend {system.backend} does not support {call.hook} for this project",
            where=str(call.log),
            why=result["unsupported"] or log.last_lines(output),
        )
    return HookAnswer(result.get("return"), "missing" in result, Seen.from_json(result["seen"]))


def _unavailable(call: HookCall, system: BuildSystem, reason: str) -> BuildError:
    hint = f"is the package that has {system.backend.partition(':')[0].partition('.')[0]} in build-system.requires?"
    if system.backend_path:
        hint = f"backend-path is {', '.join(system.backend_path)}: is the backend there?"
    return BuildError(
        f"{call.subject}: its build backend {system.backend} is not available",
        where=str(call.shown_at / "pyproject.toml"),
        why=reason,
        hint=hint,
    )


def _lost(call: HookCall, left: Sequence[str]) -> BuildError:
    what = f"{call.subject}: the process that looks after {call.hook} died"
    hint = f"the system may be short of memory or processes; {option('concurrent_builds', '1')} needs less"
    return BuildError(
        f"{what}; {_told(left)}" if left else what,
        where=str(call.log),
        why=_end_of(call.log),
        hint=_END_THEM if left else hint,
    )


def _end_of(path: Path) -> str | None:
    """Return the last lines of a log file, or ``None`` when it has none."""
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - 32768, 0))
            return log.last_lines(file.read().decode("utf-8", "backslashreplace")) or None
    except OSError:
        return None


def _result_file(call: HookCall) -> Path:
    return call.scratch / f"{call.hook}.json"


def _how_they_get_in(held: Sequence[str], environ: Mapping[str, str]) -> Iterator[str]:
    """Yield what lets variables reach a build that were held back from it."""
    with_login = [name for name in held if CREDENTIALS.search(environ[name])]
    others = [name for name in held if name not in with_login]
    if others:
        yield f"{option('build_variables')} lets variables through that are named there: {others[0]}"
    if with_login:
        one = len(with_login) == 1
        yield (
            f"{' and '.join(with_login)} {'holds a URL' if one else 'hold URLs'} with a login, which no setting lets "
            f"through: set {'it' if one else 'them'} without the login"
        )
