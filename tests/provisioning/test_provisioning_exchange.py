"""Files of an environment that give way to others: all or none, also where the process is killed in the middle."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pytest_fastenv.errors import ConflictError
from pytest_fastenv.provisioning.exchange import Exchange, recover

OLD = {"site/demo/__init__.py": "1", "site/demo/gone.py": "1", "site/demo/__pycache__/gone.x.pyc": "1", "bin/demo": "1"}
NEW = {"site/demo/__init__.py": "2", "site/demo/new/deep.py": "2", "bin/demo": "2", "share/demo.txt": "2"}
OTHERS = {"site/other.py": "other", "site/demo/theirs.txt": "theirs"}


def write(below: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (below / path).parent.mkdir(parents=True, exist_ok=True)
        (below / path).write_text(text)


def content(prefix: Path) -> dict[str, str | None]:
    """Return what lies in an environment: the text of files, ``None`` for directories."""
    found = (path for path in prefix.rglob("*") if ".fastenv" not in path.parts)
    return {str(path.relative_to(prefix)): path.read_text() if path.is_file() else None for path in found}


def private(prefix: Path) -> list[Path]:
    return list((prefix / ".fastenv").glob("*"))


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    write(tmp_path / "env", {**OLD, **OTHERS})
    return tmp_path / "env"


def run(prefix: Path, new: dict[str, str] = NEW) -> None:
    made = Exchange(prefix)
    try:
        write(made.new, new)
        exchanged(prefix, made)
    finally:
        made.close()


def exchanged(prefix: Path, made: Exchange) -> None:
    made.run([str(prefix / path) for path in OLD], "{} is somebody's".format)


def killed_in(prefix: Path, step: int) -> bool:
    """Exchange in a process that is killed when it has done some steps; tell whether it came so far."""
    child = os.fork()
    if child == 0:
        done = 0

        def counted(rename: object) -> object:
            def act(*paths: str) -> None:
                nonlocal done
                if done == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                done += 1
                rename(*paths)  # type: ignore[operator]

            return act

        made = Exchange(prefix)
        write(made.new, NEW)
        for name in ("rename", "mkdir", "rmdir", "unlink"):
            setattr(os, name, counted(getattr(os, name)))
        try:
            exchanged(prefix, made)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.fixture
def expected(tmp_path: Path) -> dict[str, str | None]:
    write(tmp_path / "expected", {**NEW, **OTHERS})
    return content(tmp_path / "expected")


def test_all_of_it(prefix: Path, expected: dict[str, str | None]) -> None:
    run(prefix)
    assert content(prefix) == expected
    assert private(prefix) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")
def test_killed_at_each_step(tmp_path: Path, expected: dict[str, str | None]) -> None:
    step = 0
    while True:
        prefix = tmp_path / f"env-{step}"
        write(prefix, {**OLD, **OTHERS})
        before = content(prefix)
        if not killed_in(prefix, step):
            break
        recover(prefix)
        assert private(prefix) == []
        assert content(prefix) == before, step
        recover(prefix)
        assert content(prefix) == before, step
        run(prefix)
        assert content(prefix) == expected, step
        step += 1
    assert step > 12
    assert content(prefix) == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")
def test_recovering_may_be_killed_too(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(prefix)
    assert killed_in(prefix, 9)
    rename, count = os.rename, [0]

    def third_fails(source: str, path: str) -> None:
        count[0] += 1
        if count[0] == 3:
            raise KeyboardInterrupt
        rename(source, path)

    monkeypatch.setattr(os, "rename", third_fails)
    with pytest.raises(KeyboardInterrupt):
        recover(prefix)
    assert content(prefix) != before
    recover(prefix)
    assert content(prefix) == before
    assert private(prefix) == []


def test_a_conflict_undoes_it(prefix: Path) -> None:
    before = content(prefix)
    with pytest.raises(ConflictError, match=r"site.other\.py is in the environment already") as raised:
        run(prefix, {**NEW, "site/other.py": "another"})
    assert str(raised.value.why).endswith("other.py is somebody's")
    assert content(prefix) == before
    assert private(prefix) == []


def test_a_file_where_a_directory_is_to_be(prefix: Path) -> None:
    before = content(prefix)
    with pytest.raises(ConflictError):
        run(prefix, {**NEW, "site/other.py/deep.py": ""})
    assert content(prefix) == before


def test_equal_files_of_others_stay(prefix: Path) -> None:
    run(prefix, {**NEW, "site/other.py": "other"})
    assert (prefix / "site/other.py").read_text() == "other"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")
@pytest.mark.parametrize("step", range(3, 13))
def test_what_somebody_put_there_since_stays(step: int, prefix: Path) -> None:
    """As by another installer, for want of what the killed process had taken away."""
    assert killed_in(prefix, step)
    theirs = {path: "pip" for path in OLD if path.endswith(".py")}
    for path in theirs:
        (prefix / path).unlink(missing_ok=True)
    write(prefix, theirs)
    recover(prefix)
    assert {path: (prefix / path).read_text() for path in theirs} == theirs
    assert private(prefix) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")
def test_bytecode_of_what_goes_again_goes_with_it(prefix: Path) -> None:
    before, steps = content(prefix), 0
    while not (prefix / "site/demo/__init__.py").exists() or (prefix / "site/demo/__init__.py").read_text() == "1":
        recover(prefix)
        steps += 1
        assert killed_in(prefix, steps)
    write(prefix, {"site/demo/__pycache__/__init__.x.pyc": "2"})
    recover(prefix)
    assert content(prefix) == before


def test_a_step_of_which_half_was_written_was_not_done(prefix: Path) -> None:
    before = content(prefix)
    left = prefix / ".fastenv" / "amendment-x"
    write(left, {"journal": '["made", "share", "", 0]\n["removed", "si'})
    (prefix / "share").mkdir()
    recover(prefix)
    assert content(prefix) == before
