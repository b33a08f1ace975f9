from __future__ import annotations

import codecs
import os
from pathlib import Path

import pytest
from kit.archives import make_project

from pytest_fastenv.errors import RequirementsError
from pytest_fastenv.model.artifact import Hashes
from pytest_fastenv.model.reference import ArchiveReference
from pytest_fastenv.model.request import Request
from pytest_fastenv.requirements.sources import read_sources

#: The machine's own pip.conf files are none of a test's.
NO_PIP_FILES = {"PIP_CONFIG_FILE": os.devnull}

SHA = "0123456789abcdef" * 4


@pytest.fixture
def write(tmp_path: Path):
    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def read(base: Path, name: str = "r.txt", **environ: str) -> Request:
    return read_sources([name], base=base, environ=NO_PIP_FILES | environ)


def names(request: Request) -> list[str | None]:
    return [wanted.name for wanted in request.wanted]


def test_nested_files_are_relative_to_the_one_that_names_them(tmp_path: Path, write) -> None:
    write("r.txt", "a\n-r sub/s.txt\n-c sub/c.txt\nd")
    write("sub/s.txt", "b\n-r deeper/t.txt")
    write("sub/deeper/t.txt", "c\n-r ../../again.txt")
    write("sub/c.txt", "z<1")
    write("again.txt", "again")
    request = read(tmp_path)
    assert names(request) == ["a", "b", "c", "again", "d"]
    assert [str(wanted.location) for wanted in request.wanted] == [
        "r.txt:1",
        "sub/s.txt:1",
        "sub/deeper/t.txt:1",
        "again.txt:1",
        "r.txt:4",
    ]
    assert [(c.name, c.specifier) for c in request.constraints] == [("z", "<1")]
    read_files = [Path(seen.subject).relative_to(tmp_path).as_posix() for seen in request.observed]
    assert read_files == ["r.txt", "sub/s.txt", "sub/deeper/t.txt", "again.txt", "sub/c.txt"]


def test_digest_of_a_read_file_follows_its_content(tmp_path: Path, write) -> None:
    write("r.txt", "a")
    first = read(tmp_path).observed
    write("r.txt", "b")
    assert read(tmp_path).observed != first


def test_file_named_twice_counts_once(tmp_path: Path, write) -> None:
    write("r.txt", "-r a.txt\n-r b.txt")
    write("a.txt", "-r b.txt")
    write("b.txt", "x")
    assert names(read(tmp_path)) == ["x"]


def test_circle_is_shown(tmp_path: Path, write) -> None:
    write("r.txt", "-r sub/a.txt")
    write("sub/a.txt", "x\n-r b.txt")
    write("sub/b.txt", "-r a.txt")
    with pytest.raises(RequirementsError, match=r"sub/a.txt -> sub/b.txt -> sub/a.txt") as caught:
        read(tmp_path)
    assert caught.value.where == "sub/b.txt:1:4"


def test_missing_nested_file(tmp_path: Path, write) -> None:
    write("r.txt", "a\n-r  nothing.txt")
    with pytest.raises(RequirementsError, match=r"no such file: nothing.txt") as caught:
        read(tmp_path)
    assert caught.value.where == "r.txt:2:5"
    assert caught.value.why == "-r  nothing.txt\n    ^"


@pytest.mark.parametrize(
    "content",
    [
        codecs.BOM_UTF8 + b"caf\xc3\xa9 # \xc3\xa9",
        codecs.BOM_UTF16_LE + "café".encode("utf-16-le"),
        codecs.BOM_UTF16_BE + "café".encode("utf-16-be"),
        codecs.BOM_UTF32_LE + "café".encode("utf-32-le"),
        codecs.BOM_UTF32_BE + "café".encode("utf-32-be"),
        b"# -*- coding: latin-1 -*-\ncaf\xe9",
        "café".encode(),
    ],
)
def test_encodings(tmp_path: Path, write, content: bytes) -> None:
    write("r.txt", content)
    with pytest.raises(RequirementsError) as caught:  # a name is ASCII: the error shows what was understood
        read(tmp_path)
    assert "café" in str(caught.value)


