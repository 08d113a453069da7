"""Choose how the kernel schedules the caller's processor time and transfers, and what system it tells it of.

See sched_setattr(2), ioprio_set(2), personality(2).
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

from sampan.errors import InvalidInput, Unsupported
from sampan.kernel import libc
from sampan.model.runtime_spec import IOPriority, Personality, Scheduler

POLICIES: Final = {
    "SCHED_OTHER": 0, "SCHED_FIFO": 1, "SCHED_RR": 2, "SCHED_BATCH": 3, "SCHED_IDLE": 5, "SCHED_DEADLINE": 6,
}
_FLAGS = {
    "SCHED_FLAG_RESET_ON_FORK": 0x01, "SCHED_FLAG_RECLAIM": 0x02, "SCHED_FLAG_DL_OVERRUN": 0x04,
    "SCHED_FLAG_KEEP_POLICY": 0x08, "SCHED_FLAG_KEEP_PARAMS": 0x10, "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20,
    "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
}
_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}
_CLASS_SHIFT, _THIS_PROCESS = 13, 1
_DOMAINS = {"LINUX": 0x0000, "LINUX32": 0x0008}


class _Attributes(ctypes.Structure):
    _fields_ = (("size", ctypes.c_uint32), ("policy", ctypes.c_uint32), ("flags", ctypes.c_uint64),
                ("nice", ctypes.c_int32), ("priority", ctypes.c_uint32), ("runtime", ctypes.c_uint64),
                ("deadline", ctypes.c_uint64), ("period", ctypes.c_uint64))


def schedule(wanted: Scheduler) -> None:
    """Schedule the caller so. Raises InvalidInput for what does not go together, PermissionError."""
    try:
        policy, flags = POLICIES[wanted.policy], sum(_FLAGS[flag] for flag in set(wanted.flags))
    except KeyError as error:
        raise InvalidInput(f"unknown scheduling policy or flag {error.args[0]!r}") from None
    attributes = _Attributes(
        ctypes.sizeof(_Attributes), policy, flags, wanted.nice, wanted.priority, wanted.runtime, wanted.deadline,
        wanted.period)
    libc.syscall("sched_setattr", 0, attributes, 0, what=wanted.policy)


def prioritize_transfers(wanted: IOPriority) -> None:
    """Give the caller's transfers that priority. Raises InvalidInput, PermissionError."""
    kind = _CLASSES.get(wanted.class_)
    if kind is None:
        raise InvalidInput(f"unknown I/O priority class {wanted.class_!r}", f"it is one of {', '.join(_CLASSES)}")
    if not 0 <= wanted.priority <= 7:
        raise InvalidInput(f"invalid I/O priority {wanted.priority}", "it is between 0 and 7")
    libc.syscall("ioprio_set", _THIS_PROCESS, 0, kind << _CLASS_SHIFT | wanted.priority, what=wanted.class_)


def execution_domain(wanted: Personality) -> int:
    """Return the number of a domain. Raises InvalidInput for an unknown one, Unsupported for flags."""
    if wanted.flags:
        raise Unsupported("the runtime specification knows no flags of a personality yet", "leave them out")
    try:
        return _DOMAINS[wanted.domain]
    except KeyError:
        raise InvalidInput(f"unknown personality {wanted.domain!r}", "it is LINUX or LINUX32") from None


def pretend(domain: int) -> None:
    """Have the kernel tell the caller, and what it runs, of that kind of system."""
    libc.personality(domain)


def affinity(processors: str) -> set[int]:
    """Return the numbers that a list like "0-3,7" names. Raises InvalidInput."""
    chosen: set[int] = set()
    try:
        for part in filter(None, processors.replace(" ", "").split(",")):
            first, _, last = part.partition("-")
            chosen.update(range(int(first), int(last or first) + 1))
    except ValueError:
        raise InvalidInput(f"invalid list of processors {processors!r}", "it is like 0-3,7") from None
    return chosen


def run_on(processors: str) -> None:
    """Have the caller run on these processors alone; an empty list changes nothing. Raises InvalidInput."""
    chosen = affinity(processors)
    if not chosen:
        return
    try:
        os.sched_setaffinity(0, chosen)
    except OSError as error:
        raise InvalidInput(f"cannot run on processors {processors}: {(error.strerror or '').lower()}") from error
