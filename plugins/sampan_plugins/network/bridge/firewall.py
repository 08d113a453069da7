"""Let containers out, and keep strangers out, with nftables.

A network has an nftables table of its own, named after its bridge, replaced as a whole in one transaction:

- what containers send elsewhere leaves with the host's address (masquerade);
- what comes from elsewhere to the bridge passes only as an answer. A host next door that routes the subnet by this one
  reaches no container, and neither does a container of another bridge. An internal network passes nothing.

A packet has to be accepted by every base chain it meets. So where iptables' FORWARD chain drops by policy (Docker
sets that, and ufw), the bridge is let through there as well, at the chain's end, so that an administrator's own rules
come first. What else drops (firewalld, hand-written tables) is left to who set it.

``generation`` is the kernel's count of changes to the rules: while it stands still, nobody has touched ours.
"""

from __future__ import annotations

import errno
import os
import struct
from typing import Any

import msgspec

from sampan.errors import Unsupported
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

# linux/netfilter/nf_tables.h, shifted as nfnetlink wants it
_NFT = 10 << 8
_NEWTABLE, _GETTABLE, _DELTABLE, _NEWCHAIN, _GETCHAIN, _NEWRULE, _GETRULE, _GETGEN = (
    _NFT | n for n in (0, 1, 2, 3, 4, 6, 7, 16)
)
_NETLINK_NETFILTER = 12
_BATCH_BEGIN, _BATCH_END = 16, 17
_HEADER = 20  # nlmsghdr and nfgenmsg
_IPV4 = 2
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
    """What a network's rules are made of."""

    bridge: str
    subnet: Subnet
    internal: bool
    masquerade: bool

    @property
    def table(self) -> str:
        """The name of the network's table."""
        return f"sampan-{self.bridge}"


def generation() -> int:
    """Return the count of changes to the host's rules. Raises Unsupported without nftables in the kernel."""
    with _netfilter() as nft:
        return int.from_bytes(attributes(nft.ask(_get(_GETGEN, ACK, 0))[0][_HEADER:])[1], "big")


def intact(rules: Rules) -> bool:
    """Tell whether the network's rules are in force, without importing what making them takes."""
    with _netfilter() as nft:
        if not _found(nft, _GETTABLE, {1: rules.table}):
            return False
        if not _dropping(nft):
            return True
        dumped = b"".join(nft.ask(_get(_GETRULE, DUMP, _IPV4, {1: "filter", 2: "FORWARD"})))
    # One rule for each direction compares with the bridge's name, which iptables writes with its final zero.
    name = rules.bridge.encode() + b"\0"
    return dumped.count(struct.pack("=HH", 4 + len(name), _DATA_VALUE) + name) >= 2


def install(rules: Rules) -> None:
    """Put the network's rules in force, whatever is there. Raises Unsupported when the kernel cannot."""
    (classes,) = import_alone("pyroute2.netlink.nfnetlink.nftsocket")
    table = {"NFTA_TABLE_NAME": rules.table}
    requests = [
        _put(_NEWTABLE, CREATE, classes.nft_table_msg, table),
        _put(_DELTABLE, 0, classes.nft_table_msg, table),
        _put(_NEWTABLE, CREATE, classes.nft_table_msg, table),
        _chain(classes, rules, "forward", "filter", _FORWARD, _FILTER_PRIORITY),
    ]
    requests += [_rule(classes, rules, "forward", expressions) for expressions in _forward(rules)]
    if rules.masquerade and not rules.internal:
        requests.append(_chain(classes, rules, "postrouting", "nat", _POSTROUTING, _SRCNAT_PRIORITY))
        requests.append(_rule(classes, rules, "postrouting", _leaving(rules)))
    try:
        with _netfilter() as nft:
            nft.ask(_batch(_BATCH_BEGIN), *requests, _batch(_BATCH_END))
            dropping = _dropping(nft)
    except Refused as error:
        raise _unsupported(error) from error
    _pass_iptables(rules, dropping)


def uninstall(bridge: str) -> None:
    """Take the network's rules away, whatever is left of them. Where there is no nftables there are none."""
    table = f"sampan-{bridge}"
    try:
        with _netfilter() as nft:
            if _found(nft, _GETTABLE, {1: table}):
                (classes,) = import_alone("pyroute2.netlink.nfnetlink.nftsocket")
                request = _put(_DELTABLE, 0, classes.nft_table_msg, {"NFTA_TABLE_NAME": table})
                nft.ask(_batch(_BATCH_BEGIN), request, _batch(_BATCH_END))
    except Unsupported:
        pass
    except Refused as error:
        # EINVAL is what the kernel answers for a subsystem it does not have.
        if not absent(error) and error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
    _unpass_iptables(bridge)


