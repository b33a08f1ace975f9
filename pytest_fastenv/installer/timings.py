"""How long work on each project took the last time, so that the longest goes first.

::

    timings-v2/wo/work.json    build, fetch, unpack: seconds by project

One record for everything: it is read once and written once in a run, however many distributions there are.
"""

from __future__ import annotations

from collections.abc import Iterable

from pytest_fastenv.model.events import Span
from pytest_fastenv.store.buckets import RecordBucket, Remaking
from pytest_fastenv.store.store import Store

TIMINGS = RecordBucket(
    name="timings",
    version=2,
    about="how long fetching, building and unpacking took, by project",
    remaking=Remaking.ASKED,
    record=dict[str, dict[str, float]],
)
_KEY = "work"
_STAGES = ("build", "fetch", "unpack")
#: Projects of which a stage is remembered; those not seen for longest are forgotten.
_MOST = 4096


class Timings:
    """Reads and keeps the durations; nothing is read before something is asked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read: dict[str, dict[str, float]] | None = None

    def seconds(self, name: str) -> float:
        """Return how long everything that was ever done for a project took; 0 when nothing is known."""
        return sum(stage.get(name, 0.0) for stage in self._stages().values())

    def build(self, name: str) -> float:
        """Return how long building a project's wheel took; 0 when that is not known."""
        return self._stages()["build"].get(name, 0.0)

    def learn(self, spans: Iterable[Span]) -> None:
        """Keep the durations of a run's work. Processes that do so at once may lose each other's."""
        news: dict[str, dict[str, float]] = {stage: {} for stage in _STAGES}
        for span in spans:
            if span.kind in news and span.end_ns and "error" not in span.args and _is_remembered(span):
                values = news[span.kind]
                values[span.subject] = round(values.get(span.subject, 0.0) + span.duration_s, 4)
        if not any(news.values()):
            return
        known = self._load()
        for stage, values in news.items():
            kept = {name: seconds for name, seconds in known[stage].items() if name not in values} | values
            known[stage] = dict(list(kept.items())[-_MOST:])
        self._store.write_record(TIMINGS, _KEY, known)
        self._read = known

    def _stages(self) -> dict[str, dict[str, float]]:
        if self._read is None:
            self._read = self._load()
        return self._read

    def _load(self) -> dict[str, dict[str, float]]:
        known = self._store.read_record(TIMINGS, _KEY) or {}
        return {stage: known.get(stage, {}) for stage in _STAGES}


def _is_remembered(span: Span) -> bool:
    """Tell apart what is done once for a distribution from questions to a backend, and from what is no project."""
    asks = span.kind == "build" and span.args.get("hook") != "build_wheel"
    return not asks and "/" not in span.subject
