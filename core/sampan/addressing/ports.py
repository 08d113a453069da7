"""Claim ports of the host by listening at them: what the kernel gives to one, nobody else gets."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import msgspec

from sampan.errors import Conflict, Denied, InvalidInput, Unavailable, Unsupported
from sampan.model.network import PortMapping

_PROTOCOLS = {
    "tcp": (socket.SOCK_STREAM, socket.IPPROTO_TCP), "udp": (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    "sctp": (socket.SOCK_STREAM, 132),
}  # fmt: skip
ANY = {False: "0.0.0.0", True: "::"}
"""All the host's addresses of a family."""
_IP_PKTINFO = 8  # linux/in.h; the socket module has no name for it
_ATTEMPTS = 64
_DESCRIPTORS, _OTHERS = 4, 256
"""How many it takes to claim a port and hand it to the proxy, for both families, and how many may be open anyway."""
_NOT_HERE = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
_STARTING = "Error starting userland proxy: "
_ANOTHER = "choose another port of the host"


class Claim(msgspec.Struct, frozen=True):
    """A port of the host as it has become, and the socket that holds it."""

    mapping: PortMapping
    holder: socket.socket


@contextmanager
def claimed(
    wanted: Sequence[PortMapping], allocated: Callable[[str, int], bool] = lambda protocol, port: False,
    given: Collection[PortMapping] = (),
) -> Iterator[list[Claim]]:
    """Hold the ports of the host that are wanted; ports for all of its addresses are the same for both families.

    ``allocated`` tells whether a container has a port of a protocol; those ``given`` to containers are taken though
    nobody listens at them. Raises Conflict when one is taken, in Docker's
    words, InvalidInput for an address that is not the host's, Unavailable when no port is free, Unsupported for a
    protocol that the kernel does not have.
    """
    with _room_for(len(wanted) * _DESCRIPTORS), ExitStack() as stack:
        claims: dict[int, list[Claim]] = {}

        def taken(protocol: str, port: int) -> bool:
            mine = [claim.mapping for several in claims.values() for claim in several]
            return allocated(protocol, port) or any((one.protocol, one.first) == (protocol, port) for one in mine)

        # Who can choose comes last, so as not to take what another must have.
        for place in sorted(range(len(wanted)), key=lambda one: _choice(wanted[one])):
            claims[place] = _claim(wanted[place], taken, given)
            for claim in claims[place]:
                stack.callback(claim.holder.close)
        yield [claim for _, several in sorted(claims.items()) for claim in several]


@contextmanager
def _room_for(descriptors: int) -> Iterator[None]:
    """Allow for this many more open files meanwhile, as far as that may be."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors + _OTHERS <= soft:
        yield
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _choice(mapping: PortMapping) -> int:
    """Return how many ports would do."""
    return mapping.last - mapping.first + 1 if mapping.first else 1 << 16


def _claim(
    mapping: PortMapping, allocated: Callable[[str, int], bool], given: Collection[PortMapping]
) -> list[Claim]:
    candidates = range(mapping.first, mapping.last + 1) if mapping.first else [0] * _ATTEMPTS
    for port in candidates:
        try:
            return _at(mapping, port, given)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise _refusal(mapping, port, error) from error
            in_use = error
    if not mapping.first or mapping.first < mapping.last:
        raise Unavailable("all ports are allocated")
    if not allocated(mapping.protocol, mapping.first):
        raise _refusal(mapping, mapping.first, in_use) from in_use
    where = _joined(mapping.address or ANY[False], mapping.first)
    raise Conflict(f"Bind for {where} failed: port is already allocated", _ANOTHER)


def _at(mapping: PortMapping, port: int, given: Collection[PortMapping]) -> list[Claim]:
    """Claim a port, 0 for any, at all addresses that are meant. Raises OSError when one cannot be had."""
    with ExitStack() as stack:
        claims: list[Claim] = []
        for address in [mapping.address] if mapping.address else ANY.values():
            try:
                holder = _listen(mapping.protocol, address, port)
            except OSError as error:
                if claims and error.errno in _NOT_HERE:
                    continue  # a host without IPv6
                raise
            stack.callback(holder.close)
            port = holder.getsockname()[1]
            known = msgspec.structs.replace(mapping, address=address, first=port, last=port)
            if any(_overlap(known, one) for one in given):
                raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
            claims.append(Claim(known, holder))
        stack.pop_all()
        return claims


def _overlap(one: PortMapping, other: PortMapping) -> bool:
    """Tell whether two ports of the host are the same: at one address, or at all of its family."""
    if (one.protocol, one.first, ":" in one.address) != (other.protocol, other.first, ":" in other.address):
        return False
    return one.address == other.address or not {one.address, other.address}.isdisjoint(ANY.values())


def _listen(protocol: str, address: str, port: int) -> socket.socket:
    kind, number = _PROTOCOLS[protocol]
    ipv6 = ":" in address
    holder = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, kind, number)
    try:
        if ipv6:
            holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        elif ipv6:
            holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            holder.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        holder.bind((address, port))
        if kind == socket.SOCK_STREAM:
            holder.listen(socket.SOMAXCONN)
        holder.setblocking(False)
    except BaseException:
        holder.close()
        raise
    return holder


def _refusal(mapping: PortMapping, port: int, error: OSError) -> Exception:
    address = mapping.address or ANY[False]
    told = f"{_STARTING}listen {mapping.protocol}{6 if ':' in address else 4} {_joined(address, port)}: bind: "
    match error.errno:
        case errno.EADDRINUSE:
            return Conflict(f"{told}address already in use", _ANOTHER)
        case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT:
            return InvalidInput(f"{told}cannot assign requested address", "give an address of the host")
        case errno.EACCES | errno.EPERM:
            return Denied(f"{told}permission denied")
        case errno.EPROTONOSUPPORT:
            return Unsupported(f"{_STARTING}protocol not supported", f"this kernel has no {mapping.protocol.upper()}")
    return Unavailable(f"{told}{(error.strerror or str(error)).lower()}")


def _joined(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
