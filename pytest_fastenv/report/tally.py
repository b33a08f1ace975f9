"""What the spans of a run say about how far it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pytest_fastenv.model.events import Span


@dataclass(slots=True)
class Tally:
    """Counts of finished work, and what is going on.

    :ivar fetched_bytes: of finished and running transfers.
    :ivar building: builds under way.
    :ivar interpreters: names of those that are, or were, downloaded.
    :ivar arriving: stages of them that are under way.
    :ivar waiting: waits for locks and slots that know whom they wait for.
    """

    resolved: int = 0
    resolving: bool = False
    fetched: int = 0
    fetching: int = 0
    fetched_bytes: int = 0
    built: int = 0
    linked: int = 0
    building: list[Span] = field(default_factory=list)
    interpreters: set[str] = field(default_factory=set)
    arriving: list[Span] = field(default_factory=list)
    waiting: list[Span] = field(default_factory=list)

    @classmethod
    def of(cls, spans: Iterable[Span]) -> Tally:
        """Count; spans that ended with an error count as nothing."""
        tally = cls()
        for span in spans:
            tally._add(span)
        return tally

    def _add(self, span: Span) -> None:
        running = not span.end_ns
        done = not running and "error" not in span.args
        size = span.args.get("bytes", 0)
        match span.kind:
            case "resolve":
                self.resolving |= running
                count = span.args.get("distributions", 0)
                self.resolved += count if isinstance(count, int) else 0
            case "fetch" if span.args.get("source") != "cache":
                self.fetched += done
                self.fetching += running
                self.fetched_bytes += size if isinstance(size, int) else 0
            case "build":
                self.built += done and makes_a_wheel(span)
                if running:
                    self.building.append(span)
            case "interpreter" if "stage" in span.args:
                self.interpreters.add(span.subject)
                if running:
                    self.arriving.append(span)
            case "link":
                self.linked += done
            case "lock-wait" | "slot-wait" if running and "holder" in span.args:
                self.waiting.append(span)
            case _:
                pass


def makes_a_wheel(span: Span) -> bool:
    """Tell whether a ``build`` span belongs to a hook that makes a wheel, not to a hook that answers a question."""
    return str(span.args.get("hook", "build_")).startswith("build_")
