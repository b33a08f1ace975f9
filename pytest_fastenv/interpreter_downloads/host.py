"""The machine, as far as it decides which interpreters can be started on it."""

from __future__ import annotations

from typing import NamedTuple

from pytest_fastenv.model.target import Target

_SYSTEMS = {"linux": "linux", "darwin": "macos", "win32": "windows"}
_LIBCS = {"glibc": "gnu", "musl": "musl"}
_ARCHITECTURES = {
    "amd64": "x86_64",
    "arm64": "aarch64",
    "i386": "x86",
    "i686": "x86",
    "win32": "x86",
    "armv7l": "armv7",
    "armv8l": "armv7",
}


class Host(NamedTuple):
    """What an interpreter has to be built for, in the words of `pytest_fastenv.interpreter_downloads.offer.Offer`.

    :ivar os: ``linux``, ``macos``, ``windows``, or Python's own name of another system.
    :ivar arch: ``x86_64``, ``aarch64``, ``x86`` ...
    :ivar libc: ``gnu`` or ``musl``; empty elsewhere than on Linux, and where it could not be told.
    """

    os: str
    arch: str
    libc: str

    def __str__(self) -> str:
        libc = {"gnu": " with glibc", "musl": " with musl"}.get(self.libc, "")
        name = {"linux": "Linux", "macos": "macOS", "windows": "Windows"}.get(self.os, self.os)
        return f"{name} on {self.arch}{libc}"

    def runs(self, os: str, arch: str, libc: str) -> bool:
        """Tell whether what was built for a system can be started here.

        Of what an emulation would run, only 32-bit programs on 64-bit Windows: they need nothing that may be missing.
        """
        if os != self.os or libc != self.libc or (os == "linux" and not libc):
            return False
        return arch == self.arch or (os == "windows" and (self.arch, arch) == ("x86_64", "x86"))


def host_of(target: Target) -> Host:
    """Return the machine that an interpreter was probed on.

    The interpreter's own architecture counts, not the kernel's: a 32-bit system may run on a 64-bit kernel.

    :param target: what `pytest_fastenv.interpreter.discovery.find_target` gave, the running interpreter usually.
    """
    system = _SYSTEMS.get(target.markers["sys_platform"], target.markers["sys_platform"])
    if system == "macos":
        machine = target.markers["platform_machine"]
    elif system == "windows":
        machine = target.platform.removeprefix("win-")
    else:  # the wheel tags take the interpreter's pointer size into account, its platform does not
        plain = (tag.rpartition("-")[2] for tag in target.tags)
        machine = next((name.removeprefix("linux_") for name in plain if name.startswith("linux_")), "")
    machine = machine.lower()
    family = target.externals.get("libc", "").partition(" ")[0]
    return Host(system, _ARCHITECTURES.get(machine, machine), _LIBCS.get(family, "") if system == "linux" else "")
