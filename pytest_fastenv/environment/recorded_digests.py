"""The contents of an environment's files against the digests that its distributions record.

https://packaging.python.org/en/latest/specifications/recording-installed-packages/#the-record-file
"""

from __future__ import annotations

import base64
import csv
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

_RECORDS = "*.dist-info/RECORD"


def other_content(prefix: Path, schemes: Mapping[str, str]) -> str | None:
    """Name a file whose content is not what the ``RECORD`` of its distribution says; ``None`` where there is none.

    Reads every file that is recorded with a digest, so it blocks for about a second for a gigabyte.

    :param schemes: where things lie, relative to the environment's directory.
    """
    for library in sorted({schemes["purelib"], schemes["platlib"]}):
        for record in sorted((prefix / library).glob(_RECORDS)):
            for path, algorithm, digest in _recorded(record):
                if algorithm in hashlib.algorithms_guaranteed and _digest(prefix / library / path, algorithm) != digest:
                    return f"{path} has other content"
    return None


def _recorded(record: Path) -> Iterator[tuple[str, str, str]]:
    with open(record, encoding="utf-8", newline="") as lines:
        for row in csv.reader(lines):
            algorithm, _, digest = row[1].partition("=") if len(row) == 3 else ("", "", "")
            if digest:
                yield row[0], algorithm, digest


def _digest(path: Path, algorithm: str) -> str:
    with open(os.path.normpath(path), "rb") as file:
        digest = hashlib.file_digest(file, algorithm).digest()
    return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")
