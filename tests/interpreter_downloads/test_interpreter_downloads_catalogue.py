"""Which interpreters can be downloaded: from the tables, a server, a directory; and which of them is the best."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_fastenv.errors import InterpreterError, option
from pytest_fastenv.interpreter_downloads import tables
from pytest_fastenv.interpreter_downloads.catalogue import best, offers
from pytest_fastenv.interpreter_downloads.mirror import Mirror
from pytest_fastenv.interpreter_downloads.offer import Offer
from pytest_fastenv.model.target import Target

PLAIN = "cpython-3.12.7+20241016-x86_64-unknown-linux-gnu-install_only.tar.gz"
STRIPPED = "cpython-3.12.7+20241016-x86_64-unknown-linux-gnu-install_only_stripped.tar.gz"
NEWER = "cpython-3.13.1+20241206-x86_64-unknown-linux-gnu-install_only.tar.gz"
FREE = "cpython-3.13.1+20241206-x86_64-unknown-linux-gnu-freethreaded+pgo+lto-full.tar.zst"
MUSL = "cpython-3.12.9+20250311-x86_64-unknown-linux-musl-install_only.tar.gz"
EARLY = "cpython-3.14.0rc2+20250828-x86_64-unknown-linux-gnu-install_only.tar.gz"
PUBLISHED = Mirror()


def machine(system: str = "linux", arch: str = "x86_64", libc: str = "glibc 2.36") -> Target:
    """A probed interpreter on some machine."""
    sys_platform = {"macos": "darwin", "windows": "win32"}.get(system, "linux")
    platform = f"win-{arch.lower()}" if system == "windows" else f"linux-{arch}"
    return Target(
        python="",
        implementation="cpython",
        version="3.11.2",
        tags=(f"cp311-cp311-linux_{arch}", "py3-none-any"),
        markers={"sys_platform": sys_platform, "platform_machine": arch},
        soabi="",
        platform=platform,
        free_threaded=False,
        schemes={},
        identity="",
        externals={"libc": libc} if system == "linux" and libc else {},
    )


def listing(*names: str) -> dict[str, str]:
    """What a mirror's SHA256SUMS lists: a digest of its own for each."""
    return {name: f"{number:064x}" for number, name in enumerate(names, 1)}


def of(checksums: Mapping[str, str], host: Target | None = None) -> list[Offer]:
    return offers(host or machine(), replace(Mirror.parse("https://example.invalid/m"), checksums=checksums))


def test_the_tables_have_what_is_needed_for_every_usual_machine() -> None:
    machines = [machine(), machine(arch="aarch64"), machine("macos", "arm64"), machine("macos", "x86_64")]
    for host in (*machines, machine("windows", "AMD64")):
        found = offers(host, PUBLISHED)
        for minor in range(9, 14):
            chosen = best(f"3.{minor}", found)
            assert chosen is not None
            assert (chosen.implementation, chosen.version_info) == ("cpython", (3, minor))
            assert chosen.url.startswith("https://")
            assert re.fullmatch("[0-9a-f]{64}", chosen.sha256)
            assert "install_only" in chosen.filename
        for spec in ("3.13t", "pypy3.10"):
            assert best(spec, found) is not None, spec


def test_the_newest_comes_first_and_nothing_is_too_old() -> None:
    found = offers(machine(), PUBLISHED)
    versions = [tuple(map(int, offer.version.split("."))) for offer in found]
    assert versions == sorted(versions, reverse=True)
    assert versions[-1][:2] == (3, 8)
    assert {(offer.os, offer.arch, offer.libc) for offer in found} == {("linux", "x86_64", "gnu")}
    first = best("3.12", found)
    assert first is not None
    assert first == next(o for o in found if o.version_info == (3, 12) and o.implementation == "cpython")
    assert all(o.sha256 for o in found)


def test_a_machine_without_builds() -> None:
    assert offers(machine(libc="musl 1.2"), PUBLISHED) == []
    assert offers(machine(libc=""), PUBLISHED) == []
    assert offers(machine(arch="sparc64"), PUBLISHED) == []


def test_a_server_without_checksums_has_what_the_tables_have() -> None:
    ours = offers(machine(), Mirror.parse("https://user:secret@example.invalid/m/"))
    theirs = offers(machine(), PUBLISHED)
    assert {offer.sha256 for offer in ours} == {offer.sha256 for offer in theirs}
    chosen = best("3.12.4", ours)
    assert chosen is not None
    release = re.search(r"\+(\d{8})-", chosen.filename)
    assert release is not None
    quoted = chosen.filename.replace("+", "%2B")
    assert chosen.url == f"https://example.invalid/m/{release[1]}/{quoted}"
    assert all(offer.url.startswith("https://example.invalid/m/") for offer in ours)
    pypy = best("pypy3.10", ours)
    assert pypy is not None
    assert pypy.url == f"https://example.invalid/m/pypy/{pypy.filename}"


def test_a_mirror_with_checksums_has_what_they_list_and_nothing_else() -> None:
    checksums = listing(PLAIN, f"20241206/{NEWER}", FREE, MUSL, "SHA512SUMS", "cpython-3.7.9+20241206-x.tar.gz")
    found = of(checksums)
    assert [offer.filename for offer in found] == [NEWER, FREE, PLAIN]
    assert found[0].url == f"https://example.invalid/m/20241206/{NEWER.replace('+', '%2B')}"
    assert [offer.sha256 for offer in found] == [checksums[f"20241206/{NEWER}"], checksums[FREE], checksums[PLAIN]]
    assert best("3.13t", found) == found[1]
    assert best(">=3.12", found) == found[0]
    assert best("3.11", found) is None
    assert of({}) == []


