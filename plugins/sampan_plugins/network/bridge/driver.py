"""Connect containers by Linux bridges: one network, one bridge, one subnet.

State, under ``root``: a directory per network with its record (survives a boot) and its leases (do not). Under
``run_root``: a mark per network that says what the host was last seen to have, so that a connection to a bridge
that is in order costs no more than a few system calls to check.

The *default* network is the one named as its driver: its bridge and subnet are the plugin's options, and it needs
no ``create``. Two locks, always taken in this order: the driver's, for its files, and the host's, for what
bridges and subnets there are, whichever root they belong to. The host's is a file in /run, as iptables' is: the
network namespace itself could be locked instead, but by anybody, for ever.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from sampan.contracts.network import NetworkCapabilities, NetworkDriver
from sampan.errors import Conflict, Denied, InvalidInput, NotFound, SampanError, Unavailable, Unsupported
from sampan.model.network import Endpoint, EndpointRequest, Network, Pool
from sampan_plugins.network.bridge import firewall, leases, links, options, records
from sampan_plugins.network.bridge import subnet as subnets
from sampan_plugins.network.bridge.firewall import Rules
from sampan_plugins.network.bridge.leases import Lease
from sampan_plugins.network.bridge.netlink import Netlink
from sampan_plugins.network.bridge.records import Record

_HOST_LOCK = "/run/sampan-network.lock"
_FORWARDING = "/proc/sys/net/ipv4/ip_forward"


class _Mark(msgspec.Struct, frozen=True):
    """What the host was last seen to have: the bridge's index and the count of firewall changes."""

    bridge: int
    generation: int


