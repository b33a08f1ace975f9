"""What stands in an environment after installing: files, scripts, records; and what happens when two want one place."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import re
import subprocess
import sys
from base64 import urlsafe_b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from installing import SITE, TARGET, SomeStaging, artifact, contents, engine, run
from kit.archives import make_wheel
from kit.links import CERTAIN, has_clones
from kit.tools import NOWHERE

from pytest_fastenv.errors import ConflictError, SchemeError
from pytest_fastenv.filesystem import tree
from pytest_fastenv.installer.manifest import Manifest
from pytest_fastenv.installer.placement import Placer
from pytest_fastenv.installer.wheel_bucket import WHEELS
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.link import LinkMode
from pytest_fastenv.model.plan import DirectUrl, Vcs
from pytest_fastenv.settings.values import Settings
from pytest_fastenv.store.store import Store
from pytest_fastenv.wheel.entry_points import Script
from pytest_fastenv.wheel.scripts import generate, rewrite
from pytest_fastenv.wheel.shebang import shebang


@pytest.fixture
def draft(tmp_path: Path) -> SomeStaging:
    """An environment that can run what is installed: its `python` is this interpreter."""
    prefix = tmp_path / "env"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "python").symlink_to(sys.executable)
    return SomeStaging(prefix, prefix)


def install(
    store: Store, draft: SomeStaging, *wheels: Path, settings: Settings | None = None, **options: Any
) -> Recorder:
    recorder = Recorder()

    async def work() -> None:
        async with engine(store, settings, recorder=recorder) as parts:
            await parts.install([artifact(wheel) for wheel in wheels], draft, **options)

    run(work())
    return recorder


def record(prefix: Path, name: str = "demo") -> dict[str, tuple[str, str]]:
    with open(prefix / SITE / f"{name}-1.0.dist-info" / "RECORD", newline="") as file:
        return {path: (digest, size) for path, digest, size in csv.reader(file)}


def run_script(prefix: Path, name: str, *arguments: str) -> str:
    environ = {"PYTHONPATH": str(prefix / SITE), "PATH": os.environ["PATH"]}
    return subprocess.run(
        [prefix / "bin" / name, *arguments], env=environ, capture_output=True, text=True, check=True
    ).stdout


DEMO = {
    "demo/__init__.py": """\
import sys
def main():
    print('demo', *sys.argv[1:])
class App:
    run = staticmethod(main)
