"""Connect containers by links that are stacked on one of the host's: a base for drivers of such links.

A network is a *parent*, a link of the host, with a subnet of each family that the network has; a container gets a link
of its own on it. Beyond the parent lies whatever the host's own packets reach there, but host and containers do not
reach each other: the kernel passes nothing between a link and those stacked on it.

A parent that nobody names is a link made here that leads nowhere. One named ``LINK.NUMBER`` that is missing is made as
the link of that VLAN. Both go with the last network on them, and are made again by ``connect`` after a boot.

A lease says by which number the host knows the container's namespace and which index the link has there, before there
is one: whatever is killed, ``disconnect`` finds it.
"""

from __future__ import annotations

import errno
import os
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar

import msgspec

from sampan.addressing import host, leases, options, pools, records
from sampan.addressing.leases import Lease, Leases
from sampan.addressing.pools import Plan
from sampan.contracts.network import NetworkCapabilities, NetworkDriver
from sampan.errors import Conflict, InvalidInput, NotFound, Unsupported
from sampan.kernel import links, netns, stacking
from sampan.kernel.links import NEWADDR, Address
from sampan.kernel.netlink import ACK, CREATE, EXCL, Message, Netlink, Refused
from sampan.kernel.stacking import Stacked
from sampan.model import subnet as subnets
from sampan.model.network import Endpoint, EndpointRequest, Network, Pool

_LAST_VLAN = 4094
_PATIENCE = 0.5
_IN_THE_WAY = (errno.EADDRINUSE, errno.EBUSY, errno.EEXIST, errno.EINVAL)
_NOWHERE = {False: "0.0.0.0", True: "::"}


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What a user chooses of a network: its parent, empty for one that leads nowhere, and how its links behave."""

    parent: str = ""
    mode: str = ""
    flag: str = ""
    mtu: int = 0


def read(network: Network, names: Mapping[str, str]) -> Choice:
    """Read a network's options, those of ``names`` and those of every such driver; others are nobody's, as in Docker.

    Raises InvalidInput on a value that cannot be.
    """
    known = {"parent": "parent", "mtu": "mtu", "com.docker.network.driver.mtu": "mtu", **names}
    found = {
        known[key]: options.parsed(key, value, "Atoi" if known[key] == "mtu" else "")
        for key, value in network.options.items()
        if key in known
    }
    return options.read(found, Choice, "network option")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A network as the driver keeps it. ``made``: its parent is, or was, made by the driver."""

    id: str
    name: str
    parent: str
    made: bool
    mode: str
    flag: str = ""
    mtu: int = 0
    pools: tuple[Pool, ...] = ()
    internal: bool = False

    def plans(self) -> list[Plan]:
        """Return the pools as numbers."""
        return [pools.plan(pool) for pool in self.pools]


class Inside(Lease, frozen=True, kw_only=True):
    """A container's connection: its addresses, the number of its namespace, and its link's name and index there."""

    namespace: int
    index: int
    name: str


