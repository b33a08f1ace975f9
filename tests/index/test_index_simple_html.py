from __future__ import annotations

import random
import time
from html.parser import HTMLParser

import pytest

from pytest_fastenv.errors import IndexAnswerError
from pytest_fastenv.index.page import Page, Status
from pytest_fastenv.index.simple_html import anchors, parse_html
from pytest_fastenv.model.artifact import Artifact, Hashes

URL = "https://h.invalid/simple/a/"
SHA = "0123456789abcdef" * 4


def parse(body: str, head: str = "", url: str = URL, name: str = "a") -> Page:
    return parse_html(f"<html><head>{head}</head><body>{body}</body></html>".encode(), name=name, url=url, location=url)


def only(page: Page) -> Artifact:
    (version,) = page.rows
    (artifact,) = page.artifacts("a", version)
    return artifact


def test_a_file_with_everything() -> None:
    metadata = f"sha256={SHA}"
    page = parse(
        f'<a href="../../files/a-1.0-py3-none-any.whl#sha256={SHA}" data-requires-python="&gt;=3.8,&lt;4"'
        f' data-yanked="bad &amp; broken" data-core-metadata="{metadata}" data-upload-time="2026-01-01T00:00:00Z">x</a>'
    )
    assert only(page) == Artifact(
        name="a",
        version="1.0",
        filename="a-1.0-py3-none-any.whl",
        url="https://h.invalid/files/a-1.0-py3-none-any.whl",
        hashes=Hashes.of({"sha256": SHA}),
        requires_python=">=3.8,<4",
        yanked="bad & broken",
        metadata=Hashes.of({"sha256": SHA}),
        index_url=URL,
        upload_time="2026-01-01T00:00:00Z",
    )


@pytest.mark.parametrize(
    ("href", "base", "expected"),
    [
        ("a-1.tar.gz", "", "https://h.invalid/simple/a/a-1.tar.gz"),
        ("/f/a-1.tar.gz", "", "https://h.invalid/f/a-1.tar.gz"),
        ("../../f/a-1.tar.gz", "", "https://h.invalid/f/a-1.tar.gz"),
        ("//cdn.invalid/a-1.tar.gz", "", "https://cdn.invalid/a-1.tar.gz"),
        ("a-1.tar.gz?sig=a/b#md5=0", "", "https://h.invalid/simple/a/a-1.tar.gz?sig=a/b"),
        ("a-1.tar.gz", '<base href="https://b.invalid/x/">', "https://b.invalid/x/a-1.tar.gz"),
        ("https://u:p@c.invalid/a-1.tar.gz", "", "https://c.invalid/a-1.tar.gz"),
        ("%61-1.tar.gz", "", "https://h.invalid/simple/a/%61-1.tar.gz"),
        (" a-1.tar.gz ", "", "https://h.invalid/simple/a/a-1.tar.gz"),
    ],
)
def test_links_are_made_absolute(href: str, base: str, expected: str) -> None:
    assert only(parse(f'<a href="{href}">a</a>', base)).url == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("", None),
        (" data-yanked", ""),
        (' data-yanked=""', ""),
        (" DATA-YANKED='it is > \"bad\"'", 'it is > "bad"'),
        (' data-yanked="two\nlines\tand &#10;more"', "two lines and more"),
        (" data-yanked=bare", "bare"),
    ],
)
def test_yanked_files(attributes: str, expected: str | None) -> None:
    assert only(parse(f'<a href="a-1.tar.gz"{attributes}>a</a>')).yanked == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("", None),
        (' data-core-metadata="true"', Hashes()),
        (' data-core-metadata="false"', None),
        (f' data-dist-info-metadata="sha256={SHA}"', Hashes.of({"sha256": SHA})),
        (f' data-dist-info-metadata="true" data-core-metadata="sha256={SHA}"', Hashes.of({"sha256": SHA})),
    ],
)
def test_metadata_files(attributes: str, expected: Hashes | None) -> None:
    assert only(parse(f'<a href="a-1-py3-none-any.whl"{attributes}>a</a>')).metadata == expected


@pytest.mark.parametrize("fragment", ["crc32=d41d8cd98f00b204e9800998ecf8427e", "egg=a", "sha256=xyz", ""])
def test_hashes_that_identify_nothing(fragment: str) -> None:
    assert only(parse(f'<a href="a-1.tar.gz#{fragment}">a</a>')).hashes == Hashes()


