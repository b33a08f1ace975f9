"""Paths, records, and what may be done without writing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from store_buckets import ENTRIES, RECORDS

from pytest_fastenv.errors import StoreError, option
from pytest_fastenv.model.events import Recorder
from pytest_fastenv.store.diagnosis import diagnosed
from pytest_fastenv.store.store import Store


def record_path(store: Store) -> Path:
    return store.root / "records-v1" / "ke" / "key.json"


def test_looking_touches_nothing(tmp_path: Path, recorder: Recorder) -> None:
    store = Store(tmp_path / "cache", recorder=recorder)
    assert store.path(ENTRIES, "abcdef") == tmp_path / "cache" / "entries-v1" / "ab" / "abcdef"
    assert store.lookup(ENTRIES, "abcdef") is None
    assert store.read_record(RECORDS, "abcdef") is None
    assert not (tmp_path / "cache").exists()


def test_the_root_does_not_follow_the_working_directory(
    tmp_path: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Store(Path("cache"), recorder=recorder).root == tmp_path / "cache"


@pytest.mark.parametrize("key", ["", "../up", "a/b", "a\\b", ".hidden", "a:b", "a\0b"])
def test_a_key_is_a_file_name(store: Store, key: str) -> None:
    for bucket, use in (
        (ENTRIES, store.path),
        (ENTRIES, store.lookup),
        (RECORDS, store.read_record),
        (RECORDS, store.lock),
    ):
        with pytest.raises(ValueError, match="does not do as a key"):
            use(bucket, key)  # type: ignore[operator]


def test_a_new_store_is_marked_as_a_cache(store: Store) -> None:
    store.write_record(RECORDS, "key", {"a": 1})
    assert (store.root / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55\n")


def test_a_directory_that_was_there_is_not_marked(store: Store) -> None:
    store.root.mkdir()
    store.write_record(RECORDS, "key", {"a": 1})
    assert not (store.root / "CACHEDIR.TAG").exists()


def test_records_are_replaced_at_once(store: Store) -> None:
    """Readers see one record or the other, never a part of one."""
    seen: set[int] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            record = store.read_record(RECORDS, "key")
            assert record is not None
            assert set(record["values"]) == {record["number"]}
            seen.add(record["number"])

    store.write_record(RECORDS, "key", {"number": 0, "values": [0] * 5000})
    reader = threading.Thread(target=read)
    reader.start()
    for number in range(100):
        store.write_record(RECORDS, "key", {"number": number, "values": [number] * 5000})
    done.set()
    reader.join()
    assert store.read_record(RECORDS, "key") == {"number": 99, "values": [99] * 5000}
    assert [path.name for path in record_path(store).parent.iterdir()] == ["key.json"]


def test_text_of_any_kind_comes_back(store: Store) -> None:
    """A lone surrogate stands for a byte of a file name that is no text."""
    record = {"text": "ä\U0001f40d\u2028\0", "byte of a name": "\udc80"}
    store.write_record(RECORDS, "key", record)
    assert store.read_record(RECORDS, "key") == record


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_an_unreadable_record_is_none(store: Store, content: bytes) -> None:
    path = record_path(store)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert store.read_record(RECORDS, "key") is None


def test_a_record_that_cannot_be_written_is_not_kept(store: Store) -> None:
    store.root.write_text("a file where the store should be")
    store.write_record(RECORDS, "key", {"a": 1})
    assert store.read_record(RECORDS, "key") is None


def test_a_log_has_its_directory(store: Store) -> None:
    path = store.log_path("builds/spam.txt")
    path.write_text("text")
    assert path == store.root / "logs" / "builds" / "spam.txt"
    assert store.log_path("builds/spam.txt") == path
    assert path.read_text() == "text"


def test_a_log_whose_directory_cannot_be_made_is_a_diagnosis(store: Store) -> None:
    store.log_path("builds").write_text("a file where a directory should be")
    with pytest.raises(StoreError, match=r"^the directory for logs cannot be made\n") as caught:
        store.log_path("builds/spam.txt")
    assert caught.value.where == str(store.root)
    assert caught.value.why == "File exists"


@pytest.mark.parametrize("place", ["file", "file/cache", "x" * 300], ids=["a file", "in a file", "no name"])
def test_a_store_that_cannot_be_made_is_a_diagnosis(tmp_path: Path, recorder: Recorder, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="the store's directory cannot be made") as caught:
        Store(tmp_path / place, recorder=recorder).log_path("x")
    assert caught.value.where == str(tmp_path / place)
    assert option("cache_dir") in str(caught.value.hint)


def test_errors_that_do_not_speak_of_the_store_pass(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), diagnosed("writing", tmp_path / "cache"):
        raise PermissionError(13, "Permission denied", str(tmp_path / "elsewhere"))
    with pytest.raises(StoreError) as caught, diagnosed("writing", tmp_path / "cache"):
        raise PermissionError(13, "Permission denied", str(tmp_path / "cache" / "tmp"))
    assert caught.value.where == str(tmp_path / "cache" / "tmp")
    assert option("cache_dir") in str(caught.value.hint)


def test_the_warm_path_imports_little(store: Store) -> None:
    store.write_record(RECORDS, "key", {"a": 1})
    program = (
        "import sys; sys.path[:] = eval(sys.argv[2])\n"
        "from pathlib import Path\n"
        "from pytest_fastenv.model.events import Recorder\n"
        "from pytest_fastenv.store import lease\n"
        "from store_buckets import ENTRIES, RECORDS\n"
        "from pytest_fastenv.store.store import Store\n"
        "store = Store(Path(sys.argv[1]), recorder=Recorder())\n"
        "assert store.read_record(RECORDS, 'key') == {'a': 1}\n"
        "store.lookup(ENTRIES, 'key')\n"
        "lease.hold(Path(sys.argv[1]) / 'lease')\n"
        "import json; print(json.dumps(sorted(sys.modules)))\n"
    )
    path = repr([os.getcwd(), os.path.dirname(__file__), *sys.path])
    command = [sys.executable, "-I", "-S", "-c", program, str(store.root), path]
    modules = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    heavy = {"asyncio", "filelock", "socket", "subprocess", "tempfile", "logging", "shutil", "packaging", "httpx"}
    assert heavy.isdisjoint(modules)
