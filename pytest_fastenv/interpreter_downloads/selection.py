"""Which interpreter a request means: read as the search of the machine reads it, applied to the catalogue.

python-discovery reads the text and compares, so that a request means the same whether the interpreter is found or
downloaded. Imports it, so: not on the warm path.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from python_discovery import PythonSpec, SimpleSpecifier, normalize_isa

from pytest_fastenv.errors import InterpreterNotFoundError
from pytest_fastenv.interpreter.discovery import as_path
from pytest_fastenv.interpreter.probe import OLDEST
from pytest_fastenv.interpreter.spec import read
from pytest_fastenv.interpreter_downloads.offer import Offer

_32_BITS = frozenset({"x86", "armv7"})
#: Past versions of Python 3 and 2, and what may come: to tell which version a request means when nothing fits.
_PAST = ((2, 7), *((3, minor) for minor in range(OLDEST[1])))
_MOST = 100
#: The last release of each minor version that will get no further one.
_LAST = {(2, 7): 18, **{(3, minor): micro for minor, micro in enumerate((1, 5, 6, 7, 10, 10, 15, 17, 20))}}


@dataclass(frozen=True, slots=True)
class Selection:
    """A request for an interpreter by version, implementation or kind of build; never by path.

    :ivar text: as the user wrote it.
    """

    text: str
    _spec: PythonSpec = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Selection | None:
        """Read a request; see `pytest_fastenv.interpreter.discovery.find_target` for what can be written.

        :returns: ``None`` for a path, which no download can provide.
        :raises InterpreterNotFoundError: it cannot be read.
        """
        if as_path(text.strip()) is not None:
            return None
        spec = read(text)
        if spec.path is not None:
            raise InterpreterNotFoundError(
                f"{text!r} does not say which Python is meant",
                why="it may be the name of a program on PATH, which no download can provide",
                hint="write a version (3.12), specifiers (>=3.11,<3.14) or an implementation (pypy3.10)",
            )
        return cls(text, spec)

    @property
    def implementation(self) -> str:
        """``cpython`` where none is named: what is downloaded for ``3.12`` is never another one."""
        return (self._spec.implementation or "cpython").lower()

    @property
    def version(self) -> tuple[int, int] | None:
        """Major and minor version, where they are given plainly or as the only one that fits (``==3.12.4``)."""
        major, minor = self._spec.major, self._spec.minor
        if major is not None and minor is not None:
            return major, minor
        items = tuple(self._spec.version_specifier or ())
        if len(items) == 1 and items[0].operator in {"==", "===", "~="} and items[0].version is not None:
            return items[0].version.release[:2]
        return None

    @property
    def names_pre_release(self) -> bool:
        """Whether the request itself speaks of a pre-release, such as ``3.15.0rc1`` or ``>=3.15.0a1``."""
        return any(_is_early(item) for item in self._spec.version_specifier or ())

    def pick(self, offers: Iterable[Offer]) -> Offer | None:
        """Return the first that fits; a pre-release only if the request names one and no final release fits."""
        fitting = [offer for offer in offers if self.fits(offer)]
        return next((offer for offer in fitting if is_final(offer.version)), next(iter(fitting), None))

    def fits(self, offer: Offer) -> bool:
        """Tell whether an offer fits the request.

        As in the search of the machine, a free-threaded build fits only where it is asked for, and a version is
        compared as exactly as it was written: 3.12.4 is not above ``>3.12``.
        """
        if not self.is_like(offer) or self.debug or offer.version_info < OLDEST:
            return False
        items = tuple(self._spec.version_specifier or ())
        if is_final(offer.version):
            # What names a pre-release is compared with the whole version: python-discovery leaves that open here.
            return self._satisfied(*map(int, offer.version.split(".")), arch=offer.arch) and all(
                item.contains(offer.version) for item in items if _is_early(item)
            )
        return (
            self.names_pre_release
            and all(item.contains(offer.version) for item in items)
            and self._satisfied(arch=offer.arch)
        )

    def too_old(self) -> str | None:
        """Return the version that is asked for, if pytest supports no version that fits the request."""
        past = next((version for version in reversed(_PAST) if self._satisfied(*version)), None)
        if past is None or any(self._satisfied(3, minor) for minor in range(OLDEST[1], _MOST)):
            return None
        return ".".join(map(str, past))

    def never_released(self) -> str | None:
        """Say why a version that is asked for never was and never will be, as far as that is known; else ``None``."""
        major, minor, micro = self._spec.major, self._spec.minor, self._spec.micro
        if major is None or minor is None or micro is None or self.implementation != "cpython":
            return None
        last = _LAST.get((major, minor))
        if last is None or micro <= last:
            return None
        return f"the last release of Python {major}.{minor} was {major}.{minor}.{last}"

    @property
    def debug(self) -> bool:
        """Whether a debug build is asked for: there is none in the catalogue."""
        return bool(self._spec.debug)

    def is_like(self, offer: Offer) -> bool:
        """Tell whether implementation and kind of build fit the request, whatever the version is."""
        return offer.implementation == self.implementation and offer.free_threaded == bool(self._spec.free_threaded)

    def after(self, versions: Iterable[str], arch: str) -> bool:
        """Tell whether a version would fit that is newer than all known ones, of its minor version or at all.

        :param versions: final releases.
        :param arch: of the machine.
        """
        last: dict[int, int] = {}
        for version in versions:
            _, minor, micro = map(int, version.split("."))
            last[minor] = max(micro, last.get(minor, -1))
        top = max(last, default=0)
        coming: list[tuple[int, ...]] = [(minor, n) for minor, micro in last.items() for n in range(micro + 1, _MOST)]
        coming += [(minor,) for minor in range(top + 1, _MOST)]
        beyond = self.version is not None and self.version > (3, top)
        return beyond or any(self._satisfied(3, *version, arch=arch) for version in coming)

    def _satisfied(
        self, major: int | None = None, minor: int | None = None, micro: int | None = None, *, arch: str = ""
    ) -> bool:
        spec = self._spec
        bits = (32 if arch in _32_BITS else 64) if arch else spec.architecture
        machine = normalize_isa(arch) if arch else None
        mine = PythonSpec("", None, major, minor, micro, bits, None, free_threaded=spec.free_threaded, machine=machine)
        return mine.satisfies(spec)


def is_final(version: str) -> bool:
    """Tell a final release from a pre-release (PEP 440)."""
    return version.replace(".", "").isdigit()


def _is_early(item: SimpleSpecifier) -> bool:
    return item.version is not None and item.version.pre_type is not None
