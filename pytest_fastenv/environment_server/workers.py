"""Environments for pytest-xdist's workers: copies of the session's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pytest_fastenv.environment import manifest
from pytest_fastenv.environment.places import Generations
from pytest_fastenv.environment.single_directory import place_of
from pytest_fastenv.environment_copies.worker_environments import WorkerEnvironments
from pytest_fastenv.environment_server.context import Context
from pytest_fastenv.errors import PublishError, StoreError
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.filesystem.tree import OWN_DIRECTORY
from pytest_fastenv.runtime.imported import is_compiled
from pytest_fastenv.schedule.descriptors import Shares, free
from pytest_fastenv.schedule.process_pool import ProcessPool


async def workers(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """Make an environment for each of some workers; answers with ``environments``, each JSON with its ``name``.

    Takes ``session``, the prefix of the session's environment, and ``names``. A worker that has an environment gets a
    new one, and the old one is left to what still runs in it. The session's environment is held until the server ends;
    then the copies are removed.

    :raises PublishError: the session's environment is gone.
    :raises StoreError: see `WorkerEnvironments.make`.
    :raises InterpreterError: likewise.
    """
    session = Path(request["session"])
    await in_thread(_hold, context, session)
    environments = await _environments(context)
    await _compile(context, session)
    made = await environments.make(session, request["names"])
    return {"environments": [{"name": name, **environment.to_json()} for name, environment in made.items()]}


def _hold(context: Context, session: Path) -> None:
    """Hold the session's environment from now on: copies may have links into it."""
    kept = f"workers: lease of {session}"
    if kept in context.kept:
        return
    known = manifest.read(session)
    held = None
    if known is not None:
        held = place_of(session, context.store, context.settings.dir).hold(known.environment(session))
    if held is None:
        raise PublishError(
            "workers cannot be given environments: the session's own is gone",
            where=str(session),
            hint="run again: it is made anew then",
        )
    os.set_inheritable(held, False)
    context.kept[kept] = held
    context.stack.callback(os.close, held)


async def _compile(context: Context, session: Path) -> None:
    """Compile once, for all copies, what earlier sessions imported."""
    shares = context.settings.bytecode == "shared"
    if not shares or is_compiled(str(session)) or not os.access(session / OWN_DIRECTORY, os.W_OK):
        return
    from pytest_fastenv.provisioning.bytecode import keep_bytecode  # mostly all is compiled

    with suppress(StoreError):  # the workers compile it, then
        await keep_bytecode(session, context.store, context.environ, context.settings.concurrent_installs)


async def _environments(context: Context) -> WorkerEnvironments:
    """Return what makes the copies: one for the life of this server, with its pool of processes."""
    kept = "workers: environments"
    if kept not in context.kept:
        wanted = Shares.wanted(downloads=1, builds=1, installs=context.settings.concurrent_installs)
        pool = await context.stack.enter_async_context(ProcessPool(wanted.within(free()).installs))
        directory = Generations(context.store, context.settings.dir).path
        made = WorkerEnvironments(directory, pool, context.recorder, context.environ)
        context.stack.push_async_callback(made.aclose)
        context.kept[kept] = made
    found: WorkerEnvironments = context.kept[kept]
    return found
