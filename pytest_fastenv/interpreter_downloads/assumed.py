"""What an interpreter will say of itself, known before it exists; and how what it then says differs.

Version, implementation, ABI and platform come from the offer, the rest from this machine: which libc it has and how new
it is, the kernel's names, the version of macOS. So everything that depends on the interpreter's facts alone (resolving,
choosing wheels, unpacking them) need not wait for it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_fastenv.interpreter.tags import wheel_tags
from pytest_fastenv.interpreter_downloads.identity import downloaded_identity
from pytest_fastenv.interpreter_downloads.offer import Offer
from pytest_fastenv.model.target import Target

#: GNU's names of architectures where they differ from the kernel's.
_TRIPLET = {"x86": "i386", "armv7": "arm", "ppc64le": "powerpc64le"}
_WINDOWS = {"x86_64": "win-amd64", "aarch64": "win-arm64", "x86": "win32"}
#: The oldest macOS that builds for an architecture are made for nowadays.
_MACOS = {"x86_64": "macosx-10.15-x86_64", "aarch64": "macosx-11.0-arm64"}
#: CPython has told musl from glibc in its extension modules' names since then; before, they say ``gnu`` on both.
_MUSL_IS_NAMED = (3, 11)
_32_BITS = frozenset({"x86", "armv7"})
#: ELF machine and flags of 32-bit builds: what `pytest_fastenv.interpreter.tags` looks at to tell ABIs apart.
_ELF = {
    "x86": {"bits": 32, "machine": 3, "flags": 0},
    "armv7": {"bits": 32, "machine": 40, "flags": 0x05000400},
}
_PYPY_RELEASE = re.compile(r"-v([0-9]+)\.([0-9]+)\.([0-9]+)")
#: Fields of a target that are compared, and what they are called for people.
_ALWAYS = {"version": "version", "implementation": "implementation", "free_threaded": "free-threaded build"}
_ON_LINUX = {"soabi": "ABI suffix", "platform": "platform"}
#: They come from other functions of the operating system in each version of Python for Windows.
_WINDOWS_NAMES = frozenset({"platform_release", "platform_version"})


def assumed_target(offer: Offer, host: Target, home: Path) -> Target:
    """Return the target that the interpreter of an offer will be on this machine.

    :param offer: with its digest, from which the target's identity comes.
    :param host: an interpreter of this machine, as probed.
    :param home: where the installation will lie; it need not be there.
    """
    facts = _facts(offer, host)
    python = home.joinpath(*offer.python.split("/"))
    externals = dict(host.externals)
    return Target(
        python=os.path.abspath(python) if os.name == "nt" else os.path.realpath(python),
        implementation=offer.implementation,
        version=offer.version,
        tags=wheel_tags(facts),
        markers=facts["markers"],
        soabi=facts["soabi"],
        platform=facts["platform"],
        free_threaded=offer.free_threaded,
        schemes=_schemes(offer),
        identity=downloaded_identity(offer.sha256, facts["markers"]["platform_machine"], externals),
        externals=externals,
    )


def differences(assumed: Target, probed: Target) -> list[str]:
    """Return what an interpreter says otherwise than was assumed, one line each with both values; empty when nothing.

    Compared are version, implementation, the kind of build, wheel tags in their order, the marker environment and the
    install locations; on Linux also the extension modules' suffix and the platform, which key what is built. Elsewhere
    these two tell for which version of the system the interpreter was made, which its archive's name does not.
    """
    found = list(_fields(assumed, probed, _ALWAYS))
    if assumed.tags != probed.tags:
        found.append(_first_tag(assumed.tags, probed.tags))
    windows = assumed.markers.get("os_name") == "nt"
    found += _tables("marker", assumed.markers, probed.markers, _WINDOWS_NAMES if windows else frozenset())
    found += _tables("install location", assumed.schemes, probed.schemes)
    if assumed.markers.get("sys_platform") == "linux":
        found += _fields(assumed, probed, _ON_LINUX)
    return found


def _facts(offer: Offer, host: Target) -> dict[str, Any]:
    """Return what the probe script would print, as far as wheel tags and marker environment depend on it."""
    bits = 32 if offer.arch in _32_BITS else 64
    major, minor = offer.version_info
    soabi = _soabi(offer)
    macos = None
    if offer.os == "macos":
        macos = [host.externals.get("macos", ""), host.markers["platform_machine"]]
    return {
        "implementation": offer.implementation,
        "version_nodot": f"{major}{minor}",
        "soabi": soabi,
        "ext_suffix": f".{soabi}.pyd" if offer.os == "windows" else f".{soabi}.so",
        "platform": _platform(offer, host),
        "bits": bits,
        "free_threaded": offer.free_threaded,
        "debug": False,
        "elf": _ELF.get(offer.arch),
        "libc": host.externals.get("libc"),
        "refused_manylinux": None,  # a distributor's module, which is in no interpreter that is downloaded
        "macos": macos,
        "markers": _markers(offer, host),
    }


def _markers(offer: Offer, host: Target) -> dict[str, str]:
    """Return the marker environment (PEP 508): the machine's part from the host, the interpreter's from the offer."""
    pypy = offer.implementation == "pypy"
    return {
        **host.markers,
        "implementation_name": offer.implementation,
        "implementation_version": ".".join(_pypy_release(offer)) if pypy else offer.version,
        "platform_python_implementation": "PyPy" if pypy else "CPython",
        "python_full_version": offer.version,
        "python_version": "{}.{}".format(*offer.version_info),
    }


def _platform(offer: Offer, host: Target) -> str:
    """Return ``sysconfig.get_platform()``; on Linux it only tells the kernel's name of the machine."""
    table = {"windows": _WINDOWS, "macos": _MACOS}.get(offer.os, {})
    return table.get(offer.arch, host.platform)


