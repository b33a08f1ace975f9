"""The kit keeps its word: correct and equal bytes, a server that behaves, and misbehaves, as told."""

from __future__ import annotations

import hashlib
import http.client
import json
import subprocess
import sys
import threading
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kit import faults
from kit.archives import make_project, make_sdist, make_wheel, record_rows
from kit.server import IndexServer

_CALL = "import sys; sys.path.insert(0, '.'); import intree_backend as b; print(getattr(b, sys.argv[1])(*sys.argv[2:]))"


def _hook(project: Path, hook: str, *arguments: object) -> str:
    command = [sys.executable, "-I", "-S", "-c", _CALL, hook, *map(str, arguments)]
    return subprocess.run(command, cwd=project, check=True, capture_output=True, text=True).stdout.strip()


def _check_record(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    (record,) = [name for name in content if name.endswith(".dist-info/RECORD")]
    rows = [tuple(line.split(",")) for line in content.pop(record).decode().splitlines()]
    assert rows == [*record_rows(content), (record, "", "")]


def test_wheels_are_the_same_for_the_same_arguments(tmp_path: Path) -> None:
    options = {"requires": ["b>1"], "extras": {"x": ["c"]}, "entry_points": {"run": "a:main"}}
    first = make_wheel(tmp_path / "1", "A.b", "1.0", **options)
    second = make_wheel(tmp_path / "2", "A.b", "1.0", **options)
    assert first.name == "a_b-1.0-py3-none-any.whl"
    assert first.read_bytes() == second.read_bytes()
    _check_record(first)


def test_sdists_are_the_same_for_the_same_arguments(tmp_path: Path) -> None:
    first, second = (make_sdist(tmp_path / n, "a", "1.0", requires=["b"]) for n in "12")
    assert first.read_bytes() == second.read_bytes()


def test_record_can_be_wrong_or_missing(tmp_path: Path) -> None:
    without = make_wheel(tmp_path / "1", "a", record=lambda _rows: None)
    wrong = make_wheel(tmp_path / "2", "a", record=lambda _rows: "nonsense")
    assert not [name for name in zipfile.ZipFile(without).namelist() if name.endswith("RECORD")]
    assert zipfile.ZipFile(wrong).read("a-1.0.dist-info/RECORD") == b"nonsense"


def test_intree_backend_builds_logs_and_excludes(tmp_path: Path) -> None:
    log, sentinel = tmp_path / "log", tmp_path / "sentinel"
    project = make_project(tmp_path / "p", "a-b", "1.0", build_log=log, exclusive=sentinel, requires=["c"])
    name = _hook(project, "build_wheel", tmp_path)
    _check_record(tmp_path / name)
    assert [line.split()[:2] for line in log.read_text().splitlines()] == [["a-b", "1.0"]]
    assert _hook(project, "prepare_metadata_for_build_wheel", tmp_path) == "a_b-1.0.dist-info"
    metadata = (tmp_path / "a_b-1.0.dist-info/METADATA").read_bytes()
    assert metadata == zipfile.ZipFile(tmp_path / name).read("a_b-1.0.dist-info/METADATA")


@pytest.mark.skipif(sys.platform == "win32", reason="flock")
def test_exclusive_build_fails_while_another_process_holds_the_sentinel(tmp_path: Path) -> None:
    import fcntl

    sentinel = tmp_path / "sentinel"
    project = make_project(tmp_path / "p", "a", exclusive=sentinel)
    with sentinel.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(subprocess.CalledProcessError):
            _hook(project, "build_wheel", tmp_path)
    assert _hook(project, "build_wheel", tmp_path) == "a-1.0-py3-none-any.whl"


def test_appended_code_replaces_hooks(tmp_path: Path) -> None:
    project = make_project(tmp_path, "a", backend_code="def build_wheel(*_):\n    return 'mine'", prepare=False)
    assert _hook(project, "build_wheel") == "mine"


def _get(url: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
    parts = urllib.request.Request(url)
    connection = http.client.HTTPConnection(parts.host)
    try:
        connection.request("GET", parts.selector, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.headers.items()), answer.read()
    finally:
        connection.close()


@pytest.fixture
def served(artifacts: Path, index_server: Callable[..., IndexServer]) -> IndexServer:
    make_wheel(artifacts, "a", "1.0", requires_python=">=3.8")
    make_sdist(artifacts, "a", "2.0")
    return index_server(yanked={"a-1.0-py3-none-any.whl": "bad"})


def test_project_page_as_json_and_html(served: IndexServer, artifacts: Path) -> None:
    _, headers, body = _get(f"{served.url}a/", {"Accept": "application/vnd.pypi.simple.v1+json"})
    assert headers["Content-Type"] == "application/vnd.pypi.simple.v1+json"
    wheel, sdist = json.loads(body)["files"]
    data = (artifacts / "a-1.0-py3-none-any.whl").read_bytes()
    assert wheel["hashes"]["sha256"] == hashlib.sha256(data).hexdigest()
    assert (wheel["yanked"], wheel["requires-python"]) == ("bad", ">=3.8")
    assert sdist["url"] == "/files/a-2.0.tar.gz"
    _, headers, body = _get(f"{served.url}a/", {"Accept": "text/html"})
    assert headers["Content-Type"] == "text/html"
    assert b'data-yanked="bad"' in body
    assert b"&gt;=3.8" in body


def test_metadata_files_match_their_digest(served: IndexServer) -> None:
    _, _, body = _get(f"{served.url}a/", {"Accept": "application/vnd.pypi.simple.v1+json"})
    wheel = json.loads(body)["files"][0]
    _, _, metadata = _get(f"{served.origin}{wheel['url']}.metadata")
    assert hashlib.sha256(metadata).hexdigest() == wheel["core-metadata"]["sha256"]


def test_conditional_and_range_requests(served: IndexServer, artifacts: Path) -> None:
    data = (artifacts / "a-2.0.tar.gz").read_bytes()
    url = f"{served.files_url}a-2.0.tar.gz"
    _, headers, body = _get(url)
    assert body == data
    assert _get(url, {"If-None-Match": headers["ETag"]})[0] == 304
    status, part, body = _get(url, {"Range": "bytes=-10", "If-Range": headers["ETag"]})
    assert (status, body) == (206, data[-10:])
    assert part["Content-Range"] == f"bytes {len(data) - 10}-{len(data) - 1}/{len(data)}"
    assert _get(url, {"Range": "bytes=5-9"})[2] == data[5:10]
    assert _get(url, {"Range": "bytes=5-9", "If-Range": '"old"'})[0] == 200
    assert _get(url, {"Range": f"bytes={len(data)}-"})[0] == 416
    assert _get(f"{served.url}a/", {"If-None-Match": _get(f"{served.url}a/")[1]["ETag"]})[0] == 304


def test_connections_are_kept_open(served: IndexServer) -> None:
    connection = http.client.HTTPConnection(served.origin.removeprefix("http://"))
    for path in ["/simple/", "/simple/a/", "/files/a-2.0.tar.gz", "/simple/nothing/"]:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert not answer.will_close
    connection.close()
    assert served.paths("GET")[-1] == "/simple/nothing/"


def test_names_are_redirected_to_their_normal_form(served: IndexServer) -> None:
    assert _get(f"{served.url}A")[1]["Location"] == "/simple/a/"


def test_credentials(artifacts: Path, index_server: Callable[..., IndexServer]) -> None:
    server = index_server(credentials=("user", "pass"))
    assert _get(server.url)[0] == 401
    assert _get(server.url, {"Authorization": "Basic dXNlcjpwYXNz"})[0] == 200


def test_faults_are_limited_to_their_times(served: IndexServer, artifacts: Path) -> None:
    served.fault("/a/", faults.answer(503, times=2))
    served.fault(".tar.gz", faults.cut(7, times=1))
    assert [_get(f"{served.url}a/")[0] for _ in range(3)] == [503, 503, 200]
    with pytest.raises(http.client.IncompleteRead):
        _get(f"{served.files_url}a-2.0.tar.gz")
    assert _get(f"{served.files_url}a-2.0.tar.gz")[2] == (artifacts / "a-2.0.tar.gz").read_bytes()


def test_many_clients_at_once_and_changes_while_running(served: IndexServer, artifacts: Path) -> None:
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(_get(f"{served.url}a/")[0])) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 20
    make_wheel(artifacts, "new")
    assert _get(f"{served.url}new/")[0] == 200


def test_interpreters_are_found(interpreters: list[tuple[tuple[int, ...], Path]]) -> None:
    assert sys.version_info[:2] in [version[:2] for version, _ in interpreters]
