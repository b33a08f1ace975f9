"""One file that needs nothing else, and in which foreign text stays text."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

from pytest_fastenv.model.events import Span
from pytest_fastenv.report.timeline import timeline


def chart(document: str) -> ET.Element:
    found = re.search(r"<svg.*</svg>", document, re.DOTALL)
    assert found is not None
    return ET.fromstring(found[0])


class Tags(HTMLParser):
    """Collects tags and attributes that load something, and checks that tags are closed."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loading: list[str] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.open.append(tag)  # for one that is empty, handle_endtag is called as well
        self.loading += [tag] if tag in {"script", "link", "img", "iframe"} else []
        self.loading += [name for name, _ in attrs if name in {"src", "href", "xlink:href"}]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_every_span_is_a_bar_with_a_title(spans: list[Span]) -> None:
    svg = chart(timeline(spans, {}))
    bars = svg.findall("rect")
    assert len(bars) == len(spans)
    titles = [bar.findtext("title") or "" for bar in bars]
    (numpy,) = (title for title in titles if title.startswith("fetch numpy"))
    assert numpy.splitlines() == [
        "fetch numpy",
        "300 ms",
        "from 100 ms to 400 ms",
        "version: 2.0",
        "bytes: 2.0 MB",
        "source: network",
    ]
    classes = {bar.get("class") for bar in bars}
    assert classes == {"resolve", "fetch", "build failed", "link unfinished"}


def test_bars_lie_where_their_time_is(spans: list[Span]) -> None:
    svg = chart(timeline(spans, {}))
    bars = {(bar.findtext("title") or "").splitlines()[0]: bar for bar in svg.findall("rect")}
    x = {name: float(str(bar.get("x"))) for name, bar in bars.items()}
    width = {name: float(str(bar.get("width"))) for name, bar in bars.items()}
    assert x["resolve 3 requirements"] < x["fetch numpy"] < x["fetch spam"] < x["build spam"]
    assert abs(width["fetch numpy"] - 3 * width["fetch spam"]) < 0.1
    assert bars["fetch numpy"].get("y") != bars["fetch spam"].get("y")
    box = [float(part) for part in str(svg.get("viewBox")).split()]
    assert all(x[name] + width[name] <= box[2] for name in x)


def test_nothing_is_loaded_and_tags_are_closed(spans: list[Span]) -> None:
    document = timeline(spans, {"python": "CPython 3.12.1"})
    tags = Tags(document)
    assert tags.open == []
    assert tags.loading == []
    assert "prefers-color-scheme: dark" in document
    assert not re.search(r"https?:|@import|url\(", document)


def test_foreign_text_stays_text() -> None:
    nasty = '</title><script>alert("1")</script>\x1b[31m\x00 & ü'
    document = timeline([Span("build", nasty, 0, 1000, {nasty: nasty})], {nasty: nasty})
    assert Tags(document).loading == []
    assert "\x1b" not in document
    assert "\x00" not in document
    title = chart(document).findtext("rect/title") or ""
    assert title.startswith('build </title><script>alert("1")</script>\\x1b[31m\\x00 & ü')


def test_a_run_without_spans_says_so() -> None:
    assert "Nothing had to be done." in timeline([], {"reused": True})


def test_the_table_adds_up(spans: list[Span]) -> None:
    rows = re.findall(r"<tr><td>(.*?)</td></tr>", timeline(spans, {}))
    assert rows[1].split("</td><td>") == ["fetch", "3", "2", "500 ms", "300 ms", "2.0 MB"]


def test_zero_and_very_long_runs_are_drawn() -> None:
    for end in (0, 1, 10**15):
        chart(timeline([Span("link", "x", 0, end), Span("link", "y", 0, 0)], {}))
