"""What the store knows of its interpreters, and what it does when one was changed."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from kit.damage import damaged
from kit.examples import example
from kit.interpreter_bench import installing, offer_of, says, stages, url_of
from kit.server import IndexServer

from pytest_fastenv.interpreter import installed as installed_module
from pytest_fastenv.interpreter.installed import PYTHONS
from pytest_fastenv.interpreter_downloads.installation import installed
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.model.target import Target
from pytest_fastenv.store.store import Store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="archives are packed from interpreters of Linux"),
]


@pytest.mark.parametrize("damage", ["gone", "replaced", "library", "record"])
def test_what_was_changed_is_made_anew(damage: str, archive: Path, served: IndexServer, store: Store) -> None:
    offer = offer_of(archive, url_of(served, archive))
    target = installing(store, offer)
    python, entry = Path(target.python), store.path(PYTHONS, offer.sha256)
    if damage == "gone":
        python.unlink()
    elif damage == "replaced":
        python.write_bytes(bytes(python.stat().st_size))  # as many bytes: only its time tells
    elif damage == "library":
        next(python.parents[1].glob("lib/python3*/ssl.py")).write_text("")
    else:
        (entry / "interpreter.json").write_bytes(b"{}")
    assert installed(store) == ([target] if damage == "library" else [])
    assert installing(store, offer) == target
    assert installed(store) == [target]
    assert [notice.text for notice in store.recorder.notices] == [
        f"the store's CPython {offer.version} was damaged: made anew"
    ]
    assert says(target.python, "import ssl; print(ssl.OPENSSL_VERSION[:7])") == "OpenSSL"
    assert len(served.requests) == 2


def test_use_does_not_count_as_damage(archive: Path, store: Store) -> None:
    target = installing(store, offer_of(archive))
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([target.python, "-c", "import json, tarfile"], check=True, env=environ)
    library = next(Path(target.python).parents[1].glob("lib/python3*"))
    assert list(library.glob("__pycache__/tarfile.*"))
    (library / "site-packages").mkdir(exist_ok=True)
    (library / "site-packages" / "added.py").touch()
    again = Recorder()
    assert installing(Store(store.root, recorder=again), offer_of(archive)) == target
    assert again.notices == []


def test_another_host_asks_the_interpreter_again(archive: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store may be shared by machines whose C libraries, and so whose wheel tags, differ."""
    offer = offer_of(archive)
    target = installing(store, offer)
    monkeypatch.setattr(installed_module, "this_host", lambda: ("linux", "x86_64", None, "glibc 9.9"))
    assert installed(store) == []
    again = Recorder()
    assert installing(Store(store.root, recorder=again), offer) == target
    assert stages(again) == []


def test_the_list_passes_over_what_cannot_be_used(archive: Path, store: Store) -> None:
    assert installed(store) == []  # nothing there at all
    target: Target = installing(store, offer_of(archive))
    place = store.root / PYTHONS.directory
    (place / "stray").write_text("")
    unfinished = place / "ab" / f"ab{62 * '0'}"
    unfinished.mkdir(parents=True)
    assert installed(store) == [target]
    (unfinished / ".ready").touch()
    assert installed(store) == [target]
    (unfinished / "interpreter.json").write_text('{"host": []}')
    assert installed(store) == [target]


def test_the_list_needs_nothing_but_the_standard_library() -> None:
    code = (
        "import sys; import pytest_fastenv.interpreter.installed; "
        "print(sorted({'asyncio', 'httpx', 'packaging', 'dataclasses', 'subprocess'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "asyncio" not in done.stdout
    assert "httpx" not in done.stdout
    assert "packaging" not in done.stdout


@pytest.mark.slow
def test_a_record_with_any_byte_wrong_is_none(tmp_path: Path) -> None:
    executable = tmp_path / "python" / "bin" / "python3"
    executable.parent.mkdir(parents=True)
    executable.touch()
    target = replace(example(Target), python=str(executable))
    installed_module.write_record(tmp_path, tmp_path / "python", tmp_path / "python", target)
    assert installed_module.known_target(tmp_path)
    assert PYTHONS.check(tmp_path) is None
    for damage in damaged(tmp_path / "interpreter.json"):
        assert installed_module.known_target(tmp_path) is None, damage
        assert PYTHONS.check(tmp_path) == "what is known of it is damaged"
