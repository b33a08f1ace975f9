"""A user's directory whose suite says what it finds installed: what counts is what a run sees, not what was said."""

from __future__ import annotations

import json
from pathlib import Path

from front_doors import Desk

#: Imports what is named in a file, and writes down what it holds; what is not there is written down as that.
_SUITE = """
import importlib, importlib.metadata, json, pathlib

def test_it():
    found = {}
    for name in pathlib.Path("look.txt").read_text().split():
        try:
            module = importlib.import_module(name)
            found[name] = str(getattr(module, "VALUE", None) or importlib.metadata.version(name))
        except ImportError:
            found[name] = None
    pathlib.Path("found.json").write_text(json.dumps(found))
"""


class ContentDesk:
    """Asks through a door, and tells what is installed then."""

    def __init__(self, desk: Desk, door: str = "pytest") -> None:
        self.desk = desk
        self.door = door
        self.said = ""
        desk.write("test_suite.py", _SUITE)

    @property
    def directory(self) -> Path:
        return self.desk.directory

    def finds(self, *names: str, sources: tuple[str, ...], **options: str) -> dict[str, str | None]:
        """Ask for sources, and return what the environment has of some modules: ``VALUE``, else the version."""
        self.desk.write("look.txt", " ".join(names))
        found = self.directory / "found.json"
        found.unlink(missing_ok=True)
        self.said = self.desk.ask(self.door, *sources, **options).is_fine()
        if self.door == "fastenv":
            python = self.desk.made / "bin" / "python"
            self.desk.run([str(python), "-c", f"{_SUITE}\ntest_it()"]).is_fine()
        answer: dict[str, str | None] = json.loads(found.read_text())
        return answer

    @property
    def reused(self) -> bool:
        """Whether the last run took the environment that was there."""
        return "reused" in self.said
