"""Requirements that name their source themselves."""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from kit.archives import make_project
from packaging.version import Version
from resolve_world import FILES, World, ask, digest, pins, run, want

from pytest_fastenv.errors import (
    ConflictingRequirementsError,
    MetadataError,
    NoSolutionError,
    RequirementsError,
    UnsupportedWheelError,
)
from pytest_fastenv.model.artifact import Artifact, Hashes
from pytest_fastenv.model.metadata import CoreMetadata
from pytest_fastenv.model.plan import DirectUrl, SdistSource, TreeSource, Vcs, WheelSource
from pytest_fastenv.model.reference import ArchiveReference, DirectoryReference, RepositoryReference
from pytest_fastenv.model.request import Fault
from pytest_fastenv.resolve.addresses import reference
from pytest_fastenv.resolve.candidates import Candidate
from pytest_fastenv.resolve.direct import tree_digest, without_credentials
from pytest_fastenv.resolve.requirements_of import Dependency

APP = Candidate("app", Version("1"), "1", WheelSource(Artifact("app", "1", "app-1-py3-none-any.whl", "")))


def test_a_local_project_and_what_it_needs(tmp_path: Path) -> None:
    world = World()
    tree = make_project(tmp_path, "mine", "1.2")
    world.trees[tree] = CoreMetadata("Mine", "1.2", ("dep", "docs ; extra == 'docs'"), provides_extra=("docs",))
    world.add("dep", "1")
    world.add("docs", "2")
    world.add("mine", "9")
    line = want("-e ./mine[docs]", path=tree, editable=True, extras=("docs",))
    plan = run(world, ask(line, "mine>=1"), tmp_path)
    assert pins(plan) == {"dep": "1", "docs": "2", "mine": "1.2"}
    mine = plan.distributions[2]
    assert isinstance(mine.source, TreeSource)
    assert mine.source.editable
    assert mine.source.content == tree_digest(tree, editable=True)
    assert mine.direct_url is not None
    assert (mine.direct_url.url, mine.direct_url.is_directory, mine.direct_url.editable) == (tree.as_uri(), True, True)
    assert mine.requested


def test_an_index_is_not_asked_for_what_is_named_directly(tmp_path: Path) -> None:
    world = World()
    app = world.add("app", "1")
    world.add("plugin", "1", "app")
    ready = asyncio.Event()

    async def pause(what: str) -> None:
        if what.startswith("metadata plugin"):
            ready.set()
        if what.startswith("metadata app"):  # by now others have found out that they need it
            await ready.wait()
            for _ in range(10):
                await asyncio.sleep(0)

    world.pause = pause
    assert pins(run(world, ask("plugin", f"app @ {app.url}"), tmp_path)) == {"app": "1", "plugin": "1"}
    assert not world.asked["page app"]


def test_a_page_that_comes_after_the_source_told_its_name(tmp_path: Path) -> None:
    world = World()
    tree = make_project(tmp_path, "mine", "1")
    world.trees[tree] = CoreMetadata("mine", "1")
    world.add("mine", "9")
    world.add("late", "1", sdist=True)  # whose metadata only the search asks for
    world.trees[tree] = CoreMetadata("mine", "1", ("late",))
    late, done = asyncio.Event(), asyncio.Event()

    async def pause(what: str) -> None:
        if what == "metadata late-1.tar.gz":
            late.set()
            await done.wait()
        if what == "page mine":
            await late.wait()
            asyncio.get_running_loop().call_later(0.01, done.set)

    world.pause = pause
    assert pins(run(world, ask("mine", want(".", path=tree)), tmp_path)) == {"late": "1", "mine": "1"}


def test_a_specifier_that_the_direct_source_does_not_satisfy(tmp_path: Path) -> None:
    world = World()
    tree = make_project(tmp_path, "mine", "1.2")
    world.trees[tree] = CoreMetadata("mine", "1.2")
    world.add("plugin", "1", "mine>=2")
    line = want("./mine", path=tree)
    with pytest.raises(NoSolutionError) as caught:
        run(world, ask(line, "plugin"), tmp_path)
    assert "plugin 1 needs mine>=2" in str(caught.value.why)
    assert "the only release of mine is 1.2" in str(caught.value.why)


