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
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from sampan.errors import Unsupported
from sampan_plugins.network.bridge import iptables
from sampan_plugins.network.bridge import subnet as subnets
from sampan_plugins.network.bridge.netlink import (
    ACK,
    APPEND,
    CREATE,
    DUMP,
    Netlink,
    Refused,
    Request,
    absent,
    attributes,
    import_alone,
    messages,
)
from sampan_plugins.network.bridge.subnet import Subnet

if TYPE_CHECKING:
    from sampan_plugins.network.bridge.publishing import Forward, Table

# linux/netfilter/nf_tables.h, shifted as nfnetlink wants it
_NFT = 10 << 8
_NEWTABLE, _GETTABLE, _DELTABLE, _NEWCHAIN, _GETCHAIN, _NEWRULE, _GETRULE, _GETGEN = (
    _NFT | n for n in (0, 1, 2, 3, 4, 6, 7, 16)
)
_NETLINK_NETFILTER = 12
_BATCH_BEGIN, _BATCH_END = 16, 17
_HEADER = 20  # nlmsghdr and nfgenmsg
_FAMILIES = {False: 2, True: 10}  # NFPROTO_IPV4, NFPROTO_IPV6
_SOURCE = {False: 12, True: 8}  # where the source address is in the header, in bytes
_FORWARD, _POSTROUTING = 2, 4
_FILTER_PRIORITY, _SRCNAT_PRIORITY = 0, 100
_REG, _VERDICT_REG = 1, 0
_EQ, _NEQ = 0, 1
_IIFNAME, _OIFNAME = 6, 7
_CT_STATE, _ESTABLISHED_OR_RELATED = 0, 0x2 | 0x4
_DROP = 0
_CHAIN_POLICY = 5
_DATA_VALUE = 1

_Expression = dict[str, Any]


class Rules(msgspec.Struct, frozen=True):
    """What a network's rules are made of: its subnets are one of each family that it has."""

    bridge: str
    subnets: tuple[Subnet, ...]
    internal: bool
    masquerade: bool
    icc: bool

    @property
    def table(self) -> str:
        """The name of the network's tables."""
        return f"sampan-{self.bridge}"


def generation() -> int:
    """Return the count of changes to the host's rules. Raises Unsupported without nftables in the kernel."""
    with _netfilter() as nft:
        return int.from_bytes(attributes(nft.ask(_get(_GETGEN, ACK, 0))[0][_HEADER:])[1], "big")


def intact(rules: Rules) -> bool:
    """Tell whether the network's rules are in force, without importing what making them takes."""
    with _netfilter() as nft:
        return all(_intact(nft, rules, _FAMILIES[subnet.ipv6]) for subnet in rules.subnets)


def _intact(nft: Netlink, rules: Rules, family: int) -> bool:
    if not _found(nft, _GETTABLE, family, {1: rules.table}):
        return False
    # One rule for each direction.
    return not _dropping(nft, family) or _passes(nft, rules.bridge, family) >= 2


def _passes(nft: Netlink, bridge: str, family: int) -> int:
    """Return how many rules of iptables' FORWARD chain (its nftables kind) speak of a bridge."""
    try:
        dumped = b"".join(nft.ask(_get(_GETRULE, DUMP, family, {1: "filter", 2: "FORWARD"})))
    except Refused as error:
        if absent(error):
            return 0
        raise
    # They compare with its name, which iptables writes with its final zero.
    name = bridge.encode() + b"\0"
    return dumped.count(struct.pack("=HH", 4 + len(name), _DATA_VALUE) + name)


def install(rules: Rules, forwards: Sequence[Forward] = ()) -> None:
    """Put the network's rules in force, whatever is there. Raises Unsupported when the kernel cannot."""
    (classes,) = import_alone("pyroute2.netlink.nfnetlink.nftsocket")
    tables = [_Table(classes, rules, subnet) for subnet in rules.subnets]
    requests = [request for table in tables for request in table.requests(forwards)]
    try:
        with _netfilter() as nft:
            nft.ask(_batch(_BATCH_BEGIN), *requests, _batch(_BATCH_END))
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
            tables = [(_published(rules, ipv6), [one for one in forwards if one.ipv6 == ipv6]) for ipv6 in _FAMILIES]
            publishing.commit(nft, [one for table, few in tables for one in publishing.elements(table, few)])
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
                    publishing.withdraw(nft, _published(rules, ipv6), few)
                targets = {one.target for one in few if one.protocol == "udp"}
                if targets:
                    conntrack.forget(nft, family, {subnets.packed(subnets.number(one), ipv6) for one in targets})
    except Unsupported:
        pass


