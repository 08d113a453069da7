"""Watch over processes: adopt orphans, tell the living from the dead, signal without mistaking one for another."""

from __future__ import annotations

import os

from sampan.errors import NotFound
from sampan.kernel import libc
from sampan.kernel.starttime import started

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 36, 37
_KEYCTL_JOIN_SESSION_KEYRING = 1
_SIGKILL = 9
_RESERVED_SIGNALS, _IGNORE = (32, 33), 1


def become_subreaper() -> None:
    """Make the caller the parent of its descendants' orphans (PR_SET_CHILD_SUBREAPER); children do not inherit it."""
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def is_subreaper() -> bool:
    """Tell whether the caller is a subreaper, or process 1, which is one always."""
    import ctypes

    answer = ctypes.c_int()
    libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.addressof(answer))
    return bool(answer.value) or os.getpid() == 1


def die_with_parent() -> None:
    """Have the kernel kill the caller when its parent ends. Forgotten when the user or the capabilities change."""
    libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL)


def hide() -> None:
    """Keep other processes from tracing the caller or reading its memory and descriptors, until it execs."""
    libc.prctl(_PR_SET_DUMPABLE, 0)


def forbid_new_privileges() -> None:
    """Let no program the caller runs gain what it lacks (PR_SET_NO_NEW_PRIVS); irrevocable."""
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1)


def new_session_keyring() -> None:
    """Leave the caller's session keyring for a new one (keyctl(2)), where the kernel has keyrings."""
    import errno

    try:
        libc.syscall("keyctl", _KEYCTL_JOIN_SESSION_KEYRING, None)
    except OSError as error:
        # A seccomp filter of an outer container refuses with EPERM, a kernel without keyrings with ENOSYS.
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise


def alive(pid: int, start: int) -> bool:
    """Tell whether the process that began at ``start`` still runs; a zombie does not."""
    return pid > 0 and start > 0 and started(pid) == start


def open_handle(pid: int, start: int) -> int:
    """Return a pidfd of the process that began at ``start``. Raises NotFound when it is gone."""
    try:
        fd = os.pidfd_open(pid)
    except (ProcessLookupError, ValueError, OSError):
        raise NotFound(f"no process {pid}") from None
    # Checked after opening: from here on the descriptor means this process, whatever becomes of its pid.
    if not alive(pid, start):
        os.close(fd)
        raise NotFound(f"no process {pid}")
    return fd


def send_signal(pid: int, start: int, number: int) -> None:
    """Signal the process that began at ``start`` and no other. Raises NotFound when it is gone."""
    import signal

    fd = open_handle(pid, start)
    try:
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        raise NotFound(f"no process {pid}") from None
    finally:
        os.close(fd)


def restore_reserved_signals() -> None:
    """Give signals 32 and 33 their default action if they are ignored, as the C library's spawn leaves them.

    The library keeps them for itself, so that neither Python nor sigaction(3) reaches them, and yet they are inherited.
    """
    import ctypes

    for number in _RESERVED_SIGNALS:
        action = (ctypes.c_ulong * 4)()  # struct kernel_sigaction: handler, flags, restorer, mask
        libc.syscall("rt_sigaction", number, None, ctypes.addressof(action), 8)
        if action[0] == _IGNORE:
            libc.syscall("rt_sigaction", number, ctypes.addressof((ctypes.c_ulong * 4)()), None, 8)
