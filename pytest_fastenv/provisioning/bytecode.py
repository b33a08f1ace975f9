"""Keep what a session compiled, after its end: for all environments that hold the same wheels.

A favour: nothing fails for it, and nobody waits for it.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path

from pytest_fastenv.environment import manifest as environments
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.filesystem.tree import OWN_DIRECTORY
from pytest_fastenv.installer.bytecode import bytecode_key
from pytest_fastenv.installer.compilation import Compilation, Modules
from pytest_fastenv.installer.manifest import MANIFEST, SUMMARY, TREE, Manifest, WheelFacts
from pytest_fastenv.installer.wheel_bucket import WHEELS
from pytest_fastenv.model.link import LinkMode
from pytest_fastenv.model.plan import Plan
from pytest_fastenv.runtime.imported import NAME, mark_compiled, read, seal_of
from pytest_fastenv.store.store import Store
from pytest_fastenv.wheel.names import normal_name

#: What every session imports in part: another one may need another part.
ALWAYS = frozenset({"pytest", "pluggy", "iniconfig", "packaging", "exceptiongroup", "tomli", "pytest-xdist", "execnet"})


async def keep_bytecode(prefix: Path, store: Store, environ: Mapping[str, str], at_once: int = 1) -> int:
    """Bring what sessions in an environment imported into the store, compiled, and into the environment.

    :param environ: variables outside.
    :param at_once: how many processes may compile.
    :return: how many compiled files came into the store.
    :raises StoreError: the store cannot be written.
    """
    sealed = seal_of(str(prefix))
    known, plan = environments.read(prefix), environments.read_plan(prefix)
    if known is None or plan is None:
        return 0
    environment, mode = known.environment(prefix), LinkMode.parse(known.parts["settings"]["link"])
    compilation = Compilation(store, environment.python, mode, environment.variables(environ))
    found = await in_thread(lambda: list(_modules(prefix, known, plan, store)))
    permits = asyncio.Semaphore(at_once)

    async def keep(modules: Modules) -> int:
        async with permits:
            return await compilation.keep(modules)

    with store.recorder.span("unpack", "bytecode", count=len(found), path=str(prefix)):
        kept = sum(await asyncio.gather(*map(keep, found)))
    mark_compiled(str(prefix), sealed)
    return kept


def _modules(prefix: Path, known: environments.Manifest, plan: Plan, store: Store) -> Iterator[Modules]:
    """Yield the modules of each wheel that are to be compiled."""
    imported = frozenset(read(prefix / OWN_DIRECTORY / NAME))
    for used in known.uses:
        entry = store.lookup(WHEELS, used.key) if used.bucket == WHEELS.directory else None
        facts = WheelFacts.load(entry / SUMMARY) if entry is not None else None
        if entry is None or facts is None:
            continue
        is_always = normal_name(facts.name) in ALWAYS
        root = posixpath.normpath(plan.target.schemes["purelib" if facts.root_is_purelib else "platlib"])
        manifest = Manifest.load(f"{entry}/{MANIFEST}")
        files = {
            file.path: file
            for number, file in enumerate(manifest.files() if manifest is not None else ())
            if manifest is not None
            and number < manifest.data_from
            and file.path.endswith(".py")
            and (is_always or f"{root}/{file.path}".replace("/", os.sep) in imported)
        }
        if files:
            key = bytecode_key(used.key, plan.target)
            yield Modules(key, f"{facts.name} {facts.version}", f"{entry}/{TREE}", f"{prefix}/{root}", files)
