"""Wheels of old and odd tools, which everybody installs: accepted with a warning, and refused in strict mode."""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from installing import artifact, engine, run
from kit.archives import wheel_metadata
from kit.raw_zip import Entry, entries, wheel_files, write

from pytest_fastenv.errors import FastenvError, WheelError
from pytest_fastenv.installer.unpacked_wheel import UnpackedWheel
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store

NAME = "demo-1.0-py3-none-any.whl"
RECORD = wheel_files()["demo-1.0.dist-info/RECORD"].decode()
WEAK = "only a weak digest for demo/__init__.py"
UNCHECKED = "no digest that can be checked for demo/__init__.py"
FORM = "paths that are not in the form of archives, such as"


def use(store: Store, path: Path, settings: Settings | None = None) -> tuple[UnpackedWheel, list[str]]:
    """Take a wheel into use and return it with the notices given."""
    recorder = Recorder()

    async def work() -> UnpackedWheel:
        async with engine(store, settings, recorder=recorder) as parts:
            wheel = await parts.wheels.from_artifact(artifact(path))
            parts.wheels.accept(wheel)
            return wheel

    return run(work()), [notice.text for notice in recorder.notices]


def record(text: str) -> bytes:
    """Return a wheel with another RECORD."""
    return write(entries(wheel_files(RECORD=text.encode())))


def digested(algorithm: str, *, hexadecimal: bool = False) -> str:
    """Return a RECORD in which one file has a digest of some algorithm."""
    digest = hashlib.new(algorithm, b"value = 1\n")
    text = digest.hexdigest() if hexadecimal else urlsafe_b64encode(digest.digest()).decode().rstrip("=")
    return re.sub(r"(?<=__init__.py,)[^,]*", f"{algorithm}={text}", RECORD)


def wheel_file(old: str, new: str) -> bytes:
    """Return a wheel whose file WHEEL has another line."""
    text = wheel_metadata("py3-none-any")
    assert old in text
    return write(entries(wheel_files(WHEEL=text.replace(old, new).encode())))


def metadata(text: str) -> bytes:
    return write(entries(wheel_files(METADATA=f"Metadata-Version: 2.1\n{text}\n".encode())))


def dotted(*more: Entry) -> bytes:
    """Return a wheel in which a member's path begins with a dot."""
    files = {f"./{path}" if path == "demo/__init__.py" else path: data for path, data in wheel_files().items()}
    return write([*more, *entries(files)])


