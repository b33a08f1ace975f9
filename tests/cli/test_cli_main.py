"""The ``fastenv`` command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.archives import make_wheel
from kit.server import IndexServer

from pytest_fastenv.cli.main import main
from pytest_fastenv.version import __version__

COMMAND = "import sys; from pytest_fastenv.cli.main import main; sys.exit(main())"


@pytest.fixture
def index(artifacts: Path, index_server: Callable[..., IndexServer], monkeypatch: pytest.MonkeyPatch) -> IndexServer:
    make_wheel(artifacts, "app", requires=["lib"])
    make_wheel(artifacts, "lib")
    server = index_server()
    monkeypatch.setenv("FASTENV_INDEX_URL", server.url)
    return server


@pytest.mark.slow
def test_create_makes_an_environment_and_says_so(
    index: IndexServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "made"
    assert main(["create", "app", str(place)]) == 0
    assert capsys.readouterr().out.startswith("fastenv: 2 distributions (2 fetched) in ")
    assert sorted(path.name for path in place.glob("lib/python*/site-packages/*.dist-info")) == [
        "app-1.0.dist-info",
        "lib-1.0.dist-info",
    ]
    assert main(["create", "-q", "app", str(place)]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_a_warning_names_an_option_as_the_command_does(
    index: IndexServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_PLATFORM", "x")
    assert main(["create", "app", str(tmp_path / "made")]) == 0
    told = "warning: PIP_PLATFORM is not heeded: an environment is for the interpreter of --python\n"
    assert told in capsys.readouterr().err


@pytest.mark.slow
def test_options_may_stand_anywhere(index: IndexServer, tmp_path: Path) -> None:
    place, report = tmp_path / "made", tmp_path / "trace.json"
    assert main(["create", "-q", "app", "--report", str(report), "lib", "--link", "copy", str(place)]) == 0
    assert (place / ".fastenv" / "ready").exists()
    assert report.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["create", "app", "--surprise", "made"], "unrecognized arguments: --surprise"),
    ],
)
def test_a_wrong_command_line_ends_with_4(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 4
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "next_step"),
    [("py312", "fastenv run -e py312"), ("crate", "did you mean create?"), ("a b", "fastenv run -e 'a b'")],
)
def test_a_word_that_is_no_command_is_a_diagnosis(
    word: str, next_step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word]) == 4
    said = capsys.readouterr().err
    assert said.startswith("fastenv: error: ")
    assert "is no command" in said
    assert "create, run, lock" in said
    assert next_step in said


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["run", "--fastenv-offline", "app", "--", "true"], "write --offline"),
        (["create", "--fastenv-link=copy", "app", "made"], "write --link"),
        (["run", "-r", "r.txt", "--", "true"], "name the file itself, without -r"),
        (["run", "-rr.txt", "--", "true"], "name the file itself, without -r"),
        (["create", "--requirement", "r.txt", "made"], "name the file itself, without --requirement"),
        (["run", "--fastenv", "r.txt", "--", "true"], "name the file itself, without --fastenv"),
        (["create", "-e", ".", "made"], "name the directory itself, without -e"),
        (["run", "--scope", "worker", "app", "--", "true"], "--scope means something to pytest only"),
        (["run", "--fastenv-scope=worker", "app", "--", "true"], "--fastenv-scope means something to pytest only"),
        (["python", "install", "3.12", "--fastenv-offline"], "write --offline"),
    ],
)
def test_option_of_another_door_is_told(arguments: list[str], advice: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 4
    assert f"\n  next:  {advice}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "a directory is needed"),
        (["made"], "a source and a directory are needed"),
        (["--dir", "environments"], "a source is needed"),
        (["app", "file.txt"], "file.txt is a file"),
        (["app", "made", "--link", "glue"], "--link: 'glue' is not accepted"),
        (["missing.txt", "made"], "no such file: missing.txt"),
    ],
)
def test_a_wrong_request_is_diagnosed(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").touch()
    assert main(["create", *words]) == 4
    assert capsys.readouterr().err.startswith(f"fastenv: error: {said}")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "words", [["empty.txt", "n" * 300], ["./" + "n" * 300 + ".txt", "made"], ["empty.txt", "file/made"]]
)
def test_a_path_that_cannot_be_is_a_wrong_request(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTENV_INDEX_URL", "http://127.0.0.1:9/simple/")
    (tmp_path / "file").touch()
    (tmp_path / "empty.txt").touch()
    assert main(["create", *words]) == 4
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "store is damaged" not in said


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"pytest-fastenv {__version__}\n"


@pytest.mark.parametrize("words", [["--python", ".venv2"], ["--python=.venv2", "made"]])
def test_word_that_an_option_took_is_told(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["create", *words]) == 4
    assert "  why:   .venv2 was taken as the interpreter, behind --python\n" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="Windows deletes no directory that a process is in")
@pytest.mark.parametrize(
    "words", [["run", "six", "--", "true"], ["create", "six", "env"], ["python", "list"], ["python", "find"]]
)
def test_a_current_directory_that_is_gone_is_told(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    try:
        assert main(words) == 4
    finally:
        monkeypatch.chdir(tmp_path)
    assert capsys.readouterr().err.startswith("fastenv: error: the current directory is gone\n")


def test_only_the_command_that_is_run_is_imported() -> None:
    script = (
        "import sys; from pytest_fastenv.cli import command, main\n"
        "try: main.main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(*(row.name for row in command.COMMANDS if 'pytest_fastenv.cli.' + row.module in sys.modules))"
    )

    def imported(*words: str) -> str:
        command = [sys.executable, "-c", script, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]

    assert imported("--help") == ""
    assert imported("run", "--help") == "run"
    assert imported("python", "find", "--help") == "python"


def test_a_reader_that_has_read_enough_is_no_defect() -> None:
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run(
        [sys.executable, "-c", COMMAND, "python", "list", "--found"], stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    assert (ended.returncode, ended.stderr) == (141, "")


WITHOUT = "import os, sys; [os.close(int(n)) for n in sys.argv[1].split()]; os.execv(sys.argv[2], sys.argv[2:])"


def started_without(numbers: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command with some of its standard streams closed."""
    command = [sys.executable, "-c", WITHOUT, numbers, sys.executable, "-c", COMMAND, *words]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("numbers", ["0", "1", "2", "0 1 2"])
