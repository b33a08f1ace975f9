"""An interpreter of this machine, packed as one that can be downloaded, and hidden from every search."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from kit.server import IndexServer


@dataclass(frozen=True)
class Absent:
    """An interpreter that is to be downloaded.

    :ivar archive: in a directory with the ``SHA256SUMS`` of a mirror.
    :ivar nowhere: an empty directory.
    """

    version: str
    archive: Path
    nowhere: Path

    @property
    def spec(self) -> str:
        return self.version.rpartition(".")[0]

    def served(self) -> IndexServer:
        """Return a server that is a mirror, to be used as a context manager."""
        return IndexServer(self.archive.parent)

    def hiding(self, mirror: IndexServer | Path) -> dict[str, str]:
        """Return variables that hide what the machine has, and name the mirror."""
        place = mirror.files_url if isinstance(mirror, IndexServer) else str(mirror)
        hidden = dict.fromkeys(
            (
                "HOME", "PYENV_ROOT", "XDG_DATA_HOME", "MISE_DATA_DIR", "ASDF_DATA_DIR", "RYE_HOME",
                "UV_PYTHON_INSTALL_DIR", "RUNNER_TOOL_CACHE", "AGENT_TOOLSDIRECTORY",
            ),
            str(self.nowhere),
        )  # fmt: skip
        return hidden | {"PATH": os.pathsep.join(("/usr/bin", "/bin")), "FASTENV_PYTHON_MIRROR": place}
