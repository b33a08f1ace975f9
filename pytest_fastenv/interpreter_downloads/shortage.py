"""Why no interpreter can be had for a request: where was searched, and what the catalogue has instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_fastenv.errors import InterpreterNotFoundError, option
from pytest_fastenv.interpreter_downloads.host import Host, host_of
from pytest_fastenv.interpreter_downloads.mirror import Mirror
from pytest_fastenv.interpreter_downloads.offer import Offer
from pytest_fastenv.interpreter_downloads.selection import Selection, is_final
from pytest_fastenv.interpreter_downloads.tables import PACKAGE, tables_version
from pytest_fastenv.model.target import Target

_MOST_NAMED = 8
_PLAIN_HINT = "install one, put it on PATH, or give its path"


@dataclass(frozen=True, slots=True)
class Shortage:
    """The errors for one request.

    :ivar missing: what the search of the machine raised, if it was searched.
    """

    spec: str
    missing: InterpreterNotFoundError | None

    def of_a_path(self) -> InterpreterNotFoundError:
        """Return the error for a path where no interpreter is."""
        return self.missing or InterpreterNotFoundError(
            f"{self.spec} is a path, which no download can provide", hint="name a version, such as 3.12"
        )

    def forbidden(self) -> InterpreterNotFoundError:
        """Return the error where interpreters may not be downloaded."""
        return self._error(hint=f"{self._hint}; none is downloaded, because {option('python_downloads')} is never")

    def offline(self, mirror: Mirror) -> InterpreterNotFoundError:
        """Return the error where the network is not to be used."""
        place = mirror.place or "where their projects publish them"
        return self._error(
            why=f"interpreters are downloaded from {place}, and the network is not to be used (offline)",
            hint=f"{self._hint}; or let {option('python_mirror')} name a directory that has one",
        )

    def nothing_fits(
        self, wanted: Selection, host: Target, mirror: Mirror, offers: Sequence[Offer]
    ) -> InterpreterNotFoundError:
        """Return the error where the catalogue has nothing either, with what it has that is closest."""
        machine = host_of(host)
        from_tables = mirror.checksums is None and not mirror.is_local
        source = f"the tables of {PACKAGE} {tables_version()}" if from_tables else "the mirror"
        listed = list(_closest(wanted, offers))
        if listed:
            listed.insert(0, f"{source} can provide for {machine}:")
        else:
            listed = [f"{source} {'have' if from_tables else 'has'} nothing for {machine}{_reason(machine)}"]
        place = f"mirror: {mirror.place}" if mirror.place else f"catalogue: {PACKAGE} {tables_version()}"
        return self._error(where=place, why="\n".join(listed), hint=self._step(wanted, machine, from_tables, offers))

    def _step(self, wanted: Selection, machine: Host, from_tables: bool, offers: Sequence[Offer]) -> str:
        alike = [offer for offer in offers if wanted.is_like(offer)]
        early = next((o for o in alike if not is_final(o.version) and o.version_info == wanted.version), None)
        if wanted.debug:
            return f"{self._hint}; debug builds are not downloaded"
        if early is not None and not wanted.names_pre_release:
            return f"a pre-release is taken only by its full version: {early.version}"
        if from_tables and machine.libc == "musl":
            return (
                f"{self._hint}; or let {option('python_mirror')} name a mirror that has builds for musl, and SHA256SUMS"
            )
        finals = [offer.version for offer in alike if is_final(offer.version)]
        if from_tables and finals and wanted.after(finals, machine.arch):
            return (
                f"newer interpreters come with newer tables: pip install --upgrade {PACKAGE}"
                f" (these are of {tables_version()}); or {self._hint}"
            )
        return self._hint

    @property
    def _hint(self) -> str:
        return (self.missing and self.missing.hint) or _PLAIN_HINT

    def _error(self, *, where: str = "", why: str = "", hint: str) -> InterpreterNotFoundError:
        found = self.missing or InterpreterNotFoundError(f"no Python interpreter fits {self.spec!r}")
        return InterpreterNotFoundError(
            found.what,
            where="\n".join(filter(None, (found.where, where))) or None,
            why="\n".join(filter(None, (found.why, why))) or None,
            hint=hint,
        )


def _reason(machine: Host) -> str:
    if machine.os == "linux" and not machine.libc:
        return ": which libc it has is not known"
    return ""


def _closest(wanted: Selection, offers: Sequence[Offer]) -> Iterator[str]:
    """Yield a line for each kind of interpreter: the versions of the minor version wanted, else the newest of each."""
    near = [offer for offer in offers if wanted.is_like(offer) and offer.version_info == wanted.version]
    kinds: dict[tuple[str, bool], list[str]] = {}
    seen = set()
    for offer in near or offers:
        mark = offer.short if near else (offer.implementation, offer.free_threaded, offer.version_info)
        if mark not in seen:
            seen.add(mark)
            kinds.setdefault((offer.implementation, offer.free_threaded), []).append(offer.short)
    for names in kinds.values():
        family = names[0].partition(" ")[0]
        versions = [name.partition(" ")[2] for name in names]
        more = f" and {len(versions) - _MOST_NAMED} more" if len(versions) > _MOST_NAMED else ""
        yield f"  {family} {', '.join(versions[:_MOST_NAMED])}{more}"
