from __future__ import annotations

import os
from pathlib import Path

import pytest
from kit.archives import make_project, make_sdist, make_wheel

from pytest_fastenv.errors import RequirementsError
from pytest_fastenv.filesystem.observations import first_change
from pytest_fastenv.model.artifact import Hashes
from pytest_fastenv.model.plan import Vcs
from pytest_fastenv.model.reference import ArchiveReference, DirectoryReference, RepositoryReference
from pytest_fastenv.model.request import Wanted
from pytest_fastenv.requirements.documents import Documents
from pytest_fastenv.requirements.excerpt import Excerpt
from pytest_fastenv.requirements.sources import read_sources
from pytest_fastenv.requirements.specifiers import Surroundings, read_requirement

SHA = "0123456789abcdef" * 4


@pytest.fixture
def base(tmp_path: Path) -> Path:
    make_project(tmp_path / "project", "p")
    make_project(tmp_path / "with space", "w")
    make_wheel(tmp_path / "dist", "Some.Name", "1.0")
    make_sdist(tmp_path / "dist", "src", "2.0")
    make_project(tmp_path / "odd#name", "o")
    (tmp_path / "notes.txt").touch()
    (tmp_path / "empty").mkdir()
    return tmp_path


def read(text: str, base: Path = Path("/nowhere"), *, editable: bool = False) -> Wanted:
    surroundings = Surroundings((base,), Documents(), editable=editable)
    return read_requirement(Excerpt.of(text, "r.txt", 1), surroundings)


@pytest.mark.parametrize(
    ("text", "name", "specifier", "extras", "marker"),
    [
        ("A.b_C", "a-b-c", "", (), None),
        ("a>=1,<2", "a", "<2,>=1", (), None),
        ("a (>=1)", "a", ">=1", (), None),
        ("a===1.0-odd", "a", "===1.0-odd", (), None),
        ("a[Z_y,b] ~=1.0", "a", "~=1.0", ("b", "z-y"), None),
        ("a;python_version<'3.8'", "a", "", (), 'python_version < "3.8"'),
        ("a==1.* ; os_name == 'nt' or extra == 'x'", "a", "==1.*", (), 'os_name == "nt" or extra == "x"'),
        ("requirements.txt", "requirements-txt", "", (), None),
    ],
)
def test_dependency_specifiers(
    text: str, name: str, specifier: str, extras: tuple[str, ...], marker: str | None
) -> None:
    wanted = read(text)
    assert (wanted.name, wanted.specifier, wanted.extras, wanted.marker) == (name, specifier, extras, marker)
    assert not wanted.reference.is_direct
    assert str(wanted.location) == "r.txt:1"


@pytest.mark.parametrize(
    ("text", "name", "url", "extras", "marker", "subdirectory"),
    [
        ("https://h.invalid/a_b-1-py3-none-any.whl", "a-b", "https://h.invalid/a_b-1-py3-none-any.whl", (), None, None),
        ("https://h.invalid/a-1.tar.gz", None, "https://h.invalid/a-1.tar.gz", (), None, None),
        ("https://h.invalid/a?b=c;d#egg=X[y]", "x", "https://h.invalid/a?b=c;d", ("y",), None, None),
        ("https://h.invalid/a.zip#subdirectory=p/q&egg=x", "x", "https://h.invalid/a.zip", (), None, "p/q"),
        ("https://h.invalid/a.zip ; os_name=='nt'", None, "https://h.invalid/a.zip", (), 'os_name == "nt"', None),
        (
            "a[x] @ https://h.invalid/a.zip ; os_name=='nt'",
            "a",
            "https://h.invalid/a.zip",
            ("x",),
            'os_name == "nt"',
            None,
        ),
        ("a @ https://h.invalid/a.zip; os_name=='nt'", "a", "https://h.invalid/a.zip", (), 'os_name == "nt"', None),
        ("a@https://h.invalid/a.zip", "a", "https://h.invalid/a.zip", (), None, None),
        ("http://u:p@h.invalid:80/a.zip", None, "http://u:p@h.invalid:80/a.zip", (), None, None),
    ],
)
def test_archive_urls(
    text: str, name: str | None, url: str, extras: tuple[str, ...], marker: str | None, subdirectory: str | None
) -> None:
    wanted = read(text)
    assert (wanted.name, wanted.reference, wanted.extras) == (name, ArchiveReference(url, subdirectory), extras)
    assert wanted.marker == marker


