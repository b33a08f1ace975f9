from __future__ import annotations

from pytest_fastenv.report.summary import line


def test_one_line_from_plain_values() -> None:
    text = line(
        {"distributions": 145, "cached": 140, "fetched": 3, "built": 2, "seconds": 1.3, "python": "CPython 3.12.1"}
        | {"path": "/environments/ab12"}
    )
    assert text == (
        "fastenv: 145 distributions (140 cached, 3 fetched, 2 built) in 1.3 s, CPython 3.12.1, /environments/ab12"
    )