def _published(rules: Rules, ipv6: bool) -> Table:
    from sampan_plugins.network.bridge.publishing import Table

    return Table(rules.table, rules.bridge, _FAMILIES[ipv6])


def uninstall(bridge: str) -> None:
    """Take the network's rules away, whatever is left of them. Where there is no nftables there are none."""
    for ipv6, family in _FAMILIES.items():
        passed = 0
        try:
            with _netfilter() as nft:
                _remove(nft, family, f"sampan-{bridge}")
                passed = _passes(nft, bridge, family)
        except Unsupported:
            pass
        except Refused as error:
            # EINVAL is what the kernel answers for a subsystem it does not have.
            if not absent(error) and error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
        iptables.hold_back(bridge, passed=passed > 0, ipv6=ipv6)


def _remove(nft: Netlink, family: int, table: str) -> None:
    if _found(nft, _GETTABLE, family, {1: table}):
        (classes,) = import_alone("pyroute2.netlink.nfnetlink.nftsocket")
        request = _put(_DELTABLE, 0, family, classes.nft_table_msg, {"NFTA_TABLE_NAME": table})
        nft.ask(_batch(_BATCH_BEGIN), request, _batch(_BATCH_END))


class _Table:
    """A network's table of one family, as requests."""

    def __init__(self, classes: Any, rules: Rules, subnet: Subnet) -> None:
        self._classes = classes
        self._rules = rules
        self._subnet = subnet
        self._family = _FAMILIES[subnet.ipv6]

    def requests(self, forwards: Sequence[Forward]) -> list[Request]:
        """Return what replaces the table with a new one; that knows of published ports where there are any."""
        led = [one for one in forwards if one.ipv6 == self._subnet.ipv6]
        found = self._replacement()
        found.append(self._chain("forward", "filter", _FORWARD, _FILTER_PRIORITY))
        if led:
            from sampan_plugins.network.bridge import publishing

            found += publishing.rules(_published(self._rules, self._subnet.ipv6), led)
        found += [self._rule("forward", expressions) for expressions in _forward(self._rules)]
        if self._rules.masquerade and not self._rules.internal:
            found.append(self._chain("postrouting", "nat", _POSTROUTING, _SRCNAT_PRIORITY))
            found.append(self._rule("postrouting", _leaving(self._rules.bridge, self._subnet)))
        return found

    def _replacement(self) -> list[Request]:
        message, name = self._classes.nft_table_msg, {"NFTA_TABLE_NAME": self._rules.table}
        return [
            _put(kind, flags, self._family, message, name)
            for kind, flags in ((_NEWTABLE, CREATE), (_DELTABLE, 0), (_NEWTABLE, CREATE))
        ]

    def _chain(self, name: str, kind: str, hook: int, priority: int) -> Request:
        attrs = {
            "NFTA_CHAIN_TABLE": self._rules.table,
            "NFTA_CHAIN_NAME": name,
            "NFTA_CHAIN_HOOK": {"attrs": [("NFTA_HOOK_HOOKNUM", hook), ("NFTA_HOOK_PRIORITY", priority)]},
            "NFTA_CHAIN_TYPE": kind,
        }
        return _put(_NEWCHAIN, CREATE, self._family, self._classes.nft_chain_msg, attrs)

    def _rule(self, chain: str, expressions: list[_Expression]) -> Request:
        attrs = {
            "NFTA_RULE_TABLE": self._rules.table, "NFTA_RULE_CHAIN": chain, "NFTA_RULE_EXPRESSIONS": expressions,
        }
        return _put(_NEWRULE, CREATE | APPEND, self._family, self._classes.nft_rule_msg, attrs)


