"""What changes an environment's fingerprint, and what is said about it."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_fastenv.environment.fingerprint import Fingerprint, distribution_identity, explain, fingerprint
from pytest_fastenv.model.artifact import Artifact, Hashes
from pytest_fastenv.model.plan import DirectUrl, Distribution, Plan, SdistSource, TreeSource, WheelSource
from pytest_fastenv.model.target import Target
from pytest_fastenv.settings.options import OPTIONS, Decides
from pytest_fastenv.settings.values import Settings, deciding

TARGET = Target(
    python="/opt/python3.12",
    implementation="cpython",
    version="3.12.1",
    tags=("py3-none-any",),
    markers={},
    soabi="cpython-312",
    platform="linux-x86_64",
    free_threaded=False,
    schemes={},
    identity="a" * 64,
    externals={},
)


def artifact(name: str, version: str, digest: str = "0" * 64, kind: str = "-py3-none-any.whl") -> Artifact:
    filename = f"{name}-{version}{kind}"
    return Artifact(name, version, filename, f"https://files.example.invalid/{filename}", Hashes.of({"sha256": digest}))


def wheel(name: str, version: str, digest: str = "0" * 64, **options: Any) -> Distribution:
    return Distribution(name, version, WheelSource(artifact(name, version, digest)), **options)


def parts(*distributions: Distribution, target: Target = TARGET, **options: Any) -> dict[str, Any]:
    names = {option.field for option in OPTIONS}
    settings = Settings(**{name: options.pop(name) for name in [*options] if name in names})
    return fingerprint(Plan(target, distributions), settings, **options).parts


def test_it_is_a_digest_that_carries_its_parts() -> None:
    made = fingerprint(Plan(TARGET, (wheel("django", "5.2"),)), Settings())
    assert len(made) == 64
    assert made == Fingerprint.of(made.parts)
    assert {made: 1}[str(made)] == 1
    assert made.parts["distributions"]["django"][0] == "5.2"
    assert copy.copy(made).parts == made.parts
    assert pickle.loads(pickle.dumps(made)).parts == made.parts


def test_its_parts_are_what_a_manifest_keeps() -> None:
    """A later version compares them with its own to say why an environment was made anew: their names stay."""
    django = wheel("django", "5.2")
    made = fingerprint(Plan(TARGET, (django,)), Settings(strict=True), runtime="1", worker=None)
    settings = made.parts.pop("settings")
    assert made.parts == {
        "format": 2,
        "interpreter": {"name": "CPython 3.12.1", "python": "/opt/python3.12", "identity": "a" * 64},
        "distributions": {"django": ["5.2", distribution_identity(django)]},
        "extras": {"runtime": "1"},
    }
    assert settings == deciding(Settings(strict=True), Decides.CONTENT)
    assert settings["strict"] is True


def test_what_matters() -> None:
    base = wheel("django", "5.2")
    sdist = Distribution("django", "5.2", SdistSource(artifact("django", "5.2", kind=".tar.gz")))
    tree = Distribution("django", "5.2", TreeSource(Path("/src"), "c" * 64))
    others = [
        wheel("django", "5.2", "1" * 64),
        wheel("django", "5.3"),
        replace(base, requested=True),
        replace(base, direct_url=DirectUrl("https://files.example.invalid/django.whl")),
        sdist,
        replace(sdist, source=replace(sdist.source, config_settings=(("debug", "1"),))),
        replace(sdist, source=replace(sdist.source, subdirectory="src")),
        tree,
        replace(tree, source=replace(tree.source, content="d" * 64)),
        replace(tree, source=replace(tree.source, editable=True)),
        replace(tree, source=replace(tree.source, path=Path("/other"))),
    ]
    identities = [distribution_identity(distribution) for distribution in (base, *others)]
    assert len(set(identities)) == len(identities)


def test_what_does_not_matter() -> None:
    base = wheel("django", "5.2")
    moved = replace(base.source.artifact, url="https://mirror.example.invalid/d.whl", yanked="old", size_bytes=3)
    same = replace(base, source=WheelSource(moved), required_by=("a >1",), extras=("x",))
    assert distribution_identity(same) == distribution_identity(base)
    assert fingerprint(Plan(TARGET, (base,)), Settings()) == fingerprint(
        Plan(TARGET, (base,)), Settings(concurrent_builds=1, http_timeout_s=1.0), worker=None
    )


def test_without_a_sha256_the_url_and_other_hashes_count() -> None:
    plain = Artifact("a", "1", "a-1.whl", "https://files.example.invalid/a-1.whl")
    variants = [plain, replace(plain, url="https://other.example.invalid/a-1.whl")]
    variants.append(replace(plain, hashes=Hashes.of({"sha512": "f" * 128})))
    found = {distribution_identity(Distribution("a", "1", WheelSource(variant))) for variant in variants}
    assert len(found) == 3


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (parts(wheel("django", "5.2.18")), parts(wheel("django", "5.2.18")), ""),
        (
            parts(wheel("django", "5.2.18")),
            parts(wheel("django", "5.2.19"), wheel("a", "1"), wheel("b", "1")),
            "django 5.2.18 → 5.2.19, +2 distributions",
        ),
        (parts(wheel("a", "1")), parts(), "-a 1"),
        (parts(), parts(wheel("a", "1")), "+a 1"),
        (parts(wheel("a", "1")), parts(wheel("a", "1", "9" * 64)), "a 1 has other content"),
        (parts(), parts(link="copy"), "link auto → copy"),
        (parts(runtime="1"), parts(runtime="2"), "runtime changed"),
        (parts(), parts(worker_name="gw0"), "worker name changed"),
        (
            parts(),
            parts(target=replace(TARGET, version="3.13.0", identity="b")),
            "interpreter changed: CPython 3.12.1 → CPython 3.13.0",
        ),
        (
            parts(),
            parts(target=replace(TARGET, python="/usr/python", identity="b")),
            "interpreter changed: /opt/python3.12 → /usr/python",
        ),
        (
            parts(),
            parts(target=replace(TARGET, identity="b")),
            "interpreter changed: /opt/python3.12 is another file now",
        ),
        (
            parts(*(wheel(name, "1") for name in "abcde")),
            parts(*(wheel(name, "2") for name in "abcde")),
            "a 1 → 2, b 1 → 2, c 1 → 2, 2 more changed",
        ),
        (parts(), parts(strict=True), "strict off → on"),
        (parts(strict=True), parts(), "strict on → off"),
        (parts(), parts(unchecked_records=frozenset({"a", "b"})), "unchecked-records none → a b"),
        (parts(worker="gw0", runtime="1"), parts(worker="gw0", runtime="2"), "runtime changed"),
        (parts(runtime="1"), parts(), "runtime changed"),
        (
            {"extras": {"build_variables": {"CC": "1", "CFLAGS": "2"}}},
            {"extras": {"build_variables": {"CC": "1", "CFLAGS": "3", "LDFLAGS": "4"}}},
            "build variables changed: CFLAGS, LDFLAGS",
        ),
        ({"extras": {"build_variables": {"CC": "1"}}}, {}, "build variables changed"),
        (parts(wheel("a", "1"), runtime="1"), parts(), "-a 1"),
        (parts(wheel("a", "1"), runtime="1"), parts(runtime="2"), "-a 1, runtime changed"),
        (
            parts(wheel("a", "1"), wheel("b", "1"), wheel("c", "1"), wheel("d", "1")),
            parts(wheel("a", "1"), wheel("b", "2"), wheel("c", "2"), wheel("d", "2")),
            "b 1 → 2, c 1 → 2, d 1 → 2",
        ),
        ({"settings": {"strict": False}}, {}, "settings changed"),
        ({}, {"something": 1}, "settings changed"),
        ({"format": 0}, {"format": 1}, "made by another version of pytest-fastenv"),
    ],
)
def test_explain(old: dict[str, Any], new: dict[str, Any], told: str) -> None:
    assert explain(old, new) == told