@pytest.mark.parametrize(("algorithm", "digits"), [("md5", 32), ("sha1", 40)])
def test_weak_digests_that_stand_alone(algorithm: str, digits: int) -> None:
    found = only(parse(f'<a href="a-1.tar.gz#{algorithm}={"AB" * (digits // 2)}">a</a>'))
    assert found.hashes == Hashes.of({algorithm: "ab" * (digits // 2)}) != Hashes()


def test_what_is_no_artifact_of_the_project() -> None:
    page = parse(
        '<a href="a-1.exe">x</a><a name="top">x</a><a href="b-1.tar.gz">x</a><a href="a-1.tar.gz">x</a>'
        '<!-- <a href="a-2.tar.gz">x</a> --><script>var s = \'<a href="a-3.tar.gz">\'</script><area href="a-4.tar.gz">'
    )
    assert list(page.rows) == ["1"]
    assert page.foreign == "b-1.tar.gz"


def test_versions_are_sorted_newest_first() -> None:
    page = parse("".join(f'<a href="a-{v}.tar.gz">x</a>' for v in ("1.9", "1.10", "2.0rc1", "01.9", "1.9.post1")))
    assert list(page.rows) == ["2.0rc1", "1.10", "1.9.post1", "1.9"]
    assert len(page.artifacts("a", "1.9")) == 2


def test_a_project_s_status() -> None:
    head = '<meta name="pypi:project-status" content="quarantined"><meta name="pypi:project-status-reason" content="x">'
    assert parse("", head).status == Status("quarantined", "x")
    assert parse("").status == Status()


@pytest.mark.parametrize(("version", "newer"), [("1.0", ""), ("1.4", ""), ("1.99", "1.99")])
def test_versions_of_the_api_that_can_be_read(version: str, newer: str) -> None:
    assert parse("", f'<meta name="pypi:repository-version" content="{version}">').newer_api == newer


@pytest.mark.parametrize("version", ["2.0", "0.9", "one", ""])
def test_versions_of_the_api_that_cannot(version: str) -> None:
    with pytest.raises(IndexAnswerError, match="Simple API"):
        parse("", f'<meta content="{version}" name="pypi:repository-version">')


def test_another_character_set() -> None:
    content = '<a href="a-1.tar.gz" data-yanked="é">x</a>'.encode("latin-1")
    page = parse_html(content, name="a", url=URL, location=URL, charset="latin-1")
    assert only(page).yanked == "é"
    assert only(parse_html(content, name="a", url=URL, location=URL, charset="none-such")).yanked == "\ufffd"


class Reference(HTMLParser):
    """What the standard library's parser sees."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values: dict[str, str | None] = dict(reversed(attrs))
        if tag == "a" and values.get("href"):
            yanked = values["data-yanked"] or "" if "data-yanked" in values else None
            url = (values["href"] or "").strip().partition("#")[0]
            self.found.append((url, values.get("data-requires-python") or "", yanked))


def test_the_same_as_a_full_parser_on_many_pages() -> None:
    chance = random.Random(7)
    quotes, spaces = ['"', "'"], [" ", "  ", "\n", "\t "]
    values = [
        "&gt;=3.8",
        ">=3.8",
        "&lt;4 &amp;&amp; &#62;3",
        "",
        "a=b",
        "x/y",
        "&notanentity;",
        "it is",
        "é",
        "1 > 0 < 2",
    ]

    def attribute(name: str, value: str) -> str:
        style = chance.randrange(4)
        if style == 0 and value and not set(value) & set(" <>\"'=`&\n/"):
            return f"{name}={value}"
        quote = chance.choice(quotes)
        name = name.upper() if style == 1 else name
        equals = " = " if style == 2 else "="
        return f"{name}{equals}{quote}{value}{quote}"

    for _ in range(150):
        page = []
        for number in range(20):
            parts = [attribute("href", f"../f/a-{number}.tar.gz{chance.choice(['', '#sha256=' + SHA, '?x=1#egg=a'])}")]
            if chance.random() < 0.5:
                parts.append(attribute("data-requires-python", chance.choice(values)))
            if chance.random() < 0.3:
                parts.append(
                    attribute("data-yanked", chance.choice(values)) if chance.random() < 0.7 else "data-yanked"
                )
            if chance.random() < 0.1:
                parts.append(attribute("href", "second"))
            if chance.random() < 0.3:
                parts.append(attribute("rel", chance.choice(values)))
            if chance.random() < 0.2:
                chance.shuffle(parts)
            tag = chance.choice(["a", "A", "a", "abbr", "area"])
            space = chance.choice(spaces)
            page.append(f"<{tag}{space}{space.join(parts)}{chance.choice(['', ' ', ' /'])}>text</{tag}>")
            page.append(chance.choice(["", "<br/>", "<!-- <a href='no'> -->", "\n", "<style>a{}</style>", "a < b"]))
        text = "".join(page)
        reference = Reference()
        reference.feed(text)
        reference.close()
        _, found = anchors(text.encode(), url=URL)
        assert [(f.url, f.requires_python, f.yanked) for f in found] == reference.found, text


def test_markup_made_to_take_long_does_not() -> None:
    begin = time.perf_counter()
    for text in ("<a " + "x" * 50_000, "<a " + "\"'" * 20_000, "<a href=" * 5000, "<a " * 20_000, "<!--" * 5000):
        anchors(text.encode(), url=URL)
    assert time.perf_counter() - begin < 2


@pytest.mark.slow
def test_large_pages_are_read_quickly() -> None:
    lines = [
        f'<a href="https://h.invalid/packages/ab/cd/{n:060x}/a-{n // 24}.{n % 24 // 8}-cp3{n % 8}-cp3{n % 8}-win32.whl'
        f'#sha256={n:064x}" data-requires-python="&gt;=3.9" data-upload-time="2026-01-01T00:00:00Z">a</a><br/>'
        for n in range(6000)
    ]
    content = "\n".join(lines).encode()
    assert len(content) > 1_500_000
    times = []
    for _ in range(5):
        begin = time.process_time()
        page = parse_html(content, name="a", url=URL, location=URL)
        times.append(time.process_time() - begin)
    assert sum(rows.count("\n") + 1 for rows in page.rows.values()) == 6000
    assert min(times) < 0.15, "thirty milliseconds are usual"
