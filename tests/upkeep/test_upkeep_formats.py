"""A store of another version is read right or not at all, and left alone.

``formats.json`` has, for each released version, what its buckets and entries keep: an example of each value, as that
version writes it. What a later version keeps in a directory of the same name must read as the same value; where it is
another one, the bucket gets another version. ``python tests/upkeep/test_upkeep_formats.py`` writes the part of the
present version, as long as that is not released.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

import pytest
from kit.examples import example

from pytest_fastenv.cli.main import main
from pytest_fastenv.environment.manifest import ENVIRONMENTS
from pytest_fastenv.environment.manifest import Manifest as EnvironmentManifest
from pytest_fastenv.environment.skeleton import SKELETONS, Skeleton
from pytest_fastenv.installer.bytecode import BYTECODE, Index
from pytest_fastenv.installer.manifest import Manifest as WheelManifest
from pytest_fastenv.installer.manifest import WheelFacts
from pytest_fastenv.installer.wheel_bucket import WHEELS
from pytest_fastenv.interpreter.installed import PYTHONS, Installed
from pytest_fastenv.model.codec import decode, encode
from pytest_fastenv.model.plan import Plan
from pytest_fastenv.provisioning.build_environments import BUILD_ENVIRONMENTS, Held
from pytest_fastenv.store.sealed import load, to_bytes
from pytest_fastenv.store.store import Store
from pytest_fastenv.upkeep.buckets import ENTRIES, RECORDS
from pytest_fastenv.version import __version__

FORMATS = Path(__file__).with_name("formats.json")
#: What entries keep of themselves.
OF_ENTRIES = {
    WHEELS.directory: [WheelFacts, WheelManifest],
    SKELETONS.directory: [Skeleton],
    BUILD_ENVIRONMENTS.directory: [Held],
    PYTHONS.directory: [Installed],
    BYTECODE.directory: [Index],
    ENVIRONMENTS.directory: [EnvironmentManifest, Plan],
}
NO_VALUES = {"sdists-v1", "repositories-v1", "checkouts-v2"}


def kinds() -> dict[str, list[Any]]:
    """Return what each directory of this version keeps."""
    return {**OF_ENTRIES, **{bucket.directory: [bucket.record] for bucket in RECORDS}}


def written() -> dict[str, list[Any]]:
    """Return the examples as this version writes them."""
    return {
        directory: [encode(example(kind, number), kind) for kind in values for number in (0, 1)]
        for directory, values in sorted(kinds().items())
    }


def test_every_bucket_is_among_them() -> None:
    assert {bucket.directory for bucket in ENTRIES} == {*OF_ENTRIES, *NO_VALUES}


@pytest.mark.parametrize("version", json.loads(FORMATS.read_text(encoding="utf-8")))
def test_what_a_version_wrote_is_read_as_what_it_was(version: str) -> None:
    kept = json.loads(FORMATS.read_text(encoding="utf-8"))[version]
    now = kinds()
    for directory, texts in kept.items():
        values = [(kind, number) for kind in now.get(directory, []) for number in (0, 1)]
        for (kind, number), text in zip(values, texts, strict=directory in now):
            assert decode(kind, text) == example(kind, number), (
                f"{directory} keeps another {kind.__name__} than version {version}: give the bucket another version"
            )
            assert encode(example(kind, number), kind) == text, f"version {version} could not read it: {directory}"


def test_the_present_version_is_kept() -> None:
    kept = json.loads(FORMATS.read_text(encoding="utf-8"))[__version__]
    hint = f"as long as {__version__} is not released: python {Path(__file__).relative_to(Path(__file__).parents[2])}"
    assert kept == json.loads(json.dumps(written())), hint


def test_what_a_newer_version_added_to_a_record_is_not_read(store: Store) -> None:
    """It should have another directory; where it has not, what is not known counts as absent."""
    for bucket in RECORDS:
        value = example(bucket.record)
        store.write_record(bucket, "key", value)
        (record,) = (store.root / bucket.directory).rglob("*.json")
        text = json.loads(record.read_bytes().partition(b"\n")[2])
        if bucket.name != "timings":  # names are all that it has
            record.write_bytes(to_bytes({**text, "added_later": 1}, dict[str, Any]))
            assert store.read_record(bucket, "key") is None, bucket.name
    assert load(store.root / "missing.json", Plan) is None


def test_buckets_of_other_versions_are_left_alone(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Older ones go once nothing in them was used for thirty days; newer ones and what is not known never do."""
    names = ("wheels-v1", "requests-v2", "wheels-v99", "novelties-v1", "mine")
    for name in names:
        place = store.root / name / "ab" / "abcdef"
        place.mkdir(parents=True)
        (place / ".ready").touch()
        (place.parent / "abcdef.json").write_bytes(b"of another version")
    assert main(["cache", "verify"]) == 0
    assert main(["cache", "prune"]) == 0
    assert {path.name for path in store.root.iterdir()} >= set(names)
    then = time.time() - 40 * 86400
    for place, directories, files in os.walk(store.root):
        for name in (*directories, *files):
            os.utime(os.path.join(place, name), (then, then))
    capsys.readouterr()
    assert main(["cache", "prune", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {Path(path).name for path in told["removed_beside"]} == {"wheels-v1", "requests-v2"}
    assert {path.name for path in store.root.iterdir()} >= {"wheels-v99", "novelties-v1", "mine"}
    assert main(["cache", "info"]) == 0
    assert "of another version of pytest-fastenv" in capsys.readouterr().out


if __name__ == "__main__":
    known = json.loads(FORMATS.read_text(encoding="utf-8")) if FORMATS.exists() else {}
    FORMATS.write_text(json.dumps({**known, __version__: written()}, indent=1) + "\n", encoding="utf-8")
