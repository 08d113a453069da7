"""Restrict a version 2 group to some devices, with a BPF program (bpf(2), BPF_PROG_TYPE_CGROUP_DEVICE)."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Sequence

from sampan.errors import InvalidInput, Unsupported
from sampan.kernel import libc
from sampan.model.runtime_spec import DeviceRule

_LOAD, _ATTACH = 5, 8
_CGROUP_DEVICE_PROGRAM, _CGROUP_DEVICE_ATTACH, _ALLOW_MULTI = 15, 6, 2
_KINDS = {"b": 1, "c": 2}
_ACCESS = {"m": 1, "r": 2, "w": 4}

_RESULT, _SCRATCH, _KIND, _WANTED, _MAJOR, _MINOR = 0, 1, 2, 3, 4, 5
_LOAD_WORD, _MOVE_CONSTANT, _COPY, _AND, _SHIFT_RIGHT, _EXIT = 0x61, 0xB7, 0xBC, 0x54, 0x74, 0x95
_UNLESS_EQUAL, _IF_EQUAL = 0x55, 0x15


def restrict(directory: str, rules: Sequence[DeviceRule]) -> None:
    """Let processes of the group use what the rules allow and no other device. The group must be without a program.

    Raises Unsupported where the kernel lacks such programs, InvalidInput on a malformed rule.
    """
    program = _load(compile_rules(rules))
    try:
        group = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _bpf(_ATTACH, struct.pack("IIII", group, program, _CGROUP_DEVICE_ATTACH, _ALLOW_MULTI))
        finally:
            os.close(group)
    finally:
        os.close(program)


def compile_rules(rules: Sequence[DeviceRule]) -> bytes:
    """Return the program: the last rule that matches decides, and without one access is denied."""
    code = [
        _instruction(_LOAD_WORD, _KIND, _SCRATCH, offset=0),
        _instruction(_COPY, _WANTED, _KIND),
        _instruction(_SHIFT_RIGHT, _WANTED, constant=16),
        _instruction(_AND, _KIND, constant=0xFFFF),
        _instruction(_LOAD_WORD, _MAJOR, _SCRATCH, offset=4),
        _instruction(_LOAD_WORD, _MINOR, _SCRATCH, offset=8),
    ]
    for rule in reversed(rules):
        tests = _tests(rule)
        verdict = [_instruction(_MOVE_CONSTANT, _RESULT, constant=int(rule.allow)), _instruction(_EXIT)]
        block = [*tests, *verdict]
        for index, test in enumerate(tests):
            if test[0] in (_UNLESS_EQUAL, _IF_EQUAL):
                # Jump over what is left of this rule, counted from the next instruction.
                code.append(test[:2] + struct.pack("<h", len(block) - index - 1) + test[4:])
            else:
                code.append(test)
        code += verdict
        if not tests:
            return b"".join(code)  # what comes before can never matter, and the kernel refuses dead code
    code += [_instruction(_MOVE_CONSTANT, _RESULT, constant=0), _instruction(_EXIT)]
    return b"".join(code)


def _tests(rule: DeviceRule) -> list[bytes]:
    """Return the instructions that tell whether a rule matches; their jumps are yet to be filled in."""
    tests = []
    if rule.type and rule.type != "a":
        if rule.type not in _KINDS:
            raise InvalidInput(f"invalid device type {rule.type!r}", "it is a, b or c")
        tests.append(_instruction(_UNLESS_EQUAL, _KIND, constant=_KINDS[rule.type]))
    for register, number in ((_MAJOR, rule.major), (_MINOR, rule.minor)):
        if number is not None and number >= 0:
            tests.append(_instruction(_UNLESS_EQUAL, register, constant=number))
    access = sum(_ACCESS.get(letter, 0) for letter in set(rule.access)) or 7
    if access != 7:
        # An allowance must cover all that is wanted; a denial strikes when it covers any of it.
        tests.append(_instruction(_COPY, _SCRATCH, _WANTED))
        tests.append(_instruction(_AND, _SCRATCH, constant=7 & ~access if rule.allow else access))
        tests.append(_instruction(_UNLESS_EQUAL if rule.allow else _IF_EQUAL, _SCRATCH, constant=0))
    return tests


def _instruction(code: int, to: int = 0, source: int = 0, *, offset: int = 0, constant: int = 0) -> bytes:
    return struct.pack("<BBhi", code, to | source << 4, offset, constant)


def _load(program: bytes) -> int:
    code = ctypes.create_string_buffer(program, len(program))
    licence = ctypes.create_string_buffer(b"Apache-2.0")
    attributes = struct.pack("IIQQ", _CGROUP_DEVICE_PROGRAM, len(program) // 8, ctypes.addressof(code),
                             ctypes.addressof(licence))
    return _bpf(_LOAD, attributes.ljust(72, b"\0"))


def _bpf(command: int, attributes: bytes) -> int:
    try:
        return libc.syscall("bpf", command, ctypes.create_string_buffer(attributes, len(attributes)), len(attributes))
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EINVAL, errno.EPERM):
            raise
        raise Unsupported(f"the kernel refuses a device program: {error.strerror}",
                          "it needs CONFIG_CGROUP_BPF and CAP_BPF") from error