""",
    "demo/a,b.txt": "odd name",
}


def test_every_file_is_recorded_with_its_digest(store: Store, artifacts: Path, draft: SomeStaging) -> None:
    wheel = make_wheel(
        artifacts,
        "demo",
        files=DEMO,
        entry_points={"demo": "demo:main", "demo-app": "demo:App.run"},
        data_files={
            "scripts/tool": "#!python -s\nprint('tool')\n",
            "scripts/plain": "#!/bin/sh\necho plain\n",
            "data/share/demo/x": "x",
            "headers/demo.h": "h",
            "purelib/other.py": "y",
        },
    )
    install(store, draft, wheel, requested=True)
    rows = record(draft.prefix)
    site = draft.prefix / SITE
    own = "demo-1.0.dist-info/RECORD"
    assert rows.pop(own) == ("", "")
    for path, (digest, size) in rows.items():
        content = (site / path).read_bytes()
        assert digest == "sha256=" + urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode(), path
        assert size == str(len(content))
    found = {os.path.relpath(draft.prefix / path, site) for path in contents(draft.prefix) if path != "bin/python"}
    assert found == {*rows, own}
    assert {"../../../bin/demo", "../../../share/demo/x", "../../../include/site/python3.11/demo/demo.h"} < set(rows)
    assert (site / "demo-1.0.dist-info" / "INSTALLER").read_text() == "pytest-fastenv\n"
    assert (site / "demo-1.0.dist-info" / "REQUESTED").read_bytes() == b""
    assert run_script(draft.prefix, "demo", "1", "2") == "demo 1 2\n"
    assert run_script(draft.prefix, "demo-app") == "demo\n"
    assert run_script(draft.prefix, "tool") == "tool\n"
    assert run_script(draft.prefix, "plain") == "plain\n"


def test_scripts_name_the_final_place(store: Store, artifacts: Path, draft: SomeStaging) -> None:
    wheel = make_wheel(
        artifacts, "demo", entry_points={"demo": "demo:main"}, data_files={"scripts/tool": "#!pythonw\n"}
    )
    install(store, replace(draft, final=Path("/final/place")), wheel)
    for name in ("demo", "tool"):
        assert (draft.prefix / "bin" / name).read_text().startswith("#!/final/place/bin/python\n")


@pytest.mark.parametrize("directory", ["with spaces", "l" * 130, 'quo\'te and "more"'])
def test_scripts_start_from_any_place(directory: str, store: Store, artifacts: Path, tmp_path: Path) -> None:
    prefix = tmp_path / directory
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "python").symlink_to(sys.executable)
    wheel = make_wheel(
        artifacts,
        "demo",
        files=DEMO,
        entry_points={"demo": "demo:main"},
        data_files={"scripts/tool": "#!python -s\nimport sys\nprint('tool', sys.flags.no_user_site)\n"},
    )
    install(store, SomeStaging(prefix, prefix), wheel)
    assert run_script(prefix, "demo", "a b") == "demo a b\n"
    assert run_script(prefix, "tool") == "tool 1\n"


def test_entry_point_wins_over_a_script_of_its_own_wheel(store: Store, artifacts: Path, draft: SomeStaging) -> None:
    wheel = make_wheel(
        artifacts, "demo", files=DEMO, entry_points={"demo": "demo:main"}, data_files={"scripts/demo": "#!python\nold"}
    )
    install(store, draft, wheel)
    assert run_script(draft.prefix, "demo") == "demo\n"


def test_old_wrappers_of_entry_points_are_left_out(store: Store, artifacts: Path, draft: SomeStaging) -> None:
    wrappers = ("demo.exe", "demo-script.py", "demo-script.pyw", "demo.pya", "Other.EXE", "other-script.py")
    wheel = make_wheel(
        artifacts,
        "demo",
        files=DEMO,
        entry_points={"demo": "demo:main"},
        data_files={f"scripts/{name}": "#!python\n" for name in wrappers},
    )
    install(store, draft, wheel)
    assert set(os.listdir(draft.prefix / "bin")) == {"python", "demo", "Other.EXE", "other-script.py"}
    assert not [path for path in record(draft.prefix) if path.endswith(("demo.exe", "demo-script.py"))]


def test_windows_gets_launchers() -> None:
    script = Script("demo", "demo", "main", gui=True)
    name, content = generate(script, r"C:\env\Scripts\python.exe", "win-amd64")
    assert name == "demo.exe"
    assert content.startswith(b"MZ")
    assert rb"#!C:\env\Scripts\pythonw.exe" in content


def test_shebang_forms() -> None:
    assert shebang("/env/bin/python") == b"#!/env/bin/python"
    assert shebang("/e n/bin/python").startswith(b"#!/bin/sh\n'''exec' '/e n/bin/python' \"$0\"")
    assert rewrite(b"#!python\r\nx\n", "/p") == b"#!/p\nx\n"
    assert rewrite(b"#!pythonw -E\nx", "/p") == b"#!/p -E\nx"
    assert rewrite(b"#!python", "/p") == b"#!/p\n"


def test_own_records_replace_those_of_the_wheel(store: Store, artifacts: Path, draft: SomeStaging) -> None:
    brought = {"INSTALLER": "other", "direct_url.json": '{"url": "https://example.invalid"}', "REQUESTED": "x"}
    install(store, draft, make_wheel(artifacts, "demo", dist_info_files=brought))
    info = draft.prefix / SITE / "demo-1.0.dist-info"
    assert (info / "INSTALLER").read_text() == "pytest-fastenv\n"
    assert not (info / "direct_url.json").exists()
    assert not (info / "REQUESTED").exists()
    assert {"demo-1.0.dist-info/REQUESTED", "demo-1.0.dist-info/direct_url.json"}.isdisjoint(record(draft.prefix))


@pytest.mark.parametrize(
    ("value", "content"),
    [
        (
            DirectUrl("https://example.invalid/r", "sub", Vcs("x", "main", "abc")),
            {
                "url": "https://example.invalid/r",
                "subdirectory": "sub",
                "vcs_info": {"vcs": "git", "requested_revision": "main", "commit_id": "abc"},
            },
        ),
        (
            DirectUrl("file:///p", is_directory=True, editable=True),
            {"url": "file:///p", "dir_info": {"editable": True}},
        ),
        (
            DirectUrl("https://example.invalid/x.whl", archive_hashes=(("sha512", "ab"),)),
            {"url": "https://example.invalid/x.whl", "archive_info": {"hashes": {"sha512": "ab"}}},
        ),
    ],
)
def test_direct_url_is_written(
    value: DirectUrl, content: Any, store: Store, artifacts: Path, draft: SomeStaging
) -> None:
    install(store, draft, make_wheel(artifacts, "demo"), direct_url=value)
    found = json.loads((draft.prefix / SITE / "demo-1.0.dist-info" / "direct_url.json").read_text())
    assert found == content


def test_direct_url_of_a_wheel_has_its_digest(store: Store, artifacts: Path, draft: SomeStaging) -> None:
    wheel = make_wheel(artifacts, "demo")
    install(store, draft, wheel, direct_url=DirectUrl(wheel.as_uri()))
    found = json.loads((draft.prefix / SITE / "demo-1.0.dist-info" / "direct_url.json").read_text())
    assert found["archive_info"]["hashes"] == {"sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()}


def test_two_distributions_may_share_equal_files(store: Store, artifacts: Path, draft: SomeStaging) -> None:
    wheels = [make_wheel(artifacts, name, files={"ns/__init__.py": "", f"ns/{name}.py": ""}) for name in ("one", "two")]
    install(store, draft, *wheels)
    assert "ns/__init__.py" in record(draft.prefix, "one")
    assert "ns/__init__.py" in record(draft.prefix, "two")


@pytest.mark.parametrize(
    ("one", "two", "path"),
    [
        ({"files": {"ns/x.py": "1"}}, {"files": {"ns/x.py": "2"}}, f"{SITE}/ns/x.py"),
        ({"files": {"ns": "1"}}, {"files": {"ns/x.py": "2"}}, f"{SITE}/ns"),
        ({"data_files": {"data/share/x": "x"}}, {"data_files": {"data/share/x": "y"}}, "share/x"),
    ],
)
def test_two_distributions_with_one_path_are_both_named(
    one: Any, two: Any, path: str, store: Store, artifacts: Path, draft: SomeStaging
) -> None:
    wheels = [make_wheel(artifacts, "one", **one), make_wheel(artifacts, "two", **two)]
    with pytest.raises(ConflictError) as caught:
        install(store, draft, *wheels)
    text = caught.value.diagnosis()
    assert set(re.findall(r"\b(one|two)\b", text)) == {"one", "two"}
    assert path in text


def test_nothing_of_the_environment_itself_is_replaced(store: Store, artifacts: Path, draft: SomeStaging) -> None:
    (draft.prefix / "pyvenv.cfg").write_text("home = here\n")
    with pytest.raises(ConflictError, match="it belongs to the environment itself"):
        install(store, draft, make_wheel(artifacts, "demo", data_files={"data/pyvenv.cfg": "home = elsewhere\n"}))
    assert (draft.prefix / "pyvenv.cfg").read_text() == "home = here\n"


@pytest.mark.parametrize("method", CERTAIN)
def test_files_are_placed_as_wanted(method: LinkMode, store: Store, artifacts: Path, draft: SomeStaging) -> None:
    wheel = make_wheel(artifacts, "demo", data_files={"scripts/plain": "#!/bin/sh\necho plain\n"})
    recorder = install(store, draft, wheel, settings=Settings(link=method))
    path = draft.prefix / SITE / "demo" / "__init__.py"
    kind = "symlink" if path.is_symlink() else "hardlink" if path.stat().st_nlink > 1 else "copy"
    assert kind == method
    assert run_script(draft.prefix, "plain") == "plain\n"
    assert recorder.notices == []


@pytest.mark.parametrize("wanted", [LinkMode.AUTO, LinkMode.CLONE, LinkMode.HARDLINK])
def test_another_file_system_gets_copies(wanted: LinkMode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "source").write_bytes(b"content")
    placer = Placer(wanted, str(tmp_path), str(tmp_path), known={})
    assert placer.place(str(tmp_path / "source"), str(tmp_path / "target"))
    clones = wanted is not LinkMode.HARDLINK and has_clones(tmp_path)  # then no link is needed
    assert placer.used == {LinkMode.CLONE if clones else LinkMode.COPY: 1}
    assert (tmp_path / "target").read_bytes() == b"content"


def test_exhausted_link_count_gives_this_file_an_inode_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: Any, **__: Any) -> None:
        raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))

    (tmp_path / "source").write_bytes(b"content")
    placer = Placer(LinkMode.HARDLINK, str(tmp_path), str(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", exhausted)
        assert placer.place(str(tmp_path / "source"), str(tmp_path / "one"))
    assert placer.place(str(tmp_path / "source"), str(tmp_path / "two"))
    assert placer.used == {"copy": 1, "hardlink": 1}


def test_platlib_may_be_another_directory(store: Store, artifacts: Path, draft: SomeStaging) -> None:
    target = replace(TARGET, schemes={**TARGET.schemes, "platlib": "lib64/python3.11/site-packages"})
    wheel = make_wheel(artifacts, "demo", root_is_purelib=False, data_files={"purelib/pure.py": ""})
    install(store, replace(draft, target=target), wheel)
    root = draft.prefix / "lib64/python3.11/site-packages"
    assert (root / "demo/__init__.py").exists()
    assert f"../../../{SITE}/pure.py" in (root / "demo-1.0.dist-info/RECORD").read_text()
    assert (draft.prefix / SITE / "pure.py").exists()


RESERVED = [
    "data/.fastenv/ready",
    "data/.fastenv",
    "data/.FastEnv/manifest.json",
    "data/.fa\u017ftenv/plan.json",
    "data/.fast\u200cenv/tree",
    "data/FASTEN~1/lease",
]


@pytest.mark.parametrize("path", RESERVED)
@pytest.mark.parametrize("fresh", [True, False])
def test_what_we_know_of_an_environment_is_not_a_wheels_to_write(
    store: Store, artifacts: Path, draft: SomeStaging, path: str, fresh: bool
) -> None:
    wheel = make_wheel(artifacts, "demo", files=DEMO, data_files={path: "x", "data/share/x": "y"})
    before = contents(draft.prefix)
    for _ in range(1 if fresh else 2):
        with pytest.raises(SchemeError, match="which is for what pytest-fastenv knows") as caught:
            install(store, draft, wheel)
    assert caught.value.what.startswith("demo brings ")
    assert contents(draft.prefix) == before


def test_a_directory_of_that_name_elsewhere_is_the_wheels_own(
    store: Store, artifacts: Path, draft: SomeStaging
) -> None:
    install(
        store,
        draft,
        make_wheel(artifacts, "demo", files={"demo/.fastenv/x": "x"}, data_files={"data/share/.fastenv": ""}),
    )
    assert {f"{SITE}/demo/.fastenv/x", "share/.fastenv"} <= contents(draft.prefix).keys()


def in_whole_seconds(root: Path) -> None:
    """Give all files the times that an archive keeps which has no fractions of seconds."""
    for path in root.rglob("*"):
        if path.is_file():
            os.utime(path, (int(path.stat().st_mtime), int(path.stat().st_mtime)))


@pytest.mark.parametrize("mode", [LinkMode.HARDLINK, LinkMode.COPY, LinkMode.SYMLINK])
def test_what_came_back_with_other_times_is_what_it_was(
    mode: LinkMode, store: Store, artifacts: Path, draft: SomeStaging, tmp_path: Path
) -> None:
    """A store that was packed by a CI service: nothing is fetched again, and the environments of before are whole."""
    wheel = make_wheel(artifacts, "demo", files=DEMO)
    settings = replace(NOWHERE, link=mode)
    install(store, draft, wheel, settings=settings)
    before = tree.snapshot(draft.prefix)
    entries = store.root / WHEELS.directory
    in_whole_seconds(entries)
    again = SomeStaging(tmp_path / "again", tmp_path / "again")
    again.prefix.mkdir()
    recorder = install(store, again, wheel, settings=settings)
    assert [notice.text for notice in recorder.notices] == []
    assert [span.args["source"] for span in recorder.spans if span.kind == "link"] == ["cache"]
    assert tree.first_change(draft.prefix, before) is None
    manifest = Manifest.load(str(next(entries.rglob("manifest.json"))))
    assert manifest is not None
    assert manifest.changed(str(next(entries.rglob("tree")))) == []


@pytest.mark.parametrize("change", ["content", "mode", "kind"])
def test_what_is_another_file_is_not_taken_for_what_it_was(
    change: str, store: Store, artifacts: Path, draft: SomeStaging, tmp_path: Path
) -> None:
    wheel = make_wheel(artifacts, "demo", files=DEMO)
    install(store, draft, wheel)
    place = next((store.root / WHEELS.directory).rglob("tree/demo/__init__.py"))
    content = place.read_bytes()
    if change == "content":
        place.write_bytes(content.replace(b"demo", b"omed"))
    elif change == "mode":
        place.chmod(0o600)
    else:
        place.unlink()
        (tmp_path / "elsewhere").write_bytes(content)
        place.symlink_to(tmp_path / "elsewhere")
    in_whole_seconds(store.root / WHEELS.directory)
    again = SomeStaging(tmp_path / "again", tmp_path / "again")
    again.prefix.mkdir()
    recorder = install(store, again, wheel)
    assert ["was changed (demo/__init__.py" in notice.text for notice in recorder.notices] == [True]
    assert (again.prefix / SITE / "demo" / "__init__.py").read_bytes() == content
    assert not (again.prefix / SITE / "demo" / "__init__.py").is_symlink()