def test_digest_of_a_url() -> None:
    assert read(f"a @ https://h.invalid/a.zip#sha256={SHA}").hashes == Hashes.of({"sha256": SHA})


@pytest.mark.parametrize("editable", [False, True])
@pytest.mark.parametrize(
    ("text", "vcs", "name", "subdirectory"),
    [
        ("git+https://h.invalid/o/r.git", Vcs("https://h.invalid/o/r.git"), None, None),
        ("git+https://h.invalid/o/r@v1.0#egg=x", Vcs("https://h.invalid/o/r", "v1.0"), "x", None),
        ("git+ssh://git@h.invalid/o/r@a/b#subdirectory=s", Vcs("ssh://git@h.invalid/o/r", "a/b"), None, "s"),
        ("git+https://h.invalid/@scope/r@v1", Vcs("https://h.invalid/@scope/r", "v1"), None, None),
        ("git+file:///srv/r@main", Vcs("file:///srv/r", "main"), None, None),
        ("x @ git+https://h.invalid/o/r@abc", Vcs("https://h.invalid/o/r", "abc"), "x", None),
        ("git://h.invalid/o/r", Vcs("git://h.invalid/o/r"), None, None),
    ],
)
def test_repositories(text: str, vcs: Vcs, name: str | None, subdirectory: str | None, *, editable: bool) -> None:
    wanted = read(text, editable=editable)
    assert (wanted.reference, wanted.name) == (RepositoryReference(vcs, subdirectory, editable), name)


@pytest.mark.parametrize(
    ("text", "directory", "extras", "marker"),
    [
        ("./project", "project", (), None),
        ("project/", "project", (), None),
        ("./project[x,Y]", "project", ("x", "y"), None),
        ("./project [x] ; os_name == 'nt'", "project", ("x",), 'os_name == "nt"'),
        ("./with space", "with space", (), None),
        ("./empty/../project", "project", (), None),
        ("file:./project", "project", (), None),
        ("file:with%20space", "with space", (), None),
        ("p @ ./project", "project", (), None),
        ("./project#egg=p", "project", (), None),
        ("./project#egg=p[z]", "project", ("z",), None),
        ("./odd#name", "odd#name", (), None),
        (".#subdirectory=project", "project", (), None),
    ],
)
@pytest.mark.parametrize("editable", [False, True])
def test_local_projects(
    base: Path, text: str, directory: str, extras: tuple[str, ...], marker: str | None, *, editable: bool
) -> None:
    wanted = read(text, base, editable=editable)
    assert (wanted.extras, wanted.marker) == (extras, marker)
    assert wanted.reference == DirectoryReference(base / directory, editable=editable)


def test_local_projects_by_absolute_names(base: Path) -> None:
    assert read(str(base / "project"), base).reference.directory == base / "project"
    assert read((base / "with space").as_uri(), base).reference.directory == base / "with space"
    assert read(f"p @ {(base / 'with space').as_uri()}", base).reference.directory == base / "with space"


def test_local_archives(base: Path) -> None:
    wheel = read("dist/some_name-1.0-py3-none-any.whl[x]", base)
    assert (wheel.name, wheel.extras) == ("some-name", ("x",))
    assert wheel.reference == ArchiveReference((base / "dist/some_name-1.0-py3-none-any.whl").as_uri())
    sdist = read("./dist/src-2.0.tar.gz", base)
    url = (base / "dist/src-2.0.tar.gz").as_uri()
    assert (sdist.name, sdist.reference) == (None, ArchiveReference(url))
    assert read(f"src @ {url}", base).name == "src"


