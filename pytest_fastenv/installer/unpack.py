"""Unpack one wheel into a store entry: every rule is checked on the way, and the manifest written last.

Runs in a worker process, so that it neither shares the interpreter's lock with downloads nor blocks the event loop;
for the same reason it imports little. What it leaves after an error is removed by the caller.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from typing import NamedTuple

from pytest_fastenv.archive.limits import Limits
from pytest_fastenv.archive.member_paths import check_paths
from pytest_fastenv.archive.zip_directory import read_directory
from pytest_fastenv.errors import ArchiveError, MetadataError, RecordError
from pytest_fastenv.installer.garbage_collection import paused_collection
from pytest_fastenv.installer.manifest import MANIFEST, SUMMARY, TREE, WheelFacts
from pytest_fastenv.installer.tree import Layout, OpenArchive, unique_members, write_tree
from pytest_fastenv.model.digest import bytes_sha256
from pytest_fastenv.wheel.entry_points import parse_scripts
from pytest_fastenv.wheel.names import normal_name
from pytest_fastenv.wheel.record import check_record, unlisted
from pytest_fastenv.wheel.rules import check_dist_info_name, find_dist_info, read_metadata, read_wheel_file
from pytest_fastenv.wheel.schemes import check_data_paths, find_data_directory

#: Written anew for each environment, so what a wheel brings under these names is checked but not kept.
_OURS = ("INSTALLER", "REQUESTED", "direct_url.json", "RECORD", "RECORD.jws", "RECORD.p7s")


class Order(NamedTuple):
    """What to unpack, and how.

    :ivar archive: path of the wheel file, which is ours alone.
    :ivar stays: the file is not removed here: it has no name, or is still needed.
    :ivar entry: an existing empty directory: becomes the store entry.
    :ivar label: the wheel's name for messages.
    :ivar oddities: what is known to be odd of what the wheel was built of.
    :ivar unchecked_records: normalized names of projects whose files need not agree with RECORD.
    """

    archive: str
    entry: str
    label: str
    stays: bool = False
    unchecked_records: tuple[str, ...] = ()
    limits: Limits = Limits()
    oddities: tuple[str, ...] = ()


def unpack(order: Order) -> WheelFacts:
    """Unpack a wheel, remove its file unless it stays, and return its facts.

    :raises ArchiveError: see `pytest_fastenv.archive`.
    :raises WheelError: the wheel contradicts its specification.
    """
    with paused_collection():
        facts = _unpack(_mapped(order), order)
    if not order.stays:
        os.unlink(order.archive)
    return facts


def _mapped(order: Order) -> mmap.mmap:
    """Map the wheel; it is unmapped with its last reference, which an error's traceback may hold."""
    with open(order.archive, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            raise ArchiveError(f"{order.label} is empty", where=order.label)
        # No other process has this file open, so it cannot become shorter while it is mapped.
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


class _Texts(NamedTuple):
    """The files of dist-info that are read here."""

    wheel: bytes
    metadata: bytes
    entry_points: str
    record: str


def _unpack(data: mmap.mmap, order: Order) -> WheelFacts:
    label = order.label
    tree = os.path.join(order.entry, TREE)
    os.mkdir(tree)
    directory = read_directory(data, label, order.limits)
    paths = [*(member.path for member in directory.members), *directory.directories]
    check_data_paths(paths, label)
    directories, odd_paths = check_paths(label, paths, folds_case=lambda: os.path.exists(tree.upper()))
    dist_info = find_dist_info(paths, label)
    view = memoryview(data)
    archive = OpenArchive(view, unique_members(view, directory.members, label), label)
    texts = _read_texts(archive, dist_info, order.limits)
    name, version, odd_metadata = read_metadata(texts.metadata, label)
    check_dist_info_name(dist_info, name, version, label)
    purelib, odd_format = read_wheel_file(texts.wheel, label)
    scripts = parse_scripts(texts.entry_points, label)
    data_directory = find_data_directory(directories, name, version, label)
    dropped = frozenset(f"{dist_info}/{own}" for own in _OURS)
    written = write_tree(archive, Layout(tree, directories, dropped, data_directory))
    exempt = normal_name(name) in order.unchecked_records
    listing = _Listing(texts.record, f"{dist_info}/RECORD", directories)
    fault, odd_record = _compare_with_record(archive, listing, written.lines, exempt=exempt)
    manifest = written.manifest(directories, scripts)
    manifest.save(os.path.join(order.entry, MANIFEST))
    facts = WheelFacts(
        name=name,
        version=version,
        dist_info=dist_info,
        root_is_purelib=purelib,
        data=data_directory,
        files=len(manifest.paths),
        size_bytes=sum(manifest.sizes),
        metadata_sha256=bytes_sha256(texts.metadata),
        warnings=(*order.oddities, *directory.warnings, *odd_paths, *odd_metadata, *odd_format, *odd_record),
        pth_code=tuple(written.pth_code),
        record_fault=fault,
        label=label,
    )
    facts.save(os.path.join(order.entry, SUMMARY))
    return facts


def _read_texts(archive: OpenArchive, dist_info: str, limits: Limits) -> _Texts:
    """Read what the wheel says about itself, each within its limit."""

    def read(name: str) -> bytes | None:
        member = archive.members.get(f"{dist_info}/{name}")
        if member is None:
            return None
        limits.check_text(archive.label, name, member.size)
        return bytes(archive.read(member))

    wheel, metadata, record = read("WHEEL"), read("METADATA"), read("RECORD")
    for name, content in (("WHEEL", wheel), ("METADATA", metadata)):
        if content is None:
            raise MetadataError(f"{archive.label} has no {name}", where=archive.label)
    if record is None:
        raise RecordError(f"{archive.label} has no RECORD", where=archive.label)
    try:
        text = record.decode()
    except UnicodeDecodeError as error:
        raise RecordError(f"{archive.label}: RECORD is no text", where=archive.label, why=str(error)) from None
    entry_points = (read("entry_points.txt") or b"").decode("utf-8", "replace")
    return _Texts(wheel or b"", metadata or b"", entry_points, text)


class _Listing(NamedTuple):
    """RECORD: its text and its path, and the directories of the archive."""

    text: str
    own: str
    directories: Sequence[str]


def _compare_with_record(
    archive: OpenArchive, listing: _Listing, lines: dict[str, str], *, exempt: bool
) -> tuple[str, list[str]]:
    """Return why RECORD does not fit, if the project is exempt from the check, else an empty text; and warnings.

    :raises RecordError: it does not fit.
    """
    for path in unlisted(listing.own):
        lines.pop(path, None)
    try:
        return "", check_record(
            listing.text, lines, listing.own, archive.label, archive.digest, frozenset(listing.directories)
        )
    except RecordError as error:
        if not exempt:
            raise
        return error.what, []