def test_archives_by_url_with_hashes(tmp_path: Path) -> None:
    world = World()
    wheel, sdist = world.add("app", "1.5", "lib"), world.add("lib", "3.0", sdist=True)
    del world.pages["app"], world.pages["lib"]
    listed = Hashes.of({"sha256": digest(wheel.filename)})
    lines = (want(f"app @ {wheel.url}", hashes=listed), want(f"lib @ {FILES}lib-3.0.tar.gz", 2, subdirectory="py"))
    plan = run(world, ask(*lines), tmp_path)
    app, lib = plan.distributions
    assert isinstance(app.source, WheelSource)
    assert (app.source.artifact.hashes, app.version) == (listed, "1.5")
    assert app.direct_url is not None
    assert app.direct_url.archive_hashes == listed.demands[0]
    assert isinstance(lib.source, SdistSource)
    assert lib.source.subdirectory == "py"
    assert lib.source.artifact.filename == sdist.filename


def test_two_addresses_for_one_project(tmp_path: Path) -> None:
    world = World()
    one, two = world.add("app", "1"), world.add("app", "2")
    with pytest.raises(NoSolutionError) as caught:
        run(world, ask(f"app @ {one.url}", f"app @ {two.url}"), tmp_path)
    assert one.url in caught.value.what
    assert two.url in caught.value.what
    assert pins(run(world, ask(f"app @ {one.url}", f"app @ {one.url}"), tmp_path)) == {"app": "1"}


def test_a_distribution_that_asks_for_an_address(tmp_path: Path) -> None:
    world = World()
    odd = world.add("odd", "7")
    del world.pages["odd"]
    world.add("odd", "6")
    world.add("odd", "8")
    world.add("app", "1", f"odd @ {odd.url}#sha256={digest(odd.filename)}")
    world.add("early", "1", "odd")
    plan = run(world, ask("early", "app"), tmp_path)
    assert pins(plan) == {"app": "1", "early": "1", "odd": "7"}
    found = plan.distributions[2]
    assert isinstance(found.source, WheelSource)
    assert found.source.artifact.hashes.sha256 == digest(odd.filename)
    assert found.direct_url is not None
    assert found.required_by == ("early", f"app @ {odd.url}#sha256={digest(odd.filename)}")


def test_an_address_that_only_a_release_asked_for_which_was_given_up(tmp_path: Path) -> None:
    world = World()
    odd = world.add("odd", "7")
    del world.pages["odd"]
    world.add("odd", "6")
    world.add("odd", "5")
    world.add("app", "2", f"odd @ {odd.url}", "low<1")
    world.add("app", "1", "odd")
    world.add("low", "1")
    world.add("low", "0.5")
    assert pins(run(world, ask("app", "low>=1"), tmp_path)) == {"app": "1", "low": "1", "odd": "6"}


def test_the_same_source_on_two_lines_is_looked_at_once(tmp_path: Path) -> None:
    world = World()
    tree = make_project(tmp_path, "mine", "1")
    world.trees[tree] = CoreMetadata("mine", "1", ("dep; extra == 'a'",), provides_extra=("a",))
    world.add("dep", "1")
    lines = want("-e .", path=tree, editable=True), want("-e .[a]", 2, path=tree, editable=True, extras=("a",))
    assert pins(run(world, ask(*lines), tmp_path)) == {"dep": "1", "mine": "1"}
    assert world.count("tree") == 1


def test_a_constraint_with_an_address(tmp_path: Path) -> None:
    world = World()
    other = world.add("lib", "1.1")
    del world.pages["lib"]
    world.add("lib", "3")
    world.add("app", "1", "lib")
    assert pins(run(world, ask("app", constraints=(f"lib @ {other.url}",)), tmp_path)) == {"app": "1", "lib": "1.1"}


def test_a_requirement_and_a_constraint_with_two_addresses_exclude_each_other(tmp_path: Path) -> None:
    world = World()
    one, two = world.add("lib", "1"), world.add("lib", "2")
    world.add("app", "1", "lib")
    for texts in ((f"lib @ {one.url}",), ("app", f"lib @ {one.url}")):
        with pytest.raises(ConflictingRequirementsError) as caught:
            run(world, ask(*texts, constraints=(f"lib @ {two.url}",)), tmp_path)
        told = caught.value.diagnosis()
        assert all(text in told for text in (one.url, two.url, "requirements.txt", "constraints.txt:1", "exclude each"))
    same = ask("app", f"lib @ {one.url}", constraints=(f"lib @ {one.url}",))
    assert pins(run(world, same, tmp_path)) == {"app": "1", "lib": "1"}