class BridgeDriver(NetworkDriver):
    """The driver. The module's documentation tells how it works."""

    capabilities = NetworkCapabilities(sandboxed=True, addressed=True, configurable=True)

    def __init__(self, root: str, run_root: str, table: Mapping[str, Any]) -> None:
        self._options = options.of_plugin(table)
        self._root = root
        self._run_root = run_root
        os.makedirs(root, mode=0o700, exist_ok=True)

    def create(self, network: Network) -> Network:
        """Check a network's settings, fill in subnet and gateway, and put its bridge on the host."""
        where = records.directory(self._root, network)
        with _translated(f"network {network.name}"), self._locked():
            record = self._prepared(network, where)
        pool = Pool(subnet=record.subnet, gateway=record.gateway, automatic=record.automatic)
        return msgspec.structs.replace(network, pools=(pool,))

    def remove(self, network: Network) -> None:
        """Take the bridge, its rules and its records away."""
        where = records.directory(self._root, network)
        with _translated(f"network {network.name}"), self._locked(), _host_locked():
            record = records.load(where)
            if record is None:
                return
            if leases.load(where).held:
                raise Conflict(f"network {network.name} has active endpoints", "disconnect its containers first")
            self._dismantle(record, where)

    def connect(self, network: Network, sandbox: str | None, request: EndpointRequest) -> Endpoint:
        """Make a veth pair between the sandbox and the bridge, with an address of the subnet."""
        if sandbox is None:
            raise InvalidInput(f"network {network.name} needs a sandbox to connect to")
        where = records.directory(self._root, network)
        mac = subnets.parse_mac(request.mac) if request.mac else ""
        if request.address6 or request.link_local:
            raise InvalidInput(f"network {network.name} has no IPv6 and no link-local addresses to give")
        for option in request.options:
            raise InvalidInput(f"unknown option of a connection to network {network.name}: {option!r}")
        with _translated(f"network {network.name}"):
            with self._locked():
                record = self._prepared(network, where)
                lease = self._lend(record, where, request)
            try:
                return self._plug(network, record, lease, sandbox, request, mac)
            except BaseException:
                self._give_back(where, request.container)
                raise

    def disconnect(self, network: Network, container: str) -> None:
        """Give the address back. The veth has died with the sandbox; one that has not is deleted."""
        where = records.directory(self._root, network)
        with _translated(f"network {network.name}"):
            self._give_back(where, container)

    def endpoints(self, network: Network) -> Iterator[str]:
        """Yield the ids of the containers that hold an address."""
        where = records.directory(self._root, network)
        yield from list(leases.load(where).held)

    # -- the host

    def _prepared(self, network: Network, where: str) -> Record:
        """Return the network's record, with all it needs on the host. The caller holds the driver's lock."""
        record = records.load(where)
        if record and record.asked != self._asked(network):
            self._forget(record, where)
            record = None
        if record and self._in_order(record):
            return record
        with _host_locked():
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
        if leases.load(where).held:
            raise Conflict(
                f"the settings of network {record.name} have changed while containers use it",
                "stop them first, or undo the change",
            )
        with _host_locked():
            self._dismantle(record, where)

    def _in_order(self, record: Record) -> bool:
        mark = self._mark(record)
        index = links.index(record.bridge)
        if not index or mark is None or mark.bridge != index:
            return False
        if not links.serves(record.bridge, record.parsed_gateway()):
            return False
        if not record.internal and not _forwarding():
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
        if network.ipv6 or not network.ipv4:
            raise InvalidInput(f"network {network.name} can have IPv4 addresses only")
        default, (pool, *more) = network.default, network.pools or (Pool(),)
        if more:
            raise InvalidInput(f"network {network.name} can have one subnet")
        if pool.range or pool.reserved:
            raise InvalidInput(f"network {network.name} can have no range of addresses and reserve none")
        # What the engine's record of the default network says is what was once chosen here, not by a user.
        wanted = self._options.subnet if default else "" if pool.automatic else pool.subnet
        with Netlink() as rtnl:
            bridge = self._bridge_name(rtnl, network, own.bridge, default)
            taken = self._others(network.id) + links.taken(rtnl, besides=bridge)
        subnet = records.choose(wanted, taken, preferred=pool.subnet)
        gateway = records.gateway_of(subnet, "" if default else pool.gateway)
        record = Record(
            id=network.id,
            name=network.name,
            bridge=bridge,
            subnet=str(subnet),
            gateway=subnets.text(gateway),
            mtu=own.mtu if own.mtu >= 0 else self._options.mtu,
            internal=network.internal,
            masquerade=own.masquerade,
            automatic=not wanted,
            asked=self._asked(network),
        )
        records.save(records.directory(self._root, network), record)
        return record

    def _resettled(self, record: Record) -> Record:
        """Check a record of an earlier boot against the host of today; choose anew what the driver chose."""
        if links.index(record.bridge):
            return record
        with Netlink() as rtnl:
            taken = links.taken(rtnl, besides=record.bridge)
        wanted = "" if record.automatic else record.subnet
        subnet = records.choose(wanted, taken, preferred=record.subnet)
        if str(subnet) == record.subnet:
            return record
        changed = msgspec.structs.replace(record, subnet=str(subnet), gateway=subnets.text(subnet.base + 1))
        records.save(f"{self._root}/{record.id}", changed)
        return changed

    def _bridge_name(self, rtnl: Netlink, network: Network, wanted: str, default: bool) -> str:
        if wanted or not default:
            return wanted or f"br-{network.id[:12]}"
        # Another root on this host may have the default name: take the next, unless the user chose it.
        stem = self._options.bridge.rstrip("0123456789")
        fixed = self._options.bridge != options.Options().bridge
        names = [self._options.bridge] if fixed else [f"{stem}{n}" for n in range(1000)]
        for name in names:
            if not links.index(name) or links.belongs(rtnl, name, self._alias(network.id)):
                return name
            if links.abandoned(rtnl, name):
                # A root that was deleted as files leaves its bridge behind.
                links.delete(name)
                firewall.uninstall(name)
                return name
        return names[0]

    def _others(self, network: str) -> list[tuple[subnets.Subnet, str]]:
        return [
            (record.parsed_subnet(), f"network {record.name}")
            for record in records.walk(self._root)
            if record.id != network
        ]

    def _ensure(self, record: Record) -> None:
        """Put on the host what the network needs and is not there. The caller holds both locks."""
        leases.sweep(f"{self._root}/{record.id}")
        with Netlink() as rtnl:
            self._ensure_bridge(rtnl, record)
        if not record.internal and not _forwarding():
            with open(_FORWARDING, "w") as file:
                file.write("1")
        generation = 0
        if self._options.firewall:
            firewall.install(_rules(record))
            generation = firewall.generation()
        else:
            firewall.uninstall(record.bridge)
        self._put_mark(record, _Mark(links.index(record.bridge), generation))

    def _ensure_bridge(self, rtnl: Netlink, record: Record) -> None:
        gateway = record.parsed_gateway()
        if links.index(record.bridge):
            if not links.belongs(rtnl, record.bridge, self._alias(record.id)):
                raise Conflict(
                    f"a link named {record.bridge} exists and is not network {record.name}'s bridge",
                    "remove it, or give the network another bridge name",
                )
        else:
            links.create_bridge(rtnl, record.bridge, gateway, record.mtu)
        links.mark(rtnl, record.bridge, self._alias(record.id))
        links.without_ipv6(record.bridge)
        links.address_bridge(rtnl, record.bridge, gateway, record.parsed_subnet())

    def _dismantle(self, record: Record, where: str) -> None:
        with Netlink() as rtnl:
            if links.index(record.bridge) and links.belongs(rtnl, record.bridge, self._alias(record.id)):
                links.delete(record.bridge)
        firewall.uninstall(record.bridge)
        _unlink(self._mark_path(record))
        for name in os.listdir(where):
            os.unlink(f"{where}/{name}")
        os.rmdir(where)

    def _alias(self, network: str) -> str:
        # Whose bridge it is. The kernel keeps 255 bytes; the end of a path tells more than its beginning.
        return f"{os.path.realpath(self._root)}/{network}"[-200:]

    # -- one container

    def _lend(self, record: Record, where: str, request: EndpointRequest) -> Lease:
        state = leases.load(where)
        old = state.held.pop(request.container, None)
        if old and links.index(old.host_interface):
            raise Conflict(f"container {request.container[:12]} is connected to network {record.name} already")
        name = f"veth{os.urandom(6).hex()[:11]}"
        lease = state.lend(
            request.container, record.parsed_subnet(), record.parsed_gateway(), request.address, name
        )
        leases.save(where, state)
        return lease

    def _plug(
        self, network: Network, record: Record, lease: Lease, sandbox: str, request: EndpointRequest, mac: str
    ) -> Endpoint:
        subnet = record.parsed_subnet()
        mac = mac or subnets.mac(lease.address)
        plug = links.Plug(record.bridge, lease.host_interface, mac, record.mtu, request.interface)
        interface = links.plug(sandbox, plug, lease.address, subnet)
        return Endpoint(
            network=network.id,
            driver=network.driver,
            interface=interface,
            host_interface=lease.host_interface,
            address=subnets.text(lease.address),
            prefix=subnet.prefix,
            gateway="" if record.internal else record.gateway,
            mac=mac,
        )

    def _give_back(self, where: str, container: str) -> None:
        lease = leases.load(where).held.get(container)
        if lease is None:
            return
        # First the interface, then the lease: killed in between, the lease still says what is left to do. The
        # kernel takes a millisecond to bury a namespace and 35 to delete a veth; it is given the chance.
        if not links.vanishes(lease.host_interface):
            links.delete(lease.host_interface)
        with self._locked():
            state = leases.load(where)
            if state.held.get(container) == lease:
                del state.held[container]
                leases.save(where, state)

    # -- files

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = os.open(f"{self._root}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

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


@contextmanager
def _host_locked() -> Iterator[None]:
    lock = os.open(_HOST_LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except SampanError:
        raise
    except OSError as error:
        reason = f"{what}: {error.strerror or error}"
        if error.errno in (errno.EPERM, errno.EACCES):
            raise Denied(reason, "it takes root, with CAP_NET_ADMIN and CAP_SYS_ADMIN") from error
        if error.errno in (errno.EOPNOTSUPP, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT):
            raise Unsupported(reason, "the kernel needs the bridge and veth modules") from error
        if error.errno == errno.ENOENT and error.filename:
            raise NotFound(f"{what}: no such sandbox: {error.filename}") from error
        raise Unavailable(reason) from error


def _rules(record: Record) -> Rules:
    return Rules(record.bridge, record.parsed_subnet(), record.internal, record.masquerade)


def _forwarding() -> bool:
    with open(_FORWARDING) as file:
        return file.read().strip() != "0"


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