def test_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path, write) -> None:
    write("r.txt", codecs.BOM_UTF8 + b"a")
    assert names(read(tmp_path)) == ["a"]


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"a\nb # \xff\n", "line 2 is not utf-8"), (b"# coding: nonsense\n", "the encoding 'nonsense' is not known")],
)
def test_undecodable_file(tmp_path: Path, write, content: bytes, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("locale.getpreferredencoding", lambda _do_setlocale: "UTF-8")
    write("r.txt", content)
    with pytest.raises(RequirementsError, match=text):
        read(tmp_path)


def test_locale_is_tried_after_utf8(tmp_path: Path, write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("locale.getpreferredencoding", lambda _do_setlocale: "cp1252")
    write("r.txt", b"a # caf\xe9")
    assert names(read(tmp_path)) == ["a"]


def test_index_options(tmp_path: Path, write) -> None:
    (tmp_path / "sub/wheels").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    write("r.txt", "-r sub/s.txt\n--trusted-host h.invalid\n--pre\n--prefer-binary")
    content = "-i https://${U}:${P}@h.invalid/simple\n--extra-index-url https://i.invalid/\n--no-index\n"
    write("sub/s.txt", content + "-f wheels\n-f elsewhere\n-f https://h.invalid/l")
    request = read(tmp_path, U="me", P="secret")
    assert request.index.index_url == "https://me:secret@h.invalid/simple"
    assert request.index.extra_index_urls == ("https://i.invalid/",)
    assert request.index.find_links == (
        str(tmp_path / "sub/wheels"),
        str(tmp_path / "elsewhere"),
        "https://h.invalid/l",
    )
    assert request.index.no_index
    assert request.index.trusted_hosts == ("h.invalid",)
    assert request.releases.pre_releases("any")
    assert request.prefer_binary
    assert not request.require_hashes


@pytest.mark.parametrize("option", ["-f nothing", "-i nothing"])
def test_missing_place_for_artifacts(tmp_path: Path, write, option: str) -> None:
    write("r.txt", option)
    with pytest.raises(RequirementsError, match="nothing") as caught:
        read(tmp_path)
    assert caught.value.where == "r.txt:1:4"


@pytest.mark.parametrize(
    ("lines", "no_binary", "only_binary"),
    [
        (["--no-binary A.b,c"], {"a-b", "c"}, set()),
        (["--no-binary a", "--no-binary b"], {"a", "b"}, set()),
        (["--no-binary :all:", "--only-binary a"], {":all:"}, {"a"}),
        (["--no-binary a", "--only-binary :all:"], set(), {":all:"}),
        (["--no-binary a", "--only-binary a"], set(), {"a"}),
        (["--only-binary a,:none:"], set(), set()),
        (["--only-binary a,:all:,:none:,b"], set(), {"b"}),
    ],
)
def test_format_control(tmp_path: Path, write, lines: list[str], no_binary: set[str], only_binary: set[str]) -> None:
    write("r.txt", "\n".join(lines))
    formats = read(tmp_path).formats
    assert (formats.no_binary, formats.only_binary) == (no_binary, only_binary)


def test_config_settings_belong_to_their_line(tmp_path: Path, write) -> None:
    make_project(tmp_path / "p", "p")
    write("r.txt", "a -C k=v --config-setting=k=w -C other=1=2\nb\n-e ./p -C x=y")
    first, second, third = read(tmp_path).wanted
    assert first.config_settings == (("k", ("v", "w")), ("other", "1=2"))
    assert second.config_settings == ()
    assert third.config_settings == (("x", "y"),)


def test_config_setting_without_a_value(tmp_path: Path, write) -> None:
    write("r.txt", "a -C nonsense")
    with pytest.raises(RequirementsError, match="'nonsense' is no KEY=VALUE"):
        read(tmp_path)


def test_texts_are_shown_as_written_without_credentials(tmp_path: Path, write) -> None:
    make_project(tmp_path / "p", "p")
    write(
        "r.txt",
        "a @ https://${T}@h.invalid/a.zip\nhttps://me:pw@h.invalid/b.zip --config-settings k=v\n-e ./p[x]  # hi",
    )
    request = read(tmp_path, T="token")
    assert [wanted.text for wanted in request.wanted] == [
        "a @ https://${T}@h.invalid/a.zip",
        "https://me:**@h.invalid/b.zip",
        "-e ./p[x]",
    ]
    assert request.wanted[0].reference == ArchiveReference("https://token@h.invalid/a.zip")
    assert "token" not in request.wanted[0].location.text


def test_paths_are_relative_to_the_base_first_then_to_the_file(tmp_path: Path, write) -> None:
    for directory in ("p", "sub/p", "sub/q"):
        make_project(tmp_path / directory, "x")
    write("sub/s.txt", "./p\n-e ./q")
    assert [wanted.reference.directory for wanted in read(tmp_path, "sub/s.txt").wanted] == [
        tmp_path / "p",
        tmp_path / "sub/q",
    ]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("-e ./p", "a constraint cannot be editable"),
        ("./q", "a constraint needs a name"),
        ("a[x]<1", "a constraint cannot have extras"),
    ],
)
def test_constraints_that_are_none(tmp_path: Path, write, line: str, what: str) -> None:
    make_project(tmp_path / "p", "p")
    write("q/setup.py", "")
    write("r.txt", "-c c.txt")
    write("c.txt", line)
    with pytest.raises(RequirementsError, match=what) as caught:
        read(tmp_path)
    assert (caught.value.where or "").startswith("c.txt:1")


