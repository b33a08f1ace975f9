"""What a remembered answer rests on, in a form that can be looked at again."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal[
    "file",
    "presence",
    "names",
    "listing",
    "tree",
    "sources",
    "native sources",
    "history",
    "variable",
    "build variables",
]


class Observation(NamedTuple):
    """Something that was looked at, and what was seen; `pytest_fastenv.filesystem.observations` looks again.

    ``file``
        A file's content.
    ``presence``
        That something is there.
    ``names``
        The names in a directory, as a program sees them that lists it to find sources.
    ``listing``
        Names, sizes and modification times of the files in a directory.
    ``tree``
        The same of all files below a directory that could be sources.
    ``sources``, ``native sources``
        The same for a tree that is built where it lies: without what builds write into it; and without Python modules.
    ``history``
        What version control knows of a directory's repository: commit, branch, tags, and which files differ.
    ``variable``
        One environment variable.
    ``build variables``
        All environment variables that change what a build gives (`pytest_fastenv.model.build_variables`); the subject
        is the user's own patterns.

    :ivar subject: absolute path, or the variable's name; for ``build variables`` the user's patterns.
    :ivar state: SHA-256 of what was seen; empty when there was nothing, and there must still be nothing. For ``build
        variables`` a JSON object with a digest for each.
    :ivar stamps: what tells without a closer look that nothing changed: size, modification and change time (ns) of a
        file, modification time of a directory.
    """

    kind: Kind
    subject: str
    state: str
    stamps: tuple[int, ...] = ()
