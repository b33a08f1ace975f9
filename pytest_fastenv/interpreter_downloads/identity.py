"""The identity of an interpreter that was downloaded: known before it exists, and the same after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_fastenv.model.digest import key_of


@dataclass(frozen=True, slots=True)
class DownloadedIdentity:
    """Which downloaded interpreters are the same one; see `downloaded_identity`."""

    sha256: str
    machine: str
    externals: Mapping[str, str]


def downloaded_identity(sha256: str, machine: str, externals: Mapping[str, str]) -> str:
    """Return the identity for `pytest_fastenv.model.target.Target`.

    Other interpreters are told by path, size and times of their file; an interpreter out of an archive by the archive's
    bytes and the kind of host.

    :param sha256: of the archive.
    :param machine: ``platform.machine()`` there, the same for all interpreters of a host. What an interpreter says of
        its platform may tell for which version of macOS it was built, which is not known before it is there.
    :param externals: see `pytest_fastenv.model.target.Target`.
    """
    return key_of(DownloadedIdentity(sha256, machine, externals))
