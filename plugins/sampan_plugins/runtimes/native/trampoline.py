"""Run the command by way of a program that holds nothing of the host's (CVE-2019-5736).

While a process of a container is still this interpreter, /proc/self/exe is the host's file. An image whose command is
a link to it, or a script that names it after ``#!``, would be given that file, and root could change its mode or its
content. So the last execve(2) is made by a few instructions in a sealed file in memory: /proc/self/exe leads to those,
and they can neither be written nor serve for anything else.

The program takes the path to run as its first argument and the command's arguments after it. The first descriptor
that the command does not get is for bad news: closed when the command runs, else told the letter X, the errno plus 32
as one byte, and the path.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

from sampan.errors import Unsupported
from sampan.kernel import libc

FAILURE: Final = 3
"""The descriptor that the program reports a failure through, unless the command keeps more than its streams."""

MOST_KEPT: Final = 100
"""How many descriptors besides its streams a command may keep: the program holds their number in a byte."""

LETTER: Final = b"X"
"""What such a report begins with."""

_MACHINE = os.uname().machine  # asked here, since a personality changes the answer
_SHIFT = 32  # keeps the byte of the errno clear of control characters
_MACHINES = {"x86_64": 62, "aarch64": 183}  # EM_X86_64, EM_AARCH64 of elf(5)

# Where a descriptor is named, 3 stands for the one for bad news:
# fcntl(3, F_SETFD, FD_CLOEXEC), or else fail; execve(argv[0], argv + 1, environ).
# On failure: write(3, {"X", errno + 32}, 2); write(3, argv[0], strlen(argv[0])); exit_group(1).
_CODE = {
    "x86_64": bytes.fromhex(
        "6a03 5f 6a02 5e 6a01 5a 6a48 58 0f05 85c0 7518 488b7c2408 488d742410 488b0424 488d54c410 6a3b 58 0f05"
        "488b742408 f7d8 83c020 c1e008 83c858 50 4889f3 4889e6 6a03 5f 6a02 5a 6a01 58 0f05"
        "4889de 48c7c2ffffffff 48ffc2 803c1600 75f7 6a03 5f 6a01 58 0f05 6a01 5f b8e7000000 0f05"),
    "aarch64": bytes.fromhex(
        "600080d2410080d2220080d2280380d2010000d4e00000b5e00740f9e1430091e20340f9220c028ba81b80d2"
        "010000d4030480d2630000cb63dc78d3040b80d2630004aae50740f9e30f1ff8600080d2e1030091420080d2"
        "080880d2010000d4e10305aa020080d2246862386400003442040091fdffff17600080d2080880d2010000d4"
        "200080d2c80b80d2010000d4"),
}
_ADDRESS = 0x400000
_SEALS = (fcntl.F_SEAL_SEAL, fcntl.F_SEAL_SHRINK, fcntl.F_SEAL_GROW, fcntl.F_SEAL_WRITE)
_MFD_EXEC = 0x10


def program(machine: str, failure: int = FAILURE) -> bytes:
    """Return the program as an ELF file for a machine as uname(2) names it. Raises Unsupported."""
    try:
        code, number = _CODE[machine], _MACHINES[machine]
    except KeyError:
        raise Unsupported(f"the native runtime does not know the architecture {machine}",
                          "choose another runtime for this container") from None
    code = code.replace(_naming(machine, FAILURE), _naming(machine, failure))
    headers = 64 + 2 * 56
    size = headers + len(code)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, number, 1, _ADDRESS + headers, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    loaded = struct.pack("<IIQQQQQQ", 1, 5, 0, _ADDRESS, _ADDRESS, size, size, 0x10000)
    stack = struct.pack("<IIQQQQQQ", 0x6474E551, 6, 0, 0, 0, 0, 0, 16)  # PT_GNU_STACK: not executable
    return header + loaded + stack + code


def _naming(machine: str, fd: int) -> bytes:
    """Return the instructions that make a descriptor the first argument of a system call."""
    if machine == "x86_64":
        return bytes((0x6A, fd, 0x5F))  # push fd; pop rdi
    return struct.pack("<I", 0xD2800000 | fd << 5)  # mov x0, fd


def prepare(failure: int = FAILURE) -> int:
    """Return a descriptor of the program, sealed and closed on exec. Raises Unsupported."""
    content = program(_MACHINE, failure)
    fd = _memory()
    try:
        os.write(fd, content)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, sum(_SEALS))
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, failure + 1)
    finally:
        os.close(fd)


def _memory() -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create("start", flags | _MFD_EXEC)
    except PermissionError as error:
        raise Unsupported("this machine runs no programs from memory, which a container is started by",
                          "sysctl -w vm.memfd_noexec=1") from error
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    return os.memfd_create("start", flags)  # before Linux 6.3 there is no such flag


def hold_failure(fd: int, failure: int = FAILURE) -> None:
    """Keep ``fd`` open as the one for bad news, ``failure``, and have all from there on closed on exec."""
    if fd != failure:
        os.dup2(fd, failure)
    libc.close_range(failure, cloexec=True)
    os.set_inheritable(failure, True)


def run(fd: int, path: str, args: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Replace the caller by the program, which runs ``path``. Returns only by raising OSError."""
    line = [path, *args]
    # A filter that knows execve(2) need not know execveat(2); but then /proc must be the true one.
    name = f"/proc/self/fd/{fd}"
    try:
        true = os.path.samestat(os.stat(name), os.fstat(fd))
    except OSError:
        true = False
    if true:
        os.execve(name, line, environment)
    os.execve(fd, line, environment)


def failure(content: bytes) -> tuple[str, OSError]:
    """Return the path that could not be run, and why, from what the program told."""
    number = content[1] - _SHIFT
    return content[2:].decode(errors="replace"), OSError(number, os.strerror(number))