def test_what_decides_a_project_is_noted(base: Path) -> None:
    """What else its metadata is made of, building it will show."""
    (base / "project/setup.cfg").touch()
    documents = Documents()
    read_requirement(Excerpt.of("./project", "r.txt"), Surroundings((base,), documents))
    found = {Path(seen.subject).name: bool(seen.state) for seen in documents.observed}
    assert found == {"pyproject.toml": True, "setup.py": False, "setup.cfg": True}


@pytest.mark.parametrize(
    ("text", "column", "what", "hint"),
    [
        ("a=1", 2, "this requirement cannot be read", "did you mean ==?"),
        ("a = 1", 3, "this requirement cannot be read", "did you mean ==?"),
        ("a 1.0", 3, "this requirement cannot be read", "name==1.0"),
        ("a b", 3, "this requirement cannot be read", None),
        ("a>=1[x]", 5, "this requirement cannot be read", "extras stand before the version"),
        ("a[x", 4, "this requirement cannot be read", "name[one,other]"),
        ("a[x y]", 5, "this requirement cannot be read", "extras are separated by commas"),
        ("a; python_versio < '3'", 4, "this requirement cannot be read", "did you mean python_version?"),
        ("a; python_version < 3", 21, "this requirement cannot be read", "stands in quotes"),
        ("a; python_version = '3'", 19, "this requirement cannot be read", "did you mean ==?"),
        ("a; python_version => '3'", 19, "this requirement cannot be read", "did you mean >=?"),
        ("a; os_name=='x' && os_name=='y'", 17, "this requirement cannot be read", "'and'"),
        ("a=>1.17", 2, "this requirement cannot be read", "=> is no operator; did you mean >=?"),
        ("a =< 1.17", 3, "this requirement cannot be read", "did you mean <=?"),
        ("a~>1.17", 2, "this requirement cannot be read", "did you mean ~=?"),
        ("a<>1.17", 2, "this requirement cannot be read", "did you mean !=?"),
        ("a=!1.17", 2, "this requirement cannot be read", "did you mean !=?"),
        ("a^1.17", 2, "this requirement cannot be read", "write ~=1.0"),
        ("a>=1.0 <2", 8, "this requirement cannot be read", "versions are separated by commas"),
        ("a>=1.0,,<2", 8, "this requirement cannot be read", "a comma separates two versions"),
        ("a==", 2, "this requirement cannot be read", "a version is missing behind the operator"),
        ("a>=1 b>=2", 6, "this requirement cannot be read", "a line of its own"),
        ("a>=1 python_version<'3'", 6, "this requirement cannot be read", "a semicolon is missing before the marker"),
        ("a>=1#why", 5, "this requirement cannot be read", "white space is missing before the comment"),
        ("'a>=1'", 1, "this requirement cannot be read", "leave out the quotes"),
        ("a\u200b>=1", 2, "this requirement cannot be read: it has the character U+200B ZERO WIDTH SPACE", "ASCII"),
        ("\ufeffa", 1, "it has the character U+FEFF ZERO WIDTH NO-BREAK SPACE", "ASCII"),
        ("a>=1\u00ad", 5, "it has the character U+00AD SOFT HYPHEN", "ASCII"),
        ("a\u2265 1", 2, "it has the character U+2265 GREATER-THAN OR EQUAL TO", "ASCII"),
        ("\u2013r x.txt", 1, "it has the character U+2013 EN DASH", "ASCII"),
        ("a; os_name == \u201cx\u201d", 15, "it has the character U+201C LEFT DOUBLE QUOTATION MARK", "ASCII"),
        ("a\x08", 2, "it has the character U+0008 a control character", "ASCII"),
        ("https://h.invalid/a.zip ; os_name\u200b == 'x'", 34, "this marker cannot be read: it has", "ASCII"),
        ("https://h.invalid/a.zip ; nonsense", 27, "this marker cannot be read", None),
        ("hg+https://h.invalid/r", 1, "repositories of hg are not supported", "git"),
        ("a @ svn+ssh://h.invalid/r", 5, "repositories of svn are not supported", "git"),
        ("ftp://h.invalid/a.zip", 1, "URLs of the scheme ftp: are not supported", "https:"),
        ("git+git@h.invalid:o/r.git", 1, "this is no address of a git repository", "git+ssh://git@h.invalid/o/r.git"),
        ("git+https:///h.invalid/r", 1, "the URL names no host", None),
        ("a @ #sha256=00", 6, "this is no sha256 digest", None),
        ("a @ #fragment", 5, "no such file or directory", None),
        ("git+https://h.invalid/r@", 25, "the revision after @ is missing", None),
        ("git+https://h.invalid/r@--upload-pack=x", 25, "the revision after @ is not acceptable", None),
        (f"git+https://h.invalid/r#sha256={SHA}", 1, "a repository has no digest", "commit"),
        ("https://h.invalid/r.git", 1, "this is the address of a repository", "git+https"),
        ("https:///a.zip", 1, "the URL names no host", None),
        ("https://u:p@h.invalid:port/a.zip", 1, "the URL cannot be read", None),
        ("https://h.invalid/a.zip#md5=00", 25, "no md5 digest: 32 hexadecimal digits are needed, 2", ""),
        ("https://h.invalid/a.zip#sha256=00", 25, "this is no sha256 digest", None),
        ("https://h.invalid/a.zip#subdirectory=../x", 25, "subdirectory '../x' leaves its source", None),
        ("https://h.invalid/a-1.whl/", 19, "not a wheel's file name", None),
        ("b @ https://h.invalid/a-1-py3-none-any.whl", 5, "b is asked for, but this is a wheel of a", None),
        ("a @ https://h.invalid/a.zip junk", 29, "this requirement cannot be read", None),
        ("a @", 4, "this requirement cannot be read", None),
        ("a @ https://h.invalid/a.zip ; x", 31, "this marker cannot be read", None),
        ("file:nothing", 1, "no such file or directory: nothing", None),
        ("file://elsewhere/x", 1, "file: URLs of another host (elsewhere) are not supported", None),
        ("./notes.txt", 1, "notes.txt is neither a wheel nor a source distribution", "-r ./notes.txt"),
        ("./nothing", 1, "no such file or directory: ./nothing", "looked for"),
        ("nothing-1.0.tar.gz", 1, "no such file or directory", None),
        ("./empty", 1, "has no project", None),
    ],
)
def test_errors_point_at_their_place(base: Path, text: str, column: int, what: str, hint: str | None) -> None:
    with pytest.raises(RequirementsError) as caught:
        read(text, base)
    assert what in caught.value.what
    assert caught.value.where == f"r.txt:1:{column}"
    assert (hint or "") in (caught.value.hint or "")
    assert "u:p@" not in caught.value.diagnosis()


