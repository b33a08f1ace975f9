"""Demanded hashes, and ``--require-hashes``."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.archives import make_project
from resolve_world import FILES, INDEX, World, ask, digest, pins, run, want

from pytest_fastenv.errors import FailureGroup, HashError, NoSolutionError, RequirementsError
from pytest_fastenv.model.artifact import Hashes
from pytest_fastenv.model.metadata import CoreMetadata
from pytest_fastenv.model.plan import Vcs
from pytest_fastenv.resolve.hashed import naming_lines


def listed(filename: str) -> Hashes:
    return Hashes.of({"sha256": digest(filename)})


def test_transitive_requirements_need_hashes_too(tmp_path: Path) -> None:
    world = World()
    world.add("app", "1", "lib")
    world.add("lib", "2")
    line = want("app==1", hashes=listed("app-1-py3-none-any.whl"))
    with pytest.raises(RequirementsError) as caught:
        run(world, ask(line, require_hashes=True), tmp_path)
    assert caught.value.what == "hashes are required, and 1 of 2 distributions lack a hash"
    assert caught.value.why == f"lib==2 --hash=sha256:{digest('lib-2-py3-none-any.whl')}  # for app"
    both = want("lib==2", 2, hashes=listed("lib-2-py3-none-any.whl"))
    assert pins(run(world, ask(line, both, require_hashes=True), tmp_path)) == {"app": "1", "lib": "2"}


@pytest.mark.parametrize("text", ["app", "app>=1"])
def test_a_hash_without_a_pin_is_not_enough_where_hashes_are_required_by_name(tmp_path: Path, text: str) -> None:
    world = World()
    world.add("app", "1")
    world.add("app", "2")
    line = want(text, hashes=listed("app-1-py3-none-any.whl"))
    assert pins(run(world, ask(line, require_hashes=True), tmp_path)) == {"app": "1"}
    with pytest.raises(RequirementsError, match="lack a hash or a == pin") as caught:
        run(world, ask(line, require_hashes=True, require_pins=True), tmp_path)
    assert caught.value.where == "requirements.txt:1"
    assert str(caught.value.why).startswith("app==1 --hash=sha256:")


def test_pin_and_hash_may_stand_in_a_constraint(tmp_path: Path) -> None:
    world = World()
    world.add("app", "1")
    world.add("app", "2")
    constraint = want("app==1", hashes=listed("app-1-py3-none-any.whl"))
    request = ask(want("app"), constraints=(constraint,), require_hashes=True)
    assert pins(run(world, request, tmp_path)) == {"app": "1"}


def test_the_users_own_project_has_no_digest_and_needs_none(tmp_path: Path) -> None:
    world = World()
    tree = make_project(tmp_path, "mine")
    world.trees[tree] = CoreMetadata("mine", "1")
    assert pins(run(world, ask(want("-e .", path=tree, editable=True), require_hashes=True), tmp_path)) == {"mine": "1"}


def test_an_address_needs_a_hash(tmp_path: Path) -> None:
    world = World()
    app = world.add("app", "1")
    with pytest.raises(RequirementsError, match=r"lack a hash.*(?s:.)*--hash=sha256:"):
        run(world, ask(f"app @ {app.url}", require_hashes=True), tmp_path)
    line = want(f"app @ {app.url}", hashes=listed(app.filename))
    assert pins(run(world, ask(line, require_hashes=True), tmp_path)) == {"app": "1"}


ZEROS = Hashes.of({"sha256": "0" * 64})


def base(world: World, *, at_index: bool = False) -> str:
    """Add a wheel; return its address."""
    url = world.add("base", "0.1").url
    if not at_index:
        del world.pages["base"]
    return url


@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
@pytest.mark.parametrize("hashed", ["requirement", "constraint", "other constraint", "own requirement", "everywhere"])
@pytest.mark.parametrize("direct", ["requirement", "constraint", "dependency", "unnamed requirement"])
def test_a_hash_of_any_line_holds_for_an_address_in_any_other(
    direct: str, hashed: str, right: bool, tmp_path: Path
) -> None:
    world = World()
    address = f"Base @ {base(world, at_index=direct == 'dependency')}"
    good = listed("base-0.1-py3-none-any.whl")
    demanded = good if right else ZEROS
    lines, limits = [want("base", 9)], []
    if direct == "dependency":
        world.add("app", "1", address)
        lines.append(want("app==1"))
    elif direct == "unnamed requirement":
        lines.append(want("./odd.zip", 2, url=f"{FILES}odd.zip"))
        world.contents["odd.zip"] = CoreMetadata("base", "0.1")
        demanded = listed("odd.zip") if right else ZEROS
    else:
        (lines if direct == "requirement" else limits).append(want(address, 3))
    if hashed == "everywhere":
        lines.append(want("base", 4, hashes=Hashes.one_of([*demanded.demands[0], *ZEROS.demands[0]])))
        limits.append(want("base", 4, "constraints.txt", hashes=demanded))
    elif hashed == "requirement":
        lines.append(want("base===0.1", 4, hashes=demanded))
    elif hashed == "own requirement":
        lines[0] = want("base>=0", 9, hashes=demanded)
    else:
        limits += [want("BASE", 4, "constraints.txt"), want("base", 5, "constraints.txt", hashes=demanded)]
        limits = limits if hashed == "constraint" else limits[::-1]
    request = ask(*lines, constraints=tuple(limits))
    if right:
        assert pins(run(world, request, tmp_path))["base"] == "0.1"
        return
    # A dependency's address, met when the search is under way, is one more reason against what brings it.
    is_conflict = direct == "dependency" and hashed in {"requirement", "own requirement"}
    with pytest.raises(NoSolutionError if is_conflict else HashError) as caught:
        run(world, request, tmp_path)
    assert f"{'0' * 64}" in str(caught.value.why)
    assert "got      sha256" in str(caught.value.why)


@pytest.mark.parametrize(("kind", "named"), [("tree", True), ("tree", False), ("editable", False), ("vcs", True)])
def test_what_has_no_digest_cannot_be_held_against_one(kind: str, named: bool, tmp_path: Path) -> None:
    world = World()
    tree = make_project(tmp_path, "mine")
    world.trees[tree] = CoreMetadata("mine", "1")
    fields = {"vcs": Vcs("https://git.example.invalid/mine")} if kind == "vcs" else {"path": tree}
    line = want("./mine", 3, **fields, editable=kind == "editable", name="mine" if named else None)
    request = ask(line, constraints=(want("mine", 4, "constraints.txt", hashes=ZEROS),))
    with pytest.raises(RequirementsError) as caught:
        run(world, request, tmp_path)
    assert caught.value.what.startswith("a hash is demanded of mine, and ./mine is a directory or a repository")
    assert caught.value.where == "requirements.txt:3, constraints.txt:4"
    assert world.count("tree") == (0 if named else 1)


def test_a_line_that_does_not_apply_demands_nothing(tmp_path: Path) -> None:
    world = World()
    address = f"base @ {base(world)}"
    other = want("base; python_version < '3'", 2, hashes=ZEROS)
    assert pins(run(world, ask(address, other), tmp_path)) == {"base": "0.1"}
    with pytest.raises(HashError):
        run(world, ask(address, want("base; python_version > '3'", 2, hashes=ZEROS)), tmp_path)


def test_lines_without_a_digest_in_common_suit_no_file(tmp_path: Path) -> None:
    world = World()
    base(world, at_index=True)
    good = listed("base-0.1-py3-none-any.whl")
    for first, second in ((good, ZEROS), (ZEROS, good)):
        limit = want("base", 7, "constraints.txt", hashes=second)
        with pytest.raises(NoSolutionError) as caught:
            run(world, ask(want("base==0.1", hashes=first), constraints=(limit,)), tmp_path)
        assert caught.value.where == ("constraints.txt:7" if second is ZEROS else "requirements.txt:1")


def test_the_diagnosis_of_a_file_with_another_hash(tmp_path: Path) -> None:
    world = World()
    base(world, at_index=True)
    with pytest.raises(NoSolutionError) as caught:
        run(world, ask(want("base==0.1", 4, hashes=ZEROS)), tmp_path)
    found = digest("base-0.1-py3-none-any.whl")
    assert caught.value.what == "no file of base 0.1 has the hash that requirements.txt:4 demands"
    assert caught.value.where == "requirements.txt:4"
    assert str(caught.value.why).splitlines()[:2] == [
        f"expected sha256:{'0' * 64} (requirements.txt:4)",
        f"got      sha256:{found} (base-0.1-py3-none-any.whl, {INDEX})",
    ]
    assert str(caught.value.hint).startswith(f"if you trust the file, write sha256:{found} in requirements.txt:4")


def test_hash_errors_name_the_lines_that_demand_what_was_expected() -> None:
    request = ask(want("base", 4, hashes=ZEROS), constraints=(want("base", 5, "c.txt", hashes=ZEROS),))
    why = f"expected sha256 {'0' * 64}\nexpected sha256 {'1' * 64}\ngot      sha256 {'2' * 64}"
    with pytest.raises(FailureGroup) as caught, naming_lines(request):
        raise FailureGroup([HashError("x is not the file", why=why), HashError("y", why="expected sha256 3")])
    first, second = caught.value.failures
    assert (first.where, second.where) == ("requirements.txt:4, c.txt:5", None)
    assert str(first.why).splitlines()[0] == f"expected sha256 {'0' * 64} (requirements.txt:4, c.txt:5)"
    assert f"write sha256:{'2' * 64} in requirements.txt:4" in str(first.hint)


def test_nothing_without_a_hash_is_built_where_hashes_are_required(tmp_path: Path) -> None:
    world = World()
    world.add("app", "1", "lib")
    world.add("lib", "2", sdist=True)
    line = want("app==1", hashes=listed("app-1-py3-none-any.whl"))
    with pytest.raises(RequirementsError, match="hashes are required, and lib 2 has none"):
        run(world, ask(line, require_hashes=True), tmp_path)
    assert world.asked["metadata lib-2.tar.gz"] == 0
    odd = want("./odd.zip; python_version > '3'", url=f"{FILES}odd.zip")
    with pytest.raises(RequirementsError, match=r"hashes are required, and \./odd\.zip"):
        run(world, ask(odd, require_hashes=True), tmp_path)
