"""What is installed and what the suite imports: a pinned set, and a small distribution of two releases."""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.files import provide_files
from benchmarks.pages import write_pages
from benchmarks.sets import Pin, read_sets

CHANGING = "fastenv-benchmark-changing"
RELEASES = ("1.0", "1.1")
_GROWING = "fastenv-benchmark-growing"
_FILES_OF_GROWING = 40
_ZIPPED_AT = (2026, 1, 1, 0, 0, 0)
_CONFTEST = Path(__file__).with_name("suite_conftest.py")


@dataclass(frozen=True, slots=True)
class Needs:
    """What is asked for.

    :ivar pins: artifacts of the index.
    :ivar requirements: of the environment, pinned.
    :ivar roots: what somebody would ask for who wants about the same.
    :ivar imports: what the suite imports.
    :ivar growth: how many distributions environments of growing size have.
    """

    pins: tuple[Pin, ...]
    requirements: tuple[str, ...]
    roots: tuple[str, ...]
    imports: tuple[str, ...]
    growth: tuple[int, ...]

    @classmethod
    def full(cls) -> Needs:
        """Return 145 wheels, and a suite that imports what makes up a large web project with data analysis."""
        sets, pins = read_sets()
        wheels = next(one for one in sets if one.name == "wheels-145")
        large = ("pandas", "django", "sqlalchemy", "fastapi", "celery", "sphinx")
        known = {pin.project: pin.version for pin in wheels.pins}
        return cls(
            tuple(pins),
            tuple(f"{pin.project}=={pin.version}" for pin in wheels.pins),
            tuple(f"{name}=={known[name]}" for name in large),
            large,
            (10, 50, 145, 400),
        )

    @classmethod
    def of(cls, pins: Sequence[Pin], imports: Sequence[str]) -> Needs:
        """Return a small one: some artifacts that lie in the index already, pytest among them."""
        requirements = tuple(f"{pin.project}=={pin.version}" for pin in pins)
        return cls(tuple(pins), requirements, requirements, tuple(imports), (2, 4))

    def text(self, release: str) -> str:
        """Return the requirements file, with a release of what changes."""
        return "".join(f"{line}\n" for line in (*self.requirements, f"{CHANGING}=={release}"))

    def growing(self, count: int) -> str:
        """Return a requirements file of some distributions that are all alike."""
        return "".join(f"{_GROWING}-{number}==1.0\n" for number in range(count))

    def provide_index(self, root: Path) -> None:
        """Write the index; artifacts that are missing are downloaded.

        :raises BenchmarkError: one cannot be had.
        """
        files = root / "files"
        provide_files(self.pins, files)
        made = [_write(files, CHANGING, release, 3) for release in RELEASES]
        made += [_write(files, f"{_GROWING}-{number}", "1.0", _FILES_OF_GROWING) for number in range(max(self.growth))]
        write_pages([*self.pins, *made], root)

    def write_suite(self, directory: Path) -> Path:
        """Write a suite of one test into a directory, which is made; return it."""
        directory.mkdir(parents=True)
        (directory / "pytest.ini").write_text("[pytest]\n", encoding="ascii")  # nothing above it is looked at
        shutil.copy(_CONFTEST, directory / "conftest.py")
        imports = "".join(f"import {name}\n" for name in self.imports)
        test = "\n\ndef test_first():\n    assert {}\n".format(" and ".join(self.imports) or "True")
        (directory / "test_first.py").write_text(imports + test, encoding="ascii")
        small = "def test_small():\n    assert sum(range(10)) == 45\n"
        (directory / "test_small.py").write_text(small, encoding="ascii")
        return directory


def _write(files: Path, project: str, release: str, count: int) -> Pin:
    """Write a wheel of our own, the same bytes each time, and return its pin."""
    package = project.replace("-", "_")
    contents = {f"{package}/part_{number}.py": f"NUMBER = {number}\n" for number in range(count)}
    contents[f"{package}/__init__.py"] = f"RELEASE = {release!r}\n"
    info = f"{package}-{release}.dist-info"
    contents[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {project}\nVersion: {release}\n"
    contents[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    lines = [f"{path},sha256={_digest(text)},{len(text)}\n" for path, text in contents.items()]
    contents[f"{info}/RECORD"] = "".join([*lines, f"{info}/RECORD,,\n"])
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, text in contents.items():
            wheel.writestr(zipfile.ZipInfo(path, _ZIPPED_AT), text)
    filename = f"{package}-{release}-py3-none-any.whl"
    (files / filename).write_bytes(archive.getvalue())
    return Pin(filename, hashlib.sha256(archive.getvalue()).hexdigest(), project, release)


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
