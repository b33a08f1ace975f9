"""``fastenv python``: interpreters found, listed and installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from kit.interpreters import BASE, Found, hide_interpreters
from kit.python_archives import pack_interpreter, sha256, write_sums
from kit.server import IndexServer

from pytest_fastenv.cli.main import main


@pytest.fixture(autouse=True)
def bin_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory on PATH besides those of the system, on a machine without version managers."""
    return hide_interpreters(tmp_path, monkeypatch)


@pytest.fixture
def others(interpreters: list[Found]) -> list[Found]:
    """Interpreters of other minor versions than the running one, newest first."""
    found = [item for item in reversed(interpreters) if item[0][:2] != sys.version_info[:2]]
    if len(found) < 2:
        pytest.skip("fewer than three CPythons on this machine")
    return found


@pytest.fixture
def mirror(others: list[Found], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with archives of two interpreters of this machine, which are not found here otherwise."""
    directory = tmp_path / "mirror"
    for _, python in others[:2]:
        pack_interpreter(python, directory)
    write_sums(directory)
    monkeypatch.setenv("FASTENV_PYTHON_MIRROR", str(directory))
    return directory


def minor(found: Found) -> str:
    return "{}.{}".format(*found[0])


def full(found: Found) -> str:
    return ".".join(map(str, found[0]))


class TestFind:
    """``fastenv python find``."""

    def test_the_path_and_nothing_else(
        self, bin_directory: Path, others: list[Found], capsys: pytest.CaptureFixture[str]
    ) -> None:
        (bin_directory / "python3").symlink_to(others[0][1])
        assert main(["python", "find", minor(others[0])]) == 0
        assert capsys.readouterr().out == f"{os.path.realpath(others[0][1])}\n"
        assert main(["python", "find"]) == 0
        assert capsys.readouterr().out == f"{BASE}\n"

    def test_verbose(self, bin_directory: Path, others: list[Found], capsys: pytest.CaptureFixture[str]) -> None:
        (bin_directory / "python3").symlink_to(others[0][1])
        assert main(["python", "find", "-v", minor(others[0])]) == 0
        path, what, where = capsys.readouterr().out.splitlines()
        assert path == os.path.realpath(others[0][1])
        assert f"CPython {full(others[0])} for " in what
        assert where.strip() == "found on PATH"

    def test_nothing_fits(self, capsys: pytest.CaptureFixture[str]) -> None:
        for _ in range(2):
            assert main(["python", "find", "4.2"]) == 4
            said = capsys.readouterr()
            assert said.out == ""
            assert said.err.startswith("fastenv: error: no Python interpreter fits '4.2'\n  where: PATH: ")
            assert BASE in said.err

    def test_something_that_does_not_start(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "python").write_text("")
        assert main(["python", "find", "./python"]) == 3
        assert "does not start" in capsys.readouterr().err


class TestList:
    """``fastenv python list``."""

    @pytest.mark.usefixtures("mirror")
    def test_found_then_downloadable(
        self, bin_directory: Path, others: list[Found], capsys: pytest.CaptureFixture[str]
    ) -> None:
        (bin_directory / "python3").symlink_to(others[1][1])
        assert main(["python", "list"]) == 0
        lines = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
        assert all(line[0] == "CPython" for line in lines)
        versions = [line[1] for line in lines]
        running = ".".join(map(str, sys.version_info[:3]))
        found = sorted([running, full(others[1])], key=lambda text: [*map(int, text.split("."))], reverse=True)
        assert versions == [*found, full(others[0]), full(others[1])]
        assert [line[2].split()[0] for line in lines[2:]] == ["can", "can"]
        assert lines[2][2].endswith("-install_only.tar.gz")

    @pytest.mark.usefixtures("mirror")
    def test_columns_are_even(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["python", "list"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len({line.rindex("  ") for line in lines}) == 1
        assert all(line == line.rstrip() for line in lines)

    def test_for_programs(self, others: list[Found], mirror: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["python", "list", "--json", "--downloadable", minor(others[0])]) == 0
        (row,) = json.loads(capsys.readouterr().out)
        archive = next(mirror.glob(f"cpython-{full(others[0])}+*"))
        assert row == {
            "implementation": "cpython",
            "version": full(others[0]),
            "free_threaded": False,
            "where": "can be downloaded",
            "path": None,
            "url": archive.as_uri(),
        }
        assert main(["python", "list", "--json", "--found"]) == 0
        (row,) = json.loads(capsys.readouterr().out)
        assert (row["where"], row["path"], row["url"]) == ("running", BASE, None)

    def test_the_newest_of_each_minor_version(
        self, mirror: Path, others: list[Found], capsys: pytest.CaptureFixture[str]
    ) -> None:
        archive = next(mirror.glob(f"cpython-{full(others[0])}+*"))
        for version in (f"{minor(others[0])}.0", f"{minor(others[0])}.98", f"{minor(others[0])}.99rc1"):
            (mirror / archive.name.replace(full(others[0]), version)).write_bytes(b"")
        write_sums(mirror)
        command = ["python", "list", "--downloadable", "--json"]
        assert main(command) == 0
        assert [row["version"] for row in json.loads(capsys.readouterr().out)] == [
            f"{minor(others[0])}.98",
            full(others[1]),
        ]
        assert main([*command, "--all"]) == 0
        assert len({row["version"] for row in json.loads(capsys.readouterr().out)}) >= 4

    def test_the_tables_that_come_with_a_package(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["python", "list", "--downloadable"]) == 0
        minors = {line.split()[1].rpartition(".")[0] for line in capsys.readouterr().out.splitlines()}
        assert minors >= {"3.9", "3.10", "3.11", "3.12", "3.13"}

    @pytest.mark.usefixtures("mirror")
    def test_nothing_is_downloadable_where_that_is_forbidden(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("FASTENV_PYTHON_DOWNLOADS", "never")
        assert main(["python", "list", "--downloadable"]) == 0
        said = capsys.readouterr()
        assert (said.out, said.err) == ("", "fastenv: no interpreter\n")

    @pytest.mark.usefixtures("mirror")
    def test_nothing_fits(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["python", "list", "4.2"]) == 0
        assert capsys.readouterr().err == "fastenv: no interpreter fits '4.2'\n"
        assert main(["python", "list", ">=3.x"]) == 4

    def test_what_is_here_is_shown_though_the_mirror_is_not(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("FASTENV_PYTHON_MIRROR", "ftp://mirror.example.invalid/")
        assert main(["python", "list"]) == 4
        said = capsys.readouterr()
        assert said.out.endswith(f"{BASE}\n")
        assert "FASTENV_PYTHON_MIRROR" in said.err


@pytest.mark.slow
class TestInstall:
    """``fastenv python install``."""

    @pytest.fixture(autouse=True)
    def _tools_of_the_system(self, bin_directory: Path) -> None:
        """Put what relocating may need back on PATH, without the system's interpreters."""
        for tool in ("install_name_tool", "codesign", "sh"):
            found = next((path for place in ("/usr/bin", "/bin") if (path := Path(place, tool)).exists()), None)
            if found is not None:
                (bin_directory / tool).symlink_to(found)

    @pytest.mark.usefixtures("mirror")
    def test_several_at_once(self, others: list[Found], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        trace = tmp_path / "trace.json"
        specs = [minor(others[0]), minor(others[1]), "{}.{}".format(*sys.version_info), full(others[0])]
        assert main(["python", "install", *specs, "--report", str(trace), "--offline"]) == 0
        lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
        assert [line[1] for line in lines] == ["installed", "installed", "already there", "installed"]
        assert lines[0] == lines[3]
        for line, found in zip(lines, others[:2], strict=False):
            assert line[0] == f"CPython {full(found)}"
            done = subprocess.run([line[2], "-c", "import sys; print(*sys.version_info[:3], sep='.')"],
                                  capture_output=True, text=True, check=True)  # fmt: skip
            assert done.stdout.strip() == full(found)
        events = json.loads(trace.read_text())["traceEvents"]
        stages = [event["args"]["stage"] for event in events if event.get("args", {}).get("stage")]
        assert sorted(stages) == ["fetch", "fetch", "unpack", "unpack"]

        assert main(["python", "install", specs[0]]) == 0
        assert capsys.readouterr().out == f"CPython {full(others[0])}  already there  {lines[0][2]}\n"
        assert main(["python", "find", "-v", specs[0]]) == 0
        assert "downloaded by fastenv" in capsys.readouterr().out
        assert main(["python", "list", "--json"]) == 0
        listed = [(row["version"], row["where"]) for row in json.loads(capsys.readouterr().out)]
        assert [where for version, where in listed if version == full(others[0])] == ["downloaded"]

    def test_from_a_server(self, others: list[Found], mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with IndexServer(mirror) as server:
            monkeypatch.setenv("FASTENV_PYTHON_MIRROR", server.files_url)
            assert main(["python", "install", "-q", minor(others[0]), minor(others[1]), minor(others[0])]) == 0
            fetched = [request.path for request in server.requests if "install_only" in request.path]
            sums = [request.path for request in server.requests if request.path.endswith("SHA256SUMS")]
        assert len(fetched) == 2
        assert len(sums) == 1

    def test_what_fails_does_not_hold_up_the_others(
        self, others: list[Found], mirror: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        damaged = next(mirror.glob(f"cpython-{full(others[1])}+*"))
        damaged.write_bytes(damaged.read_bytes()[:-1000])
        assert main(["python", "install", minor(others[1]), "4.2", minor(others[0])]) == 3
        said = capsys.readouterr()
        assert said.out.startswith(f"CPython {full(others[0])}  installed  ")
        assert "[1/2]" in said.err
        assert sha256(damaged) in said.err
        assert "'4.2'" in said.err
        assert main(["python", "install", "4.2", "4.3"]) == 4
        assert "[2/2]" in capsys.readouterr().err

    @pytest.mark.usefixtures("mirror")
    def test_quietly(self, others: list[Found], capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["python", "install", minor(others[0]), "-q", "--concurrent", "1"]) == 0
        said = capsys.readouterr()
        assert (said.out, said.err) == ("", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["guess"], "invalid choice: 'guess'"),
        (["install"], "the following arguments are required: SPEC"),
        (["find", "3.12", "3.13"], "unrecognized arguments: 3.13"),
        (["find", "--offline"], "unrecognized arguments: --offline"),
        (["list", "--found", "--downloadable"], "not allowed with argument"),
    ],
)
def test_a_wrong_command_line_ends_with_4(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["python", *arguments])
    assert ended.value.code == 4
    assert said in capsys.readouterr().err


def test_a_wrong_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["python", "install", "3.12", "--concurrent", "none"]) == 4
    assert "--concurrent: 'none' is not accepted" in capsys.readouterr().err
