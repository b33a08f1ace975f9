"""Thousands of mutations of project pages, HTML and JSON: refused with a diagnosis, or read as elsewhere."""

from __future__ import annotations

import html
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from kit.mutations import COUNT, bounded, mutated, seeds

from pytest_fastenv.errors import FastenvError
from pytest_fastenv.index.page import Page
from pytest_fastenv.index.simple_html import parse_html
from pytest_fastenv.index.simple_json import parse_json
from pytest_fastenv.wheel.filenames import canonical_version, parse_filename, sdist_stem

pytestmark = pytest.mark.slow

URL = "https://h.invalid/simple/demo/"
SHA = "0123456789abcdef" * 4
ENDS = ("", " ", "\n")
#: Name, Python versions, why it was yanked.
File = tuple[str, str, str | None]
_PIECES = (
    *("<a ", "</a>", "<!--", "-->", "<", ">", '"', "'", "=", "/", "//", "..", "\t", "\n", "\0", "\u2028", "\x85", "ä"),
    *("&amp;", "&#10;", "&quot;", "#", "?", "%2f", "%00", "-", "@", "u:p@", "href", "data-yanked", "data-yanked=x "),
    *("demo-9.tar.gz", "other-1.tar.gz", "https://other.invalid/", "<base href='x/'>", "<script>", "</script>"),
    *(f"#sha256={SHA}", 'data-requires-python="&lt;3"'),
)
_VALUES = (
    *(None, True, False, 0, -1, 1.5, 1 << 70, float("inf"), {}, [], {"sha256": SHA}, {"sha256": 1}, {"a": {"b": []}}),
    *("", "x", "\n", "\t", "../x", "1.1", "2.0", "true", "\ud800", "demo-3.tar.gz", "a" * 3000, "\0"),
)


def _html() -> str:
    lines = [
        f'<a href="../../f/demo-1.{n}-py3-none-any.whl#sha256={SHA}" data-requires-python="&gt;=3.{n}" '
        f'data-core-metadata="sha256={SHA}">demo-1.{n}</a><br>'
        for n in range(3)
    ]
    lines += [
        "<a HREF='https://f.invalid/demo-2.0.tar.gz?sig=a/b' data-yanked='it is &lt; \"bad\"'>x</a>",
        f"<a\n  rel=internal href=demo-2.1.zip#md5={SHA[:32]} data-yanked >x</a>",
        '<!-- <a href="demo-3.0.tar.gz">x</a> -->',
    ]
    meta = '<meta name="pypi:repository-version" content="1.0"><meta name="pypi:project-status" content="active">'
    return (
        f"<!DOCTYPE html>\n<html><head>{meta}<title>Links</title></head><body>\n"
        + "\n".join(lines)
        + "\n</body></html>\n"
    )


def _json() -> dict[str, Any]:
    hashes = {"sha256": SHA}
    file = {"filename": "", "url": "", "hashes": hashes, "requires-python": ">=3.8", "yanked": False, "size": 10}
    file |= {"core-metadata": hashes, "upload-time": "2026-01-01T00:00:00Z"}
    names = ("demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz", "demo-2.0.tar.gz")
    files = [{**file, "filename": name, "url": f"../../f/{name}"} for name in names]
    files[1] |= {"yanked": "broken", "core-metadata": False}
    return {
        "meta": {"api-version": "1.1"},
        "name": "demo",
        "versions": ["1.0", "2.0"],
        "files": files,
        "project-status": {"status": "active"},
    }


def mutated_html(chance: random.Random) -> bytes:
    """Return a page with slips anywhere."""
    return mutated(chance, _html(), _PIECES).encode("utf-8", "surrogatepass")


def html_of_other_values(chance: random.Random) -> bytes:
    """Return a page that is well-formed, with odd values, spellings and quotes: what browsers agree upon."""
    anchors = []
    for number in range(3):
        values = {
            "href": f"../f/demo-1.{number}.tar.gz#sha256={SHA}",
            "data-requires-python": ">=3.8,<4",
            "data-yanked": chance.choice(("", "bad, 'very' \"bad\"", "&amp;")),
            "data-core-metadata": "true",
            "rel": "internal",
        }
        for name in chance.sample(sorted(values), chance.choice((0, 1, 2))):
            values[name] = mutated(chance, values[name], [piece for piece in _PIECES if "\0" not in piece]).replace(
                "\0", ""
            )
        names = chance.sample(sorted(values), chance.randint(1, 5))
        written = [_attribute(chance, name, values[name]) for name in names]
        tag = chance.choice("aA") + chance.choice((" ", "\n", " \t", "  ")) + chance.choice((" ", "\n")).join(written)
        anchors.append(f"<{tag}{chance.choice(ENDS)}>x</a>")
    return f"<html><body>{'<br/>'.join(anchors)}</body></html>".encode("utf-8", "replace")


def _attribute(chance: random.Random, name: str, value: str) -> str:
    quote = chance.choice('""\'')
    escaped = html.escape(value, quote=False).replace(quote, "&quot;" if quote == '"' else "&#x27;")
    name = chance.choice((str.lower, str.lower, str.upper))(name)
    return f"{name}{chance.choice(('=', '=', ' = '))}{quote}{escaped}{quote}"


