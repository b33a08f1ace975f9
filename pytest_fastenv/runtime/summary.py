"""How an environment came about: told in pytest's header, by ``fastenv create`` and in reports.

Standard library only: this module is on the warm path, and is copied into environments.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Mapping

from ..errors import printable

SHOWN_WARNINGS = 20
"""How many warnings are shown to people."""


@dataclass(frozen=True)
class Summary:
    """How an environment came about.

    :ivar distributions: how many it holds.
    :ivar cached: how many of them were in the store already, when it was made.
    :ivar fetched: how many came over the network, or from a directory of artifacts.
    :ivar built: how many were built from source.
    :ivar fetched_bytes: transferred for wheels.
    :ivar wasted_bytes: transferred ahead for what the resolver took back.
    :ivar seconds: how long it took this time, from the question to the answer.
    :ivar python: the interpreter for people: ``CPython 3.12.1``.
    :ivar downloaded: the interpreter was downloaded, by this run.
    :ivar path: the environment's directory.
    :ivar reused: it was there already.
    :ivar age_s: how long ago its versions were chosen.
    :ivar pip_settings: which of pip's own settings had a say in what it holds.
    :ivar reason: why it was made anew, in one line; where it was reused, why that could not be told at once. ``None``
        where there was none before, and where nothing had changed.
    :ivar warnings: what its user should know of it, each in one line: the same in every run that uses it.
    """

    distributions: int = 0
    cached: int = 0
    fetched: int = 0
    built: int = 0
    fetched_bytes: int = 0
    wasted_bytes: int = 0
    seconds: float = 0.0
    python: str = ""
    downloaded: bool = False
    path: str = ""
    reused: bool = False
    age_s: float = 0.0
    reason: str | None = None
    pip_settings: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Summary:
        """Return the summary that `to_json` was given; what another version of this package knows is left out.

        :raises TypeError: it is no object.
        """
        known = {member.name: value[member.name] for member in fields(cls) if member.name in value}
        lists = {name: tuple(known.get(name, ())) for name in ("pip_settings", "warnings")}
        return cls(**{**known, **lists})

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)

    @property
    def line(self) -> str:
        """All of it in one line, without a line break.

        ``fastenv: 145 distributions (120 cached, 24 fetched, 1 built) in 1.4 s, CPython 3.12.1, /…/environments/ab12``
        """
        python = "{} (downloaded)".format(self.python) if self.downloaded else self.python
        told = "fastenv: " + ", ".join(filter(None, (self._contents, python, self.path)))
        if self.reason:
            told = "{} ({} anew: {})".format(told, "checked" if self.reused else "made", self.reason)
        return printable(told)

    @property
    def details(self) -> list[str]:
        """What only ``-v`` tells, in lines."""
        heeded = ["fastenv: heeded of pip's settings: {}".format(", ".join(self.pip_settings))]
        return [printable(line) for line in heeded if self.pip_settings]

    @property
    def warning_lines(self) -> list[str]:
        """The warnings for people: a line each, and how many more there are than anybody reads."""
        lines = ["fastenv: warning: " + printable(text) for text in self.warnings[:SHOWN_WARNINGS]]
        more = len(self.warnings) - SHOWN_WARNINGS
        if more > 0:
            lines.append("fastenv: and {} more warnings; --fastenv-report FILE.json has them all".format(more))
        return lines

    @property
    def _contents(self) -> str:
        text = "{} distribution{}".format(self.distributions, "" if self.distributions == 1 else "s")
        if self.reused:
            origins = ["reused", "resolved {} ago".format(duration(self.age_s))]
        else:
            counts = {"cached": self.cached, "fetched": self.fetched, "built": self.built}
            origins = ["{} {}".format(count, name) for name, count in counts.items() if count]
            if self.wasted_bytes:
                origins.append("{:.1f} MB fetched in vain".format(self.wasted_bytes / 1e6))
        if origins:
            text += " ({})".format(", ".join(origins))
        return "{} in {}".format(text, elapsed(self.seconds))


def elapsed(value_s: float) -> str:
    """Write how long something took: ``80 ms``, ``1.4 s``, ``2 min``."""
    if value_s < 1:
        return "{:.0f} ms".format(value_s * 1000)
    return "{:.1f} s".format(value_s) if value_s < 60 else duration(value_s)


def duration(value_s: float) -> str:
    """Write a duration with its largest unit, rounded down: ``12 s``, ``5 min``, ``3 h``, ``2 d``."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if value_s >= size:
            return "{} {}".format(int(value_s // size), unit)
    return "{} s".format(max(int(value_s), 0))
