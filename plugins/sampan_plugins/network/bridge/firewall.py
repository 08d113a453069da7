"""Let containers out, and keep strangers out, with nftables.

A network has an nftables table of its own for each family of its addresses, named after its bridge, replaced as a
whole in one transaction:

- what containers send elsewhere leaves with the host's address (masquerade);
- what comes from elsewhere to the bridge passes only as an answer. A host next door that routes the subnet by this one
  reaches no container, and neither does a container of another bridge. An internal network passes nothing;
- what comes to published ports is led to containers, and let in: ``publishing`` tells how;
- where containers are kept from each other, none reaches another by way of the gateway. (On the bridge their ports are
  isolated.)

A packet has to be accepted by every base chain it meets: ``iptables`` tells what that takes. What else drops
(firewalld, hand-written tables) is left to who set it.

``generation`` is the kernel's count of changes to the rules: while it stands still, nobody has touched ours.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from sampan.errors import Unsupported
from sampan.kernel import nftables
from sampan.kernel.netlink import ACK, DUMP, NETFILTER, Message, Netlink, Refused, absent, attributes, nfnetlink
from sampan.kernel.nftables import EQ, IIFNAME, NEQ, OIFNAME, Expression, Table
from sampan.model import subnet as subnets
from sampan.model.subnet import Subnet
from sampan_plugins.network.bridge import iptables

if TYPE_CHECKING:
    from sampan_plugins.network.bridge.publishing import Forward

_FAMILIES = {False: nftables.IPV4, True: nftables.IPV6}
_CT_STATE, _ESTABLISHED_OR_RELATED = 0, 0x2 | 0x4
_CHAIN_POLICY = 5
_DATA_VALUE = 1


class Rules(msgspec.Struct, frozen=True):
    """What a network's rules are made of: its subnets are one of each family that it has."""

    bridge: str
    subnets: tuple[Subnet, ...]
    internal: bool
    masquerade: bool
    icc: bool

    def table(self, *, ipv6: bool) -> Table:
        """Return the network's table of a family."""
        return _table(self.bridge, _FAMILIES[ipv6])


def generation() -> int:
    """Return the count of changes to the host's rules. Raises Unsupported without nftables in the kernel."""
    with _netfilter() as nft:
        answer = nft.ask(Message(nftables.GETGEN, ACK, nfnetlink(0)))[0]
        return int.from_bytes(attributes(answer[nftables.HEADER :])[1], "big")


def intact(rules: Rules) -> bool:
    """Tell whether the network's rules are in force."""
    with _netfilter() as nft:
        return all(_intact(nft, rules, _FAMILIES[subnet.ipv6]) for subnet in rules.subnets)


def _intact(nft: Netlink, rules: Rules, family: int) -> bool:
    if not _found(nft, _table(rules.bridge, family).get()):
        return False
    # One rule for each direction.
    return not _dropping(nft, family) or _passes(nft, rules.bridge, family) >= 2


def _passes(nft: Netlink, bridge: str, family: int) -> int:
    """Return how many rules of iptables' FORWARD chain (its nftables kind) speak of a bridge."""
    try:
        dumped = b"".join(nft.ask(Table("filter", family).get_rules("FORWARD", DUMP)))
    except Refused as error:
        if absent(error):
            return 0
        raise
    # They compare with its name, which iptables writes with its final zero.
    name = bridge.encode() + b"\0"
    return dumped.count(struct.pack("=HH", 4 + len(name), _DATA_VALUE) + name)


def install(rules: Rules, forwards: Sequence[Forward] = ()) -> None:
    """Put the network's rules in force, whatever is there. Raises Unsupported when the kernel cannot."""
    try:
        with _netfilter() as nft:
            try:
                nft.commit(*_replacements(rules, forwards, everywhere=True))
            except Refused as error:
                if error.errno != errno.ENOENT or not forwards:
                    raise
                nft.commit(*_replacements(rules, forwards, everywhere=False))
            dropping = {subnet.ipv6: _dropping(nft, _FAMILIES[subnet.ipv6]) for subnet in rules.subnets}
    except Refused as error:
        raise _unsupported(error) from error
    for ipv6, drops in dropping.items():
        iptables.let_through(rules.bridge, dropping=drops, ipv6=ipv6)


def publish(rules: Rules, forwards: Sequence[Forward], others: Sequence[Forward]) -> None:
    """Lead ports of the host to containers; ``others`` are those that are led already, or should be.

    Raises Unsupported when the kernel cannot.
    """
    from sampan_plugins.network.bridge import publishing

    try:
        with _netfilter() as nft:
            tables = [(rules.table(ipv6=ipv6), [one for one in forwards if one.ipv6 == ipv6]) for ipv6 in _FAMILIES]
            nft.commit(*(one for table, few in tables for one in publishing.elements(table, few)))
    except Refused:
        install(rules, [*others, *forwards])  # it is the first time


