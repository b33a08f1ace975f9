"""Further code for the in-tree backend: metadata that comes from a file, a directory, the package or version control.

Each does what a well-known backend does: setuptools reads files that ``tool.setuptools.dynamic`` names and lists
directories, flit and hatch read the package, setuptools_scm and hatch-vcs start git.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from kit.archives import make_project

_SET = """
def _requires(lines):
    needs = "".join("Requires-Dist: " + line.strip() + "\\n" for line in lines if line.strip())
    CONFIG["metadata"] = CONFIG["metadata"].rstrip("\\n") + "\\n" + needs + "\\n"


def _version(version):
    global DIST_INFO
    old, CONFIG["version"] = CONFIG["version"], version
    CONFIG["stem"] = CONFIG["stem"].rpartition("-")[0] + "-" + version
    CONFIG["metadata"] = CONFIG["metadata"].replace("Version: " + old + "\\n", "Version: " + version + "\\n")
    DIST_INFO = CONFIG["stem"] + ".dist-info"
"""

READS_A_FILE = f"""{_SET}
with open("needs.txt", encoding="utf-8") as _stream:
    _requires(_stream.read().split("\\n"))
"""

LISTS_A_DIRECTORY = f"""{_SET}
_requires(sorted(os.listdir("needs")))
"""

IMPORTS_THE_PACKAGE = f"""{_SET}
import demo_needs

_requires(demo_needs.NEEDS)
"""

ASKS_GIT = f"""{_SET}
import subprocess

_described = subprocess.run(["git", "describe", "--tags", "--dirty=.1"], stdout=subprocess.PIPE, check=True).stdout
_described = _described.decode().strip().lstrip("v").split("-")
_version(_described[0] + (".post" + _described[1] if len(_described) > 1 else "")
         + (".dev1" if _described[-1].endswith(".1") and _described[-1] != _described[0] else ""))
_VERSION_FILE = b"VERSION = " + repr(CONFIG["version"]).encode() + b"\\n"


def _packaged_files():
    return {{"demo.py": _VERSION_FILE}}
"""

READS_BELOW_GIT = f"""{_SET}
with open(os.path.join(".git", "HEAD")) as _stream:
    _head = _stream.read().split("/")[-1].strip()
_version({{"main": "1.0", "next": "2.0"}}[_head])


def _packaged_files():
    return {{"demo.py": b"VERSION = " + repr(CONFIG["version"]).encode() + b"\\n"}}
"""

READS_A_VARIABLE = f"""{_SET}
def _packaged_files():
    return {{"demo.py": b"VALUE = " + repr(os.environ.get("CFLAGS", "")).encode() + b"\\n"}}
"""

VERSION_FROM_A_VARIABLE = f"""{_SET}
_version(os.environ.get("SETUPTOOLS_SCM_PRETEND_VERSION") or "1.0")


def _packaged_files():
    return {{"demo.py": b"VALUE = " + repr(CONFIG["version"]).encode() + b"\\n"}}
"""

WRITES_INTO_THE_TREE = """
_editable = build_editable


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    with open("demo_version.py", "w") as stream:
        stream.write("VERSION = 1\\n")
    return _editable(wheel_directory, config_settings, metadata_directory)
"""


def make_dynamic(directory: Path, code: str, **options: object) -> Path:
    """Make the project ``demo``, whose pyproject.toml leaves its metadata to the backend."""
    (directory / "demo.py").parent.mkdir(parents=True, exist_ok=True)
    files = {"demo.py": "VALUE = 1\n"}
    return make_project(directory, "demo", backend_code=code, **{"files": files, **options})  # type: ignore[arg-type]


def git(directory: Path, *words: str) -> str:
    """Run git in a directory, with a name and an address for commits."""
    who = ("-c", "user.name=kit", "-c", "user.email=kit@example.invalid", "-c", "init.defaultBranch=main")
    ran = subprocess.run(["git", *who, *words], cwd=directory, check=True, capture_output=True, text=True)
    return ran.stdout.strip()


def make_repository(directory: Path, tag: str = "v1.0") -> None:
    """Put a directory under version control, with everything in it committed and tagged."""
    git(directory, "init", "-q")
    (directory / ".gitignore").write_text("__pycache__/\n")
    git(directory, "add", "-A")
    git(directory, "commit", "-q", "-m", "first")
    git(directory, "tag", tag)
