"""RECORD: the list of a wheel's files with their digests; read and compared when unpacked, written when linked.

https://packaging.python.org/en/latest/specifications/recording-installed-packages/#the-record-file
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode
from binascii import b2a_base64
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from pytest_fastenv.archive.member_paths import shown
from pytest_fastenv.errors import RecordError

#: Digests that should stand in RECORD: SHA-256 or better, as the specification wants it; and those of old wheels.
_ALGORITHMS = frozenset({"sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s"})
_WEAK = frozenset({"md5", "sha1", "sha224"})
_HINT = "the wheel was changed after it was made; to accept it all the same, name its project in unchecked-records"

_URL_SAFE = bytes.maketrans(b"+/", b"-_")

#: Given a path and an algorithm, the digest of that file's content.
Digest = Callable[[str, str], bytes]


def encode(digest: bytes) -> str:
    """Return a digest as RECORD has it: URL-safe base64 without padding."""
    return b2a_base64(digest, newline=False).translate(_URL_SAFE, b"=").decode()


def line(path: str, digest: str, size: int) -> str:
    """Return one line of RECORD, without its end, for an encoded SHA-256."""
    return f"{quote(path)},sha256={digest},{size}"


def quote(path: str) -> str:
    """Return a path as one field of RECORD."""
    return '"' + path.replace('"', '""') + '"' if "," in path or '"' in path else path


def check_record(
    text: str, lines: Mapping[str, str], own: str, archive: str, digest: Digest, directories: Collection[str] = ()
) -> list[str]:
    """Compare RECORD with the files that are there.

    :param lines: `line` of every file in the archive but RECORD and its signatures, by path.
    :param own: RECORD's own path.
    :param archive: the wheel's name, for messages.
    :param digest: computes what RECORD has in another form than SHA-256.
    :param directories: of the archive; old wheels list them like files.
    :return: warnings: what is not as the specification has it and does not make RECORD wrong.
    :raises RecordError: a file is missing on either side, or differs.
    """
    text = text.removeprefix("\ufeff")
    # Nearly all wheels have the very lines that would be written here, and need not be parsed.
    listed = set(text.replace("\r\n", "\n").split("\n"))
    surplus = listed.difference(lines.values())
    if len(listed) - len(surplus) == len(lines) and surplus <= {"", f"{own},,"}:
        return []
    oddities: dict[str, list[str]] = {}
    rows = dict(_parse_record(text, own, archive, oddities))
    absent = _drop_what_is_no_file({*rows} - {*lines} - {*unlisted(own)}, directories, oddities)
    if absent:
        raise RecordError(f"{archive}: RECORD names {_some(absent)}, which is not there", where=archive, hint=_HINT)
    left_out = sorted(set(lines) - set(rows))
    if left_out:
        raise RecordError(f"{archive}: {_some(left_out)} is missing from RECORD", where=archive, hint=_HINT)
    for path in lines:
        _check_row(path, rows[path], lines[path], archive, digest, oddities)
    return [f"{archive}: RECORD {oddity} {_some(paths)}" for oddity, paths in oddities.items()]


def _parse_record(
    text: str, own: str, archive: str, oddities: dict[str, list[str]]
) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield path, and digest and size as written, of each line.

    :raises RecordError: a line is damaged, has a path that leaves the wheel, or contradicts an earlier one.
    """
    import csv  # seldom needed

    seen: dict[str, tuple[str, str]] = {}
    try:
        for number, row in enumerate(csv.reader(text.splitlines()), 1):
            if not row:
                continue
            where = f"{own}, line {number}, in {archive}"
            if len(row) > 3 or not row[0]:
                raise RecordError(f"{archive}: RECORD cannot be read", where=where, why=shown(",".join(row)))
            path = _plain(row[0], oddities)
            if path.startswith("/") or ".." in path.split("/"):
                raise RecordError(f"{archive}: RECORD names {shown(row[0])}, which is outside the wheel", where=where)
            digest, size = (*row[1:], "", "")[:2]
            if seen.setdefault(path, (digest, size)) != (digest, size):
                raise RecordError(f"{archive}: RECORD names {shown(path)} twice, with different digests", where=where)
            yield path, (digest, size)
    except csv.Error as error:
        raise RecordError(f"{archive}: RECORD cannot be read", where=archive, why=str(error)) from None


def _plain(path: str, oddities: dict[str, list[str]]) -> str:
    """Return a path as archives have it; it is only compared with theirs, so nothing is ever written there."""
    plain = path.replace("\\", "/")
    while plain.startswith("./"):
        plain = plain[2:].lstrip("/")
    if plain != path:
        oddities.setdefault("has paths that are not in the form of archives, such as", []).append(path)
    return plain


def _drop_what_is_no_file(
    paths: Iterable[str], directories: Collection[str], oddities: dict[str, list[str]]
) -> list[str]:
    """Return the paths that should be files; directories, and bytecode that an installer makes, need not be there."""
    files = []
    for path in sorted(paths):
        if path.endswith("/") or path in directories:
            oddities.setdefault("lists the directory", []).append(path)
        elif path.endswith(".pyc"):
            oddities.setdefault("lists bytecode that is not there:", []).append(path)
        else:
            files.append(path)
    return files


def _check_row(
    path: str, row: tuple[str, str], actual: str, archive: str, digest: Digest, oddities: dict[str, list[str]]
) -> None:
    _, found, size = actual.rsplit(",", 2)
    algorithm, _, wanted = row[0].partition("=")
    if not wanted or algorithm not in _ALGORITHMS | _WEAK:
        oddities.setdefault("has no digest that can be checked for", []).append(path)
    else:
        if algorithm in _WEAK:
            oddities.setdefault("has only a weak digest for", []).append(path)
        got = found.removeprefix("sha256=") if algorithm == "sha256" else encode(digest(path, algorithm))
        if wanted.rstrip("=") != got and wanted.lower() != _hexadecimal(got):
            raise RecordError(
                f"{archive}: {shown(path)} is not the file that RECORD lists",
                where=archive,
                why=f"expected {algorithm} {wanted}\ngot      {algorithm} {got}",
                hint=_HINT,
            )
    if row[1] and row[1] != size:
        raise RecordError(
            f"{archive}: {shown(path)} has {size} bytes where RECORD lists {shown(row[1])}", where=archive, hint=_HINT
        )


def _hexadecimal(encoded: str) -> str:
    """Return an encoded digest as hexadecimal text, which some tools write in its place."""
    return urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).hex()


def unlisted(own: str) -> tuple[str, str, str]:
    """Return the paths that RECORD need not list: its own and its signatures'."""
    return own, f"{own}.jws", f"{own}.p7s"


def content_digest(content: Iterable[bytes | memoryview], algorithm: str) -> bytes:
    """Return the digest of pieces."""
    hasher = hashlib.new(algorithm)
    for piece in content:
        hasher.update(piece)
    return hasher.digest()


def _some(paths: list[str]) -> str:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{shown(paths[0])}{more}"
