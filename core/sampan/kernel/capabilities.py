"""Name the kernel's capabilities, and set those of the calling thread (capabilities(7))."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import Final

from sampan.errors import Denied
from sampan.kernel import libc

NAMES: Final = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
    "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
)
"""Every capability by its name, at the index that is its number."""

_NUMBERS = {name: number for number, name in enumerate(NAMES)}

_PR_CAPBSET_READ, _PR_CAPBSET_DROP, _PR_SET_KEEPCAPS = 23, 24, 8
_PR_CAP_AMBIENT, _AMBIENT_RAISE, _AMBIENT_CLEAR = 47, 2, 4
_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    # The lower 32 of each set, then the upper 32.
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32),
                ("effective_high", ctypes.c_uint32), ("permitted_high", ctypes.c_uint32),
                ("inheritable_high", ctypes.c_uint32))


def mask(names: Iterable[str]) -> int:
    """Return the set as a bit mask. Names this kernel interface does not know are left out."""
    return sum(1 << _NUMBERS[name] for name in set(names) if name in _NUMBERS)


def names(bits: int) -> list[str]:
    """Return the names of a bit mask, in the order of their numbers."""
    return [name for number, name in enumerate(NAMES) if bits >> number & 1]


def bounding() -> int:
    """Return the caller's bounding set: what it, or any program it runs, can ever have."""
    bits = 0
    for number in range(len(NAMES)):
        try:
            bits |= libc.prctl(_PR_CAPBSET_READ, number) << number
        except OSError:
            break  # a kernel that ends here
    return bits


def permitted() -> int:
    """Return the caller's permitted set."""
    header, sets = _Header(_VERSION_3, 0), _Sets()
    libc.syscall("capget", header, sets)
    return int(sets.permitted) | int(sets.permitted_high) << 32


def require_admin(what: str) -> None:
    """Raise Denied unless the caller may administer the system; ``what`` it cannot do otherwise is told."""
    if not permitted() & mask(["CAP_SYS_ADMIN"]):
        raise Denied(f"cannot {what}: operation not permitted", "it takes root, with CAP_SYS_ADMIN")


def limit(bits: int) -> None:
    """Drop all but ``bits`` from the bounding set, for ever. Needs CAP_SETPCAP."""
    surplus = bounding() & ~bits
    for number in range(len(NAMES)):
        if surplus >> number & 1:
            libc.prctl(_PR_CAPBSET_DROP, number)


def keep_over_setuid(keep: bool) -> None:
    """Keep the permitted set when the user changes from root."""
    libc.prctl(_PR_SET_KEEPCAPS, int(keep))


def assign(effective: int, permitted: int, inheritable: int, ambient: int = 0) -> None:
    """Set the four sets of the calling thread. Raises PermissionError for what it does not have."""
    header = _Header(_VERSION_3, 0)
    low, high = 0xFFFFFFFF, 32
    sets = _Sets(effective & low, permitted & low, inheritable & low,
                 effective >> high, permitted >> high, inheritable >> high)
    libc.syscall("capset", header, sets)
    libc.prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR)
    for number in range(len(NAMES)):
        if ambient >> number & 1:
            libc.prctl(_PR_CAP_AMBIENT, _AMBIENT_RAISE, number)
