from __future__ import annotations

import hashlib
import shutil
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.archives import make_sdist, make_wheel

from benchmarks.pages import write_pages
from benchmarks.server import serve
from benchmarks.sets import read_sets


@pytest.fixture
def root(tmp_path: Path, write_set: Callable[..., Path]) -> Path:
    files = tmp_path / "index" / "files"
    files.mkdir(parents=True)
    wheel = make_wheel(files, "spam", requires_python=">=3.8", requires=["eggs"])
    sdist = make_sdist(files, "eggs")
    _, pins = read_sets(write_set("tiny", wheel, sdist))
    write_pages(pins, tmp_path / "index")
    return tmp_path / "index"


def get(url: str) -> tuple[bytes, dict[str, str]]:
    with urllib.request.urlopen(url) as answer:
        return answer.read(), {name.lower(): value for name, value in answer.headers.items()}


@pytest.mark.parametrize("latency_ms", [0.0, 30.0])
def test_the_index_has_all_that_helps_an_installer(root: Path, latency_ms: float) -> None:
    if not latency_ms and shutil.which("nginx", path="/usr/bin:/usr/sbin:/usr/local/sbin") is None:
        pytest.skip("nginx is not there")
    with serve(root, latency_ms) as served:
        begun = time.perf_counter()
        page, headers = get(f"{served.url}spam/")
        assert time.perf_counter() - begun >= latency_ms / 1000
        content, file_headers = get(served.url.replace("/simple/", "/files/spam-1.0-py3-none-any.whl"))
        metadata, _ = get(served.url.replace("/simple/", "/files/spam-1.0-py3-none-any.whl.metadata"))
    assert (headers["content-type"].partition(";")[0], headers["cache-control"]) == ("text/html", "max-age=600, public")
    assert "immutable" in file_headers["cache-control"]
    assert content == (root / "files" / "spam-1.0-py3-none-any.whl").read_bytes()
    assert b"Requires-Dist: eggs" in metadata
    text = page.decode()
    assert f'href="/files/spam-1.0-py3-none-any.whl#sha256={hashlib.sha256(content).hexdigest()}"' in text
    assert f'data-core-metadata="sha256={hashlib.sha256(metadata).hexdigest()}"' in text
    assert 'data-requires-python="&gt;=3.8"' in text


def test_a_source_distribution_has_no_metadata_file(root: Path) -> None:
    text = (root / "simple" / "eggs" / "index.html").read_text()
    assert "eggs-1.0.tar.gz#sha256=" in text
    assert "core-metadata" not in text
