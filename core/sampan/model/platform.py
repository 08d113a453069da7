"""Name a platform and choose among an index's (OCI image-spec, image-index.md, "platform")."""

from __future__ import annotations

import msgspec

from sampan.errors import InvalidInput

_MACHINES = {
    "x86_64": ("amd64", ""), "aarch64": ("arm64", ""), "armv7l": ("arm", "v7"), "armv6l": ("arm", "v6"),
    "i686": ("386", ""), "i386": ("386", ""), "ppc64le": ("ppc64le", ""), "s390x": ("s390x", ""),
    "riscv64": ("riscv64", ""),
}
_ALIASES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "i386": "386", "armhf": "arm"}


class Platform(msgspec.Struct, frozen=True, omit_defaults=True):
    """An operating system, a processor architecture and, where one matters, its variant."""

    architecture: str
    os: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))


def parse(text: str) -> Platform:
    """Parse ``os[/arch[/variant]]`` or a bare architecture, as ``--platform`` takes it.

    Raises InvalidInput when it has an empty or a fourth part.
    """
    parts = text.strip().lower().split("/")
    if not all(parts) or len(parts) > 3:
        raise InvalidInput(f"invalid platform {text!r}", "write it as os/arch or os/arch/variant")
    if len(parts) == 1:
        parts = ["linux", parts[0]] if parts[0] != "linux" else ["linux", host().architecture]
    arch = _ALIASES.get(parts[1], parts[1])
    variant = parts[2] if len(parts) == 3 else ""
    return normalize(Platform(architecture=arch, os=parts[0], variant=variant))


def normalize(platform: Platform) -> Platform:
    """Return the platform with the variant that its architecture implies made explicit or left out."""
    arch = _ALIASES.get(platform.architecture, platform.architecture)
    variant = platform.variant
    if arch == "arm" and not variant:
        variant = "v7"
    elif (arch, variant) in (("arm64", "v8"), ("amd64", "v1")):
        variant = ""
    return Platform(architecture=arch, os=platform.os, variant=variant)


def host() -> Platform:
    """Return the platform of this machine."""
    import os

    machine = os.uname().machine
    arch, variant = _MACHINES.get(machine, (machine, ""))
    return Platform(architecture=arch, os="linux", variant=variant)


def matches(wanted: Platform, offered: Platform) -> bool:
    """Tell whether an image built for ``offered`` serves ``wanted`` (an unnamed variant serves any)."""
    want, have = normalize(wanted), normalize(offered)
    same = (want.os, want.architecture) == (have.os, have.architecture)
    return same and (want.variant == have.variant or not offered.variant)