@pytest.mark.parametrize("line", ["my-p @ ./p", "./p", "./p ; python_version > '3'", "my-p @ file:p"])
def test_a_directory_may_be_a_constraint(tmp_path: Path, write, line: str) -> None:
    project = write("p/pyproject.toml", "[project]\nname = 'My_P'\n").parent
    write("r.txt", "-c c.txt")
    write("c.txt", line)
    request = read(tmp_path)
    assert [(c.name, c.reference.directory) for c in request.constraints] == [("my-p", project)]
    (project / "more.py").write_text("")
    assert read(tmp_path).observed != request.observed


def test_constraints_may_have_urls_and_markers(tmp_path: Path, write) -> None:
    write("r.txt", "a\n-c c.txt")
    write("c.txt", "a @ https://h.invalid/a.zip\nb<1; os_name=='nt'")
    assert [c.name for c in read(tmp_path).constraints] == ["a", "b"]


@pytest.mark.parametrize("pins", [True, False])
def test_one_hash_demands_hashes_of_all(tmp_path: Path, write, pins: bool) -> None:
    make_project(tmp_path / "p", "p")
    write(
        "r.txt",
        f"a==1 --hash=sha256:{SHA}\nb==1\nc>=1 --hash=sha256:{SHA}\n-e ./p\nd==1.* --hash=sha256:{SHA}\n"
        f"git+https://h.invalid/r@{SHA[:40]}\nhttps://h.invalid/e.zip#sha256={SHA}\nhttps://h.invalid/f.zip\n"
        + "--require-hashes"
        * pins,
    )
    with pytest.raises(RequirementsError) as caught:
        read(tmp_path)
    assert caught.value.where == "r.txt:2"
    complaints = [
        "r.txt:2: b==1: no --hash",
        "r.txt:3: c>=1: not pinned with ==",
        "r.txt:4: -e ./p: directories and repositories have no digest",
        "r.txt:5: d==1.*: not pinned with ==",
        f"r.txt:6: git+https://h.invalid/r@{SHA[:40]}: directories and repositories have no digest",
        "r.txt:8: https://h.invalid/f.zip: no --hash",
    ]
    assert (caught.value.why or "").splitlines() == [text for text in complaints if pins or "pinned" not in text]


def test_hashes_and_pins_that_suffice(tmp_path: Path, write) -> None:
    write(
        "r.txt",
        f"--require-hashes\na==1 \\\n  --hash=sha256:{SHA} \\\n  --hash sha256:{SHA[::-1]}\n"
        f"https://h.invalid/e.zip#sha256={SHA}\nc\n-c c.txt",
    )
    write("c.txt", f"c==2 --hash=sha512:{SHA * 2}")
    request = read(tmp_path)
    assert request.require_hashes
    assert request.wanted[0].hashes == Hashes.one_of([("sha256", SHA), ("sha256", SHA[::-1])])


def test_digest_in_a_url_alone_demands_nothing(tmp_path: Path, write) -> None:
    write("r.txt", f"a\nhttps://h.invalid/e.zip#sha256={SHA}")
    assert not read(tmp_path).require_hashes


@pytest.mark.parametrize(
    ("value", "what"),
    [("sha256", "needs an algorithm"), ("md5:00", "md5 does not"), ("x:1", "unknown hash"), ("sha256:xx", "no sha256")],
)
def test_unusable_hashes(tmp_path: Path, write, value: str, what: str) -> None:
    write("r.txt", f"a==1 --hash={value}")
    with pytest.raises(RequirementsError, match=what) as caught:
        read(tmp_path)
    assert caught.value.where == "r.txt:1:13"