def _forward(rules: Rules) -> list[list[_Expression]]:
    bridge = rules.bridge
    inwards = [*_interface(_OIFNAME, _EQ, bridge), *_interface(_IIFNAME, _NEQ, bridge)]
    outwards = [*_interface(_IIFNAME, _EQ, bridge), *_interface(_OIFNAME, _NEQ, bridge)]
    around = [*_interface(_IIFNAME, _EQ, bridge), *_interface(_OIFNAME, _EQ, bridge)]
    among = [] if rules.icc else [[*around, *_no_answer(), _drop()]]
    if rules.internal:
        return [[*inwards, _drop()], [*outwards, _drop()], *among]
    return [[*inwards, *_no_answer(), _drop()], *among]


def _leaving(bridge: str, subnet: Subnet) -> list[_Expression]:
    base = subnets.packed(subnet.base, subnet.ipv6)
    return [
        _expression("payload", dreg=_REG, base=1, offset=_SOURCE[subnet.ipv6], len=len(base)),
        _masked(subnet.mask),
        _compare(_EQ, base),
        *_interface(_OIFNAME, _NEQ, bridge),
        _expression("masq"),
    ]


def _no_answer() -> list[_Expression]:
    answering = struct.pack("=I", _ESTABLISHED_OR_RELATED)
    return [_expression("ct", dreg=_REG, key=_CT_STATE), _masked(answering), _compare(_EQ, bytes(4))]


def _interface(key: int, op: int, name: str) -> list[_Expression]:
    return [_expression("meta", dreg=_REG, key=key), _compare(op, name.encode().ljust(16, b"\0"))]


def _masked(mask: bytes) -> _Expression:
    return _expression(
        "bitwise", sreg=_REG, dreg=_REG, len=len(mask), mask=_value(mask), xor=_value(bytes(len(mask)))
    )


def _compare(op: int, value: bytes) -> _Expression:
    return _expression("cmp", sreg=_REG, op=op, data=_value(value))


def _drop() -> _Expression:
    verdict = {"attrs": [("NFTA_VERDICT_CODE", _DROP)]}
    return _expression("immediate", dreg=_VERDICT_REG, data={"attrs": [("NFTA_DATA_VERDICT", verdict)]})


def _value(value: bytes) -> dict[str, Any]:
    return {"attrs": [("NFTA_DATA_VALUE", value)]}


def _expression(name: str, **attributes: Any) -> _Expression:
    attrs = [(f"NFTA_{name.upper()}_{key.upper()}", value) for key, value in attributes.items()]
    return {"attrs": [("NFTA_EXPR_NAME", name), ("NFTA_EXPR_DATA", {"attrs": attrs})]}


def _put(kind: int, flags: int, family: int, message: Any, attrs: dict[str, Any]) -> Request:
    return Request(kind, flags | ACK, message, {"nfgen_family": family}, list(attrs.items()))


def _batch(kind: int) -> Request:
    return Request(kind, 0, messages().netfilter, {"res_id": 10})


def _get(kind: int, flags: int, family: int, names: dict[int, str] | None = None) -> Request:
    # The attributes by which tables, chains and rules are looked up have the same numbers and are all strings.
    class Query(messages().netfilter):  # type: ignore[misc]  # pyroute2 is not typed
        nla_map = (("NONE", "none"), ("NAME_1", "asciiz"), ("NAME_2", "asciiz"), ("NAME_3", "asciiz"))

    attrs = [(f"NAME_{key}", value) for key, value in (names or {}).items()]
    return Request(kind, flags, Query, {"nfgen_family": family}, attrs)


def _netfilter() -> Netlink:
    try:
        return Netlink(_NETLINK_NETFILTER)
    except OSError as error:
        raise _unsupported(error) from error


def _found(nft: Netlink, kind: int, family: int, names: dict[int, str]) -> dict[int, bytes]:
    try:
        return attributes(nft.ask(_get(kind, ACK, family, names))[0][_HEADER:])
    except Refused as error:
        if absent(error):
            return {}
        raise


def _dropping(nft: Netlink, family: int) -> bool:
    """Tell whether the FORWARD chain of iptables (its nftables kind) drops by policy."""
    chain = _found(nft, _GETCHAIN, family, {1: "filter", 3: "FORWARD"})
    return bool(chain) and int.from_bytes(chain.get(_CHAIN_POLICY, b"\1"), "big") == _DROP


def _unsupported(error: OSError) -> Unsupported:
    return Unsupported(
        f"nftables does not work in this kernel: {error.strerror}",
        'set firewall = false in [options."network/bridge"] to do without, or use another network',
    )