version = partial(wheel_file, "Wheel-Version: 1.0")
ODD: dict[str, tuple[Callable[[], bytes], str]] = {
    "Wheel-Version 0.1": (lambda: version("Wheel-Version: 0.1"), "version 0.1 of the wheel format"),
    "Wheel-Version 1": (lambda: version("Wheel-Version: 1"), "version 1 of the wheel format"),
    "Wheel-Version 1.0.0": (lambda: version("Wheel-Version: 1.0.0"), "version 1.0.0 of the wheel format"),
    "no Root-Is-Purelib": (lambda: wheel_file("Root-Is-Purelib: true\n", ""), "does not say whether it is pure"),
    "odd Root-Is-Purelib": (lambda: wheel_file("lib: true", "lib: yes"), "does not say whether it is pure"),
    "a directory in RECORD": (lambda: record(f"{RECORD}demo/,,\n"), "lists the directory demo/"),
    "a directory by its name": (lambda: record(f"{RECORD}demo,,\n"), "lists the directory demo"),
    "./ in RECORD": (lambda: record(re.sub("^(?=.)", "./", RECORD, flags=re.MULTILINE)), f"{FORM} ./demo/__init__"),
    "backslashes in RECORD": (lambda: record(RECORD.replace("/", "\\")), rf"{FORM} demo\__init__.py"),
    "bytecode in RECORD": (lambda: record(f"{RECORD}demo/__pycache__/a.pyc,,\n"), "bytecode that is not there"),
    "md5": (lambda: record(digested("md5")), WEAK),
    "sha1": (lambda: record(digested("sha1")), WEAK),
    "no digest": (lambda: record(re.sub("sha256=[^,]*", "", RECORD)), UNCHECKED),
    "paths alone": (lambda: record(re.sub(",.*", "", RECORD)), UNCHECKED),
    "a digest of unknown kind": (lambda: record(re.sub("sha256=[^,]*", "crc=1", RECORD)), UNCHECKED),
    "a name twice": (lambda: metadata("Name: demo\nName: Demo\nVersion: 1.0\n"), "has Name more than once"),
    "a version twice": (lambda: metadata("Name: demo\nVersion: 1\nVersion: 1.0\n"), "has Version more than once"),
    "a limit twice": (
        lambda: metadata("Name: demo\nVersion: 1.0\nRequires-Python: >=3\nRequires-Python: >=3.6\n"),
        "has Requires-Python more than once",
    ),
    "./ in the archive": (dotted, "paths that begin with ./"),
}
WRONG: dict[str, tuple[Callable[[], bytes], str]] = {
    "md5": (lambda: record(digested("md5").replace("md5=", "md5=A")), "is not the file that RECORD lists"),
    "hexadecimal": (lambda: record(digested("sha256", hexadecimal=True).replace("=", "=0")), "is not the file"),
    "absolute": (lambda: record(f"{RECORD}\\x,,\n"), "outside the wheel"),
    "leaves": (lambda: record(f"{RECORD}a\\..\\..\\x,,\n"), "outside the wheel"),
    "no file": (lambda: record(f"{RECORD}demo/x/y,,\n"), "which is not there"),
    "other size": (lambda: record(re.sub("sha256=[^,]*,10", ",11", RECORD)), "has 10 bytes where RECORD lists 11"),
    "two names": (lambda: metadata("Name: demo\nName: other\nVersion: 1.0\n"), "two values for Name"),
    "two versions": (lambda: metadata("Name: demo\nVersion: 1.0\nVersion: 2.0\n"), "two values for Version"),
    "./ hides another": (lambda: dotted(Entry("demo/__init__.py", b"other")), "comes twice"),
    "Wheel-Version 2": (lambda: version("Wheel-Version: 2"), "version 2 of the wheel format"),
    "no Wheel-Version": (lambda: wheel_file("Wheel-Version: 1.0\n", ""), "Wheel-Version is missing"),
}


def put(directory: Path, content: bytes) -> Path:
    path = directory / NAME
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("make", "text"), ODD.values(), ids=ODD)
def test_it_is_accepted_with_one_notice_each_time(make: Any, text: str, store: Store, artifacts: Path) -> None:
    path = put(artifacts, make())
    for provenance in ("network", "cache"):
        wheel, notices = use(store, path)
        assert wheel.provenance == provenance
        assert len(notices) == 1
        assert text in notices[0]
        assert (wheel.tree / "demo" / "__init__.py").read_text() == "value = 1\n"


@pytest.mark.parametrize(("make", "text"), ODD.values(), ids=ODD)
def test_in_strict_mode_it_is_an_error_for_kept_wheels_too(make: Any, text: str, store: Store, artifacts: Path) -> None:
    path = put(artifacts, make())
    for _ in range(2):
        with pytest.raises(WheelError, match="strict mode does not accept") as caught:
            use(store, path, Settings(strict=True))
        assert text in caught.value.diagnosis()


@pytest.mark.parametrize(("make", "text"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_stays_wrong(make: Any, text: str, store: Store, artifacts: Path) -> None:
    with pytest.raises(FastenvError) as caught:
        use(store, put(artifacts, make()))
    assert text in caught.value.diagnosis()


@pytest.mark.parametrize("text", [f"\ufeff{RECORD}", digested("sha256", hexadecimal=True), digested("sha512")])
def test_what_is_harmless_is_accepted_in_silence(text: str, store: Store, artifacts: Path) -> None:
    assert use(store, put(artifacts, record(text)), Settings(strict=True))[1] == []


def test_own_directories_may_have_hyphens_in_the_name(store: Store, artifacts: Path) -> None:
    path = artifacts / "demo_two-1.0-py3-none-any.whl"
    files = wheel_files({"demo-two-1.0.data/scripts/run": b"#!python\n"}, name="demo-two")
    path.write_bytes(write(entries(files)))
    wheel, notices = use(store, path)
    assert (wheel.dist_info, wheel.facts.data, notices) == ("demo-two-1.0.dist-info", "demo-two-1.0.data", [])
