"""Wheels: each at most once fetched and unpacked on this machine, and judged the same whenever it is used.

The order for each: look into the store; take the key's lock; look again; fetch into a private file under a permit to
download; unpack beside it under a permit to install; publish. A wheel whose digest only its bytes can tell is fetched
under the lock of its URL, and published under that of its digest after the first one was given back: a task never
holds two locks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from pytest_fastenv.errors import HashError, MetadataError, RecordError, WheelError, option
from pytest_fastenv.filesystem.threads import in_thread
from pytest_fastenv.installer.fetch import FETCHES, Fetching, url_key
from pytest_fastenv.installer.manifest import SUMMARY, WheelFacts
from pytest_fastenv.installer.staging import StagedFile, StagingFiles
from pytest_fastenv.installer.unpack import Order
from pytest_fastenv.installer.unpacked_wheel import Provenance, UnpackedWheel
from pytest_fastenv.installer.wheel_bucket import WHEELS
from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.digest import file_sha256
from pytest_fastenv.model.freshness import Freshness
from pytest_fastenv.schedule.outcome import Admission
from pytest_fastenv.tools import Tools
from pytest_fastenv.wheel.names import check_expected, check_file_name, normal_name, parse_wheel_name

_ARCHIVE = "archive.whl"
#: Before what has to be fetched: what was built is wanted by what waits longest, and needs no time on the network.
_LOCAL = 2.0

#: Name and version that a caller knows already.
Expect = tuple[str, str]


@dataclass(frozen=True, slots=True)
class WheelPolicy:
    """How wheels are judged.

    :ivar strict: code in ``.pth`` files, which runs whenever the interpreter starts, is not accepted.
    :ivar unchecked_records: normalized names of projects whose RECORD may be wrong.
    """

    strict: bool = False
    unchecked_records: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Made:
    """What the making of an entry leaves for the answer."""

    facts: WheelFacts
    fetched_bytes: int


class Wheels:
    """Gives unpacked wheels by artifact or by file. For one event loop; safe with any number of processes."""

    def __init__(self, tools: Tools, freshness: Freshness, policy: WheelPolicy) -> None:
        self._store = tools.store
        self._pools = tools.pools
        self._processes = tools.processes
        self._recorder = tools.recorder
        self._policy = policy
        self._limits = tools.limits
        self._staging_files = StagingFiles()
        self._fetching = Fetching(tools, freshness, WHEELS)
        self._identified: dict[str, UnpackedWheel] = {}

    async def from_artifact(
        self, artifact: Artifact, expect: Expect | None = None, *, admission: Admission | None = None
    ) -> UnpackedWheel:
        """Return a wheel of an index, at a URL or in a local file; fetched and unpacked if it is not in the store.

        :param expect: name and version it must have.
        :param admission: a transfer that has no permit yet when it closes is not begun.
        :raises NetworkError: it could not be fetched.
        :raises IntegrityError: it is not what its hashes or its size announce.
        :raises ArchiveError: its archive is damaged, ambiguous or out of bounds.
        :raises WheelError: its contents contradict the specification, its file name or `expect`.
        """
        parse_wheel_name(artifact.filename)
        wheel = (await self._obtain(artifact, admission)).named(artifact.filename)
        self._judge(wheel, artifact.filename, expect)
        announced = artifact.metadata.sha256 if artifact.metadata else None
        if announced and announced != wheel.facts.metadata_sha256:
            raise MetadataError(
                f"{artifact.filename} has other metadata than its index announced",
                where=artifact.index_url or artifact.url,
                why=f"announced sha256 {announced}\nfound     sha256 {wheel.facts.metadata_sha256}",
                hint="what was resolved is not what the wheel needs: report it to the index",
            )
        return wheel

    async def from_file(
        self, path: Path, expect: Expect | None = None, *, provenance: Provenance, oddities: tuple[str, ...] = ()
    ) -> UnpackedWheel:
        """Return the wheel in a file of our own, such as one built here; the file stays where it is.

        :param oddities: of what it was built of; kept with it, and told whenever it is used.
        :raises ArchiveError, WheelError: see `from_artifact`.
        """
        parse_wheel_name(path.name)
        sha256 = await in_thread(file_sha256, path)
        wheel = self._open(sha256, provenance)
        if wheel is None:
            async with self._pools.artifact(priority=_LOCAL):
                wheel = await self._publish(sha256, path.name, provenance, path, oddities=oddities)
        wheel = wheel.named(path.name)
        self._judge(wheel, path.name, expect)  # a wheel that was in the store already may be misnamed here
        return wheel

    async def digest(self, artifact: Artifact) -> str | None:
        """Return the SHA-256 that an artifact is known to have; ``None`` when only fetching it can tell.

        :raises IntegrityError, NotFoundError: a local file is not what it should be.
        """
        return await self._fetching.digest(artifact)

    def find(self, sha256: str, provenance: Provenance = "cache") -> UnpackedWheel | None:
        """Return a wheel of the store, or ``None``; one lookup and one small file."""
        return self._open(sha256, provenance)

    async def identify(self, artifact: Artifact) -> str:
        """Return the SHA-256 of a wheel; it is fetched and unpacked where only its bytes can tell.

        :raises FastenvError: as for `from_artifact`.
        """
        sha256 = await self._fetching.digest(artifact, look=True)
        if sha256 is None:
            wheel = await self.from_artifact(artifact)
            sha256 = wheel.sha256
            if wheel.provenance == "network":
                self._identified[sha256] = wheel  # so that the installation reports it as fetched
        return sha256

    async def discard(self, wheel: UnpackedWheel) -> None:
        """Take a wheel whose files were changed out of the store, so that it is fetched or built again."""
        async with self._pools.artifact():
            await self._store.withdraw(WHEELS, wheel.sha256)

    async def _obtain(self, artifact: Artifact, admission: Admission | None) -> UnpackedWheel:
        sha256 = await self._fetching.digest(artifact)
        if sha256 is None:
            return await self._obtain_by_url(artifact, admission)
        known = self._identified.pop(sha256, None) or self._open(sha256, "cache")
        if known is not None:
            return known
        async with self._pools.artifact():
            if admission is not None:
                admission.check()
            return await self._publish_fetched(artifact, sha256, admission)

    async def _publish_fetched(self, artifact: Artifact, sha256: str, admission: Admission | None) -> UnpackedWheel:
        async def bring(archive: Path) -> int:
            transferred = await self._fetching.fetch(artifact, archive, admission)
            if transferred.digests["sha256"] != sha256:
                why = f"expected sha256 {sha256}\ngot      sha256 {transferred.digests['sha256']}"
                raise HashError(f"{artifact.filename} changed while it was being read", where=artifact.url, why=why)
            return transferred.size_bytes

        return await self._publish(sha256, artifact.filename, "network", bring, size_bytes=artifact.size_bytes)

    async def _obtain_by_url(self, artifact: Artifact, admission: Admission | None) -> UnpackedWheel:
        async with self._pools.artifact(), self._store.temporary("wheel") as private:
            if admission is not None:
                admission.check()
            archive = private / _ARCHIVE
            async with self._store.lock(FETCHES, url_key(artifact.url), subject=artifact.filename):
                sha256 = await self._fetching.digest(artifact)  # another process may have found out meanwhile
                transferred = None
                if sha256 is None:
                    transferred = await self._fetching.fetch_if_changed(artifact, archive, admission)
            if transferred is not None:
                sha256 = transferred.digests["sha256"]
                wheel = await self._publish(sha256, artifact.filename, "network", archive)
                return UnpackedWheel(sha256, wheel.entry, wheel.facts, "network", transferred.size_bytes, wheel.fresh)
        return await self._obtain(artifact, admission)

    async def _publish(
        self,
        sha256: str,
        label: str,
        provenance: Provenance,
        archive: Path | Callable[[Path], Awaitable[int]],
        *,
        size_bytes: int | None = None,
        oddities: tuple[str, ...] = (),
    ) -> UnpackedWheel:
        """Make the store entry, unless another process has made it by now.

        :param archive: the wheel file, which is read where it lies and stays; or a function that writes it to a path
            and returns how many bytes it transferred.
        :param size_bytes: the most that the function writes; ``None`` where it needs a path in the file system.
        """
        made: list[_Made] = []

        async def make(staging: Path) -> None:
            with self._staged_file(staging, size_bytes, archive) as staged:
                fetched_bytes = 0 if isinstance(archive, Path) else await archive(staged.path)
                order = self._order(staged, staging, label, oddities)
                facts = await self._unpack(order, staged, staging, {"source": provenance, "key": sha256})
            check_file_name(label, facts.name, facts.version)  # what is misnamed is not kept
            made.append(_Made(facts, fetched_bytes))

        while True:
            entry = await self._store.publish(WHEELS, sha256, make, subject=label)
            if made:
                return UnpackedWheel(sha256, entry, made[0].facts, provenance, made[0].fetched_bytes, fresh=True)
            wheel = self._open(sha256, "built" if provenance == "built" else "cache")
            if wheel is not None:
                return wheel
            await self._store.withdraw(WHEELS, sha256)  # what a power cut left of an entry

    def _staged_file(
        self, staging: Path, size_bytes: int | None, archive: object
    ) -> AbstractContextManager[StagedFile]:
        if isinstance(archive, Path):
            return nullcontext(StagedFile.lent(archive))
        return self._staging_files.place(staging, size_bytes)

    def _order(self, staged: StagedFile, staging: Path, label: str, oddities: tuple[str, ...]) -> Order:
        stays, exempt = staged.in_memory or staged.is_lent, tuple(self._policy.unchecked_records)
        return Order(staged.elsewhere, str(staging), label, stays, exempt, self._limits, oddities)

    async def _unpack(self, order: Order, staged: StagedFile, staging: Path, args: Mapping[str, str]) -> WheelFacts:
        name, version = parse_wheel_name(order.label)[:2]
        async with self._pools.install():
            with self._recorder.span("unpack", normal_name(name), version=version, **args) as span:
                try:
                    facts = await self._call(order)
                except (PermissionError, FileNotFoundError):
                    if not staged.in_memory:
                        raise
                    await in_thread(self._staging_files.move_to_file, staged, staging)
                    facts = await self._call(
                        order._replace(archive=staged.elsewhere, stays=staged.in_memory or staged.is_lent)
                    )
                span.args.update(bytes=facts.size_bytes, files=facts.files)
        return facts

    async def _call(self, order: Order) -> WheelFacts:
        facts: WheelFacts = await self._processes.call(f"{Order.__module__}:unpack", order)
        return facts

    def _open(self, sha256: str, provenance: Provenance) -> UnpackedWheel | None:
        entry = self._store.lookup(WHEELS, sha256)
        facts = WheelFacts.load(entry / SUMMARY) if entry is not None else None
        return UnpackedWheel(sha256, entry, facts, provenance) if entry is not None and facts is not None else None

    def _judge(self, wheel: UnpackedWheel, filename: str, expect: Expect | None) -> None:
        """Apply what depends on settings and on how the wheel was asked for: the same for new and for kept wheels."""
        facts = wheel.facts
        check_file_name(filename, facts.name, facts.version)
        if expect is not None:
            check_expected(filename, (facts.name, facts.version), expect)
        if facts.record_fault and normal_name(facts.name) not in self._policy.unchecked_records:
            raise RecordError(facts.record_fault, where=filename)
        for warning in facts.accepted:
            self._recorder.notice("warning", warning, of="environment")

    def accept(self, wheel: UnpackedWheel, *, is_own: bool = False) -> None:
        """Judge a wheel for an environment that tests run in; a build environment may hold what strict mode refuses.

        :param is_own: it was built of the user's own tree: nothing foreign runs by it, and many backends make editable
            projects known by code in a .pth file.
        :raises WheelError: strict mode does not accept it: it breaks a rule of its format, or runs code whenever the
            interpreter starts.
        """
        facts = wheel.facts
        files = ", ".join(facts.pth_code)
        hint = f"ask for another release or do without it, or leave out {option('strict')}"
        if self._policy.strict and facts.warnings:
            raise WheelError(
                f"{facts.name} {facts.version} is odd, which strict mode does not accept",
                why="\n".join(facts.warnings),
                hint=hint,
            )
        if not files or is_own:
            return
        if self._policy.strict:
            raise WheelError(
                f"{facts.name} {facts.version} runs code whenever the interpreter starts",
                where=files,
                why="lines that begin with import in a .pth file are executed, and sitecustomize is imported, "
                "which strict mode does not accept",
                hint=hint,
            )
        self._recorder.notice("info", f"{facts.name} runs code whenever the interpreter starts: {files}")