@pytest.mark.parametrize("space", ["\u00a0", "\u2003", "\u202f", "\u3000"])
def test_spaces_of_all_kinds_are_spaces(space: str) -> None:
    wanted = read(f"{space}a{space}[x]{space}>={space}1 ;{space}os_name{space}=={space}'a{space}b'{space}")
    assert (wanted.name, wanted.specifier, wanted.extras) == ("a", ">=1", ("x",))


@pytest.mark.parametrize("text", ["a==1.0;", "a==1.0 ; ", "a==1.0;\u00a0"])
def test_a_semicolon_with_nothing_behind_it_says_nothing(text: str) -> None:
    assert (read(text).specifier, read(text).marker) == ("==1.0", None)
    with pytest.raises(RequirementsError, match="cannot be read"):  # PEP 508 knows no such thing
        read_requirement(Excerpt.of(text, "p.toml"), Surroundings((), Documents(), specifiers_only=True))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("./gone-1.0-py3-none-any.whl ; os_name == 'x'", None),
        ("./gone.tar.gz;os_name == 'x'", None),
        ("./gone ; os_name == 'x'", None),
        ("file:gone ; os_name == 'x'", None),
        ("a[y] @ ./gone ; os_name == 'x'", "a"),
        ("a @ hg+https://h.invalid/r ; os_name == 'x'", "a"),
        ("./empty ; os_name == 'x'", None),
        ("ftp://h.invalid/a.zip ; os_name == 'x'", None),
    ],
)
def test_what_a_marker_may_exclude_is_no_error_yet(base: Path, text: str, name: str | None) -> None:
    wanted = read(text, base)
    assert (wanted.name, wanted.marker) == (name, 'os_name == "x"')
    assert wanted.fault is not None
    with pytest.raises(RequirementsError) as caught:
        read(text.partition(";")[0], base)
    assert (wanted.fault.error.what, wanted.fault.where) == (caught.value.what, caught.value.where)


