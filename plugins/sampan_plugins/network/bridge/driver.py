"""Connect containers by Linux bridges: one network, one bridge, a subnet of each family that it has.

State, under ``root``: a directory per network with its record (survives a boot) and its leases (do not). Under
``run_root``: a mark per network that says what the host was last seen to have, so that a connection to a bridge
that is in order costs no more than a few system calls to check.

The *default* network is the one named as its driver: its bridge and subnet are the plugin's options, and it needs
no ``create``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import msgspec

from sampan.addressing import host, leases, pools, records
from sampan.contracts.network import NetworkCapabilities, NetworkDriver
from sampan.errors import Conflict, InvalidInput, NotFound
from sampan.kernel import links
from sampan.kernel.links import Address
from sampan.kernel.netlink import Netlink
from sampan.model import subnet as subnets
from sampan.model.network import Endpoint, EndpointRequest, Network, Pool, PortMapping
from sampan_plugins.network.bridge import bridges, firewall, ledger, options, publication
from sampan_plugins.network.bridge.firewall import Rules
from sampan_plugins.network.bridge.ledger import Record, Veth

if TYPE_CHECKING:
    from sampan.addressing.ports import Claim

_FORWARDING = {False: "/proc/sys/net/ipv4/ip_forward", True: "/proc/sys/net/ipv6/conf/all/forwarding"}


class _Mark(msgspec.Struct, frozen=True):
    """What the host was last seen to have: the bridge's index and the count of firewall changes."""

    bridge: int
    generation: int