def test_two_constraints_with_addresses_exclude_each_other(tmp_path: Path) -> None:
    world = World()
    one, two = world.add("lib", "1"), world.add("lib", "2")
    world.add("app", "1", "lib")
    constraints = (f"lib @ {one.url}", f"lib @ {two.url}")
    for text in ("app", "lib", "lib==1", f"lib @ {one.url}"):
        with pytest.raises(ConflictingRequirementsError) as caught:
            run(world, ask(text, constraints=constraints), tmp_path)
        told = caught.value.diagnosis()
        assert all(part in told for part in (one.url, two.url, "constraints.txt:1", "constraints.txt:2"))
    assert pins(run(world, ask("app", constraints=(constraints[0],) * 2), tmp_path)) == {"app": "1", "lib": "1"}
    world.add("other", "1")
    assert pins(run(world, ask("other", constraints=constraints), tmp_path)) == {"other": "1"}


def test_addresses_of_one_content_are_one(tmp_path: Path) -> None:
    world = World()
    one = world.add("lib", "1")
    mirror = one.url.replace("files.", "mirror.")
    found = run(world, ask(f"lib @ {one.url}", constraints=(f"lib @ {mirror}",)), tmp_path)
    assert pins(found) == {"lib": "1"}


def test_a_project_s_directory_is_the_same_place_editable_or_not(tmp_path: Path) -> None:
    world = World()
    tree, other = make_project(tmp_path / "a", "mine", "1"), make_project(tmp_path / "b", "mine", "1")
    world.trees[tree] = world.trees[other] = CoreMetadata("mine", "1")
    line = want("-e .", path=tree, editable=True)
    same = want("mine @ .", file="constraints.txt", path=tree, name="mine")
    found = run(world, ask(line, constraints=(same,)), tmp_path)
    assert pins(found) == {"mine": "1"}
    assert found.distributions[0].source.editable
    elsewhere = want("mine @ b", file="constraints.txt", path=other, name="mine")
    with pytest.raises(ConflictingRequirementsError, match="exclude each other"):
        run(world, ask(line, constraints=(elsewhere,)), tmp_path)


def test_a_constraint_and_an_address_that_a_release_asks_for(tmp_path: Path) -> None:
    world = World()
    one, two = world.add("lib", "1"), world.add("lib", "2")
    world.add("app", "2", f"lib @ {two.url}")
    world.add("app", "1", "lib")
    assert pins(run(world, ask("app", constraints=(f"lib @ {one.url}",)), tmp_path)) == {"app": "1", "lib": "1"}
    with pytest.raises(NoSolutionError) as caught:
        run(world, ask("app==2", constraints=(f"lib @ {one.url}",)), tmp_path)
    assert one.url in caught.value.diagnosis()


def test_a_constraint_that_is_for_others_is_a_reason_to_look_further(tmp_path: Path) -> None:
    world = World()
    world.add("lib", "1", tag="cp312-cp312-win_amd64")
    world.add("app", "2", "lib")
    world.add("app", "1")
    constraints = (f"lib @ {FILES}lib-1-cp312-cp312-win_amd64.whl",)
    assert pins(run(world, ask("app", constraints=constraints), tmp_path)) == {"app": "1"}
    for text in ("app==2", "lib"):
        with pytest.raises(NoSolutionError) as caught:
            run(world, ask(text, constraints=constraints), tmp_path)
        told = caught.value.diagnosis()
        assert "lib-1-cp312-cp312-win_amd64.whl is not for CPython 3.11.7" in told
        assert "constraints.txt:1" in told


def test_an_address_in_metadata_that_is_for_others_is_a_reason_to_look_further(tmp_path: Path) -> None:
    world = World()
    world.add("app", "2", f"lib @ {FILES}lib-1-cp312-cp312-win_amd64.whl")
    world.add("app", "1")
    assert pins(run(world, ask("app"), tmp_path)) == {"app": "1"}
    with pytest.raises(NoSolutionError, match=r"lib-1-cp312-cp312-win_amd64\.whl is not for CPython"):
        run(world, ask("app==2"), tmp_path)