class StackedDriver(NetworkDriver):
    """The driver, but for what is particular to a kind of links. The module's documentation tells how it works."""

    capabilities = NetworkCapabilities(
        addressed=True, ipv6=True, configurable=True, predefined=False, reached=False
    )
    kind: ClassVar[str]
    """What the kernel calls such links, and the driver's name in messages."""
    dead_end: ClassVar[str]
    """Two letters that parents which lead nowhere begin with."""
    own_mac: ClassVar[bool] = True
    """Whether links have MAC addresses of their own, or all their parent's."""

    def __init__(self, root: str) -> None:
        self._root = root
        os.makedirs(root, mode=0o700, exist_ok=True)

    @abstractmethod
    def choice(self, network: Network) -> Choice:
        """Read a network's options. Raises InvalidInput."""

    @abstractmethod
    def data(self, record: Record) -> tuple[tuple[int, bytes], ...]:
        """Return what netlink is told of a link, by attribute (linux/if_link.h)."""

    def admit(self, wanted: Record, other: Record) -> None:
        """Raise Conflict when two networks cannot be on one parent, as they would be."""
        return

    def routed(self, record: Record) -> bool:
        """Tell whether the host routes for the links, so that the way out is the link itself, not a gateway's."""
        return False

    def create(self, network: Network) -> Network:
        """Check a network's settings, fill in subnets and gateways, and make its parent where that is ours to make."""
        where = records.directory(self._root, network)
        with self._translated(network), host.locked(self._root):
            record = self._prepared(network, where)
        return msgspec.structs.replace(network, pools=record.pools)

    def describe(self, network: Network) -> Network:
        """Return the network with its subnets and gateways, once they are chosen."""
        record = records.load(records.directory(self._root, network), Record)
        return msgspec.structs.replace(network, pools=record.pools) if record else network

    def remove(self, network: Network) -> None:
        """Take away the records, and with the last network on it a parent that the driver made."""
        where = records.directory(self._root, network)
        with self._translated(network), host.locked(self._root), host.host_locked():
            record = records.load(where, Record)
            if record is None:
                return
            if self._lent(where).held:
                raise Conflict(f"network {network.name} has active endpoints", "disconnect its containers first")
            self._dismantle(record, where)

    def connect(self, network: Network, sandbox: str | None, request: EndpointRequest) -> Endpoint:
        """Make a link on the parent inside the sandbox, with an address of each subnet."""
        if sandbox is None:
            raise InvalidInput(f"network {network.name} needs a sandbox to connect to")
        where = records.directory(self._root, network)
        mac = subnets.parse_mac(request.mac) if request.mac else ""
        if mac and not self.own_mac:
            raise InvalidInput(f"{self.kind} interfaces do not support custom mac address assignment")
        local = [host.link_local(address) for address in request.link_local]
        for option in request.options:
            raise InvalidInput(f"unknown option of a connection to network {network.name}: {option!r}")
        with self._translated(network):
            target = os.open(sandbox, os.O_RDONLY | os.O_CLOEXEC)
            try:
                with host.locked(self._root):
                    record = self._prepared(network, where)
                    lease = self._lend(record, where, request, sandbox, target)
                try:
                    return self._plug(network, record, lease, (sandbox, target), mac, local)
                except BaseException:
                    self._give_back(where, request.container)
                    raise
            finally:
                os.close(target)

    def disconnect(self, network: Network, container: str) -> None:
        """Give the address back. The link has died with the sandbox; one that has not is deleted."""
        where = records.directory(self._root, network)
        with self._translated(network):
            self._give_back(where, container)

    def endpoints(self, network: Network) -> Iterator[str]:
        """Yield the ids of the containers that hold an address."""
        yield from list(self._lent(records.directory(self._root, network)).held)

    # -- the host

    def _prepared(self, network: Network, where: str) -> Record:
        """Return the network's record, with all it needs on the host. The caller holds the driver's lock."""
        known = records.load(where, Record)
        if known and (links.is_up if known.made else links.index)(known.parent):
            return known
        with host.host_locked(), Netlink() as rtnl:
            record = known or self._settle(rtnl, network)
            try:
                records.save(where, record)
                self._ensure_parent(rtnl, record)
            except BaseException:
                if known is None:
                    self._dismantle(record, where)
                raise
        return record

    def _settle(self, rtnl: Netlink, network: Network) -> Record:
        """Choose what is open in a network that has no record yet. Raises Conflict, InvalidInput and Unsupported."""
        choice, wanted = self.choice(network), pools.wanted(network)
        if choice.parent == "lo":
            raise InvalidInput(f"loopback interface is not a valid {self.kind} parent link")
        if not stacking.knows(rtnl, self.kind):
            raise Unsupported(f"the kernel has no {self.kind} links", f"load its module {self.kind}, if it has one")
        others = [record for record in records.walk(self._root, Record) if record.id != network.id]
        parent = choice.parent or self._dead_end(network.id)
        if choice.parent and not links.index(parent):
            _vlan(parent)
        record = Record(
            id=network.id, name=network.name, parent=parent, mode=choice.mode, flag=choice.flag, mtu=choice.mtu,
            made=not links.index(parent) or any(other.made and other.parent == parent for other in others),
            pools=tuple(_settled(rtnl, pool, ipv6, others) for ipv6, pool in wanted.items()),
            internal=network.internal or not choice.parent,
        )
        for other in others:
            if other.parent == parent:
                self.admit(record, other)
        return record

    def _ensure_parent(self, rtnl: Netlink, record: Record) -> None:
        """Make the parent if it is missing and ours to make. Raises NotFound when it is somebody else's."""
        exists = links.index(record.parent)
        if not exists and not record.made:
            raise NotFound(f"the requested parent interface {record.parent} was not found on the host")
        if not record.made:
            return
        other = f"{self.dead_end[::-1]}-{record.id[:12]}"
        if not exists and record.parent == self._dead_end(record.id):
            stacking.make_dead_end(rtnl, record.parent, other)
        elif not exists:
            _make_vlan(rtnl, record.parent)
        for name in filter(links.index, (record.parent, other)):
            links.set_ipv6(name, False)  # it is there for others' packets, and has none to send
            rtnl.ask(links.up(links.index(name)))

    def _dead_end(self, network: str) -> str:
        return f"{self.dead_end}-{network[:12]}"

    def _dismantle(self, record: Record, where: str) -> None:
        parents = [other.parent for other in records.walk(self._root, Record) if other.id != record.id]
        if record.made and record.parent not in parents:
            links.delete(record.parent)
        records.forget(where)

    # -- one container

    def _lend(self, record: Record, where: str, request: EndpointRequest, sandbox: str, target: int) -> Inside:
        state = self._lent(where)
        if request.container in state.held:
            raise Conflict(f"container {request.container[:12]} is connected to network {record.name} already")
        if not state.held:
            leases.sweep(where)
        with Netlink() as rtnl:
            namespace = stacking.namespace(rtnl, target)
        with netns.entered(sandbox):
            name = request.interface or next(f"eth{n}" for n in range(4096) if not links.index(f"eth{n}"))
        address, address6 = state.choose(record.plans(), {False: request.address, True: request.address6})
        lease = Inside(
            address=address, address6=address6, namespace=namespace, index=stacking.any_index(), name=name
        )
        state.held[request.container] = lease
        leases.save(where, state)
        return lease

    def _plug(
        self, network: Network, record: Record, lease: Inside, sandbox: tuple[str, int], mac: str,
        local: Sequence[Address],
    ) -> Endpoint:  # fmt: skip
        path, target = sandbox
        plans = record.plans()
        addresses = [Address(lease.of(ipv6=plan.subnet.ipv6), plan.subnet) for plan in plans]
        if self.own_mac:
            mac = mac or subnets.mac(addresses[0].number)
        with netns.entered(path):
            inside = Netlink()
        with inside, Netlink() as rtnl:
            self._stack(rtnl, record, lease, target, mac)
            ipv6 = any(plan.subnet.ipv6 for plan in plans)
            with netns.entered(path):
                links.set_ipv6(lease.name, ipv6)
            for one in (*addresses, *local):
                self._insist(record, inside, links.address_request(NEWADDR, CREATE | EXCL | ACK, lease.index, one))
            self._insist(record, inside, links.up(lease.index))
            links.wait_until_open(inside, lease.name)
            if ipv6:
                with netns.entered(path):
                    links.wait_until_settled(lease.name)
            mac = stacking.hardware(inside, lease.name)
        return self._endpoint(network, record, lease, mac)

    def _stack(self, rtnl: Netlink, record: Record, lease: Inside, target: int, mac: str) -> None:
        stacked = Stacked(
            kind=self.kind, parent=record.parent, name=lease.name, index=lease.index, data=self.data(record), mac=mac,
            mtu=record.mtu,
        )
        self._insist(record, rtnl, stacking.request(target, stacked))

    def _insist(self, record: Record, rtnl: Netlink, request: Message) -> None:
        """Ask for what a link that is just going may still be in the way of. Raises Conflict when it stays so."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                rtnl.ask(request)
            except Refused as error:
                if error.errno not in _IN_THE_WAY:
                    raise
                if time.monotonic() > deadline:
                    raise Conflict(
                        f"failed to create the {self.kind} port on {record.parent}: {error.strerror}",
                        "another link on it has the address, is of another kind or mode, or is the parent's only one",
                    ) from error
            else:
                return
            time.sleep(0.005)

    def _endpoint(self, network: Network, record: Record, lease: Inside, mac: str) -> Endpoint:
        endpoint = Endpoint(network=network.id, driver=network.driver, interface=lease.name, mac=mac)
        for plan in record.plans():
            ipv6 = plan.subnet.ipv6
            gateway = _NOWHERE[ipv6] if self.routed(record) else plan.subnet.text(plan.gateway)
            told = {
                "address": plan.subnet.text(lease.of(ipv6=ipv6)), "prefix": plan.subnet.prefix,
                "gateway": "" if record.internal else gateway,
            }
            named = {key + ("6" if ipv6 else ""): value for key, value in told.items()}
            endpoint = msgspec.structs.replace(endpoint, **named)
        return endpoint

    def _give_back(self, where: str, container: str) -> None:
        lease = self._lent(where).held.get(container)
        if lease is None:
            return
        # First the interface, then the lease: killed in between, the lease still says what is left to do.
        with Netlink() as rtnl:
            stacking.unstack(rtnl, lease.namespace, lease.index, self.kind)
        with host.locked(self._root):
            state = self._lent(where)
            if state.held.get(container) == lease:
                del state.held[container]
                leases.save(where, state)

    @staticmethod
    def _lent(where: str) -> Leases[Inside]:
        return leases.load(where, Leases[Inside])

    def _translated(self, network: Network) -> AbstractContextManager[None]:
        return host.translated(f"network {network.name}", f"the {self.kind} module")


def _settled(rtnl: Netlink, pool: Pool, ipv6: bool, others: Sequence[Record]) -> Pool:
    """Return a pool with all settled that is open in it. One that was asked for may be the host's own subnet."""
    taken = [
        (plan.subnet, f"network {other.name}")
        for other in others
        for plan in other.plans()
        if plan.subnet.ipv6 == ipv6
    ]
    if not pool.subnet or pool.automatic:
        taken += links.taken(rtnl, besides="", ipv6=ipv6)
    return pools.settle(pool, pools.candidates(pool, ipv6=ipv6), taken)


def _make_vlan(rtnl: Netlink, name: str) -> None:
    below, number = _vlan(name)
    try:
        stacking.make_vlan(rtnl, below, name, number)
    except Refused as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        raise Unsupported(f"failed to create {name} vlan link: {error.strerror}", "the kernel needs the 8021q module") \
            from error


def _vlan(name: str) -> tuple[str, int]:
    """Return the link and the number of the VLAN that a name such as ``eth0.50`` tells. Raises InvalidInput."""
    if "." not in name:
        raise InvalidInput(f"invalid subinterface vlan name {name}, example formatting is eth0.10")
    below, _, number = name.partition(".")
    if "." in number:
        raise InvalidInput(
            f"required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received {name}"
        )
    if not number.isascii() or not number.isdecimal():
        raise InvalidInput(f"unable to parse a valid vlan id from: {number} (ex. eth0.10 for vlan 10)")
    if not links.index(below):
        raise InvalidInput(f"-o parent interface was not found on the host: {below}")
    if not 1 <= int(number) <= _LAST_VLAN:
        raise InvalidInput(f"vlan id must be between 1-{_LAST_VLAN}, received: {int(number)}")
    return below, int(number)
