"""Wheel tags of another interpreter, from the facts it gave about itself.

``packaging.tags`` makes the tags here, in this process: the other interpreter may have no packaging, or an old one.
Which platforms fit is decided by the rules of PEP 600 (manylinux) and PEP 656 (musllinux), from the probed
interpreter's libc and not from ours, because both kinds can stand on one machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from packaging import tags

#: Older names of manylinux platforms by glibc's minor version (PEP 513, PEP 571, PEP 599).
_OLDER_NAMES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_OLDEST_GLIBC_MINOR = 17
_OLDEST_GLIBC_MINOR_X86 = 5
_MANYLINUX_64 = frozenset({"x86_64", "aarch64", "ppc64", "ppc64le", "s390x", "loongarch64", "riscv64"})
_ELF_X86, _ELF_ARM = 3, 40
_ARM_HARD_FLOAT_EABI5 = 0x05000400


def wheel_tags(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the tags an interpreter accepts, most preferred first (PEP 425).

    :param facts: what the probe script printed.
    """
    version = tuple(int(part) for part in facts["markers"]["python_version"].split("."))
    platforms = list(platform_names(facts))
    if facts["implementation"] == "cpython":
        interpreter = f"cp{facts['version_nodot']}"
        own = tags.cpython_tags(version, _cpython_abis(facts, version), platforms)
        shared = tags.compatible_tags(version, interpreter, platforms)
    else:
        short = tags.INTERPRETER_SHORT_NAMES.get(facts["implementation"], facts["implementation"])
        own = tags.generic_tags(f"{short}{facts['version_nodot']}", _other_abis(facts), platforms)
        shared = tags.compatible_tags(version, "pp3" if short == "pp" else None, platforms)
    return tuple(dict.fromkeys(str(tag) for tag in chain(own, shared)))


def _cpython_abis(facts: Mapping[str, Any], version: tuple[int, ...]) -> list[str]:
    """Return the ABI tags; a debug build loads the extension modules of an ordinary one as well."""
    plain = f"cp{''.join(map(str, version))}{'t' if facts['free_threaded'] else ''}"
    return [f"{plain}d", plain] if facts["debug"] else [plain]


def _other_abis(facts: Mapping[str, Any]) -> list[str]:
    """Return the ABI part of extension modules' suffix: ``pypy310_pp73`` for ``.pypy310-pp73-x86_64-linux-gnu.so``."""
    parts = facts["ext_suffix"].split(".")
    words = parts[1].split("-") if len(parts) > 2 else []
    length = {"pypy": 2, "graalpy": 3}.get(facts["implementation"], 1)
    return [_plain("-".join(words[:length]))] if words else []


def platform_names(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield the platform parts of the tags, most preferred first."""
    if facts["macos"]:
        version, machine = facts["macos"]
        major, minor, *_ = (int(part) for part in f"{version}.0".split("."))
        arch = machine if facts["bits"] == 64 else {"ppc64": "ppc", "ppc": "ppc"}.get(machine, "i386")
        yield from tags.mac_platforms((major, minor), arch)
        return
    name = _plain(facts["platform"])
    if not name.startswith("linux_"):
        yield name
        return
    archs = _linux_architectures(name.removeprefix("linux_"), facts["bits"])
    yield from (f"linux_{arch}" for arch in archs)
    family, _, version = (facts["libc"] or "").partition(" ")
    if family == "glibc" and _manylinux_applies(archs, facts["elf"]):
        for arch in archs:
            yield from _manylinux(version, arch, frozenset(facts["refused_manylinux"] or ()))
    elif family == "musl":
        major, minor = (int(part) for part in version.split(".")[:2])
        for arch in archs:
            yield from (f"musllinux_{major}_{older}_{arch}" for older in range(minor, -1, -1))


def _plain(text: str) -> str:
    return text.replace(".", "_").replace("-", "_").replace(" ", "_")


def _linux_architectures(arch: str, bits: int) -> list[str]:
    """Return the architectures whose binaries run: that of the interpreter, which may be smaller than the kernel's."""
    if bits == 32:
        arch = {"x86_64": "i686", "aarch64": "armv8l"}.get(arch, arch)
    return ["armv8l", "armv7l"] if arch == "armv8l" else [arch]


def _manylinux_applies(archs: list[str], elf: Mapping[str, Any] | None) -> bool:
    """Tell whether the interpreter's binary has the ABI that manylinux promises: hard float on ARM, i386 on x86."""
    if "armv7l" in archs:
        return (
            elf is not None
            and (elf["bits"], elf["machine"]) == (32, _ELF_ARM)
            and elf["flags"] & 0xFF000400 == _ARM_HARD_FLOAT_EABI5
        )
    if "i686" in archs:
        return elf is not None and (elf["bits"], elf["machine"]) == (32, _ELF_X86)
    return any(arch in _MANYLINUX_64 for arch in archs)


def _manylinux(glibc: str, arch: str, refused: frozenset[int]) -> Iterator[str]:
    major, minor = (int(part) for part in glibc.split(".")[:2])
    if major != 2:  # no such release exists; PEP 600 leaves open what it would accept
        return
    oldest = _OLDEST_GLIBC_MINOR_X86 if arch in {"x86_64", "i686"} else _OLDEST_GLIBC_MINOR
    for older in range(minor, oldest - 1, -1):
        if older in refused:
            continue
        yield f"manylinux_2_{older}_{arch}"
        if older in _OLDER_NAMES:
            yield f"{_OLDER_NAMES[older]}_{arch}"
