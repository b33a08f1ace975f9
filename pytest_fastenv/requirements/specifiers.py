"""Read one requirement: a dependency specifier (PEP 508), a URL, or the path of a local project or archive."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pytest_fastenv.model.artifact import Hashes
from pytest_fastenv.model.location import Location
from pytest_fastenv.model.reference import IndexReference
from pytest_fastenv.model.request import ConfigSettings, Fault, Wanted
from pytest_fastenv.requirements.advice import spaced, unreadable_marker, unreadable_requirement
from pytest_fastenv.requirements.direct import Direct, UnusableAddressError, has_scheme, named, read_path, read_url
from pytest_fastenv.requirements.documents import Documents
from pytest_fastenv.requirements.excerpt import Excerpt
from pytest_fastenv.requirements.places import find, is_archive
from pytest_fastenv.requirements.redaction import masked

_NAMED_ADDRESS = re.compile(r"[A-Za-z0-9][\w.-]*\s*(?:\[[^\]]*\])?\s*@")
_EXTRAS = re.compile(r"(?P<address>.+?)\s*\[(?P<extras>[^\[\]]*)\]", re.DOTALL)
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a requirement's text does not say itself.

    :ivar directories: what relative paths are relative to, first one first.
    :ivar shown: the requirement as written, for display; its text when ``None``.
    :ivar specifiers_only: only dependency specifiers are allowed, no bare paths and URLs (PEP 621, 723, 735).
    """

    directories: Sequence[Path]
    documents: Documents
    editable: bool = False
    hashes: Hashes = Hashes()
    config_settings: ConfigSettings = ()
    shown: str | None = None
    specifiers_only: bool = False


def read_requirement(excerpt: Excerpt, surroundings: Surroundings) -> Wanted:
    """Read a requirement.

    What is a path is decided as pip does: it has a separator or begins with a dot, or has the ending of an archive;
    everything else is a dependency specifier.

    :raises RequirementsError: it cannot be read; the error points at the place where reading stopped.
    """
    excerpt = excerpt.part(0)
    if surroundings.specifiers_only or not _is_address(excerpt.text, surroundings):
        wanted = _specifier(excerpt, surroundings)
    else:
        wanted = _address(excerpt, surroundings)
    reference = wanted.reference.with_editable(surroundings.editable)
    if wanted.fault is not None:
        return wanted
    if reference is None:
        hint = f"remove -e, or write -e ./{excerpt.text} if this is a directory"
        raise excerpt.error(
            "only a local project's directory or a repository can be editable",
            hint="remove -e" if wanted.reference.is_direct else hint,
        )
    return replace(wanted, reference=reference)


def _is_address(text: str, surroundings: Surroundings) -> bool:
    if has_scheme(text) or _DRIVE.match(text):
        return True
    directories = surroundings.directories
    address, _ = split_extras(text.partition(";")[0].strip())
    if surroundings.editable and (place := find(address, directories)) is not None and os.path.isdir(place):
        return True  # a name alone can be no editable
    looks_like_path = "/" in address or address.startswith((".", "~")) or (os.sep in address)
    if (looks_like_path or is_archive(address)) and find(address, directories) is not None:
        return True
    return not _NAMED_ADDRESS.match(text) and (looks_like_path or is_archive(address))


def _address(excerpt: Excerpt, surroundings: Surroundings) -> Wanted:
    """Read a bare URL or path with optional extras and marker."""
    body, condition = _split_marker(excerpt, needs_space=has_scheme(excerpt.text))
    with _kept(condition if _is_clearly_an_address(body.text) else None) as faults:
        direct, extras = _resolve(body, surroundings)
        if not direct.egg:
            return _wanted(excerpt, surroundings, direct, extras, condition)
        egg = _requirement(Excerpt(direct.egg, excerpt.at, excerpt.offset + max(excerpt.text.find("egg="), 0)))
        made = _wanted(excerpt, surroundings, named(direct, egg.name, body), extras or egg.extras, condition)
        return replace(made, specifier=str(egg.specifier))
    return _wanted(excerpt, surroundings, Direct(IndexReference()), (), condition, *faults)


def _is_clearly_an_address(text: str) -> bool:
    """Tell an address from a slip that happens to have a slash in it."""
    return has_scheme(text) or text.startswith((".", "/", "~")) or is_archive(split_extras(text)[0])


