"""Read the system call filter of a process, and work out what it says to a call (seccomp(2), ptrace(2))."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

X86_64, I386 = 0xC000003E, 0x40000003
X32 = 0x40000000
_ALLOWED = 0x7FFF0000
_SEIZE, _INTERRUPT, _DETACH, _GET_FILTER = 0x4206, 0x4207, 17, 0x420C
_STRICTEST_FIRST = (0x80000000, 0, 0x30000, 0x50000, 0x7FC00000, 0x7FF00000, 0x7FFC0000, _ALLOWED)

_ARGUMENTS = 16
"""Where a call's arguments begin in what a filter is shown of it."""

Program = list[tuple[int, int, int, int]]


class Verdict(NamedTuple):
    """What a filter says to a call, and whether it has looked at the arguments."""

    allowed: bool
    looked: bool


def of_process(pid: int) -> list[Program]:
    """Return the filters of a process, which is stopped for that moment."""
    _ptrace(_SEIZE, pid)
    try:
        _ptrace(_INTERRUPT, pid)
        os.waitpid(pid, 0)
        return list(_filters(pid))
    finally:
        _ptrace(_DETACH, pid)


def _filters(pid: int) -> Iterator[Program]:
    with open(f"/proc/{pid}/status") as file:
        count = next(int(line.split()[1]) for line in file if line.startswith("Seccomp_filters:"))
    for index in range(count):
        length = _ptrace(_GET_FILTER, pid, index)
        buffer = ctypes.create_string_buffer(length * 8)
        _ptrace(_GET_FILTER, pid, index, ctypes.addressof(buffer))
        yield list(struct.iter_unpack("=HBBI", buffer.raw[: length * 8]))


def _ptrace(request: int, pid: int, address: int = 0, data: int = 0) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.restype, libc.ptrace.argtypes = ctypes.c_long, [ctypes.c_long] * 4
    result = libc.ptrace(request, pid, address, data)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(result)


def verdict(programs: Sequence[Program], architecture: int, number: int, arguments: Sequence[int]) -> Verdict:
    """Return what becomes of a call: of all filters the strictest action counts."""
    data = struct.pack("=IIQ6Q", number, architecture, 0, *arguments)
    answers = [_run(program, data) for program in programs]
    strictest = min((action for action, _ in answers), key=_STRICTEST_FIRST.index, default=_ALLOWED)
    return Verdict(strictest == _ALLOWED, any(looked for _, looked in answers))


def _run(program: Program, data: bytes) -> tuple[int, bool]:
    """Interpret those instructions of classic BPF that libseccomp makes; any other is an error."""
    accumulator = position = 0
    looked = False
    while True:
        code, yes, no, value = program[position]
        position += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
            looked = looked or value >= _ARGUMENTS
        elif code == 0x54:
            accumulator &= value
        elif code == 0x05:
            position += value
        elif code == 0x06:
            return value & 0xFFFF0000, looked
        else:
            position += yes if _compare(code, accumulator, value) else no


def _compare(code: int, accumulator: int, value: int) -> bool:
    match code:
        case 0x15:
            return accumulator == value
        case 0x25:
            return accumulator > value
        case 0x35:
            return accumulator >= value
        case 0x45:
            return bool(accumulator & value)
    raise AssertionError(f"no instruction of a filter: {code:#x}")