@pytest.mark.parametrize("text", ["a-1.whl", "a.zip#sha256=00", "o/r.git"])
def test_what_is_written_wrongly_is_an_error_whatever_the_marker_says(base: Path, text: str) -> None:
    for line in (f"https://h.invalid/{text} ; os_name == 'x'", "sl/ip[ ; os_name == 'x'"):
        with pytest.raises(RequirementsError):
            read(line, base)


def test_a_file_that_appears_is_another_request(base: Path) -> None:
    documents = Documents()
    read_requirement(Excerpt.of("./gone.whl ; os_name == 'x'", "r.txt"), Surroundings((base,), documents))
    (base / "gone.whl").touch()
    assert first_change(documents.observed, {}) == f"{base}/gone.whl is new"


@pytest.mark.parametrize("text", ["project", "project[z]", "project ; os_name == 'x'"])
def test_a_directory_is_editable_by_its_name_alone(base: Path, text: str) -> None:
    reference = read(text, base, editable=True).reference
    assert (reference.directory, reference.editable) == (base / "project", True)
    assert not read(text, base).reference.is_direct  # without -e it is a name, as for pip


@pytest.mark.parametrize(("egg", "specifier"), [("x==1.0", "==1.0"), ("x[y]>=2", ">=2"), ("x", "")])
def test_a_version_behind_egg_is_kept(egg: str, specifier: str) -> None:
    wanted = read(f"https://h.invalid/x.zip#egg={egg}")
    assert (wanted.name, wanted.specifier) == ("x", specifier)


@pytest.mark.parametrize("text", ["a", "https://h.invalid/a.zip", "dist/src-2.0.tar.gz"])
def test_only_directories_and_repositories_are_editable(base: Path, text: str) -> None:
    with pytest.raises(RequirementsError, match="can be editable"):
        read(text, base, editable=True)


def test_spaces_in_quotes_stay_as_they_are(tmp_path: Path) -> None:
    (wanted,) = read_sources(
        ["a;\xa0'x\xa0y' ==\xa0sys_platform"], base=tmp_path, environ={"PIP_CONFIG_FILE": os.devnull}
    ).wanted
    assert wanted.marker == '"x\xa0y" == sys_platform'


def test_tabs_are_no_part_of_an_address(tmp_path: Path) -> None:
    (wanted,) = read_sources(
        ["https://h.invalid/a\tb-1.zip"], base=tmp_path, environ={"PIP_CONFIG_FILE": os.devnull}
    ).wanted
    assert wanted.reference == ArchiveReference("https://h.invalid/ab-1.zip")


def test_where_there_is_no_directory_to_start_from(tmp_path: Path) -> None:
    """Build requirements name whole addresses."""
    nowhere = Surroundings((), Documents(), specifiers_only=True)
    wheel = tmp_path / "demo-1.0-py3-none-any.whl"
    wheel.touch()
    found = read_requirement(Excerpt.of(f"demo @ {wheel.as_uri()}", "p.toml"), nowhere)
    assert found.reference == ArchiveReference(wheel.as_uri(), None)
    for address in ("../x.whl", "file:x.whl"):
        with pytest.raises(RequirementsError, match=r"x\.whl is no URL, and a path has nothing to start from"):
            read_requirement(Excerpt.of(f"demo @ {address}", "p.toml"), nowhere)
    with pytest.raises(RequirementsError, match="no such file"):
        read_requirement(Excerpt.of(f"demo @ {wheel.as_uri()}x", "p.toml"), nowhere)