def _forward(rules: Rules) -> list[list[_Expression]]:
    inwards = [*_interface(_OIFNAME, _EQ, rules.bridge), *_interface(_IIFNAME, _NEQ, rules.bridge)]
    outwards = [*_interface(_IIFNAME, _EQ, rules.bridge), *_interface(_OIFNAME, _NEQ, rules.bridge)]
    if rules.internal:
        return [[*inwards, _drop()], [*outwards, _drop()]]
    return [[*inwards, *_no_answer(), _drop()]]


def _leaving(rules: Rules) -> list[_Expression]:
    mask = (0xFFFFFFFF << (32 - rules.subnet.prefix)) & 0xFFFFFFFF
    source = {"base": 1, "offset": 12, "len": 4}  # the IP header's source address
    return [
        _expression("payload", dreg=_REG, **source),
        _masked(mask.to_bytes(4, "big")),
        _compare(_EQ, rules.subnet.base.to_bytes(4, "big")),
        *_interface(_OIFNAME, _NEQ, rules.bridge),
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


def _chain(classes: Any, rules: Rules, name: str, kind: str, hook: int, priority: int) -> Request:
    attrs = {
        "NFTA_CHAIN_TABLE": rules.table,
        "NFTA_CHAIN_NAME": name,
        "NFTA_CHAIN_HOOK": {"attrs": [("NFTA_HOOK_HOOKNUM", hook), ("NFTA_HOOK_PRIORITY", priority)]},
        "NFTA_CHAIN_TYPE": kind,
    }
    return _put(_NEWCHAIN, CREATE, classes.nft_chain_msg, attrs)


def _rule(classes: Any, rules: Rules, chain: str, expressions: list[_Expression]) -> Request:
    attrs = {"NFTA_RULE_TABLE": rules.table, "NFTA_RULE_CHAIN": chain, "NFTA_RULE_EXPRESSIONS": expressions}
    return _put(_NEWRULE, CREATE | APPEND, classes.nft_rule_msg, attrs)


def _put(kind: int, flags: int, message: Any, attrs: dict[str, Any]) -> Request:
    return Request(kind, flags | ACK, message, {"nfgen_family": _IPV4}, list(attrs.items()))


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


def _found(nft: Netlink, kind: int, names: dict[int, str]) -> dict[int, bytes]:
    try:
        return attributes(nft.ask(_get(kind, ACK, _IPV4, names))[0][_HEADER:])
    except Refused as error:
        if absent(error):
            return {}
        raise


def _dropping(nft: Netlink) -> bool:
    """Tell whether the FORWARD chain of iptables (its nftables kind) drops by policy."""
    chain = _found(nft, _GETCHAIN, {1: "filter", 3: "FORWARD"})
    return bool(chain) and int.from_bytes(chain.get(_CHAIN_POLICY, b"\1"), "big") == _DROP


def _pass_iptables(rules: Rules, dropping: bool) -> None:
    if dropping:
        program = _program("iptables-nft", "iptables")
        if program is None:
            raise Unsupported(
                "the host's FORWARD chain drops what is forwarded and there is no iptables to let "
                f"{rules.bridge} through",
                "install iptables, or set the chain's policy to accept",
            )
        _pass(program, rules.bridge)
    legacy = _program("iptables-legacy") if _legacy() else None
    if legacy and "-P FORWARD DROP" in _run(legacy, "-S", "FORWARD")[1]:
        _pass(legacy, rules.bridge)


def _unpass_iptables(bridge: str) -> None:
    programs = [_program("iptables-nft", "iptables")]
    programs += [_program("iptables-legacy")] if _legacy() else []
    for program in filter(None, programs):
        for passing in _passing(bridge):
            if _run(program, "-C", "FORWARD", *passing)[0] == 0:
                _run(program, "-D", "FORWARD", *passing)


def _pass(program: str, bridge: str) -> None:
    for passing in _passing(bridge):
        if _run(program, "-C", "FORWARD", *passing)[0]:
            status, _out, reason = _run(program, "-A", "FORWARD", *passing)
            if status:
                raise Unsupported(f"iptables does not let {bridge} through: {reason.strip()}")


def _passing(bridge: str) -> list[list[str]]:
    # Both ways and unconditionally: what may not pass our own table has dropped.
    return [["-i", bridge, "-j", "ACCEPT"], ["-o", bridge, "-j", "ACCEPT"]]


def _legacy() -> bool:
    # Asking iptables-legacy itself would load its kernel modules.
    try:
        with open("/proc/self/net/ip_tables_names") as file:
            return "filter" in file.read().split()
    except OSError:
        return False


def _program(*names: str) -> str | None:
    for name in names:
        for directory in ("/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin"):
            if os.access(f"{directory}/{name}", os.X_OK):
                return f"{directory}/{name}"
    return None


def _run(program: str, *arguments: str) -> tuple[int, str, str]:
    import subprocess

    done = subprocess.run([program, "-w", "10", *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def _unsupported(error: OSError) -> Unsupported:
    return Unsupported(
        f"nftables does not work in this kernel: {error.strerror}",
        'set firewall = false in [options."network/bridge"] to do without, or use another network',
    )
