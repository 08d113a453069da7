"""Make network namespaces, step into them, and bring their loopback up.

A namespace lives as long as something refers to it: a process in it, a descriptor or a bind mount (namespaces(7)).
Sampan holds a container's by a descriptor and hands it on as ``/proc/PID/fd/N``, so that a kill of everybody
frees the namespace, and with it every interface inside, without anybody's help.

Only the calling thread changes its namespace, and only within the calls below.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sampan.kernel import capabilities, loopback
from sampan.kernel.libc import setns, unshare

_CLONE_NEWNET = 0x40000000
_SO_NETNS_COOKIE = 71  # asm-generic/socket.h
_OWN = "/proc/thread-self/ns/net"


def new_sandbox() -> int:
    """Return the descriptor (close-on-exec) of a new, empty network namespace; the caller stays in its own.

    The caller closes it. Raises Denied without CAP_SYS_ADMIN; OSError: ENOSPC when the kernel's limit is reached.
    """
    capabilities.require_admin("make a network namespace")
    with _returning():
        unshare(_CLONE_NEWNET)
        return os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def entered(path: str) -> Iterator[None]:
    """Run the block in the network namespace bound at ``path``; sockets opened there stay in it.

    Raises OSError when the path is gone or is no network namespace.
    """
    target = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with _returning():
            setns(target, _CLONE_NEWNET)
            yield
    finally:
        os.close(target)


def cookie(path: str) -> int:
    """Return the number of the namespace bound at ``path`` that no other has until the next boot; 0 before Linux 5.14.

    Raises OSError as ``entered``.
    """
    with entered(path), socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as inside:
        try:
            return int.from_bytes(inside.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8), sys.byteorder)
        except OSError:
            return 0


def loopback_up() -> None:
    """Bring ``lo`` up in the caller's network namespace; the kernel gives it 127.0.0.1 and ::1."""
    loopback.bring_up()


@contextmanager
def _returning() -> Iterator[None]:
    home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        # A thread left in a container's namespace would be a hole: failing here must be loud, and it raises.
        try:
            setns(home, _CLONE_NEWNET)
        finally:
            os.close(home)