def test_standard_streams_may_be_closed(index: IndexServer, tmp_path: Path, numbers: str) -> None:
    place = tmp_path / "made"
    ended = started_without(numbers, "create", "app", str(place))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ("2 distributions" in ended.stdout) == ("1" not in numbers)
    assert (place / ".fastenv" / "ready").exists()
    assert started_without(numbers, "create", "nowhere", str(place)).returncode == 4
    assert started_without(numbers, "no-command").returncode == 4
    looks = "import os; [os.fstat(number) for number in (0, 1, 2)]"
    ended = started_without(numbers, "run", "app", "--project", "none", "--", "python", "-c", looks)
    assert ended.returncode == 0, ended.stderr


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="NO DEVICE HERE IS ALWAYS FULL: full outputs are not tested")
@pytest.mark.parametrize("words", [["cache", "info"], ["cache", "info", "--json"], ["--help"], ["envs", "--schema"]])
def test_results_that_cannot_be_written_are_a_diagnosis(words: list[str]) -> None:
    with FULL.open("w") as full:
        command = [sys.executable, "-c", COMMAND, *words]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 3
    assert ended.stderr == (
        "fastenv: error: the results cannot be written to standard output\n  why:   No space left on device\n"
    )


@pytest.mark.skipif(not FULL.exists(), reason="NO DEVICE HERE IS ALWAYS FULL: full outputs are not tested")
@pytest.mark.parametrize(("words", "code"), [(["no-command"], 4), (["create"], 4), (["cache", "info"], 0)])
def test_diagnoses_that_cannot_be_written_change_no_exit_code(words: list[str], code: int) -> None:
    with FULL.open("w") as full:
        command = [sys.executable, "-c", COMMAND, *words]
        assert subprocess.run(command, stdout=subprocess.PIPE, stderr=full).returncode == code


def test_nobody_reads_diagnoses() -> None:
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run([sys.executable, "-c", COMMAND, "no-command"], stdout=subprocess.PIPE, stderr=write)
    os.close(write)
    assert ended.returncode == 141