def test_another_project_than_the_line_says(tmp_path: Path) -> None:
    world = World()
    world.add("app", "1")
    with pytest.raises(NoSolutionError, match="is the project app, not other"):
        run(world, ask(f"other @ {FILES}app-1-py3-none-any.whl"), tmp_path)


def test_wheels_for_others(tmp_path: Path) -> None:
    world = World()
    with pytest.raises(NoSolutionError, match=r"is not for CPython 3\.11\.7 on linux-x86_64(.|\n)*it is for CPython"):
        run(world, ask(f"app @ {FILES}app-1-cp312-cp312-win_amd64.whl"), tmp_path)
    with pytest.raises(UnsupportedWheelError, match="is not a name that a wheel can have"):
        run(world, ask(f"app @ {FILES}app.whl"), tmp_path)
    world.add("app", "1", python=">=3.13")
    with pytest.raises(NoSolutionError, match=r"app 1 needs Python >=3\.13"):
        run(world, ask(f"app @ {FILES}app-1-py3-none-any.whl"), tmp_path)


@pytest.mark.slow
def test_a_repository(tmp_path: Path) -> None:
    repository = make_project(tmp_path / "work", "mine", "4")

    def git(*words: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.invalid")
        done = subprocess.run(["git", *identity, *words], cwd=repository, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    commit = git("rev-parse", "HEAD")

    class Trees(World):
        async def metadata(self, artifact: object, _name: str | None = None) -> CoreMetadata:
            assert isinstance(artifact, TreeSource)
            assert (artifact.path / "pyproject.toml").is_file()
            return CoreMetadata("mine", "4")

    plan = run(Trees(), ask(want("git+file", vcs=Vcs(repository.as_uri(), None), editable=True)), tmp_path)
    source, direct = plan.distributions[0].source, plan.distributions[0].direct_url
    assert isinstance(source, TreeSource)
    assert (source.content, source.checkout, source.editable) == (commit, True, False)
    assert direct is not None
    assert direct.vcs == Vcs(repository.as_uri(), None, commit)


def test_the_digest_of_a_tree_follows_its_files(tmp_path: Path) -> None:
    tree = make_project(tmp_path, "mine")
    before, static = tree_digest(tree, editable=False), tree_digest(tree, editable=True)
    (tree / ".git").mkdir()
    (tree / ".git" / "index").touch()
    (tree / "venv").mkdir()
    (tree / "venv" / "pyvenv.cfg").touch()
    assert tree_digest(tree, editable=False) == before
    (tree / "new.py").write_text("x = 1")
    assert tree_digest(tree, editable=False) != before
    assert tree_digest(tree, editable=True) == static
    (tree / "pyproject.toml").write_text("[project]\nname = 'mine'\nversion = '5'\n")
    assert tree_digest(tree, editable=True) != static


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://u:p@example.invalid/x.whl", "https://example.invalid/x.whl"),
        ("https://example.invalid/x.whl", "https://example.invalid/x.whl"),
        ("ssh://git@example.invalid/x.git", "ssh://git@example.invalid/x.git"),
        ("ssh://git:secret@example.invalid/x.git", "ssh://example.invalid/x.git"),
    ],
)
def test_credentials_are_not_recorded(url: str, expected: str) -> None:
    assert without_credentials(url) == expected


def test_references_in_metadata(tmp_path: Path) -> None:
    git = reference(Dependency("x", ("e",), "", "git+https://example.invalid/x.git@v1#subdirectory=py&egg=x"), APP)
    assert git.reference == RepositoryReference(Vcs("https://example.invalid/x.git", "v1"), "py")
    assert (git.extras, str(git.location)) == (("e",), "app 1")
    local = reference(Dependency("x", (), "", tmp_path.as_uri()), replace(APP, direct=DirectUrl("file:///app")))
    assert local.reference == DirectoryReference(tmp_path)
    plain = reference(Dependency("x", (), "", "https://example.invalid/x-1.tar.gz#sha256=" + "0" * 64), APP)
    assert plain.reference == ArchiveReference("https://example.invalid/x-1.tar.gz")
    assert plain.hashes.sha256 == "0" * 64