def _soabi(offer: Offer) -> str:
    """Return the suffix of extension modules' names without dots; on Windows its first part."""
    major, minor = offer.version_info
    thread = "t" if offer.free_threaded else ""
    if offer.implementation == "pypy":
        release = "".join(_pypy_release(offer)[:2])
        own = f"pypy{major}{minor}-pp{release}"
    else:
        own = f"cpython-{major}{minor}{thread}"
    if offer.os == "windows":
        tag = _WINDOWS.get(offer.arch, "").replace("-", "_")
        return f"{own}-{tag}" if offer.implementation == "pypy" else f"cp{major}{minor}{thread}-{tag}"
    if offer.os == "macos":
        return f"{own}-darwin"
    musl = offer.libc == "musl" and (major, minor) >= _MUSL_IS_NAMED
    hard_float = "eabihf" if offer.arch == "armv7" else ""
    return f"{own}-{_TRIPLET.get(offer.arch, offer.arch)}-linux-{'musl' if musl else 'gnu'}{hard_float}"


def _pypy_release(offer: Offer) -> tuple[str, ...]:
    """Return PyPy's own version, which its archive's name tells beside that of the language."""
    found = _PYPY_RELEASE.search(offer.filename)
    return found.groups() if found is not None else ("7", "3", "0")


def _schemes(offer: Offer) -> dict[str, str]:
    """Return install locations relative to a virtual environment, as the probe script does."""
    version = "{}.{}".format(*offer.version_info)
    if offer.os == "windows":
        library, scripts = "Lib/site-packages", "Scripts"
    else:
        name = "pypy" if offer.implementation == "pypy" else "python"
        thread = "t" if offer.free_threaded else ""
        library, scripts = f"lib/{name}{version}{thread}/site-packages", "bin"
    return {
        "purelib": library,
        "platlib": library,
        "scripts": scripts,
        "data": ".",
        "headers": f"include/site/python{version}",
    }


def _fields(assumed: Target, probed: Target, names: Mapping[str, str]) -> Iterator[str]:
    for name, label in names.items():
        if getattr(assumed, name) != getattr(probed, name):
            yield _line(label, getattr(assumed, name), getattr(probed, name))


def _line(label: str, assumed: object, probed: object) -> str:
    return f"{label}: assumed {assumed}, found {probed}"


def _first_tag(assumed: tuple[str, ...], probed: tuple[str, ...]) -> str:
    place = next((n for n, pair in enumerate(zip(assumed, probed, strict=False)) if pair[0] != pair[1]), None)
    if place is None:
        return f"wheel tags: assumed {len(assumed)} of them, found {len(probed)} (the shorter list begins the longer)"
    return f"{_line('wheel tags', assumed[place], probed[place])} (number {place + 1}, the first that differs)"


def _tables(
    label: str, assumed: Mapping[str, str], probed: Mapping[str, str], but: frozenset[str] = frozenset()
) -> Iterator[str]:
    for name in sorted({*assumed, *probed} - but):
        if assumed.get(name) != probed.get(name):
            yield _line(f"{label} {name}", assumed.get(name, "none"), probed.get(name, "none"))