def withdraw(rules: Rules, forwards: Sequence[Forward]) -> None:
    """Lead ports nowhere any more, nor who has been led there. Possible twice, and where there is no nftables."""
    from sampan_plugins.network.bridge import conntrack, publishing

    try:
        with _netfilter() as nft:
            for ipv6, family in _FAMILIES.items():
                few = [one for one in forwards if one.ipv6 == ipv6]
                if few:
                    publishing.withdraw(nft, rules.table(ipv6=ipv6), few)
                targets = {one.target for one in few if one.protocol == "udp"}
                if targets:
                    conntrack.forget(nft, family, {subnets.packed(subnets.number(one), ipv6) for one in targets})
    except Unsupported:
        pass


def uninstall(bridge: str) -> None:
    """Take the network's rules away, whatever is left of them. Where there is no nftables there are none."""
    for ipv6, family in _FAMILIES.items():
        passed = 0
        try:
            with _netfilter() as nft:
                _remove(nft, _table(bridge, family))
                passed = _passes(nft, bridge, family)
        except Unsupported:
            pass
        except Refused as error:
            # EINVAL is what the kernel answers for a subsystem it does not have.
            if not absent(error) and error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
        iptables.hold_back(bridge, passed=passed > 0, ipv6=ipv6)


def _remove(nft: Netlink, table: Table) -> None:
    if _found(nft, table.get()):
        nft.commit(table.delete())


def _table(bridge: str, family: int) -> Table:
    return Table(f"sampan-{bridge}", family)


def _replacements(rules: Rules, forwards: Sequence[Forward], *, everywhere: bool) -> Iterator[Message]:
    """Yield what replaces the network's tables with new ones. See ``publishing.rules`` for ``everywhere``."""
    for subnet in rules.subnets:
        yield from _replacement(rules, subnet, forwards, everywhere=everywhere)


def _replacement(rules: Rules, subnet: Subnet, forwards: Sequence[Forward], *, everywhere: bool) -> Iterator[Message]:
    """Yield what replaces the table of a family with a new one; that knows of published ports where there are any."""
    table = rules.table(ipv6=subnet.ipv6)
    yield from (table.make(), table.delete(), table.make())
    yield table.chain("forward", "filter", nftables.FORWARD, nftables.FILTER)
    led = [one for one in forwards if one.ipv6 == subnet.ipv6]
    if led:
        from sampan_plugins.network.bridge import publishing

        yield from publishing.rules(table, rules.bridge, led, everywhere=everywhere)
    for expressions in _forward(rules):
        yield table.rule("forward", expressions)
    if rules.masquerade and not rules.internal:
        yield table.chain("postrouting", "nat", nftables.POSTROUTING, nftables.SRCNAT)
        yield table.rule("postrouting", _leaving(rules.bridge, subnet))


def _forward(rules: Rules) -> Iterable[list[Expression]]:
    bridge, dropped = rules.bridge, nftables.verdict(nftables.DROP)
    inwards = [*nftables.interface(OIFNAME, EQ, bridge), *nftables.interface(IIFNAME, NEQ, bridge)]
    outwards = [*nftables.interface(IIFNAME, EQ, bridge), *nftables.interface(OIFNAME, NEQ, bridge)]
    around = [*nftables.interface(IIFNAME, EQ, bridge), *nftables.interface(OIFNAME, EQ, bridge)]
    no_answer = [nftables.conntrack(_CT_STATE), *nftables.flags(_ESTABLISHED_OR_RELATED, EQ)]
    among = [] if rules.icc else [[*around, *no_answer, dropped]]
    if rules.internal:
        return [[*inwards, dropped], [*outwards, dropped], *among]
    return [[*inwards, *no_answer, dropped], *among]


def _leaving(bridge: str, subnet: Subnet) -> list[Expression]:
    base = subnets.packed(subnet.base, subnet.ipv6)
    return [
        nftables.payload(nftables.NETWORK, nftables.SOURCE[_FAMILIES[subnet.ipv6]], len(base)),
        nftables.masked(subnet.mask),
        nftables.compare(EQ, base),
        *nftables.interface(OIFNAME, NEQ, bridge),
        ("masq", []),
    ]


def _netfilter() -> Netlink:
    try:
        return Netlink(NETFILTER)
    except OSError as error:
        raise _unsupported(error) from error


def _found(nft: Netlink, question: Message) -> dict[int, bytes]:
    try:
        return attributes(nft.ask(question)[0][nftables.HEADER :])
    except Refused as error:
        if absent(error):
            return {}
        raise


def _dropping(nft: Netlink, family: int) -> bool:
    """Tell whether the FORWARD chain of iptables (its nftables kind) drops by policy."""
    chain = _found(nft, Table("filter", family).get_chain("FORWARD"))
    return bool(chain) and int.from_bytes(chain.get(_CHAIN_POLICY, b"\1"), "big") == nftables.DROP


def _unsupported(error: OSError) -> Unsupported:
    return Unsupported(
        f"nftables does not work in this kernel: {error.strerror}",
        'set firewall = false in [options."network/bridge"] to do without, or use another network',
    )
