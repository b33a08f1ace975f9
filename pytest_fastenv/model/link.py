"""How files get from the store into an environment: the modes, and what follows from each.

Environments have this module too, below their runtime: Python 3.8, standard library only.
"""

from __future__ import annotations

from enum import Enum
from typing import Any


class LinkMode(str, Enum):  # noqa: UP042 - Python 3.8 has no StrEnum
    """A way to bring a file into an environment. Its value is the word that users write.

    Each question is answered for every mode by name, so that mypy misses an answer where a mode is new.
    """

    #: What is best here: a clone where the file system has them, else a hard link, else a copy.
    AUTO = "auto"
    #: A copy that shares its blocks until one side is written.
    CLONE = "clone"
    #: One more name for the store's own file.
    HARDLINK = "hardlink"
    #: The bytes once more.
    COPY = "copy"
    #: A symbolic link to the store's file.
    SYMLINK = "symlink"

    # A text's own: files are counted by mode, and those are many.
    __hash__ = str.__hash__

    def __str__(self) -> str:
        return str(self.value)

    @classmethod
    def parse(cls, value: Any) -> LinkMode:
        """Return the mode that a word names.

        :raises ValueError: there is none of that name; the text lists those there are.
        """
        for mode in cls:
            if value == mode.value:
                return mode
        raise ValueError("expected one of " + cls.words())

    @classmethod
    def words(cls) -> str:
        """Return all modes as a text for people: ``auto, clone, ...``."""
        return ", ".join(mode.value for mode in cls)

    @property
    def ways(self) -> tuple[LinkMode, ...]:
        """What is tried for a file, best first; where one is not possible, the next is. The last one always is."""
        if self is LinkMode.AUTO:
            return (LinkMode.CLONE, LinkMode.HARDLINK, LinkMode.COPY)
        if self is LinkMode.CLONE:
            return (LinkMode.CLONE, LinkMode.COPY)
        if self is LinkMode.HARDLINK:
            return (LinkMode.HARDLINK, LinkMode.COPY)
        if self is LinkMode.COPY:
            return (LinkMode.COPY,)
        if self is LinkMode.SYMLINK:
            return (LinkMode.SYMLINK, LinkMode.COPY)

    @property
    def names_a_way(self) -> bool:
        """Whether the user chose the way, and so is told where another one had to be taken."""
        return self.ways[0] is self

    @property
    def shares_files(self) -> bool:
        """Whether an environment's files may be the store's own: then an edit in one reaches the store.

        Such an environment shares its compiled bytecode with its copies too.
        """
        if self is LinkMode.AUTO or self is LinkMode.HARDLINK or self is LinkMode.SYMLINK:
            return True
        if self is LinkMode.CLONE or self is LinkMode.COPY:
            return False

    @property
    def clones_own_files(self) -> bool:
        """Whether files that no environment may share are cloned where the file system can, instead of copied."""
        return LinkMode.CLONE in self.ways

    @property
    def folds_directories(self) -> bool:
        """Whether one link may stand for a whole directory."""
        if self is LinkMode.SYMLINK:
            return True
        if self is LinkMode.AUTO or self is LinkMode.CLONE or self is LinkMode.HARDLINK or self is LinkMode.COPY:
            return False

    @property
    def keeps_edits_apart(self) -> str:
        """Which modes to advise, as a text, where files turned out to be shared and edits should not spread.

        Where clones were tried and files are shared nevertheless, the file system has none.
        """
        copy, clone = LinkMode.COPY.value, LinkMode.CLONE.value
        if self.clones_own_files:
            return copy
        return f"{copy}, or {clone} where the file system can,"
