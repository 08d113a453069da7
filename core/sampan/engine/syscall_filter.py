"""Turn seccomp profiles, in the form Docker reads, into the filter of one container (``--security-opt seccomp=``)."""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from sampan.errors import InvalidInput
from sampan.model import platform
from sampan.model.runtime_spec import Seccomp, Syscall, SyscallArg

# The names profiles use for architectures, and libseccomp's.
_NAMES = {"amd64": "SCMP_ARCH_X86_64", "386": "SCMP_ARCH_X86", "arm64": "SCMP_ARCH_AARCH64", "arm": "SCMP_ARCH_ARM",
          "riscv64": "SCMP_ARCH_RISCV64", "ppc64le": "SCMP_ARCH_PPC64LE", "s390x": "SCMP_ARCH_S390X"}
_SHORT = {"SCMP_ARCH_X86_64": "amd64", "SCMP_ARCH_X86": "x86", "SCMP_ARCH_X32": "x32", "SCMP_ARCH_AARCH64": "arm64",
          "SCMP_ARCH_ARM": "arm", "SCMP_ARCH_RISCV64": "riscv64", "SCMP_ARCH_PPC64LE": "ppc64le",
          "SCMP_ARCH_S390X": "s390x"}


class _Condition(msgspec.Struct, frozen=True, rename="camel"):
    """When a rule applies: with one of the capabilities, on one of the architectures, on a kernel new enough."""

    caps: list[str] = []
    arches: list[str] = []
    min_kernel: str = ""


class _Rule(msgspec.Struct, frozen=True, rename="camel"):
    action: str
    names: list[str] = []
    name: str = ""
    errno_ret: int | None = None
    args: list[SyscallArg] | None = None
    includes: _Condition = _Condition()
    excludes: _Condition = _Condition()


class _Family(msgspec.Struct, frozen=True, rename="camel"):
    architecture: str
    sub_architectures: list[str] | None = None


class _Profile(msgspec.Struct, frozen=True, rename="camel"):
    default_action: str
    default_errno_ret: int | None = None
    architectures: list[str] | None = None
    arch_map: list[_Family] | None = None
    flags: list[str] | None = None
    syscalls: list[_Rule] | None = None


def default(capabilities: Sequence[str]) -> Seccomp:
    """Return the bundled profile's filter for a process with these capabilities, on this machine."""
    with open(f"{os.path.dirname(__file__)}/seccomp.json", "rb", buffering=0) as file:
        return _resolve(_decode(file.read(), "the default seccomp profile"), capabilities)


def load(profile: str, capabilities: Sequence[str]) -> Seccomp:
    """Return the filter of a profile given as JSON text or as a path. Raises InvalidInput."""
    if profile.lstrip().startswith("{"):
        return _resolve(_decode(profile.encode(), "the seccomp profile"), capabilities)
    try:
        with open(profile, "rb") as file:
            content = file.read()
    except OSError as error:
        raise InvalidInput(
            f"opening seccomp profile ({profile}) failed: open {profile}: {(error.strerror or '').lower()}") from error
    return _resolve(_decode(content, f"the seccomp profile {profile}"), capabilities)


def _decode(content: bytes, what: str) -> _Profile:
    try:
        profile = msgspec.json.decode(content, type=_Profile)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{what} is not valid: {error}") from error
    if profile.architectures and profile.arch_map:
        raise InvalidInput(f"{what} has both architectures and archMap", "use either")
    return profile


def _resolve(profile: _Profile, capabilities: Sequence[str]) -> Seccomp:
    native = _NAMES.get(platform.host().architecture, "")
    architectures = _architectures(profile, native)
    short = _SHORT.get(native, "")
    held = frozenset(capabilities)
    return Seccomp(
        default_action=profile.default_action,
        default_errno_ret=profile.default_errno_ret,
        architectures=architectures,
        flags=profile.flags or [],
        syscalls=[
            Syscall(names=[rule.name] if rule.name else rule.names, action=rule.action, errno_ret=rule.errno_ret,
                    args=rule.args or [])
            for rule in profile.syscalls or ()
            if _applies(rule, held, short)
        ],
    )


def _architectures(profile: _Profile, native: str) -> list[str]:
    if profile.architectures:
        return profile.architectures
    for family in profile.arch_map or ():
        if family.architecture == native:
            return [native, *(family.sub_architectures or ())]
    return []


def _applies(rule: _Rule, held: frozenset[str], architecture: str) -> bool:
    wanted, unwanted = rule.includes, rule.excludes
    if wanted.caps and not held.issuperset(wanted.caps):
        return False
    if wanted.arches and architecture not in wanted.arches:
        return False
    if wanted.min_kernel and not _kernel_has(wanted.min_kernel):
        return False
    if held.intersection(unwanted.caps) or architecture in unwanted.arches:
        return False
    return not (unwanted.min_kernel and _kernel_has(unwanted.min_kernel))


def _kernel_has(least: str) -> bool:
    import re

    present = [int(number) for number in re.findall(r"\d+", os.uname().release)[:2]]
    try:
        return present >= [int(number) for number in least.split(".")[:2]]
    except ValueError as error:
        raise InvalidInput(f"invalid minKernel {least!r} in the seccomp profile") from error
