"""From an index's files to candidates: at most one artifact per release, or the reason why there is none."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from packaging.version import Version

from pytest_fastenv.errors import FastenvError
from pytest_fastenv.model.artifact import Artifact
from pytest_fastenv.model.metadata import CoreMetadata
from pytest_fastenv.model.plan import DirectUrl, Source, archive_source
from pytest_fastenv.model.request import ConfigSettings, FormatControl, ReleaseControl, Wanted, moment_of
from pytest_fastenv.model.target import Target
from pytest_fastenv.resolve.hashed import Demands
from pytest_fastenv.resolve.requirements_of import Specifiers
from pytest_fastenv.wheel.platforms import made_for


@dataclass(frozen=True, slots=True)
class Candidate:
    """One release in the form in which it would be installed.

    :ivar text: the version as text.
    :ivar direct: set when it was named by URL or path instead of found at an index.
    :ivar metadata: already known for direct candidates.
    """

    name: str
    version: Version
    text: str
    source: Source
    direct: DirectUrl | None = None
    metadata: CoreMetadata | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.text}"


def is_same_source(one: Candidate, other: Candidate) -> bool:
    """Tell whether two candidates are one content, whatever the addresses and hashes they were named by."""
    return one.source.identity == other.source.identity


def is_from_same_place(one: Candidate, other: Candidate) -> bool:
    """Tell whether two candidates are one thing, also where they are to be built in different ways (one editable)."""
    return one.source.place == other.source.place


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a release cannot be used.

    :ivar reason: continues a sentence that begins with the release: ``needs Python >=3.12``.
    :ivar fault: the error to raise where that is all that speaks against what is asked for.
    """

    reason: str
    fault: FastenvError | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What decides between the files of a release and between releases, apart from requirements.

    :ivar uploaded_before: files that an index got later do not count.
    :ivar demands: hashes that are demanded, by project.
    :ivar constraints: constraints that apply to the target, by project.
    :ivar settings: config settings for source builds by project; others get `default_settings`.
    :ivar sealed_by: the lock file beside which nothing may be chosen, so that no index is asked; or empty.
    :ivar preferences: versions to take where nothing speaks against them, by project.
    """

    target: Target
    formats: FormatControl = FormatControl()
    releases: ReleaseControl = ReleaseControl()
    prefer_binary: bool = False
    uploaded_before: datetime | None = None
    ignore_requires_python: bool = False
    demands: Demands = field(default_factory=Demands)
    constraints: Mapping[str, Sequence[Wanted]] = field(default_factory=dict)
    settings: Mapping[str, ConfigSettings] = field(default_factory=dict)
    default_settings: ConfigSettings = ()
    preferences: Mapping[str, str] = field(default_factory=dict)
    sealed_by: str = ""

    def settings_of(self, name: str) -> ConfigSettings:
        """Return the config settings with which a source of the project is built."""
        return self.settings.get(name, self.default_settings)


class ArtifactChoice:
    """Chooses the artifact of a release: the most specific compatible wheel, else the source distribution."""

    def __init__(self, policy: Policy, specifiers: Specifiers) -> None:
        self._policy = policy
        self._specifiers = specifiers
        self._ranks = {tag: rank for rank, tag in enumerate(policy.target.tags)}
        # Pre-releases of the interpreter count as the release they lead to, as installers have always done.
        self._python = Version(policy.target.version.partition("+")[0]).base_version
        self._python_fits: dict[str, bool] = {}

    def fits_python(self, requires_python: str | None) -> bool:
        """Tell whether the target's Python satisfies ``Requires-Python``; an invalid specifier excludes no Python."""
        if not requires_python or self._policy.ignore_requires_python:
            return True
        known = self._python_fits.get(requires_python)
        if known is None:
            specifier = self._specifiers.read(requires_python)
            known = specifier is None or specifier.contains(self._python, prereleases=True)
            self._python_fits[requires_python] = known
        return known

    def fits_platform(self, wheel: Artifact) -> bool:
        """Tell whether a wheel's tags are among the target's (PEP 425)."""
        return self._place(wheel)[0] != _NO_PLACE

    def best(self, name: str, version: Version, artifacts: Sequence[Artifact]) -> Candidate | Refusal:
        """Return the candidate of one release, given all its files (wheel by tag order, then by build tag)."""
        wanted = self._policy.demands.on(name)
        best: tuple[tuple[bool, int, tuple[int, str]], Artifact] | None = None
        others: list[Artifact] = []
        reasons: dict[int, str] = {}
        for artifact in artifacts:
            reason = self._objection(artifact)
            if reason is None and not wanted.may_accept(artifact.hashes):
                others.append(artifact)
                reason = _OTHER_HASH
            if reason is not None:
                reasons.setdefault(*reason)
                continue
            rank, build = self._place(artifact)
            # Files that were taken back are the last resort within a release (PEP 592 speaks of files).
            place = artifact.yanked is not None, rank, (-build[0], build[1])
            if best is None or place < best[0]:
                best = place, artifact
        if best is None:
            fault = self._policy.demands.mismatch(f"{name} {version}", name, others) if others else None
            told = reasons[min(reasons)] if reasons else "has no files"
            if reasons and min(reasons) == _OTHER_PLATFORM:
                wheels = made_for(file.filename for file in artifacts if file.kind == "wheel")
                told += f" (its wheels are for {wheels})"
            return Refusal(told, fault)
        artifact = replace(best[1], hashes=best[1].hashes & wanted) if wanted else best[1]
        source = archive_source(artifact, config_settings=self._policy.settings_of(name))
        return Candidate(name, version, str(version), source)

    def _objection(self, artifact: Artifact) -> tuple[int, str] | None:
        """Return why a file cannot be used, with a number: the lowest names the reason that matters most."""
        if (form := self._objection_to_form(artifact)) is not None:
            return form
        if not self.fits_python(artifact.requires_python):
            return 1, f"needs Python {artifact.requires_python}"
        moment = self._policy.uploaded_before
        if moment is not None and (late := _uploaded_late(artifact, moment)):
            return 1, late
        return None

    def _objection_to_form(self, artifact: Artifact) -> tuple[int, str] | None:
        policy, name = self._policy, artifact.name
        if artifact.kind == "wheel":
            if not self.fits_platform(artifact):
                return _OTHER_PLATFORM, f"has no wheel for {policy.target.short} on {policy.target.platform}"
            if not policy.formats.allows_wheel(name):
                return 2, "has only wheels, and --no-binary excludes them"
        elif not policy.formats.allows_sdist(name):
            return 3, "has only a source distribution for this interpreter, and --only-binary excludes it"
        return None

    def _place(self, artifact: Artifact) -> tuple[int, tuple[int, str]]:
        """Return the rank of the best tag and the build tag; source distributions come after all wheels."""
        if artifact.kind == "sdist":
            return _NO_PLACE + 1, (0, "")
        parts = artifact.filename[:-4].lower().split("-")
        if len(parts) not in {5, 6}:
            return _NO_PLACE, (0, "")
        pythons, abis, platforms = (part.split(".") for part in parts[-3:])
        found = [
            self._ranks[tag]
            for python in pythons
            for abi in abis
            for platform in platforms
            if (tag := f"{python}-{abi}-{platform}") in self._ranks
        ]
        build = re.match(r"([0-9]+)(.*)", parts[2]) if len(parts) == 6 else None
        return min(found, default=_NO_PLACE), ((int(build[1]), build[2]) if build else (0, ""))


_NO_PLACE = 1 << 30
_OTHER_PLATFORM = 4
_OTHER_HASH = (0, "has a hash that is not in the list")


def _uploaded_late(artifact: Artifact, moment: datetime) -> str | None:
    """Say why a file is too young to count; those on this machine's disks have no such time, as for pip."""
    if artifact.url.startswith("file:"):
        return None
    if artifact.upload_time is None:
        return "has no upload time at this index, and --uploaded-prior-to asks for it"
    try:
        is_early = moment_of(artifact.upload_time) < moment
    except ValueError:
        return f"has an upload time that cannot be read ({artifact.upload_time}), and --uploaded-prior-to asks for it"
    return None if is_early else f"was uploaded only at {artifact.upload_time}"