def mutated_json(chance: random.Random) -> bytes:
    """Return a page of which a value is another one, or a key is, or whose text has slips."""
    page = _json()
    if chance.random() < 0.4:
        return mutated(
            chance, json.dumps(page), (*_PIECES, "{", "}", "[", "]", ",", ":", "null", "1e999", "\\u0000", "\\ud800")
        ).encode()
    for _ in range(chance.choice((1, 1, 2))):
        holder: Any = page
        while True:
            places = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not places:
                break
            place = chance.choice(places)
            if isinstance(holder[place], (dict, list)) and chance.random() < 0.9:
                holder = holder[place]
                continue
            if isinstance(holder, dict) and chance.random() < 0.3:
                holder[chance.choice(_PIECES)] = holder.pop(place)
            elif isinstance(holder[place], str) and chance.random() < 0.4:
                holder[place] = mutated(chance, holder[place], _PIECES)
            else:
                # A copy: the next slip may change it, and a seed gives the same page whichever ran before.
                holder[place] = deepcopy(chance.choice(_VALUES))
            break
    return json.dumps(page).encode()


class _Anchors(HTMLParser):
    """Anchors as the parser of the standard library finds them, which pip uses, too."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.base: str | None = None
        self.found: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "base" and self.base is None:
            self.base = dict(attrs).get("href")
        elif tag == "a":
            self.found.append(dict(reversed(attrs)))


def html_elsewhere(content: bytes) -> Iterator[File]:
    parser = _Anchors()
    parser.feed(content.decode("utf-8", "replace"))
    parser.close()
    for attributes in parser.found:
        href, yanked = (attributes.get("href") or "").strip().partition("#")[0], None
        if "data-yanked" in attributes:
            yanked = attributes["data-yanked"] or ""
        if href:
            yield _name(href), attributes.get("data-requires-python") or "", yanked


def nothing_elsewhere(content: bytes) -> Iterator[File]:
    """Where a page is malformed, programs read it in many ways; what is listed stands on it, that is all."""
    yield from ()


def json_elsewhere(content: bytes) -> Iterator[File]:
    for file in json.loads(content)["files"]:
        yanked, wanted = file.get("yanked"), file.get("requires-python")
        yanked = yanked if isinstance(yanked, str) else "" if yanked else None
        wanted = wanted if isinstance(wanted, str) else ""
        name = _name(file["url"].partition("#")[0])
        called = file.get("filename")
        if not _names_an_artifact(name) and isinstance(called, str):
            name = called  # what the page says counts where the URL does not end in an artifact's name
        yield name, wanted, yanked


def _names_an_artifact(name: str) -> bool:
    """Tell whether a file name on the project's page is that of an artifact, of this project or of another one.

    As pip reads it, a source distribution's name that begins with the project's goes on with a version: here
    ``demo-2.0.tao-2.0`` has none, and is not the version 2.0 of a project ``demo-2.0.tao``.
    """
    stem = sdist_stem(name)
    if stem is not None and stem.lower().startswith("demo-"):
        return canonical_version(stem[len("demo-") :]) is not None
    return parse_filename(name) is not None


def _name(url: str) -> str:
    return unquote(urlsplit(urljoin(URL, url)).path.rpartition("/")[2])


def listed(page: Page) -> Iterator[File]:
    """Yield each file that we list; all that is kept of it can be written."""
    for version in page.rows:
        page.rows[version].encode()
        for artifact in page.artifacts("demo", version):
            yield artifact.filename, artifact.requires_python or "", artifact.yanked


def plain(files: Iterable[File]) -> set[File]:
    """Return files with white space as we keep it, and only those of the project."""
    found = set()
    for name, wanted, yanked in files:
        parsed = parse_filename(name)
        if parsed is not None and parsed.name == "demo":
            # Halves of letters are no text: what stands in their place says nothing in a URL, as "?" would.
            texts = (
                text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
                for text in (name, wanted, yanked or "")
            )
            called, python, reason = (" ".join(text.split()) for text in texts)
            found.add((called, python, None if yanked is None else reason))
    return found


KINDS: dict[str, tuple[Callable[[random.Random], bytes], Callable[..., Page], Callable[[bytes], Iterator[File]]]] = {
    "html": (mutated_html, parse_html, nothing_elsewhere),
    "html of other values": (html_of_other_values, parse_html, html_elsewhere),
    "json": (mutated_json, parse_json, json_elsewhere),
}


@pytest.mark.parametrize("seed", seeds())
@pytest.mark.parametrize("kind", KINDS)
def test_mutated_pages_are_refused_or_read_as_elsewhere(kind: str, seed: int) -> None:
    mutate, parse, elsewhere = KINDS[kind]
    chance, counts = random.Random(f"{kind} {seed}"), Counter[str]()
    with bounded() as begin:
        for number in range(COUNT):
            content = mutate(chance)
            told = f"seed {seed}, number {number}: {content!r}"
            begin()
            try:
                found = plain(listed(parse(content, name="demo", url=URL, location=URL)))
            except FastenvError as error:
                counts["refused" if error.what else "said nothing"] += 1
                continue
            except BaseException as error:
                raise AssertionError(told) from error
            counts["read"] += 1
            if elsewhere is nothing_elsewhere:
                assert all(name.lower().startswith("demo") for name, _, _ in found), told
            else:
                assert found == plain(elsewhere(content)), told
    assert counts["said nothing"] == 0
    assert counts["read"] > COUNT // 3
    assert (counts["refused"] > COUNT // 50) == (kind == "json")