class BridgeDriver(NetworkDriver):
    """The driver. The module's documentation tells how it works."""

    capabilities = NetworkCapabilities(
        sandboxed=True, addressed=True, ipv6=True, configurable=True, publishes=True, republishes=True
    )

    def __init__(self, root: str, run_root: str, table: Mapping[str, Any]) -> None:
        self._options = options.of_plugin(table)
        self._root = root
        self._run_root = run_root
        os.makedirs(root, mode=0o700, exist_ok=True)

    def create(self, network: Network) -> Network:
        """Check a network's settings, fill in subnets and gateways, and put its bridge on the host."""
        where = records.directory(self._root, network)
        with _translated(network), host.locked(self._root):
            record = self._prepared(network, where)
        return msgspec.structs.replace(network, pools=record.pools)

    def describe(self, network: Network) -> Network:
        """Return the network with its subnets and gateways; the default one's are chosen now if they were not yet."""
        record = ledger.load(records.directory(self._root, network))
        if record is None and network.default:
            with _translated(network), host.locked(self._root), host.host_locked():
                record = ledger.load(records.directory(self._root, network)) or self._settle(network)
        if record is None:
            return network
        told = options.dockers(self._options, record.bridge) if network.default else network.options
        return msgspec.structs.replace(network, pools=record.pools, options=told)

    def remove(self, network: Network) -> None:
        """Take the bridge, its rules and its records away."""
        where = records.directory(self._root, network)
        with _translated(network), host.locked(self._root), host.host_locked():
            record = ledger.load(where)
            if record is None:
                return
            if ledger.lent(where).held:
                raise Conflict(f"network {network.name} has active endpoints", "disconnect its containers first")
            self._dismantle(record, where)

    def connect(self, network: Network, sandbox: str | None, request: EndpointRequest) -> Endpoint:
        """Make a veth pair between the sandbox and the bridge, with an address of the subnet."""
        if sandbox is None:
            raise InvalidInput(f"network {network.name} needs a sandbox to connect to")
        where = records.directory(self._root, network)
        mac = subnets.parse_mac(request.mac) if request.mac else ""
        local = [host.link_local(address) for address in request.link_local]
        for option in request.options:
            raise InvalidInput(f"unknown option of a connection to network {network.name}: {option!r}")
        with _translated(network), publication.claimed(self._root, network, request) as claims:
            with host.locked(self._root):
                record = self._prepared(network, where)
                lease = self._lend(record, where, request)
            try:
                endpoint = self._plug(network, record, lease, sandbox, request, mac, local)
                if claims:
                    self._publish(record, where, request.container, claims)
            except BaseException:
                self._give_back(where, request.container)
                raise
        return msgspec.structs.replace(endpoint, ports=tuple(claim.mapping for claim in claims))

    def publish(self, network: Network, request: EndpointRequest) -> tuple[PortMapping, ...]:
        """Have other ports of the host lead to a container that is connected."""
        where = records.directory(self._root, network)
        with _translated(network):
            record, lease = ledger.load(where), ledger.lent(where).held.get(request.container)
            if record is None or lease is None:
                raise NotFound(f"container {request.container[:12]} is not connected to network {network.name}")
            if lease.ports:
                self._withdraw(record, lease)
                self._relend(where, request.container, msgspec.structs.replace(lease, ports=(), proxy=None))
            with publication.claimed(self._root, network, request) as claims:
                if claims:
                    self._publish(record, where, request.container, claims)
                return tuple(claim.mapping for claim in claims)

    def disconnect(self, network: Network, container: str) -> None:
        """Give the address back. The veth has died with the sandbox; one that has not is deleted."""
        where = records.directory(self._root, network)
        with _translated(network):
            self._give_back(where, container)

    def endpoints(self, network: Network) -> Iterator[str]:
        """Yield the ids of the containers that hold an address."""
        where = records.directory(self._root, network)
        yield from list(ledger.lent(where).held)

    # -- the host

    def _prepared(self, network: Network, where: str) -> Record:
        """Return the network's record, with all it needs on the host. The caller holds the driver's lock."""
        record = ledger.load(where)
        if record and record.asked != self._asked(network):
            self._forget(record, where)
            record = None
        if record and self._in_order(record):
            return record
        with host.host_locked():
            if record:
                record = self._resettled(record)
                self._ensure(record)
                return record
            record = self._settle(network)
            try:
                self._ensure(record)
            except BaseException:
                self._dismantle(record, where)
                raise
        return record

    def _asked(self, network: Network) -> str:
        """Return the settings a record was made from and is made anew for: for the default network the plugin's."""
        if not network.default:
            return ""
        return f"{self._options.bridge} {self._options.subnet} {self._options.mtu}"

    def _forget(self, record: Record, where: str) -> None:
        if ledger.lent(where).held:
            raise Conflict(
                f"the settings of network {record.name} have changed while containers use it",
                "stop them first, or undo the change",
            )
        with host.host_locked():
            self._dismantle(record, where)

    def _in_order(self, record: Record) -> bool:
        mark = self._mark(record)
        index = links.index(record.bridge)
        if not index or mark is None or mark.bridge != index:
            return False
        for plan in record.plans():
            serves = links.serves6 if plan.subnet.ipv6 else links.serves
            if not serves(record.bridge, plan.gateway) or not (record.internal or _forwarding(plan.subnet.ipv6)):
                return False
        if not self._options.firewall:
            return not mark.generation
        generation = firewall.generation()
        if generation == mark.generation:
            return True
        if not firewall.intact(_rules(record)):
            return False
        self._put_mark(record, _Mark(index, generation))
        return True

    def _settle(self, network: Network) -> Record:
        """Choose what is open in a network that has no record yet, and keep it. Raises Conflict."""
        own = options.of_network(network.options)
        wanted = pools.wanted(network)
        if network.default:
            # What the engine's record of it says is what was once chosen here, not by a user.
            given = self._options.subnet
            wanted = {
                ipv6: Pool(subnet=given or pool.subnet, automatic=not given) for ipv6, pool in wanted.items()
            }
        with Netlink() as rtnl:
            bridge = self._bridge_name(rtnl, network, own.bridge, network.default)
            chosen = self._chosen(rtnl, network.id, bridge, wanted)
        record = Record(
            id=network.id,
            name=network.name,
            bridge=bridge,
            pools=chosen,
            mtu=own.mtu if own.mtu >= 0 else self._options.mtu,
            internal=network.internal,
            masquerade=own.masquerade,
            icc=own.icc,
            asked=self._asked(network),
        )
        records.save(records.directory(self._root, network), record)
        return record

    def _resettled(self, record: Record) -> Record:
        """Check a record of an earlier boot against the host of today; choose anew what the driver chose."""
        if links.index(record.bridge):
            return record
        with Netlink() as rtnl:
            chosen = self._chosen(rtnl, record.id, record.bridge, {pool.ipv6: pool for pool in record.pools})
        if chosen == record.pools:
            return record
        changed = msgspec.structs.replace(record, pools=chosen)
        records.save(f"{self._root}/{record.id}", changed)
        return changed

    def _chosen(self, rtnl: Netlink, network: str, bridge: str, wanted: Mapping[bool, Pool]) -> tuple[Pool, ...]:
        """Return pools, which are given by whether they are of IPv6, with all settled that is open in them."""
        found = []
        for ipv6, pool in wanted.items():
            taken = self._others(network) + links.taken(rtnl, besides=bridge, ipv6=ipv6)
            found.append(pools.settle(pool, pools.candidates(pool, ipv6=ipv6), taken))
        return tuple(found)

    def _bridge_name(self, rtnl: Netlink, network: Network, wanted: str, default: bool) -> str:
        if wanted or not default:
            return wanted or f"br-{network.id[:12]}"
        # Another root on this host may have the default name: take the next, unless the user chose it.
        stem = self._options.bridge.rstrip("0123456789")
        fixed = self._options.bridge != options.Options().bridge
        names = [self._options.bridge] if fixed else [f"{stem}{n}" for n in range(1000)]
        for name in names:
            if not links.index(name) or bridges.belongs(rtnl, name, self._alias(network.id)):
                return name
            if bridges.abandoned(rtnl, name):
                # A root that was deleted as files leaves its bridge behind.
                links.delete(name)
                firewall.uninstall(name)
                return name
        return names[0]

    def _others(self, network: str) -> pools.Taken:
        return [
            (plan.subnet, f"network {record.name}")
            for record in ledger.walk(self._root)
            for plan in record.plans()
            if record.id != network
        ]

    def _ensure(self, record: Record) -> None:
        """Put on the host what the network needs and is not there. The caller holds both locks."""
        leases.sweep(f"{self._root}/{record.id}")
        with Netlink() as rtnl:
            self._ensure_bridge(rtnl, record)
        for plan in record.plans():
            if not record.internal and not _forwarding(plan.subnet.ipv6):
                with open(_FORWARDING[plan.subnet.ipv6], "w") as file:
                    file.write("1")
        generation = 0
        if self._options.firewall:
            held = ledger.lent(f"{self._root}/{record.id}").held.values()
            firewall.install(_rules(record), publication.forwards(record.plans(), held))
            generation = firewall.generation()
        else:
            firewall.uninstall(record.bridge)
        self._put_mark(record, _Mark(links.index(record.bridge), generation))

    def _ensure_bridge(self, rtnl: Netlink, record: Record) -> None:
        plans = record.plans()
        if links.index(record.bridge):
            if not bridges.belongs(rtnl, record.bridge, self._alias(record.id)):
                raise Conflict(
                    f"a link named {record.bridge} exists and is not network {record.name}'s bridge",
                    "remove it, or give the network another bridge name",
                )
        else:
            bridges.create_bridge(rtnl, record.bridge, plans[0].gateway, record.mtu)
        links.mark(rtnl, record.bridge, self._alias(record.id))
        links.set_ipv6(record.bridge, record.ipv6)
        bridges.address_bridge(rtnl, record.bridge, [links.Address(plan.gateway, plan.subnet) for plan in plans])
        ports = [lease.host_interface for lease in ledger.lent(f"{self._root}/{record.id}").held.values()]
        bridges.attach(rtnl, record.bridge, ports, isolated=not record.icc)

    def _dismantle(self, record: Record, where: str) -> None:
        with Netlink() as rtnl:
            if links.index(record.bridge) and bridges.belongs(rtnl, record.bridge, self._alias(record.id)):
                links.delete(record.bridge)
        firewall.uninstall(record.bridge)
        try:
            os.unlink(self._mark_path(record))
        except FileNotFoundError:
            pass
        records.forget(where)

    def _alias(self, network: str) -> str:
        # Whose bridge it is. The kernel keeps 255 bytes; the end of a path tells more than its beginning.
        return f"{os.path.realpath(self._root)}/{network}"[-200:]

    # -- one container

    def _lend(self, record: Record, where: str, request: EndpointRequest) -> Veth:
        state = ledger.lent(where)
        old = state.held.pop(request.container, None)
        if old and links.index(old.host_interface):
            raise Conflict(f"container {request.container[:12]} is connected to network {record.name} already")
        name = f"veth{os.urandom(6).hex()[:11]}"
        wanted = {False: request.address, True: request.address6}
        address, address6 = state.choose(record.plans(), wanted)
        lease = Veth(host_interface=name, address=address, address6=address6)
        state.held[request.container] = lease
        leases.save(where, state)
        return lease

    def _plug(
        self, network: Network, record: Record, lease: Veth, sandbox: str, request: EndpointRequest, mac: str,
        local: Sequence[Address],
    ) -> Endpoint:  # fmt: skip
        plans = record.plans()
        addresses = [Address(lease.of(ipv6=plan.subnet.ipv6), plan.subnet) for plan in plans]
        mac = mac or subnets.mac(addresses[0].number)
        plug = bridges.Plug(
            bridge=record.bridge, host_name=lease.host_interface, mac=mac, mtu=record.mtu,
            addresses=[*addresses, *local], name=request.interface, isolated=not record.icc,
            prefix=options.of_network(network.options).interface,
        )
        interface = bridges.plug(sandbox, plug)
        endpoint = Endpoint(
            network=network.id, driver=network.driver, interface=interface, host_interface=lease.host_interface, mac=mac
        )
        for one, plan in zip(addresses, plans, strict=True):
            which = "6" if plan.subnet.ipv6 else ""
            told = {
                "address": plan.subnet.text(one.number), "prefix": plan.subnet.prefix,
                "gateway": "" if record.internal else plan.subnet.text(plan.gateway),
            }
            endpoint = msgspec.structs.replace(endpoint, **{name + which: value for name, value in told.items()})
        return endpoint

    def _publish(self, record: Record, where: str, container: str, claims: Sequence[Claim]) -> None:
        """Have claimed ports of the host lead to a container: by a proxy, and where there are rules by these."""
        plans = record.plans()
        proxy = publication.serve(ledger.lent(where).held[container], plans, claims)
        with host.locked(self._root):
            state = ledger.lent(where)
            others = publication.forwards(plans, state.held.values())
            ports = tuple(claim.mapping for claim in claims)
            lease = state.held[container] = msgspec.structs.replace(state.held[container], ports=ports, proxy=proxy)
            leases.save(where, state)
            if self._options.firewall:
                with host.host_locked():
                    firewall.publish(_rules(record), publication.forwards(plans, [lease]), others)

    def _relend(self, where: str, container: str, lease: Veth) -> None:
        with host.locked(self._root):
            state = ledger.lent(where)
            state.held[container] = lease
            leases.save(where, state)

    @staticmethod
    def _withdraw(record: Record, lease: Veth) -> None:
        firewall.withdraw(_rules(record), publication.forwards(record.plans(), [lease]))
        if lease.proxy:
            publication.end(lease.proxy)

    def _give_back(self, where: str, container: str) -> None:
        lease = ledger.lent(where).held.get(container)
        if lease is None:
            return
        record = ledger.load(where)
        if lease.ports and record:
            self._withdraw(record, lease)
        # First the interface, then the lease: killed in between, the lease still says what is left to do. The
        # kernel takes a millisecond to bury a namespace and 35 to delete a veth; it is given the chance.
        if not links.vanishes(lease.host_interface):
            links.delete(lease.host_interface)
        with host.locked(self._root):
            state = ledger.lent(where)
            if state.held.get(container) == lease:
                del state.held[container]
                leases.save(where, state)

    # -- files

    def _mark_path(self, record: Record) -> str:
        return f"{self._run_root}/{record.id}.json"

    def _mark(self, record: Record) -> _Mark | None:
        try:
            with open(self._mark_path(record), "rb") as file:
                return msgspec.json.decode(file.read(), type=_Mark)
        except (OSError, msgspec.DecodeError, msgspec.ValidationError):
            return None

    def _put_mark(self, record: Record, mark: _Mark) -> None:
        os.makedirs(self._run_root, mode=0o700, exist_ok=True)
        temporary = self._mark_path(record) + ".new"
        with open(temporary, "wb") as file:
            file.write(msgspec.json.encode(mark))
        os.rename(temporary, self._mark_path(record))


def _translated(network: Network) -> AbstractContextManager[None]:
    return host.translated(f"network {network.name}", "the bridge and veth modules")


def _rules(record: Record) -> Rules:
    subnets = tuple(plan.subnet for plan in record.plans())
    return Rules(record.bridge, subnets, record.internal, record.masquerade, record.icc)


def _forwarding(ipv6: bool) -> bool:
    with open(_FORWARDING[ipv6]) as file:
        return file.read().strip() != "0"