def _specifier(excerpt: Excerpt, surroundings: Surroundings) -> Wanted:
    if _NAMED_ADDRESS.match(excerpt.text):
        return _named_address(excerpt, surroundings)
    # pip's files may have a semicolon with nothing behind it; standardized places may not.
    is_open = excerpt.text.endswith(";") and not surroundings.specifiers_only
    requirement = _requirement(excerpt.part(0, -1) if is_open else excerpt)
    return Wanted(
        name=canonicalize_name(requirement.name),
        specifier=str(requirement.specifier),
        extras=_normalized(requirement.extras),
        marker=str(requirement.marker) if requirement.marker else None,
        hashes=surroundings.hashes,
        config_settings=surroundings.config_settings,
        location=_line_of(excerpt),
        text=_shown(excerpt, surroundings),
    )


def _named_address(excerpt: Excerpt, surroundings: Surroundings) -> Wanted:
    """Read ``name[extra] @ address ; marker``; like pip without insisting on white space before the semicolon."""
    body, condition = _split_marker(excerpt, needs_space=True)
    requirement = _requirement(body)
    url = requirement.url or ""  # there is one: an @ stands behind the name
    begin = body.text.index(url, body.text.index("@"))
    address = body.part(begin, begin + len(url))
    with _kept(condition) as faults:
        direct, _ = _resolve(address, surroundings)
        return _wanted(excerpt, surroundings, named(direct, requirement.name, address), requirement.extras, condition)
    nothing = Direct(IndexReference(), name=canonicalize_name(requirement.name))
    return _wanted(excerpt, surroundings, nothing, requirement.extras, condition, *faults)


@contextmanager
def _kept(condition: str | None) -> Iterator[list[Fault]]:
    """Keep what is wrong with an address whose requirement may have no say; without a marker it is an error."""
    faults: list[Fault] = []
    try:
        yield faults
    except UnusableAddressError as error:
        if condition is None:
            raise
        faults.append(Fault.of(error))


def _resolve(address: Excerpt, surroundings: Surroundings) -> tuple[Direct, tuple[str, ...]]:
    text, extras = split_extras(address.text)
    if find(address.text, surroundings.directories) is not None:
        text, extras = address.text, ""  # a directory may be named like this
    bare = address.part(0, len(text))
    read = read_url if has_scheme(text) else read_path
    direct = read(bare, surroundings.directories, surroundings.documents)
    if not extras:
        return direct, ()
    offset = address.text.index("[", len(text))
    placeholder = "x"  # gives the brackets a name to belong to
    parsed = _requirement(Excerpt(placeholder + extras, address.at, address.offset + offset - len(placeholder)))
    return direct, tuple(parsed.extras)


def _wanted(
    excerpt: Excerpt,
    surroundings: Surroundings,
    direct: Direct,
    extras: Iterable[str],
    marker: str | None,
    fault: Fault | None = None,
) -> Wanted:
    return Wanted(
        name=direct.name,
        extras=_normalized(extras),
        marker=marker,
        reference=direct.reference,
        hashes=surroundings.hashes & direct.hashes,
        config_settings=surroundings.config_settings,
        location=_line_of(excerpt),
        text=_shown(excerpt, surroundings),
        fault=fault,
    )


def _line_of(excerpt: Excerpt) -> Location:
    return replace(excerpt.location(), column=0)  # a requirement is the whole line


def _shown(excerpt: Excerpt, surroundings: Surroundings) -> str:
    return masked(excerpt.text) if surroundings.shown is None else surroundings.shown


def _normalized(extras: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({canonicalize_name(extra) for extra in extras}))


def split_extras(text: str) -> tuple[str, str]:
    """Split ``path[extra]`` into ``path`` and ``[extra]``."""
    match = _EXTRAS.fullmatch(text)
    return (match["address"], f"[{match['extras']}]") if match else (text, "")


def _split_marker(excerpt: Excerpt, *, needs_space: bool) -> tuple[Excerpt, str | None]:
    """Split at the semicolon and read what follows; in a URL only one with white space beside it ends the address.

    A semicolon with nothing behind it says nothing, as for pip.
    """
    match = re.search(r"\s;|;\s" if needs_space else r";", excerpt.text)
    if match is None:
        return excerpt, None
    semicolon = match.start() + match[0].index(";")
    marker = excerpt.part(semicolon + 1)
    return excerpt.part(0, semicolon), _marker(marker) if marker.text else None


def _marker(excerpt: Excerpt) -> str:
    try:
        return str(Marker(spaced(excerpt.text)))
    except InvalidMarker as reason:
        raise unreadable_marker(excerpt, reason) from None


def _requirement(excerpt: Excerpt) -> Requirement:
    try:
        return Requirement(spaced(excerpt.text))
    except InvalidRequirement as reason:
        raise unreadable_requirement(excerpt, reason) from None
