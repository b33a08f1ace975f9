from __future__ import annotations

import pytest

from pytest_fastenv.wheel.startup import imported_at_start, in_library, is_pth, runs_code

DATA = "demo-1.0.data"


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("demo/x.py", "demo/x.py"),
        (f"{DATA}/purelib/demo/x.py", "demo/x.py"),
        (f"{DATA}/platlib/x.py", "x.py"),
        (f"{DATA}/data/lib/python3.12/site-packages/x.py", "x.py"),
        (f"{DATA}/data/Lib/site-packages/demo/x.py", "demo/x.py"),
        (f"{DATA}/data/lib/python3/dist-packages/x.py", "x.py"),
        (f"{DATA}/data/share/x.py", ""),
        (f"{DATA}/data/my-site-packages/x.py", ""),
        (f"{DATA}/scripts/x.py", ""),
        (f"{DATA}/headers/x.py", ""),
    ],
)
def test_where_a_file_is_imported_from(path: str, seen: str) -> None:
    assert in_library(path, DATA) == seen


def test_a_wheel_without_data() -> None:
    assert in_library("other.data/purelib/x.py", "") == "other.data/purelib/x.py"


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("x.pth", True),
        (f"{DATA}/purelib/x.pth", True),
        (f"{DATA}/data/lib/python3.12/site-packages/x.pth", True),
        ("demo/x.pth", False),
        (f"{DATA}/data/x.pth", False),
        (f"{DATA}/scripts/x.pth", False),
        ("x.pth.txt", False),
    ],
)
def test_pth_files(path: str, is_one: bool) -> None:
    assert is_pth(path, DATA) is is_one


@pytest.mark.parametrize("content", [b"import os", b"a\nimport\tos\n", b"\xef\xbb\xbfimport os\n", b"a\rimport os"])
def test_code(content: bytes) -> None:
    assert runs_code(content)


@pytest.mark.parametrize("content", [b"", b"a\n", b"# import os\n", b" import os\n", b"importlib\n"])
def test_no_code(content: bytes) -> None:
    assert not runs_code(content)


def test_modules_that_are_imported() -> None:
    imported = [
        "sitecustomize.py",
        "usercustomize.pyc",
        "sitecustomize/__init__.py",
        "sitecustomize.cpython-312-x86_64-linux-gnu.so",
        "sitecustomize.abi3.so",
        f"{DATA}/purelib/sitecustomize.py",
        f"{DATA}/data/lib/python3.12/site-packages/usercustomize.py",
    ]
    others = ["sitecustomize.txt", "demo/sitecustomize.py", "sitecustomize_demo.py", "sitecustomize/data.py"]
    assert imported_at_start([*imported, *others, f"{DATA}/data/sitecustomize.py"], DATA) == imported
