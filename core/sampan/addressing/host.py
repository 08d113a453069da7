"""Agree with others on the host, and translate what its kernel refuses.

A driver takes two locks, always in this order: its own, for its files, and the host's, for what links and subnets there
are, whichever root they belong to. The host's is a file in /run, as iptables' is: the network namespace itself could be
locked instead, but by anybody, for ever.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from sampan.errors import Denied, InvalidInput, NotFound, SampanError, Unavailable, Unsupported
from sampan.kernel.links import Address
from sampan.model import subnet as subnets
from sampan.model.network import EndpointRequest, PortMapping
from sampan.model.subnet import Subnet

if TYPE_CHECKING:
    from sampan.addressing.ports import Claim

_HOST_LOCK = "/run/sampan-network.lock"
_LINK_LOCAL = (Subnet(0xA9FE0000, 16), Subnet(0xFE80 << 112, 64, True))  # 169.254.0.0/16, fe80::/64


@contextmanager
def locked(root: str) -> Iterator[None]:
    """Hold the lock of the driver whose files are in ``root``."""
    with _held(f"{root}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC):
        yield


@contextmanager
def host_locked() -> Iterator[None]:
    """Hold the host's lock."""
    with _held(_HOST_LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC):
        yield


@contextmanager
def _held(path: str, flags: int) -> Iterator[None]:
    lock = os.open(path, flags, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


@contextmanager
def claimed(
    request: EndpointRequest, wanted: Sequence[PortMapping], allocated: Callable[[str, int], bool],
    given: Collection[PortMapping] = (),
) -> Iterator[Sequence[Claim]]:  # fmt: skip
    """Hold the ports of the host that a container asks for; see ``ports.claimed``. Raises what is in the way, in
    Docker's words.
    """
    from sampan.addressing import ports

    with ExitStack() as stack:
        try:
            claims = stack.enter_context(ports.claimed(wanted, allocated, given))
        except SampanError as error:
            told = f"driver failed programming external connectivity on endpoint {request.name} ({request.id})"
            raise type(error)(f"{told}: {error.message}", error.hint) from error
        yield claims


@contextmanager
def translated(what: str, needs: str) -> Iterator[None]:
    """Raise errors of the system as Sampan's: ``what`` they are about, and what the kernel ``needs`` for it."""
    try:
        yield
    except SampanError:
        raise
    except OSError as error:
        reason = f"{what}: {error.strerror or error}"
        if error.errno in (errno.EPERM, errno.EACCES):
            raise Denied(reason, "it takes root, with CAP_NET_ADMIN and CAP_SYS_ADMIN") from error
        if error.errno in (errno.EOPNOTSUPP, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT):
            raise Unsupported(reason, f"the kernel needs {needs}") from error
        if error.errno == errno.ENOENT and error.filename:
            raise NotFound(f"{what}: no such sandbox: {error.filename}") from error
        raise Unavailable(reason) from error


def link_local(text: str) -> Address:
    """Return an address of an interface alone. Raises InvalidInput."""
    number = subnets.number(text)
    for subnet in _LINK_LOCAL:
        if (":" in text) == subnet.ipv6 and subnet.host(number):
            return Address(number, subnet, local=True)
    raise InvalidInput(f"invalid link-local address {text}")
