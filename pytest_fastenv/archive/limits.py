"""How much an archive may hold."""

from __future__ import annotations

from typing import NamedTuple

from pytest_fastenv.errors import BombError, LimitError, option

_MIB = 1024 * 1024


class Limits(NamedTuple):
    """Bounds that keep memory, disk and time finite for any input.

    :ivar expanded_bytes: up to here the ratio does not matter.
    :ivar ratio: expanded to packed size, above `expanded_bytes`.
    :ivar members: files and directories of one archive.
    :ivar text_bytes: of one metadata file.
    """

    expanded_bytes: int = 64 * _MIB
    ratio: int = 50
    members: int = 250_000
    text_bytes: int = 8 * _MIB

    def check_expansion(self, archive: str, packed: int, expanded: int) -> None:
        """Refuse an archive that expands out of proportion.

        :param archive: its name, for the message.
        :param packed: bytes read so far, or the whole archive's size.
        :param expanded: bytes that came or will come out of them.
        :raises BombError: it does.
        """
        if expanded > self.expanded_bytes and expanded > packed * self.ratio:
            raise BombError(
                f"{archive} expands beyond what is permitted",
                why=f"{packed:,} bytes expand to {expanded:,} or more; above {self.expanded_bytes // _MIB} MiB "
                f"at most {self.ratio} times the packed size is accepted",
                hint=f"if you trust this file, raise {option('expansion_ratio')}",
            )

    def check_members(self, archive: str, count: int) -> None:
        """Refuse an archive with too many members.

        :raises LimitError: it has.
        """
        if count > self.members:
            raise LimitError(f"{archive} has too many members", why=f"{count:,} where {self.members:,} are permitted")

    def check_text(self, archive: str, name: str, size: int) -> None:
        """Refuse a metadata file that is too large to be one.

        :raises LimitError: it is.
        """
        if size > self.text_bytes:
            raise LimitError(
                f"{archive}: {name} is too large",
                why=f"{size:,} bytes where {self.text_bytes:,} are permitted",
            )