def test_the_checksum_of_the_mirror_counts_not_that_of_the_tables() -> None:
    known = offers(machine(), PUBLISHED)[0]
    (found,) = of({known.filename: "f" * 64})
    assert found.sha256 == "f" * 64 != known.sha256


def test_pypy_of_a_mirror_is_known_by_its_file_name() -> None:
    """Its name does not tell the version of the language; the tables do."""
    known = next(offer for offer in offers(machine(), PUBLISHED) if offer.implementation == "pypy")
    (found,) = of(listing(known.filename, "pypy3.10-v99.9.9-linux64.tar.bz2"))
    assert (found.implementation, found.version) == ("pypy", known.version)


def test_musl_builds_of_a_mirror_are_for_musl_machines() -> None:
    assert [offer.filename for offer in of(listing(PLAIN, MUSL), machine(libc="musl 1.2"))] == [MUSL]


def test_of_one_version_the_smallest_archive() -> None:
    assert [offer.filename for offer in of(listing(PLAIN, STRIPPED))] == [STRIPPED, PLAIN]


def test_pre_releases_are_for_those_who_name_one() -> None:
    found = of(listing(PLAIN, EARLY))
    assert [offer.version for offer in found] == ["3.14.0rc2", "3.12.7"]
    assert best("3.14", found) is None
    assert best(">=3.12", found) == found[1]
    assert best("3.14.0rc2", found) == found[0]
    assert best(">=3.13.0a1", found) == found[0]


def test_nothing_fits_a_path() -> None:
    assert best("./python", offers(machine(), PUBLISHED)) is None


def test_32_bits_on_windows_only_when_asked_for() -> None:
    names = [f"cpython-3.12.{micro}+20241016-{arch}-pc-windows-msvc-install_only.tar.gz" for micro, arch in
             ((7, "x86_64"), (8, "i686"))]  # fmt: skip
    found = of(listing(*names), machine("windows", "AMD64"))
    assert best("3.12", found) == found[0]
    assert found[0].arch == "x86_64"
    assert best("3.12-32", found) == found[1]
    assert found[1].arch == "x86"


def test_what_lies_in_a_directory(tmp_path: Path) -> None:
    known = offers(machine(), PUBLISHED)[0]
    (tmp_path / "20241206").mkdir()
    (tmp_path / "20241206" / "deeper").mkdir()
    for place in (PLAIN, known.filename, f"20241206/{NEWER}", f"20241206/deeper/{FREE}", MUSL, "notes.txt"):
        (tmp_path / place).touch()
    (tmp_path / STRIPPED).mkdir()
    found = offers(machine(), Mirror.parse(str(tmp_path)))
    assert [(offer.filename, offer.sha256) for offer in found] == [
        (known.filename, known.sha256),
        (NEWER, ""),
        (PLAIN, ""),
    ]
    assert [offer.url for offer in found[1:]] == [(tmp_path / "20241206" / NEWER).as_uri(), (tmp_path / PLAIN).as_uri()]


def test_a_directory_with_checksums_has_what_they_list(tmp_path: Path) -> None:
    (tmp_path / PLAIN).touch()
    mirror = replace(Mirror.parse(str(tmp_path)), checksums=listing(f"20241206/{NEWER}"))
    (found,) = offers(machine(), mirror)
    assert found.url == (tmp_path / "20241206" / NEWER).as_uri()


def test_a_directory_that_went_away(tmp_path: Path) -> None:
    (tmp_path / "pythons").mkdir()
    mirror = Mirror.parse(str(tmp_path / "pythons"))
    (tmp_path / "pythons").rmdir()
    with pytest.raises(InterpreterError, match="cannot be listed"):
        offers(machine(), mirror)


def test_executables() -> None:
    found = {offer.filename: offer.python for offer in of(listing(PLAIN, FREE))}
    assert found == {PLAIN: "bin/python3.12", FREE: "bin/python3.13t"}
    windows = "cpython-3.12.7+20241016-x86_64-pc-windows-msvc-install_only.tar.gz"
    (offer,) = of(listing(windows), machine("windows", "AMD64"))
    assert offer.python == "python.exe"
    assert replace(offer, free_threaded=True).python == "python3.12t.exe"
    assert replace(offer, implementation="pypy", os="macos").python == "bin/pypy3.12"
    assert replace(offer, implementation="pypy").short == "PyPy 3.12.7"


def test_archives_without_a_digest_are_not_offered() -> None:
    assert all(re.fullmatch("[0-9a-f]{64}", row.sha256) for row in tables.rows())


@pytest.mark.slow
def test_tables_that_are_not_what_they_were(tmp_path: Path) -> None:
    """Another release of the package may change its data; then that is said, with what to do."""
    program = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from pytest_fastenv.errors import InterpreterError
from pytest_fastenv.interpreter_downloads.tables import rows
for content in json.loads(sys.argv[2]):
    Path(sys.argv[1], "pbs_installer", "versions.json").write_text(content)
    try:
        rows()
    except InterpreterError as error:
        print(json.dumps([error.what, error.why, error.hint]))
"""
    (tmp_path / "pbs_installer").mkdir()
    (tmp_path / "pbs_installer" / "__init__.py").touch()
    contents = ["{", "[1]", '[{"files": [{"sha256": 7}]}]', '[{"python_version": {}, "files": [{"sha256": "0"}]}]']
    command = [sys.executable, "-c", program, str(tmp_path), json.dumps(contents)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(said) == len(contents)
    for what, why, hint in said:
        assert what == f"the tables of pbs-installer {tables.tables_version()} cannot be read"
        assert "Error: " in why
        assert option("python_mirror") in hint
