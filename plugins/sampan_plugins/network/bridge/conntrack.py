"""Forget datagrams' flows to a container that is gone.

The kernel asks the rules at a flow's first packet only. One that goes on sending, from the same port, would be led to
where nobody is any more, for as long as it does.
"""

from __future__ import annotations

from collections.abc import Collection

from sampan.kernel.netlink import ACK, DUMP, Message, Netlink, Refused, absent, attributes, encoded, nfnetlink

# linux/netfilter/nfnetlink_conntrack.h
_GET, _DELETE = 1 << 8 | 1, 1 << 8 | 2
_ORIGINAL, _REPLY = 1, 2
_IP, _PROTOCOL = 1, 2
_SOURCE = {4: 1, 16: 3}  # by the length of an address
_NUMBER, _UDP = 1, b"\x11"
_NESTED = 0x8000
_HEADER = 20  # nlmsghdr and nfgenmsg


def forget(nft: Netlink, family: int, addresses: Collection[bytes]) -> None:
    """Forget every flow of datagrams that is answered from one of these addresses. Raises Refused."""
    try:
        messages = nft.ask(Message(_GET, DUMP, nfnetlink(family)))
    except Refused:
        return  # the kernel tells nobody of flows, and so lets nobody end them
    for message in messages:
        found = attributes(message[_HEADER:])
        reply = attributes(found.get(_REPLY, b""))
        ip, protocol = attributes(reply.get(_IP, b"")), attributes(reply.get(_PROTOCOL, b""))
        if protocol.get(_NUMBER) == _UDP and any(ip.get(_SOURCE[len(one)]) == one for one in addresses):
            flow = nfnetlink(family) + encoded([(_ORIGINAL | _NESTED, found[_ORIGINAL])])
            try:
                nft.ask(Message(_DELETE, ACK, flow))
            except Refused as error:
                if not absent(error):
                    raise
