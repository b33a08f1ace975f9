"""Bring an interpreter into the store: fetched, unpacked, made fit for its place, started once, published.

One lock per interpreter: of many processes that want the same one, one does the work; different ones do not wait for
each other. All of it happens in a private directory. An interpreter finds its library from where its executable lies,
so it is started there already, and nothing that does not start is ever published.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path

from pytest_fastenv.errors import InterpreterError, NetworkError, NotFoundError, option
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.interpreter.installed import PYTHONS, installed, known_target, write_record
from pytest_fastenv.interpreter.probe import probe
from pytest_fastenv.interpreter_downloads.identity import downloaded_identity
from pytest_fastenv.interpreter_downloads.offer import Offer
from pytest_fastenv.interpreter_downloads.smoke import smoke_test
from pytest_fastenv.interpreter_downloads.unpack import INSTALLATION, InterpreterOrder
from pytest_fastenv.model.artifact import Artifact, Hashes
from pytest_fastenv.model.events import Span
from pytest_fastenv.model.target import Target
from pytest_fastenv.store.diagnosis import diagnosed
from pytest_fastenv.tools import Tools

__all__ = ["install", "installed"]

#: All builds wait for the interpreter, so it is fetched before packages.
_PRIORITY = 2.0


async def install(offer: Offer, tools: Tools) -> Target:
    """Return an interpreter that was offered; installed if it is not in the store, once however many ask.

    Fetching and unpacking are a span ``interpreter`` each (``stage`` tells which). What is whole is not fetched again;
    what was changed since is made anew. When this fails or is cancelled nothing is left.

    :raises NetworkError: the archive could not be had.
    :raises IntegrityError: it is not the archive that was announced.
    :raises ArchiveError: it is damaged, or something in it may not be there.
    :raises InterpreterError: what is in it does not start, or lacks what is needed.
    :raises StoreError: the store cannot be written.
    """
    return await _Installation(offer, tools).run()


class _Installation:
    """One interpreter on its way into the store."""

    def __init__(self, offer: Offer, tools: Tools) -> None:
        self._offer = offer
        self._store = tools.store
        self._tools = tools
        self._recorder = tools.recorder
        self._final = tools.store.path(PYTHONS, offer.sha256) / INSTALLATION
        self._source = "cache" if offer.url.startswith("file:") else "network"

    async def run(self) -> Target:
        key, name = self._offer.sha256, self._offer.short
        found = self._store.lookup(PYTHONS, key)
        if found is not None and await in_thread(PYTHONS.is_damaged, found):
            self._recorder.notice("warning", f"the store's {name} was damaged: made anew", of="run")
            await self._store.withdraw(PYTHONS, key, only_damaged=True)
        entry = await self._store.publish(PYTHONS, key, self._make, subject=name)
        known = await in_thread(known_target, entry)
        # An interpreter that another host put into this shared store may have other wheel tags here.
        return known if known is not None else await in_thread(self._probe, self._final)

    async def _make(self, place: Path) -> None:
        """Fill the private directory of an entry."""
        archive, installation = place / "archive", place / INSTALLATION
        await self._fetch(archive)
        await self._unpack(archive, place)
        async with self._tools.pools.alone():
            await smoke_test(installation / self._offer.python, self._offer.short)
            target = await in_thread(self._probe, installation)
        await in_thread(write_record, place, installation, self._final, target)

    async def _fetch(self, archive: Path) -> None:
        offer = self._offer
        hashes = Hashes.of({"sha256": offer.sha256})
        artifact = Artifact("", offer.version, offer.filename, offer.url, hashes)
        with ExitStack() as stack:
            try:
                await self._tools.index.download(artifact, archive, self._meter(stack))
            except NotFoundError as error:
                raise NotFoundError(
                    f"{offer.short} cannot be downloaded: {offer.filename} is not there",
                    where=error.where,
                    why="\n".join(filter(None, (error.what, error.why))),
                    hint=f"if {option('python_mirror')} is set, its archives must have the names of the original ones; "
                    "else ask for another version",
                ) from None
            except NetworkError as error:
                mirror = option("python_mirror")
                other = f"an interpreter that is installed on this machine, or a mirror ({mirror}), does without"
                hint = f"{error.hint}; {other}" if error.hint else other
                what = f"{offer.short} cannot be downloaded: {error.what}"
                raise type(error)(what, where=error.where, why=error.why, hint=hint) from error

    def _meter(self, stack: ExitStack) -> Callable[[int], None]:
        """Return what counts the bytes of a transfer, in a span from its first byte until the stack is unwound."""
        spans: list[Span] = []
        received = 0

        def on_bytes(count: int) -> None:
            nonlocal received
            received += count
            if not count and self._source == "network":  # a permit, and nothing more yet
                return
            if not spans:
                spans.append(stack.enter_context(self._span("fetch")))
            self._recorder.progress(spans[0], bytes=received)

        return on_bytes

    async def _unpack(self, archive: Path, place: Path) -> None:
        offer = self._offer
        size_bytes = (await in_thread(archive.stat)).st_size
        order = InterpreterOrder(
            str(archive), str(place), str(self._final), offer.python, offer.filename, self._tools.limits
        )
        async with self._tools.pools.install(priority=_PRIORITY):
            with self._span("unpack", bytes=size_bytes), diagnosed(f"{offer.short} cannot be unpacked", place):
                await self._tools.processes.call(f"{InterpreterOrder.__module__}:unpack_interpreter", order)

    def _span(self, stage: str, **args: str | int) -> AbstractContextManager[Span]:
        offer = self._offer
        return self._recorder.span(
            "interpreter",
            offer.short,
            stage=stage,
            version=offer.version,
            source=self._source,
            key=offer.sha256,
            **args,
        )

    def _probe(self, installation: Path) -> Target:
        """Return what an interpreter says of itself, with the path it will have and the identity that it has."""
        offer, here = self._offer, installation.resolve()
        found = probe(installation / offer.python)
        if not Path(found.python).is_relative_to(here):
            raise InterpreterError(
                f"{offer.short} was downloaded and is not the interpreter that answers",
                where=str(installation / offer.python),
                why=f"{found.python} answers in its place",
            )
        identity = downloaded_identity(offer.sha256, found.markers["platform_machine"], found.externals)
        python = os.path.join(os.path.realpath(self._final), os.path.relpath(found.python, here))
        return replace(found, python=python, identity=identity)
