"""Call the kernel where Python's own modules do not reach; failures are OSError with the call's errno."""

from __future__ import annotations

import ctypes
import os
from typing import Final, NoReturn

AT_EMPTY_PATH: Final = 0x1000
AT_RECURSIVE: Final = 0x8000

# Numbers from 424 on are the same on every architecture (asm-generic/unistd.h); the older ones are not.
_OWN_NUMBERS = {
    "x86_64": {
        "rt_sigaction": 13, "capget": 125, "capset": 126, "pivot_root": 155, "keyctl": 250,
        "ioprio_set": 251, "inotify_add_watch": 254, "inotify_init1": 294, "sched_setattr": 314, "seccomp": 317,
        "bpf": 321,
    },
    "aarch64": {
        "rt_sigaction": 134, "capget": 90, "capset": 91, "pivot_root": 41, "keyctl": 219,
        "ioprio_set": 30, "inotify_add_watch": 27, "inotify_init1": 26, "sched_setattr": 274, "seccomp": 277,
        "bpf": 280,
    },
}
_SHARED_NUMBERS = {
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432,
    "close_range": 436, "openat2": 437, "mount_setattr": 442,
}
_NUMBERS = _SHARED_NUMBERS | _OWN_NUMBERS.get(os.uname().machine, {})

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.mount.argtypes = (
    ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p
)
_libc.prctl.argtypes = (
    ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong
)

Argument = int | bytes | ctypes.Array[ctypes.c_char] | ctypes.Structure | None


def fail(what: str) -> NoReturn:
    """Raise the OSError of the call that failed last; ``what`` names its object."""
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number), what)


def syscall(name: str, *arguments: Argument, what: str = "") -> int:
    """Make the system call ``name`` and return its result. ``what`` names its object in the OSError.

    Integers are passed as long, bytes, arrays and structures by address. Raises OSError with ENOSYS where this
    architecture's number is not known.
    """
    number = _NUMBERS.get(name)
    if number is None:
        import errno

        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), name)
    passed = [_passed(argument) for argument in arguments]
    result: int = _libc.syscall(ctypes.c_long(number), *passed)
    if result < 0:
        fail(what or name)
    return result


def _passed(argument: Argument) -> object:
    if isinstance(argument, int):
        return ctypes.c_long(argument)
    return ctypes.byref(argument) if isinstance(argument, ctypes.Structure) else argument


def mount(source: str | None, target: str, kind: str | None, flags: int = 0, data: str | None = None) -> None:
    """Call mount(2)."""
    if _libc.mount(_bytes(source), _bytes(target), _bytes(kind), flags, _bytes(data)) < 0:
        fail(target)


def umount2(target: str, flags: int = 0) -> None:
    """Call umount2(2)."""
    if _libc.umount2(_bytes(target), flags) < 0:
        fail(target)


def unshare(flags: int) -> None:
    """Call unshare(2)."""
    if _libc.unshare(flags) < 0:
        fail("unshare")


def setns(fd: int, flags: int = 0) -> None:
    """Call setns(2); ``fd`` is a namespace or a pidfd."""
    if _libc.setns(fd, flags) < 0:
        fail("setns")


def sethostname(name: str) -> None:
    """Call sethostname(2)."""
    encoded = os.fsencode(name)
    if _libc.sethostname(encoded, len(encoded)) < 0:
        fail(name)


def setdomainname(name: str) -> None:
    """Call setdomainname(2)."""
    encoded = os.fsencode(name)
    if _libc.setdomainname(encoded, len(encoded)) < 0:
        fail(name)


def prctl(option: int, first: int = 0, second: int = 0, third: int = 0, fourth: int = 0) -> int:
    """Call prctl(2) with integer arguments and return its result."""
    result: int = _libc.prctl(option, first, second, third, fourth)
    if result < 0:
        fail("prctl")
    return result


def personality(domain: int) -> None:
    """Call personality(2)."""
    if _libc.personality(ctypes.c_ulong(domain)) < 0:
        fail("personality")


def pivot_root(new: str, old: str) -> None:
    """Call pivot_root(2)."""
    syscall("pivot_root", os.fsencode(new), os.fsencode(old), what=new)


def close_range(first: int, last: int = 0xFFFFFFFF, *, cloexec: bool = False) -> None:
    """Close every descriptor from ``first`` to ``last``, both included, now or on exec (close_range(2))."""
    syscall("close_range", first, last, 4 if cloexec else 0)


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def openat2(directory: int, path: str, flags: int, resolve: int, mode: int = 0) -> int:
    """Call openat2(2) and return the descriptor, closed on exec. Retries EAGAIN, which a concurrent rename causes."""
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    for attempt in range(128):
        try:
            return syscall("openat2", directory, os.fsencode(path), how, ctypes.sizeof(how), what=path)
        except BlockingIOError:
            if attempt == 127:
                raise
    raise AssertionError("unreachable")


def filesystem(fd: int) -> int:
    """Return the type of the file system that an open file is of (fstatfs(2), f_type)."""
    told = (ctypes.c_long * 32)()  # struct statfs begins with it, and is shorter
    if _libc.fstatfs(fd, ctypes.byref(told)) < 0:
        fail("fstatfs")
    return int(told[0])


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def socket(family: int, kind: int, protocol: int = 0) -> int:
    """Call socket(2) and return the descriptor."""
    fd: int = _libc.socket(family, kind, protocol)
    if fd < 0:
        fail("socket")
    return fd
