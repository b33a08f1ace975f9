"""The interpreters that environments of one session are made for, each looked for once."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pytest_fastenv.environment_server.context import Context
from pytest_fastenv.errors import InterpreterNotFoundError
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.interpreter.discovery import find_target
from pytest_fastenv.model.target import Target

if TYPE_CHECKING:
    from pytest_fastenv.provisioning.engine import Awaited


async def interpreter(context: Context, spec: str | None) -> Target | Awaited:
    """Return the interpreter for a spec; by default the session's.

    :raises InterpreterNotFoundError: there is none, here or to be downloaded.
    """
    wanted = spec or context.settings.python or ""
    name = f"interpreter {wanted}"
    if name not in context.kept:
        context.kept[name] = await _find(context, wanted)
    return cast("Target | Awaited", context.kept[name])


def target_of(found: Target | Awaited) -> Target:
    """Return what is known of an interpreter, whether it is there or still to come."""
    return found if isinstance(found, Target) else found.target


async def _find(context: Context, spec: str) -> Target | Awaited:
    try:
        return await in_thread(find_target, spec or None, context.store)
    except InterpreterNotFoundError as missing:
        # Only where an interpreter is missing: the engine takes a while to import.
        from pytest_fastenv.provisioning.engine import to_be_downloaded
        from pytest_fastenv.provisioning.run import Run

        return await to_be_downloaded(spec, Run.of(context.settings, context.store, context.environ), missing)
