"""Have ps and /proc show a worker's command line and environment in place of the standby's."""

from __future__ import annotations

import ctypes

_PR_SET_MM, _PR_SET_MM_MAP = 35, 14
_FIELDS = (
    "start_code", "end_code", "start_data", "end_data", "start_brk", "brk", "start_stack", "arg_start", "arg_end",
    "env_start", "env_end", "auxv",
)  # fmt: skip


class _Map(ctypes.Structure):
    """struct prctl_mm_map (linux/prctl.h)."""

    _fields_ = (
        *((name, ctypes.c_uint64) for name in _FIELDS), ("auxv_size", ctypes.c_uint32), ("exe_fd", ctypes.c_int32),
    )  # fmt: skip


def show(words: bytes, environ: bytes) -> object:
    """Point the kernel at these words, NUL after each (PR_SET_MM_MAP, prctl(2)).

    Where it does not know how, nothing changes. What is returned holds them, and must be kept for as long as the
    process lives.
    """
    with open("/proc/self/stat", "rb", buffering=0) as file:
        stat = file.read().rpartition(b") ")[2].split()
    memory = ctypes.create_string_buffer(words + environ)
    start = ctypes.addressof(memory)
    libc = ctypes.CDLL(None)
    libc.sbrk.restype = ctypes.c_void_p
    # Fields of proc_pid_stat(5), of which the first here is number 3.
    at = {name: int(stat[number - 3]) for name, number in (
        ("start_code", 26), ("end_code", 27), ("start_stack", 28), ("start_data", 45), ("end_data", 46),
        ("start_brk", 47),
    )}  # fmt: skip
    places = _Map(
        **at, brk=libc.sbrk(0), arg_start=start, arg_end=start + len(words), env_start=start + len(words),
        env_end=start + len(memory) - 1, auxv_size=0, exe_fd=-1,
    )  # fmt: skip
    libc.prctl(_PR_SET_MM, _PR_SET_MM_MAP, ctypes.byref(places), ctypes.c_ulong(ctypes.sizeof(places)), 0)
    return memory