@pytest.mark.parametrize(
    "url",
    [
        "hg+https://example.invalid/x",
        "git+ext::sh -c true",
        "git+ext://x/y",
        "git+https:///x.git",
        "git+https://example.invalid/x@--upload-pack=x",
        "git+https://example.invalid/x@",
        "/etc/passwd",
        "../neighbour",
        "C:/Windows/x.whl",
    ],
)
def test_addresses_that_no_metadata_may_have(url: str) -> None:
    for by in (APP, replace(APP, direct=DirectUrl("file:///app"))):
        with pytest.raises(MetadataError, match="app 1 needs x @ "):
            reference(Dependency("x", (), "", url), by)


HERE = [
    "file:///etc/passwd",
    "FILE:///etc/passwd",
    "file:/etc",
    "file://server/share/x.whl",
    "git+file:///etc",
    "file:x",
]


@pytest.mark.parametrize("url", HERE)
@pytest.mark.parametrize("direct", [None, DirectUrl("https://example.invalid/app.whl"), DirectUrl("ssh://git@x/app")])
def test_what_comes_from_elsewhere_names_no_place_on_this_machine(url: str, direct: DirectUrl | None) -> None:
    with pytest.raises(MetadataError, match="a place on this machine"):
        reference(Dependency("x", (), "", url), replace(APP, direct=direct))


def test_a_release_that_names_a_file_of_this_machine_is_passed_over_unread(tmp_path: Path) -> None:
    world = World()
    secret = tmp_path / "x-1-py3-none-any.whl"
    secret.write_text("secret")
    world.add("app", "2", f"x @ {secret.as_uri()}")
    world.add("app", "1")
    assert pins(run(world, ask("app"), tmp_path)) == {"app": "1"}
    with pytest.raises(MetadataError, match="a place on this machine") as caught:
        run(world, ask("app==2"), tmp_path)
    assert "secret" not in caught.value.diagnosis()
    assert not world.asked[f"metadata {secret.name}"]


def test_local_projects_name_their_neighbours(tmp_path: Path) -> None:
    world = World()
    one, two, three = (make_project(tmp_path / name, name, "1") for name in ("one", "two", "three"))
    world.trees[one] = CoreMetadata("one", "1", (f"two @ {two.as_uri()}",))
    world.trees[two] = CoreMetadata("two", "1", (f"three @ {three.as_uri()}", "foreign"))
    world.trees[three] = CoreMetadata("three", "1")
    world.add("foreign", "1", f"three @ {three.as_uri()}")
    world.add("foreign", "0.1")
    plan = run(world, ask(want("./one", path=one)), tmp_path)
    assert pins(plan) == {"foreign": "0.1", "one": "1", "three": "1", "two": "1"}


def test_what_a_marker_excludes_may_be_missing(tmp_path: Path) -> None:
    world = World()
    world.add("app", "1")
    fault = Fault("no such file or directory: ./x.whl", "requirements.txt:2:1", hint="did you mean ./y.whl?")
    excluded = replace(want("x"), marker="os_name == 'nt'", fault=fault, name=None)
    assert pins(run(world, ask("app", excluded, constraints=(excluded,)), tmp_path)) == {"app": "1"}
    applying = replace(excluded, marker="os_name == 'posix'")
    for request in (ask("app", applying), ask("app", constraints=(applying,))):
        with pytest.raises(RequirementsError) as caught:
            run(world, request, tmp_path)
        assert caught.value.diagnosis() == fault.error.diagnosis()


def test_the_version_behind_egg_is_held_against_the_one_that_is_found(tmp_path: Path) -> None:
    world = World()
    app = world.add("app", "1.0")
    line = want("app", url=app.url)
    assert pins(run(world, ask(replace(line, specifier="==1")), tmp_path)) == {"app": "1.0"}
    with pytest.raises(NoSolutionError, match=r"is app 1\.0, and its #egg= says ==2"):
        run(world, ask(replace(line, specifier="==2")), tmp_path)


def test_a_directory_as_a_constraint_is_the_only_candidate(tmp_path: Path) -> None:
    world = World()
    tree = make_project(tmp_path, "mine", "1.2")
    world.trees[tree] = CoreMetadata("mine", "1.2")
    world.add("mine", "9")
    world.add("app", "1", "mine")
    limit = replace(want("mine @ ./mine", path=tree), name="mine")
    assert pins(run(world, ask("app", constraints=(limit,)), tmp_path)) == {"app": "1", "mine": "1.2"}
    assert pins(run(world, ask("app", "mine", constraints=(limit,)), tmp_path)) == {"app": "1", "mine": "1.2"}
