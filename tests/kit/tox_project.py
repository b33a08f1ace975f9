"""A directory with a tox.ini and an index on loopback, in which tox runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

CODE = "import importlib.metadata as m; print('held', *sorted(d.name + '-' + d.version for d in m.distributions()))"
HELD = f'python -c "{CODE}"'


class Project:
    """A directory with a tox.ini, and an index."""

    def __init__(self, directory: Path, artifacts: Path, url: str) -> None:
        self.directory, self.artifacts, self.url = directory, artifacts, url
        self.work = directory.with_name("work")  # the kit's backend packs the whole tree
        directory.mkdir()

    def write(self, testenv: str, core: str = "", more: str = "", names: str = "a") -> None:
        text = f"[tox]\nenv_list = {names}\n{core}\n[testenv]\nrunner = fastenv\npass_env = HELD_*\n{testenv}\n{more}\n"
        (self.directory / "tox.ini").write_text(text)

    def variables(self, **more: str) -> dict[str, str]:
        environ = {**os.environ, "PIP_INDEX_URL": self.url, "TOX_WORK_DIR": str(self.work), "NO_COLOR": "1", **more}
        return {name: value for name, value in environ.items() if name not in {"TOX_ENV", "TOXENV"}}

    def tox(self, *words: str, code: int | None = 0, python: str = sys.executable, **variables: str) -> str:
        done = subprocess.run(
            [python, "-m", "tox", *words],
            cwd=self.directory,
            env=self.variables(**variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
        )
        if code is not None:
            assert done.returncode == code, done.stdout
        assert "Traceback" not in done.stdout, done.stdout
        return done.stdout

    def held(self, output: str) -> list[str]:
        """Return what the command `HELD` printed, without what virtualenv puts into environments."""
        (line,) = re.findall(r"^held (.*)$", output, re.MULTILINE)
        return [word for word in line.split() if not word.startswith(("pip-", "setuptools-"))]
