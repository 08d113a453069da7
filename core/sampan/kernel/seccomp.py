"""Compile system call filters with libseccomp, keep them compiled, and load them (seccomp(2), libseccomp(3)).

libseccomp is met only when a filter is compiled for the first time: the program is kept on disk under the digest
of what it was compiled from.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Mapping
from typing import Final

import msgspec

from sampan.errors import InvalidInput, Unsupported
from sampan.kernel import libc
from sampan.model.runtime_spec import Seccomp, Syscall

REVISION: Final = 1
"""Part of the digest: raise it when the same profile compiles to another program."""

ACTIONS: Final = {
    "SCMP_ACT_KILL": 0x00000000, "SCMP_ACT_KILL_THREAD": 0x00000000, "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000, "SCMP_ACT_ERRNO": 0x00050000, "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000, "SCMP_ACT_ALLOW": 0x7FFF0000,
}
OPERATORS: Final = {
    "SCMP_CMP_NE": 1, "SCMP_CMP_LT": 2, "SCMP_CMP_LE": 3, "SCMP_CMP_EQ": 4, "SCMP_CMP_GE": 5, "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}
# Audit architecture (linux/audit.h), and what is added to its system call numbers.
ARCHITECTURES: Final = {
    "SCMP_ARCH_X86": (0x40000003, 0), "SCMP_ARCH_X86_64": (0xC000003E, 0), "SCMP_ARCH_X32": (0xC000003E, 0x40000000),
    "SCMP_ARCH_ARM": (0x40000028, 0), "SCMP_ARCH_AARCH64": (0xC00000B7, 0), "SCMP_ARCH_RISCV64": (0xC00000F3, 0),
    "SCMP_ARCH_PPC64LE": (0xC0000015, 0), "SCMP_ARCH_S390X": (0x80000016, 0),
}
FLAGS: Final = {"SECCOMP_FILTER_FLAG_TSYNC": 1, "SECCOMP_FILTER_FLAG_LOG": 2, "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4}
_X32 = 0x40000000
_X32_TOKEN = 0x4000003E
_OPTIMIZE, _BINARY_TREE = 8, 2
_LIBRARY = "libseccomp.so.2"


class Program(msgspec.Struct, frozen=True):
    """A compiled filter and the flags of seccomp(2) to load it with."""

    code: bytes
    flags: int = 0

    def load(self) -> None:
        """Filter the caller's system calls from now on. Needs CAP_SYS_ADMIN or no_new_privs. Raises OSError."""
        code = ctypes.create_string_buffer(self.code, len(self.code))
        libc.syscall("seccomp", 1, self.flags, _Filter(len(self.code) // 8, ctypes.addressof(code)), what="seccomp")


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


class _Comparison(ctypes.Structure):
    _fields_ = (("argument", ctypes.c_uint), ("operator", ctypes.c_int),
                ("first", ctypes.c_uint64), ("second", ctypes.c_uint64))


def program(profile: Seccomp, cache: str) -> Program:
    """Return the profile's program, from the directory ``cache`` when it is there, else compiled and put there."""
    import hashlib

    if profile.listener_path:
        raise Unsupported("system calls are not passed to a listener", "leave seccomp.listenerPath out")
    described = msgspec.json.encode((REVISION, os.uname().machine, profile))
    path = f"{cache}/{hashlib.sha256(described).hexdigest()}.bpf"
    flags = _flags(profile)
    try:
        with open(path, "rb", buffering=0) as file:
            return Program(file.read(), flags)
    except FileNotFoundError:
        code = compile_profile(profile)
    os.makedirs(cache, mode=0o700, exist_ok=True)
    partial = f"{path}.{os.getpid()}"
    with open(partial, "wb") as file:
        file.write(code)
    os.rename(partial, path)
    return Program(code, flags)


def _flags(profile: Seccomp) -> int:
    try:
        return sum(FLAGS[flag] for flag in set(profile.flags))
    except KeyError as error:
        raise InvalidInput(f"unknown seccomp flag {error.args[0]!r}") from None


def compile_profile(profile: Seccomp) -> bytes:
    """Compile a profile to a classic BPF program for the running architecture and those it names.

    System calls that libseccomp does not know are left out: the default action meets them. Where that is an error
    other than ENOSYS, calls newer than all it knows get ENOSYS, so that programs fall back to older ones.
    Raises Unsupported without libseccomp, InvalidInput on a malformed profile.
    """
    library = _open_library()
    default = _action(profile.default_action, profile.default_errno_ret)
    context = library.seccomp_init(default)
    if not context:
        raise InvalidInput(f"invalid seccomp default action {profile.default_action!r}")
    try:
        _add_architectures(library, context, profile)
        library.seccomp_attr_set(context, _OPTIMIZE, _BINARY_TREE)
        for rule in profile.syscalls:
            _add_rule(library, context, rule, default)
        body = _export(library, context)
    finally:
        library.seccomp_release(context)
    if default & 0xFFFF0000 == ACTIONS["SCMP_ACT_ERRNO"] and default & 0xFFFF != errno.ENOSYS:
        return _newer_are_unknown(library, profile) + body
    return body


def _open_library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise Unsupported(f"a system call filter needs {_LIBRARY}: {error}",
                          "apt-get install libseccomp2, or run with --security-opt seccomp=unconfined") from error
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = (ctypes.c_uint32,)
    library.seccomp_release.argtypes = (ctypes.c_void_p,)
    library.seccomp_attr_set.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32)
    library.seccomp_arch_add.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
    library.seccomp_arch_resolve_name.argtypes = (ctypes.c_char_p,)
    library.seccomp_arch_resolve_name.restype = ctypes.c_uint32
    library.seccomp_syscall_resolve_name_arch.argtypes = (ctypes.c_uint32, ctypes.c_char_p)
    library.seccomp_rule_add_array.argtypes = (
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p)
    library.seccomp_export_bpf.argtypes = (ctypes.c_void_p, ctypes.c_int)
    return library


def _action(name: str, number: int | None) -> int:
    action = ACTIONS.get(name)
    if name == "SCMP_ACT_NOTIFY":
        raise Unsupported("system calls are not passed to a listener", "use another action than SCMP_ACT_NOTIFY")
    if action is None:
        raise InvalidInput(f"unknown seccomp action {name!r}")
    if name in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"):
        action |= (errno.EPERM if number is None else number) & 0xFFFF
    return action


def _tokens(library: ctypes.CDLL, profile: Seccomp) -> Mapping[str, int]:
    tokens = {}
    for name in profile.architectures:
        token = library.seccomp_arch_resolve_name(name.removeprefix("SCMP_ARCH_").lower().encode())
        if not token:
            raise InvalidInput(f"unknown seccomp architecture {name!r}")
        tokens[name] = token
    return tokens


def _add_architectures(library: ctypes.CDLL, context: int, profile: Seccomp) -> None:
    for name, token in _tokens(library, profile).items():
        result = library.seccomp_arch_add(context, token)
        if result not in (0, -errno.EEXIST):
            raise Unsupported(f"cannot filter system calls of {name}: {os.strerror(-result)}")


def _add_rule(library: ctypes.CDLL, context: int, rule: Syscall, default: int) -> None:
    action = _action(rule.action, rule.errno_ret)
    if action == default:
        return  # says nothing, and libseccomp refuses it
    for name in rule.names:
        number = library.seccomp_syscall_resolve_name_arch(0, name.encode())
        if number == -1:
            continue
        for comparisons in _comparisons(rule):
            result = library.seccomp_rule_add_array(context, action, number, len(comparisons), comparisons)
            if result not in (0, -errno.EEXIST):
                raise InvalidInput(f"cannot filter system call {name}: {os.strerror(-result)}")


def _comparisons(rule: Syscall) -> list[ctypes.Array[_Comparison]]:
    """Return the conditions, all of which must hold; libseccomp takes only one per argument, so others are or-ed.

    That is how runc reads several conditions on one argument, and profiles are written for it.
    """
    made = []
    for argument in rule.args:
        operator = OPERATORS.get(argument.op)
        if operator is None:
            raise InvalidInput(f"unknown seccomp operator {argument.op!r}")
        made.append(_Comparison(argument.index, operator, argument.value, argument.value_two))
    if len({comparison.argument for comparison in made}) < len(made):
        return [(_Comparison * 1)(comparison) for comparison in made]
    return [(_Comparison * len(made))(*made)]


def _export(library: ctypes.CDLL, context: int) -> bytes:
    fd = os.memfd_create("seccomp")
    try:
        result = library.seccomp_export_bpf(context, fd)
        if result:
            raise Unsupported(f"libseccomp cannot compile the profile: {os.strerror(-result)}")
        return os.pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)