def test_error_in_a_continued_line_points_into_the_physical_one(tmp_path: Path, write) -> None:
    write("r.txt", "# first\na==1 \\\n    --hash=sha256:nonsense\n")
    with pytest.raises(RequirementsError) as caught:
        read(tmp_path)
    assert caught.value.where == "r.txt:3:12"
    assert caught.value.why == "    --hash=sha256:nonsense\n           ^"


def test_remote_files_are_fetched_if_something_fetches(tmp_path: Path, write) -> None:
    write("r.txt", "a\n-c https://h.invalid/x/c.txt")
    remote = {"https://h.invalid/x/c.txt": b"a<1\n-c d.txt", "https://h.invalid/x/d.txt": b"b<1"}
    request = read_sources(["r.txt"], base=tmp_path, environ=NO_PIP_FILES, fetch=remote.__getitem__)
    assert [(c.name, str(c.location)) for c in request.constraints] == [
        ("a", "https://h.invalid/x/c.txt:1"),
        ("b", "https://h.invalid/x/d.txt:1"),
    ]
    with pytest.raises(RequirementsError, match="not read over the network") as caught:
        read(tmp_path)
    assert caught.value.where == "r.txt:2:4"


@pytest.mark.parametrize(
    ("content", "what", "where"),
    [
        ("-r ftp://h.invalid/x.txt", "cannot be read from ftp://h.invalid/x.txt", "r.txt:1:4"),
        ("-r .", "cannot be read: Is a directory", "r.txt:1:4"),
        ("--only-binary=-x", "--only-binary needs project names", "r.txt:1:15"),
        ("-e ./p -e ./p --config-settings", "--config-settings needs a value", "r.txt:1:15"),
        ("a -e ./p", "-e stands behind a requirement", "r.txt:1:3"),
    ],
)
def test_unusable_lines(tmp_path: Path, write, content: str, what: str, where: str) -> None:
    write("r.txt", content)
    with pytest.raises(RequirementsError) as caught:
        read(tmp_path)
    assert what in caught.value.what
    assert caught.value.where == where


def test_index_may_be_a_directory(tmp_path: Path, write) -> None:
    (tmp_path / "sub/simple").mkdir(parents=True)
    (tmp_path / "more").mkdir()
    write("sub/r.txt", "-i ./simple\n--extra-index-url more")
    index = read(tmp_path, "sub/r.txt").index
    assert index.index_url == (tmp_path / "sub/simple").as_uri()
    assert index.extra_index_urls == ((tmp_path / "more").as_uri(),)


def test_file_urls_of_nested_files(tmp_path: Path, write) -> None:
    path = write("sub dir/s.txt", "b")
    write("r.txt", f"-r {path.as_uri()}")
    assert names(read(tmp_path)) == ["b"]


def test_a_requirement_for_another_platform_needs_no_hash(tmp_path: Path, write) -> None:
    digest = "0" * 64
    write("r.txt", f"a==1 --hash=sha256:{digest}\nb==1 ; sys_platform == 'nowhere'\n")
    assert [wanted.name for wanted in read(tmp_path).wanted] == ["a", "b"]


@pytest.mark.parametrize(
    "line",
    [
        "six @ ${X}/six.whl",
        "six @ https://${X}/six.whl",
        "git+https://${X}/six",
        "six==${X}",
        "six[${X}]",
        "-e ${X}",
        "-r ${X}/s.txt",
        "-c ${X}/s.txt",
        "--index-url ${X}/simple",
        "--find-links ${X}",
        "six==1.0 --hash=${X}",
    ],
)
def test_variable_that_is_not_set_is_named_where_its_line_fails(tmp_path: Path, write, line: str) -> None:
    write("r.txt", line)
    for environ in ({}, {"X": ""}):
        with pytest.raises(RequirementsError) as caught:
            read(tmp_path, **environ)
        assert "the variable X is not set" in (caught.value.why or "")


def test_variable_that_is_not_set_stays_as_text_where_its_line_can_be_read(tmp_path: Path, write) -> None:
    write("r.txt", "six --config-settings=a=${X}")
    assert read(tmp_path).wanted[0].config_settings == (("a", "${X}"),)
    write("r.txt", "six @ ${X}/six.whl ; python_version < '3'")
    fault = read(tmp_path).wanted[0].fault
    assert fault is not None
    assert "the variable X is not set" in (fault.why or "")


def test_several_variables_that_are_not_set_are_named(tmp_path: Path, write) -> None:
    write("r.txt", "six @ ${X}/${Y}.whl")
    with pytest.raises(RequirementsError) as caught:
        read(tmp_path)
    assert "the variables X and Y are not set" in (caught.value.why or "")