def _newer_are_unknown(library: ctypes.CDLL, profile: Seccomp) -> bytes:
    """Return a prologue that answers ENOSYS to numbers beyond the highest one the profile's names have."""
    # Load the architecture; where it matches and the number is too high, return; else on to the next, and the body.
    parts = [_statement(0x20, 4)]
    for name, token in _tokens(library, profile).items():
        audit, base = ARCHITECTURES.get(name, (0, 0))
        highest = _highest(library, profile, token)
        if not audit or highest <= 0:
            continue
        parts.append(_prologue(audit, base, highest | base, shared=token != _X32_TOKEN and audit == 0xC000003E))
    return b"".join(parts) if len(parts) > 1 else b""


def _highest(library: ctypes.CDLL, profile: Seccomp, token: int) -> int:
    numbers = (library.seccomp_syscall_resolve_name_arch(token, name.encode())
               for rule in profile.syscalls for name in rule.names)
    # ARM's private calls lie far above the ordinary ones; x32 numbers carry their bit.
    return max((number & ~_X32 for number in numbers if 0 <= number & ~_X32 < 0xF0000 and number >= 0), default=0)


def _prologue(audit: int, base: int, highest: int, *, shared: bool) -> bytes:
    refuse = _statement(0x06, ACTIONS["SCMP_ACT_ERRNO"] | errno.ENOSYS)
    number, architecture = _statement(0x20, 0), _statement(0x20, 4)
    if base:  # x32: only numbers with the bit are its own
        return b"".join((
            _jump(0x15, audit, 0, 5), number, _jump(0x35, base, 0, 2), _jump(0x25, highest, 0, 1), refuse,
            architecture))
    if shared:  # x86-64: numbers with the x32 bit are not its own
        return b"".join((
            _jump(0x15, audit, 0, 5), number, _jump(0x35, _X32, 2, 0), _jump(0x25, highest, 0, 1), refuse,
            architecture))
    limit = 0xF0000 if audit == 0x40000028 else 0xFFFFFFFF
    return b"".join((
        _jump(0x15, audit, 0, 5), number, _jump(0x35, limit, 2, 0), _jump(0x25, highest, 0, 1), refuse, architecture))


def _statement(code: int, constant: int) -> bytes:
    return struct.pack("<HBBI", code, 0, 0, constant)


def _jump(code: int, constant: int, if_true: int, if_false: int) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, constant)
